package sqlstore

import (
	"slices"
	"strconv"
	"sync"
	"time"

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
	// appendJSON appends one value as JSON.
	appendJSON(b []byte, i int) []byte
}

func (r rows) size() int { return r[0].size() }

// pieceBytes is about how much of a table with bytes goes into one statement on SQLite,
// which keeps a copy of it meanwhile.
const pieceBytes = 64 << 10

// piece returns where the statement ends that begins with row from: at the end, or,
// where a column is bytes, when they are enough.
func (r rows) piece(from int) int {
	size := 0
	for i := from; i < r.size(); i++ {
		for _, c := range r {
			if b, ok := c.(blobs); ok {
				size += len(b[i])
			}
		}
		if size > pieceBytes {
			return i + 1
		}
	}
	return r.size()
}

// drafts are buffers in which tables are written as JSON.
var drafts = sync.Pool{New: func() any { return new([]byte) }}

// json is the rows from one to before another as a JSON array of arrays. In the place of
// bytes stands where they are in those of the column: its first, counted from 1, and how
// many.
func (r rows) json(from, to int) string {
	draft := drafts.Get().(*[]byte)
	defer drafts.Put(draft)
	b, at := append((*draft)[:0], '['), make([]int, len(r))
	for i := from; i < to; i++ {
		if i > from {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j, c := range r {
			if j > 0 {
				b = append(b, ',')
			}
			if bytes, ok := c.(blobs); ok {
				b = append(b, '[')
				b = append(strconv.AppendInt(b, int64(at[j])+1, 10), ',')
				b = append(strconv.AppendInt(b, int64(len(bytes[i])), 10), ']')
				at[j] += len(bytes[i])
				continue
			}
			b = c.appendJSON(b, i)
		}
		b = append(b, ']')
	}
	*draft = append(b, ']')
	return string(*draft)
}

// append appends the rows from one to before another as SQLite's arguments.
func (r rows) append(args []any, from, to int) []any {
	args = append(args, r.json(from, to))
	for _, c := range r {
		if b, ok := c.(blobs); ok {
			args = append(args, b.join(from, to))
		}
	}
	return args
}

// ints is a column of numbers.
type ints []int64

func (c ints) size() int                         { return len(c) }
func (c ints) array() any                        { return c }
func (c ints) appendJSON(b []byte, i int) []byte { return strconv.AppendInt(b, c[i], 10) }

// refs is a column of ids where 0 is NULL.
type refs []int64

func (c refs) size() int { return len(c) }

func (c refs) array() any { return c }

func (c refs) appendJSON(b []byte, i int) []byte {
	if c[i] == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, c[i], 10)
}

// moments is a column of times in Unix milliseconds where the zero time is NULL.
type moments []time.Time

func (c moments) size() int { return len(c) }

func (c moments) array() any { return c }

func (c moments) appendJSON(b []byte, i int) []byte {
	if c[i].IsZero() {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, c[i].UnixMilli(), 10)
}

// texts is a column of text: valid UTF-8 without NUL, see name.
type texts []string

func (c texts) size() int  { return len(c) }
func (c texts) array() any { return c }

func (c texts) appendJSON(b []byte, i int) []byte { return rawjson.AppendText(b, c[i]) }

// blobs is a column of bytes, which may hold anything. On SQLite they never pass through
// JSON, see join.
type blobs [][]byte

func (c blobs) size() int  { return len(c) }
func (c blobs) array() any { return c }

func (c blobs) appendJSON([]byte, int) []byte {
	panic("sqlstore: bytes have no JSON")
}

// join returns the values from one to before another, one after the other.
func (c blobs) join(from, to int) []byte { return bytesOf(slices.Concat(c[from:to]...)) }

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
