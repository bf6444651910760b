package brevosim

import (
	"bytes"
	"iter"
)

// propertyStore keeps JSON objects compactly and without pointers for the garbage collector: the sequence of keys that
// an object has is stored once per sequence, and the values go into large chunks. A million events differ in their
// values, hardly ever in their keys.
type propertyStore struct {
	shapes map[string]uint32
	keys   [][][]byte
	chunks [][]byte
}

// propertyRef finds a stored object; the zero value means there is none.
type propertyRef struct{ shape, chunk, offset, length uint32 }

const propertyChunk = 1 << 20

// put stores a compact JSON object.
func (p *propertyStore) put(object []byte) propertyRef {
	if len(object) == 0 {
		return propertyRef{}
	}
	var names, values []byte
	keys := [][]byte{}
	for key, value := range members(object) {
		names = append(append(names, key...), ',')
		keys = append(keys, key)
		values = append(append(values, value...), '\n')
	}
	ref := propertyRef{shape: p.shape(names, keys), length: uint32(len(values))}
	ref.chunk, ref.offset = p.place(values)
	return ref
}

// shape returns the number of a sequence of keys, counted from one.
func (p *propertyStore) shape(names []byte, keys [][]byte) uint32 {
	if n, known := p.shapes[string(names)]; known {
		return n
	}
	for i := range keys {
		keys[i] = bytes.Clone(keys[i])
	}
	p.keys = append(p.keys, keys)
	n := uint32(len(p.keys))
	if p.shapes == nil {
		p.shapes = map[string]uint32{}
	}
	p.shapes[string(names)] = n
	return n
}

func (p *propertyStore) place(values []byte) (chunk, offset uint32) {
	last := len(p.chunks) - 1
	if last < 0 || cap(p.chunks[last])-len(p.chunks[last]) < len(values) {
		p.chunks = append(p.chunks, make([]byte, 0, max(propertyChunk, len(values))))
		last++
	}
	offset = uint32(len(p.chunks[last]))
	p.chunks[last] = append(p.chunks[last], values...)
	return uint32(last), offset
}

// storedObject is a view of a stored object. What it points to is never written again, so that it may be read without
// the lock under which it was taken.
type storedObject struct {
	keys   [][]byte
	values []byte
}

// get returns a view of a stored object.
func (p *propertyStore) get(ref propertyRef) storedObject {
	if ref.shape == 0 {
		return storedObject{}
	}
	return storedObject{
		keys:   p.keys[ref.shape-1],
		values: p.chunks[ref.chunk][ref.offset : ref.offset+ref.length],
	}
}

// appendJSON writes the object, or nothing where there is none.
func (o storedObject) appendJSON(dst []byte) []byte {
	if o.keys == nil {
		return dst
	}
	dst = append(dst, '{')
	for i, rest := 0, o.values; i < len(o.keys); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		// A value holds no line feed: JSON escapes it.
		var value []byte
		value, rest, _ = bytes.Cut(rest, []byte{'\n'})
		dst = append(append(append(dst, o.keys[i]...), ':'), value...)
	}
	return append(dst, '}')
}

// members walks the members of a compact, valid JSON object: each key with its quotes, and its value.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := 1; i < len(object)-1; {
			keyEnd := i + stringLength(object[i:])
			valueEnd := keyEnd + 1 + valueLength(object[keyEnd+1:])
			if !yield(object[i:keyEnd], object[keyEnd+1:valueEnd]) {
				return
			}
			i = valueEnd + 1
		}
	}
}

// stringLength measures the JSON string that text begins with.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// valueLength measures the compact JSON value that text begins with.
func valueLength(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}
