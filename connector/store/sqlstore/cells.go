package sqlstore

import "github.com/jackc/pgx/v5/pgtype"

// cell scans any value of a column: int64, string, []byte, or nil for NULL.
type cell struct{ value *any }

// Scan implements sql.Scanner.
func (c cell) Scan(src any) error {
	if b, ok := src.([]byte); ok { // an empty one of SQLite's driver is nil, which would be taken back as NULL
		src = append([]byte{}, b...)
	}
	*c.value = src
	return nil
}

// cells are the values of a column as cell scans them. A statement takes them by way of
// column.
type cells struct {
	kind   string // bigint, text or bytea
	values []any
}

func (c *cells) size() int { return len(c.values) }

func (c *cells) array() any {
	switch c.kind {
	case "bigint":
		out := make([]pgtype.Int8, len(c.values))
		for i, v := range c.values {
			n, valid := v.(int64)
			out[i] = pgtype.Int8{Int64: n, Valid: valid}
		}
		return out
	case "text":
		out := make([]pgtype.Text, len(c.values))
		for i, v := range c.values {
			s, valid := v.(string)
			out[i] = pgtype.Text{String: s, Valid: valid}
		}
		return out
	}
	panic("sqlstore: no array of " + c.kind)
}

// column is the cells as a statement takes them. No column of bytes may be NULL.
func (c *cells) column() column {
	if c.kind != "bytea" {
		return c
	}
	out := make(blobs, len(c.values))
	for i, v := range c.values {
		out[i], _ = v.([]byte)
	}
	return out
}

func (c *cells) value(i int, room []byte) (any, []byte) {
	if s, ok := c.values[i].(string); ok {
		return validText(s), room
	}
	return c.values[i], room
}
