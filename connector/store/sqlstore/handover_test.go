package sqlstore

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// newFile opens a new SQLite file for a test.
func newFile(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestTablesAreWhatSQLiteReads hands columns of every kind over and reads them back.
func TestTablesAreWhatSQLiteReads(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	at := time.UnixMilli(1_795_261_419_174)
	odd := "quote\" backslash\\ newline\n nul\x00 é 😀 " + strings.Repeat("x", 300) + strings.Repeat("é", 40000)
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	f.SetValue(fact.Comment, odd, at)
	table := rows{
		ints{0, -1 << 63, 1<<63 - 1}, refs{7, 0, 1 << 40}, moments{at, {}, at}, texts{"", "eleven byte", odd},
		documents{f, {}, f}, blobs{{0, 255, '"'}, {}, []byte(odd)},
		&cells{kind: "text", values: []any{"a", nil, odd}}, &cells{kind: "bigint", values: []any{int64(-7), nil, int64(12345678901234)}},
		texts{"a\xffb", "", ""}, bodies{[]byte(event), nil, noise(100 << 10)},
	}
	const columns = `{rows a:bigint b:bigint c:bigint d:text e:text f:bytea g:text h:bigint i:text j:bytea}`
	type line struct {
		a, b, c any
		d, e    string
		f       []byte
		g, h    any
		i       string
		j       record.Record
	}
	var got []line
	var room arena
	err := s.read(t.Context(), "read a table", func(t *tx) error {
		return t.query(`SELECT a, b, c, d, e, f, g, h, i, j FROM `+columns+` AS r`, func(r row) error {
			var l line
			err := r.Scan(&l.a, &l.b, &l.c, &l.d, &l.e, &l.f, &l.g, &l.h, &l.i, bodyOf{&l.j, &room})
			got = append(got, l)
			return err
		}, table)
	})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	body, empty := string(f.AppendJSON(nil)), string((&fact.Fact{}).AppendJSON(nil))
	for i, want := range []line{
		{int64(0), int64(7), at.UnixMilli(), "", body, []byte{0, 255, '"'}, "a", int64(-7), "a\uFFFDb", record.Record{Body: []byte(event)}},
		{int64(-1 << 63), nil, nil, "eleven byte", empty, []byte{}, nil, nil, "", record.Record{}},
		{int64(1<<63 - 1), int64(1 << 40), at.UnixMilli(), odd, body, []byte(odd), odd, int64(12345678901234), "", record.Record{Body: noise(100 << 10)}},
	} {
		l := got[i]
		if l.a != want.a || l.b != want.b || l.c != want.c || l.d != want.d || l.e != want.e || string(l.f) != string(want.f) || l.g != want.g || l.h != want.h || l.i != want.i || !bytes.Equal(l.j.Body, want.j.Body) {
			t.Errorf("row %d is not what was handed over", i)
		}
	}
}

// TestTablesOfEachStatement: a statement has the tables that were handed over with it, also
// while the rows of another are read, and nothing of another's.
func TestTablesOfEachStatement(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	const two = `SELECT a.n, b.m FROM {rows n:bigint} AS a CROSS JOIN {rows m:text} AS b WHERE a.n > $1`
	var got []string
	err := s.read(t.Context(), "read tables", func(tx *tx) error {
		read := func(text string, each func() error, ns ints, ms texts) error {
			return tx.query(text, func(r row) error {
				var n int64
				var m string
				if err := r.Scan(&n, &m); err != nil {
					return err
				}
				got = append(got, fmt.Sprintf("%d%s", n, m))
				return each()
			}, int64(0), rows{ns}, rows{ms})
		}
		inner := func() error { return read(two+` LIMIT 9`, func() error { return nil }, ints{7}, texts{"z"}) }
		return read(two, inner, ints{0, 1, 2}, texts{"x", "y"})
	})
	want := []string{"1x", "7z", "1y", "7z", "2x", "7z", "2y", "7z"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read %q, %v", got, err)
	}
	err = s.read(t.Context(), "read no table", func(tx *tx) error {
		return tx.session.(*fileSession).query(t.Context(), statement{text: tx.dialect.render(two), scalars: []any{0}, scan: func(row) error { return nil }})
	})
	if err == nil {
		t.Error("a statement read a table that was not handed over with it")
	}
}

// TestTablesAreHandedOverInPieces: what is bulky goes over in several statements, nothing
// twice and nothing left out.
func TestTablesAreHandedOverInPieces(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	for _, n := range []int{1, pieceRows, pieceRows + 1, 5*pieceRows - 1} {
		ids, facts := make(ints, n), make(documents, n)
		for i := range ids {
			ids[i], facts[i] = int64(i), &fact.Fact{Kind: fact.Task, SID: "WT" + strconv.Itoa(i)}
		}
		changed, count, sum := 0, 0, 0
		err := s.write(t.Context(), "write in pieces", func(tx *tx) (err error) {
			if _, err = tx.exec(`CREATE TEMP TABLE pieces (id, body)`); err != nil {
				return err
			}
			changed, err = tx.exec(`INSERT INTO pieces SELECT id, body FROM {rows id:bigint body:text} AS r WHERE true`, rows{ids, facts})
			if err == nil {
				err = tx.one(`SELECT COUNT(body), SUM(id) FROM pieces`, []any{&count, &sum})
			}
			if err == nil {
				_, err = tx.exec(`DROP TABLE pieces`)
			}
			return err
		})
		if err != nil || changed != n || count != n || sum != n*(n-1)/2 {
			t.Errorf("%d rows: changed %d, there are %d, the sum of ids is %d: %v", n, changed, count, sum, err)
		}
		if bulky := (rows{ids, facts}).bulky(); bulky != (n > pieceRows) {
			t.Errorf("%d rows are bulky: %t", n, bulky)
		}
	}
}

// broken is a column whose values cannot be made ready.
type broken struct{ ints }

func (broken) value(int, []byte) (any, []byte) { panic("Zoé +33612345678") }

// TestPanicWhileATableIsRead: it ends the statement, and nothing else.
func TestPanicWhileATableIsRead(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	insert := func(table rows) error {
		return s.write(t.Context(), "insert", func(tx *tx) error {
			_, err := tx.exec(`INSERT INTO waiting (connector, lane, id, captured_at) SELECT $1, 0, id, at FROM {rows id:bigint at:bigint} AS r WHERE true`, "c", table)
			return err
		})
	}
	if err := insert(rows{ints{1, 2}, broken{ints{1, 2}}}); err == nil || strings.Contains(err.Error(), "336") {
		t.Errorf("a column that panics gives %v", err)
	}
	if err := insert(rows{ints{1, 2}, ints{1, 2}}); err != nil {
		t.Errorf("after it: %v", err)
	}
}
