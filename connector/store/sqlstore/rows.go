package sqlstore

import (
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"flexbrevo/connector/rawjson"
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
	// value is one value as an argument for SQLite.
	value(i int) any
	// appendJSON appends one value as JSON.
	appendJSON(b []byte, i int) []byte
}

func (r rows) size() int { return r[0].size() }

// drafts are buffers in which tables are written as JSON.
var drafts = sync.Pool{New: func() any { return new([]byte) }}

// json is the whole table as a JSON array of arrays.
func (r rows) json() string {
	draft := drafts.Get().(*[]byte)
	defer drafts.Put(draft)
	b := append((*draft)[:0], '[')
	for i := range r.size() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, c := range r {
			if j > 0 {
				b = append(b, ',')
			}
			b = c.appendJSON(b, i)
		}
		b = append(b, ']')
	}
	*draft = append(b, ']')
	return string(*draft)
}

// ints is a column of numbers.
type ints []int64

func (c ints) size() int                         { return len(c) }
func (c ints) array() any                        { return []int64(c) }
func (c ints) value(i int) any                   { return c[i] }
func (c ints) appendJSON(b []byte, i int) []byte { return strconv.AppendInt(b, c[i], 10) }

// refs is a column of ids where 0 is NULL.
type refs []int64

func (c refs) size() int { return len(c) }

func (c refs) array() any {
	out := make([]pgtype.Int8, len(c))
	for i, v := range c {
		out[i] = pgtype.Int8{Int64: v, Valid: v != 0}
	}
	return out
}

func (c refs) value(i int) any {
	if c[i] == 0 {
		return nil
	}
	return c[i]
}

func (c refs) appendJSON(b []byte, i int) []byte {
	if c[i] == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, c[i], 10)
}

// moments is a column of times in Unix milliseconds where the zero time is NULL.
type moments []time.Time

func (c moments) size() int { return len(c) }

func (c moments) array() any {
	out := make([]pgtype.Int8, len(c))
	for i, t := range c {
		out[i] = pgtype.Int8{Int64: t.UnixMilli(), Valid: !t.IsZero()}
	}
	return out
}

func (c moments) value(i int) any { return moment(c[i]) }

func (c moments) appendJSON(b []byte, i int) []byte {
	if c[i].IsZero() {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, c[i].UnixMilli(), 10)
}

// texts is a column of text: valid UTF-8 without NUL, see name.
type texts []string

func (c texts) size() int       { return len(c) }
func (c texts) array() any      { return []string(c) }
func (c texts) value(i int) any { return c[i] }

func (c texts) appendJSON(b []byte, i int) []byte { return rawjson.AppendText(b, c[i]) }

// blobs is a column of bytes, which may hold anything. Statements with such a
// column go row by row on SQLite and never pass through JSON.
type blobs [][]byte

func (c blobs) size() int       { return len(c) }
func (c blobs) array() any      { return [][]byte(c) }
func (c blobs) value(i int) any { return bytesOf(c[i]) }

func (c blobs) appendJSON([]byte, int) []byte {
	panic("sqlstore: bytes in a statement without a bytea column")
}

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
	*c.t = time.Time{}
	if ms, ok := src.(int64); ok {
		*c.t = time.UnixMilli(ms).UTC()
	}
	return nil
}
