package sqlstore

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"flexbrevo/connector/fact"
)

// rows is a table handed over with a statement, column by column: the columns of
// a {rows …} hole, in its order, all of the same length.
type rows []column

// column is one column of rows.
type column interface {
	// size is the number of values.
	size() int
	// array is the column as one argument for PostgreSQL.
	array() any
	// value is one value for SQLite: int64, string, []byte or nil. It may be made ready in
	// room, which is returned with it, and is good until that is used again.
	value(i int, room []byte) (any, []byte)
}

func (r rows) size() int { return r[0].size() }

// pieceRows is how many rows of a table that is bulky go into one statement on SQLite, which
// keeps copies of the pages that it changes meanwhile.
const pieceRows = 100

// bulky says whether a table goes over in pieces.
func (r rows) bulky() bool {
	return r.size() > pieceRows && slices.ContainsFunc(r, func(c column) bool { _, ok := c.(documents); return ok })
}

// ints is a column of numbers.
type ints []int64

func (c ints) size() int                              { return len(c) }
func (c ints) array() any                             { return c }
func (c ints) value(i int, room []byte) (any, []byte) { return c[i], room }

// refs is a column of ids where 0 is NULL.
type refs []int64

func (c refs) size() int { return len(c) }

func (c refs) array() any { return c }

func (c refs) value(i int, room []byte) (any, []byte) {
	if c[i] == 0 {
		return nil, room
	}
	return c[i], room
}

// moments is a column of times in Unix milliseconds where the zero time is NULL.
type moments []time.Time

func (c moments) size() int { return len(c) }

func (c moments) array() any { return c }

func (c moments) value(i int, room []byte) (any, []byte) { return moment(c[i]), room }

// texts is a column of text: valid UTF-8 without NUL, see name.
type texts []string

func (c texts) size() int  { return len(c) }
func (c texts) array() any { return c }

func (c texts) value(i int, room []byte) (any, []byte) { return validText(c[i]), room }

// validText replaces what is no UTF-8 by U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// documents is a column of text: what facts tell, as they are stored.
type documents []*fact.Fact

func (c documents) size() int { return len(c) }

// array gives texts that are parts of one.
func (c documents) array() any {
	all, ends := make([]byte, 0, documentBytes*len(c)), make([]int, len(c))
	for i, f := range c {
		all = f.AppendJSON(all)
		ends[i] = len(all)
	}
	one, out, from := string(all), make(texts, len(c)), 0
	for i, end := range ends {
		out[i], from = one[from:end], end
	}
	return out
}

// documentBytes is more than most facts have.
const documentBytes = 2 << 10

// value makes no copy: room is not used again before SQLite has its own.
func (c documents) value(i int, room []byte) (any, []byte) {
	room = c[i].AppendJSON(room)
	return unsafe.String(unsafe.SliceData(room), len(room)), room
}

// blobs is a column of bytes.
type blobs [][]byte

func (c blobs) size() int  { return len(c) }
func (c blobs) array() any { return c }

func (c blobs) value(i int, room []byte) (any, []byte) { return bytesOf(c[i]), room }

// bytesOf makes nil an empty value, which drivers would store as NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// moment is a time as an argument, NULL for none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// clock scans a moment column into a time.
type clock struct{ t *time.Time }

// Scan implements sql.Scanner.
func (c clock) Scan(src any) error {
	ms, ok := src.(int64)
	return c.ScanInt64(pgtype.Int8{Int64: ms, Valid: ok})
}

// ScanInt64 implements pgtype.Int64Scanner.
func (c clock) ScanInt64(ms pgtype.Int8) error {
	*c.t = time.Time{}
	if ms.Valid {
		*c.t = time.UnixMilli(ms.Int64).UTC()
	}
	return nil
}
