package sqlstore

import (
	"bytes"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"flexbrevo/connector/store/storetest/pgtest"
)

// TestArraysAreWhatPgxWrites compares columns with what pgx makes of the same values.
func TestArraysAreWhatPgxWrites(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_795_261_419_174)
	null := pgtype.Int8{}
	number := func(n int64) pgtype.Int8 { return pgtype.Int8{Int64: n, Valid: true} }
	for _, c := range []struct {
		name   string
		oid    uint32
		column column
		same   any
	}{
		{"numbers", pgtype.Int8ArrayOID, ints{0, -1, 1 << 40}, []int64{0, -1, 1 << 40}},
		{"ids", pgtype.Int8ArrayOID, refs{7, 0, 8}, []pgtype.Int8{number(7), null, number(8)}},
		{"ids without NULL", pgtype.Int8ArrayOID, refs{7}, []pgtype.Int8{number(7)}},
		{"times", pgtype.Int8ArrayOID, moments{at, {}}, []pgtype.Int8{number(at.UnixMilli()), null}},
		{"texts", pgtype.TextArrayOID, texts{"", "é", "NULL"}, []string{"", "é", "NULL"}},
		{"bytes", pgtype.ByteaArrayOID, blobs{{0, 255}, nil, {}}, [][]byte{{0, 255}, nil, {}}},
	} {
		ours, theirs := pgtype.NewMap(), pgtype.NewMap()
		useArrays(ours)
		want, err := theirs.Encode(c.oid, pgtype.BinaryFormatCode, c.same, []byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.column.array(), []byte("before"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%x, want\n%x", c.name, err, got, want)
		}
		other, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.same, []byte("before"))
		if err != nil || !bytes.Equal(other, want) {
			t.Errorf("%s that are no column: %v\n%x, want\n%x", c.name, err, other, want)
		}
	}
}

// TestArraysAreWrittenInOnePiece: a buffer that grows from nothing takes two dozen steps
// to a megabyte.
func TestArraysAreWrittenInOnePiece(t *testing.T) {
	types, bodies := pgtype.NewMap(), make(blobs, 1000)
	useArrays(types)
	for i := range bodies {
		bodies[i] = make([]byte, 1000)
	}
	column := bodies.array()
	allocations := testing.AllocsPerRun(3, func() {
		if _, err := types.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, column, nil); err != nil {
			t.Error(err)
		}
	})
	if allocations > 8 {
		t.Errorf("%v allocations for one array", allocations)
	}
}

// TestPostgresWithoutPreparedStatements uses every way of pgx to send a statement that a
// URL may name: poolers ask for some.
func TestPostgresWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, &pgtest.Server{})
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		u, err := url.Parse(server.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_query_exec_mode", mode)
		u.RawQuery = q.Encode()
		s, err := Open(t.Context(), u.String(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		arrive(t, s, 0, 3)
		waiting, err := s.LoadUndigested(t.Context(), "c", 9)
		if err != nil || len(waiting) != 3 {
			t.Errorf("%s: %d records, %v", mode, len(waiting), err)
		}
	}
}
