package sqlstore

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// array is a column in PostgreSQL's binary form. pgx would append one element after the
// other to a buffer that grows from nothing, and so allocate several times what it sends.
type array interface {
	size() int
	// element is the type of an element.
	element() uint32
	// room is how many bytes the elements take, without their lengths.
	room() int
	// nulls says whether there may be NULLs.
	nulls() bool
	// appendElement appends the length and the bytes of an element.
	appendElement(b []byte, i int) []byte
}

// arrayCodec writes arrays of its own at once and leaves others to pgx.
type arrayCodec struct{ *pgtype.ArrayCodec }

// useArrays has a connection's types write the columns of rows.
func useArrays(types *pgtype.Map) {
	for _, oid := range []uint32{pgtype.Int8ArrayOID, pgtype.TextArrayOID, pgtype.ByteaArrayOID} {
		standard, _ := types.TypeForOID(oid) // all three are built in
		codec := arrayCodec{standard.Codec.(*pgtype.ArrayCodec)}
		types.RegisterType(&pgtype.Type{Name: standard.Name, OID: oid, Codec: codec})
	}
}

// PlanEncode implements pgtype.Codec.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if a, ok := value.(array); ok && format == pgtype.BinaryFormatCode && a.element() == c.ElementType.OID {
		return arrayPlan{}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// arrayPlan writes an array of one dimension: dimensions, whether there are NULLs, the
// elements' type, their number, the first index, and the elements with their lengths.
type arrayPlan struct{}

// Encode implements pgtype.EncodePlan.
func (arrayPlan) Encode(value any, buf []byte) ([]byte, error) {
	a, n := value.(array), value.(array).size()
	buf = slices.Grow(buf, 5*4+4*n+a.room())
	buf = binary.BigEndian.AppendUint32(buf, 1)
	buf = binary.BigEndian.AppendUint32(buf, uint32(flag(a.nulls())))
	buf = binary.BigEndian.AppendUint32(buf, a.element())
	buf = binary.BigEndian.AppendUint32(buf, uint32(n))
	buf = binary.BigEndian.AppendUint32(buf, 1)
	for i := range n {
		buf = a.appendElement(buf, i)
	}
	return buf, nil
}

func appendNumber(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n))
}

func appendNull(b []byte) []byte { return binary.BigEndian.AppendUint32(b, 1<<32-1) }

func (c ints) element() uint32                      { return pgtype.Int8OID }
func (c ints) room() int                            { return 8 * len(c) }
func (c ints) nulls() bool                          { return false }
func (c ints) appendElement(b []byte, i int) []byte { return appendNumber(b, c[i]) }

func (c refs) element() uint32 { return pgtype.Int8OID }
func (c refs) room() int       { return 8 * len(c) }
func (c refs) nulls() bool     { return slices.Contains(c, 0) }

func (c refs) appendElement(b []byte, i int) []byte {
	if c[i] == 0 {
		return appendNull(b)
	}
	return appendNumber(b, c[i])
}

func (c moments) element() uint32 { return pgtype.Int8OID }
func (c moments) room() int       { return 8 * len(c) }
func (c moments) nulls() bool     { return slices.ContainsFunc(c, time.Time.IsZero) }

func (c moments) appendElement(b []byte, i int) []byte {
	if c[i].IsZero() {
		return appendNull(b)
	}
	return appendNumber(b, c[i].UnixMilli())
}

func (c texts) element() uint32 { return pgtype.TextOID }
func (c texts) room() int       { return bytesIn(c) }
func (c texts) nulls() bool     { return false }

func (c texts) appendElement(b []byte, i int) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(c[i]))), c[i]...)
}

func (c blobs) element() uint32 { return pgtype.ByteaOID }
func (c blobs) room() int       { return bytesIn(c) }
func (c blobs) nulls() bool     { return slices.ContainsFunc(c, isNil) }

func (c blobs) appendElement(b []byte, i int) []byte {
	if c[i] == nil {
		return appendNull(b)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(c[i]))), c[i]...)
}

func isNil(b []byte) bool { return b == nil }

func bytesIn[T string | []byte](column []T) int {
	n := 0
	for _, s := range column {
		n += len(s)
	}
	return n
}
