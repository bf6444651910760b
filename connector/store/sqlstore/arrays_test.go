package sqlstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// TestArraysAreWhatPgxWrites compares columns with what pgx makes of the same values.
func TestArraysAreWhatPgxWrites(t *testing.T) {
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
		var got []byte
		allocations := testing.AllocsPerRun(1, func() {
			got, err = ours.Encode(c.oid, pgtype.BinaryFormatCode, c.column.array(), []byte("before"))
		})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%x, want\n%x", c.name, err, got, want)
		}
		if allocations > 3 {
			t.Errorf("%s: %v allocations for one array", c.name, allocations)
		}
		other, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.same, []byte("before"))
		if err != nil || !bytes.Equal(other, want) {
			t.Errorf("%s that are no column: %v\n%x, want\n%x", c.name, err, other, want)
		}
	}
}
