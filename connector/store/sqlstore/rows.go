package sqlstore

import (
	"time"

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
	// appendJSONB appends one value in SQLite's binary form of JSON.
	appendJSONB(b []byte, i int) []byte
}

// joined is a column of bytes, which may hold anything. On SQLite they never pass through
// JSON: a statement takes those of a piece one after the other.
type joined interface {
	// take says how many bytes the next value takes that is joined.
	take(i int) int
	// appendJoined appends the values from one to before another, which were taken one by
	// one.
	appendJoined(b []byte, from, to int) []byte
}

func (r rows) size() int { return r[0].size() }

// pieceBytes is about how much of a table with bytes or documents goes into one statement
// on SQLite, which keeps copies of it meanwhile: with a row more it is below 64 KB, beyond
// which memory is had by powers of two.
const pieceBytes = 56 << 10

// bulky says whether a table is handed over in pieces.
func (r rows) bulky() bool {
	for _, c := range r {
		switch c.(type) {
		case joined, documents:
			return true
		}
	}
	return false
}

// piece appends the rows from one on to draft, as many as go into one statement, or all
// where limit is 0, and returns them as SQLite's arguments with the longer draft, of which
// they are parts, and with where the next piece begins.
func (r rows) piece(args []any, draft []byte, from, limit int) ([]any, []byte, int) {
	began := len(draft)
	draft, to := r.appendJSONB(draft, from, limit)
	args = append(args, draft[began:])
	for _, c := range r {
		if b, ok := c.(joined); ok {
			began = len(draft)
			draft = b.appendJoined(draft, from, to)
			args = append(args, draft[began:])
		}
	}
	return args, draft, to
}

// appendJSONB appends the rows from one on as an array of arrays, until they have more than
// limit bytes, and returns where it ended. In the place of bytes stands where they are in
// those of the column: its first, counted from 1, and how many.
func (r rows) appendJSONB(b []byte, from, limit int) ([]byte, int) {
	b = openValue(b, jsonbArray)
	began, at, i := len(b), make([]int, len(r)), from
	for beside := 0; i < r.size() && (limit == 0 || len(b)-began+beside <= limit); i++ {
		b = openValue(b, jsonbArray)
		row := len(b)
		for j, c := range r {
			bytes, ok := c.(joined)
			if !ok {
				b = c.appendJSONB(b, i)
				continue
			}
			b = openValue(b, jsonbArray)
			place, size := len(b), bytes.take(i)
			b = appendJSONBInt(appendJSONBInt(b, int64(at[j])+1), int64(size))
			closeValue(b, place)
			at[j], beside = at[j]+size, beside+size
		}
		closeValue(b, row)
	}
	closeValue(b, began)
	return b, i
}

// ints is a column of numbers.
type ints []int64

func (c ints) size() int                          { return len(c) }
func (c ints) array() any                         { return c }
func (c ints) appendJSONB(b []byte, i int) []byte { return appendJSONBInt(b, c[i]) }

// refs is a column of ids where 0 is NULL.
type refs []int64

func (c refs) size() int { return len(c) }

func (c refs) array() any { return c }

func (c refs) appendJSONB(b []byte, i int) []byte {
	if c[i] == 0 {
		return appendJSONBNull(b)
	}
	return appendJSONBInt(b, c[i])
}

// moments is a column of times in Unix milliseconds where the zero time is NULL.
type moments []time.Time

func (c moments) size() int { return len(c) }

func (c moments) array() any { return c }

func (c moments) appendJSONB(b []byte, i int) []byte {
	if c[i].IsZero() {
		return appendJSONBNull(b)
	}
	return appendJSONBInt(b, c[i].UnixMilli())
}

// texts is a column of text: valid UTF-8 without NUL, see name.
type texts []string

func (c texts) size() int  { return len(c) }
func (c texts) array() any { return c }

func (c texts) appendJSONB(b []byte, i int) []byte { return appendJSONBText(b, c[i]) }

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

func (c documents) appendJSONB(b []byte, i int) []byte {
	b = openValue(b, jsonbText)
	from := len(b)
	b = c[i].AppendJSON(b)
	closeValue(b, from)
	return b
}

// blobs is a column of bytes.
type blobs [][]byte

func (c blobs) size() int  { return len(c) }
func (c blobs) array() any { return c }

func (c blobs) appendJSONB([]byte, int) []byte {
	panic("sqlstore: bytes have no JSON")
}

func (c blobs) take(i int) int { return len(c[i]) }

func (c blobs) appendJoined(b []byte, from, to int) []byte {
	for _, value := range c[from:to] {
		b = append(b, value...)
	}
	return b
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
