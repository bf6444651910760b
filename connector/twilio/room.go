package twilio

import "context"

// room is memory that answers are read into one after the other, so that a reading of
// many pages does not need a megabyte of its own for each. What was read there is good
// until the room is free again: only whoever knows that nothing of an answer is needed
// any more may free it. It belongs to one reading; the zero room is free.
type room struct {
	buf   []byte
	taken bool // what it holds is still needed
}

// roomKey is the key of a call's room in its context.
type roomKey struct{}

// withRoom lends a room to the calls made with the context. While it is taken they read
// into memory of their own.
func withRoom(ctx context.Context, r *room) context.Context {
	return context.WithValue(ctx, roomKey{}, r)
}

// roomIn returns the room that a context lends, nil where there is none to be had.
func roomIn(ctx context.Context) *room {
	if r, ok := ctx.Value(roomKey{}).(*room); ok && !r.taken {
		return r
	}
	return nil
}

// memory returns empty memory for about size bytes.
func (r *room) memory(size int) []byte {
	if r == nil {
		return make([]byte, 0, size)
	}
	if cap(r.buf) < size {
		r.buf = make([]byte, 0, size+size/4) // the next page is not much larger
	}
	return r.buf[:0]
}

// keep keeps the memory that an answer was read into in the end.
func (r *room) keep(b []byte) {
	if r != nil {
		r.buf = b
	}
}
