package sqlstore

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/klauspost/compress/s2"

	"flexbrevo/connector/record"
)

// A record's body is stored as it came, or behind a first byte that names another form. No
// text in UTF-8 begins with such a byte, so neither JSON nor a form does, and rows without
// one are plain. An empty body is one that was emptied, and nothing else.
const (
	// firstForm is the lowest byte that names a form.
	firstForm = plainForm
	// plainForm stands before a body that happens to begin with such a byte.
	plainForm = 0xf8
	// s2Form1 stands before an S2 block made with dictionary 1.
	s2Form1 = 0xf9
)

// packedMost is how large a body may be that is compressed. What a damaged length says
// beyond that is not believed.
const packedMost = 1 << 20

// dictionary1Text is what bodies of Twilio have in common: keys of JSON and of forms, and
// Twilio's own words, in the shapes of facts/twilio.md, the most frequent last. Rows depend
// on it for as long as they are kept: it is never edited. A better one is another file with
// a form of its own.
//
//go:embed dictionary1.txt
var dictionary1Text string

// dictionary1 has its last line stand for what a body begins with.
var dictionary1 = sync.OnceValue(func() *s2.Dict {
	last := strings.LastIndexByte(strings.TrimSuffix(dictionary1Text, "\n"), '\n') + 1
	return s2.MakeDictManual([]byte(dictionary1Text), uint16(last))
})

// appendBody appends a body as it is stored. One that would not be shorter stays plain.
func appendBody(b, body []byte) []byte {
	if len(body) == 0 {
		return b
	}
	if len(body) <= packedMost {
		from := len(b) + 1
		b = slices.Grow(b, 1+s2.MaxEncodedLen(len(body)))
		block := dictionary1().Encode(b[from:cap(b)], body)
		if 1+len(block) < len(body) {
			return append(b, s2Form1)[:from+len(block)]
		}
	}
	if body[0] >= firstForm {
		b = append(b, plainForm)
	}
	return append(b, body...)
}

// bodies is a column of records' bodies, given as they came. Each is brought into the form
// it is stored in where it is written, so that no second copy of a page is in memory.
type bodies [][]byte

func (c bodies) size() int  { return len(c) }
func (c bodies) array() any { return c }

func (c bodies) value(i int, room []byte) (any, []byte) {
	room = appendBody(room, c[i])
	return room, room
}

func (c bodies) element() uint32 { return pgtype.ByteaOID }
func (c bodies) room() int       { return bytesIn(c) / 2 }
func (c bodies) nulls() bool     { return false }

func (c bodies) appendElement(b []byte, i int) []byte {
	length := len(b)
	b = appendBody(append(b, 0, 0, 0, 0), c[i])
	binary.BigEndian.PutUint32(b[length:], uint32(len(b)-length-4))
	return b
}

var errDamagedBody = errors.New(record.DamagedBody)

// unpack returns the body that was stored in some form, in the arena.
func (a *arena) unpack(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] < firstForm {
		return a.copy(stored), nil
	}
	form, rest := stored[0], stored[1:]
	switch form {
	case plainForm:
		return a.copy(rest), nil
	case s2Form1:
		n, err := s2.DecodedLen(rest)
		if err != nil || n == 0 || n > packedMost {
			return nil, errDamagedBody
		}
		room := a.take(n)
		if _, err := dictionary1().Decode(room, rest); err != nil {
			a.drop(n)
			return nil, errDamagedBody
		}
		return room, nil
	}
	return nil, fmt.Errorf("the body in the store has the unknown form %#x: a newer flexbrevo wrote it, or it is damaged", form)
}

// bodyOf scans a stored body into a record. Where it cannot be read the record says so, and
// holds it as it is stored: one of many must not keep the others from being read.
type bodyOf struct {
	record *record.Record
	room   *arena
}

// Scan implements sql.Scanner.
func (b bodyOf) Scan(src any) error {
	stored, ok := src.([]byte)
	if !ok && src != nil {
		return fmt.Errorf("a body of type %T", src)
	}
	return b.ScanBytes(stored)
}

// ScanBytes implements pgtype.BytesScanner: pgx would copy the bytes for Scan.
func (b bodyOf) ScanBytes(stored []byte) error {
	body, err := b.room.unpack(stored)
	if err != nil {
		body, b.record.Damage = b.room.copy(stored), err.Error()
	}
	b.record.Body = body
	return nil
}

// recordColumns are what scanRecord scans.
const recordColumns = `id, key, stream, type, via, lane, at, body`

// scanRecord scans a record without the moment of its capture, its body into the arena.
func scanRecord(r row, bodies *arena) (record.Record, error) {
	var rec record.Record
	err := r.Scan(&rec.ID, &rec.Key, &rec.Stream, &rec.Type, &rec.Via, &rec.Lane, clock{&rec.At}, bodyOf{&rec, bodies})
	return rec, err
}

// arena is room for many bodies, which live as long as one of them does.
type arena []byte

// arenaBytes is how much room is made at once.
const arenaBytes = 64 << 10

// take returns room for so many bytes.
func (a *arena) take(n int) []byte {
	if n > cap(*a)-len(*a) {
		*a = make([]byte, 0, max(arenaBytes, n))
	}
	from := len(*a)
	*a = (*a)[:from+n]
	return (*a)[from : from+n : from+n]
}

// drop gives the room back that was taken last.
func (a *arena) drop(n int) { *a = (*a)[:len(*a)-n] }

// copy copies bytes into the arena.
func (a *arena) copy(b []byte) []byte {
	room := a.take(len(b))
	copy(room, b)
	return room
}
