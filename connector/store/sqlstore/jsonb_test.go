package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
)

// TestTablesAreWhatSQLiteReads hands columns of every kind over and reads them back.
func TestTablesAreWhatSQLiteReads(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "s.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.UnixMilli(1_795_261_419_174)
	odd := "quote\" backslash\\ newline\n nul\x00 é 😀 " + strings.Repeat("x", 300) + strings.Repeat("é", 40000)
	f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	f.SetValue(fact.Comment, odd, at)
	table := rows{
		ints{0, -1 << 63, 1<<63 - 1}, refs{7, 0, 1 << 40}, moments{at, {}, at}, texts{"", "eleven byte", odd},
		documents{f, {}, f}, blobs{{0, 255, '"'}, {}, []byte(odd)},
		&cells{kind: "text", values: []any{"a", nil, odd}}, &cells{kind: "bigint", values: []any{int64(-7), nil, int64(12345678901234)}},
	}
	const columns = `{rows a:bigint b:bigint c:bigint d:text e:text f:bytea g:text h:bigint}`
	type line struct {
		a, b, c any
		d, e    string
		f       []byte
		g, h    any
	}
	var got []line
	err = s.read(t.Context(), "read a table", func(t *tx) error {
		return t.query(`SELECT a, b, c, d, e, f, g, h FROM `+columns+` AS r`, func(r row) error {
			var l line
			err := r.Scan(&l.a, &l.b, &l.c, &l.d, &l.e, &l.f, &l.g, &l.h)
			got = append(got, l)
			return err
		}, table)
	})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	body, empty := string(f.AppendJSON(nil)), string((&fact.Fact{}).AppendJSON(nil))
	for i, want := range []line{
		{int64(0), int64(7), at.UnixMilli(), "", body, []byte{0, 255, '"'}, "a", int64(-7)},
		{int64(-1 << 63), nil, nil, "eleven byte", empty, []byte{}, nil, nil},
		{int64(1<<63 - 1), int64(1 << 40), at.UnixMilli(), odd, body, []byte(odd), odd, int64(12345678901234)},
	} {
		l := got[i]
		if l.a != want.a || l.b != want.b || l.c != want.c || l.d != want.d || l.e != want.e || string(l.f) != string(want.f) || l.g != want.g || l.h != want.h {
			t.Errorf("row %d is not what was handed over", i)
		}
	}
}

// TestTextThatIsNoUTF8IsReplaced: a column of text holds nothing else.
func TestTextThatIsNoUTF8IsReplaced(t *testing.T) {
	t.Parallel()
	if got := string(appendJSONBText(nil, "a\xffb")); got != string(appendJSONBText(nil, "a\uFFFDb")) {
		t.Errorf("appended %q", got)
	}
}

// TestTablesAreHandedOverInPieces: what is bulky goes into statements of about as many
// bytes as are good for SQLite, nothing twice and nothing left out, with room used again.
func TestTablesAreHandedOverInPieces(t *testing.T) {
	t.Parallel()
	big := &fact.Fact{Kind: fact.Task, SID: "WT1"}
	big.SetValue(fact.Comment, strings.Repeat("x", 1<<10), time.UnixMilli(1))
	ids, facts, bodies := make(ints, 500), make(documents, 500), make(blobs, 500)
	for i := range ids {
		ids[i], facts[i], bodies[i] = int64(i), big, make([]byte, 1<<10)
	}
	for name, table := range map[string]rows{"documents": {ids, facts}, "bytes": {ids, bodies}} {
		if !table.bulky() {
			t.Errorf("%s are not bulky", name)
		}
		var draft []byte
		pieces := 0
		for from := 0; from < table.size(); pieces++ {
			var args []any
			var to int
			args, draft, to = table.piece(nil, draft[:0], from, pieceBytes)
			total := 0
			for _, a := range args {
				total += len(a.([]byte))
			}
			if to <= from || total > 64<<10 || to < table.size() && total < pieceBytes {
				t.Fatalf("%s: rows %d to %d in %d bytes", name, from, to, total)
			}
			from = to
		}
		if pieces < 8 || pieces > 12 {
			t.Errorf("%s: %d pieces", name, pieces)
		}
	}
	if (rows{ids}).bulky() {
		t.Error("numbers are bulky")
	}
}
