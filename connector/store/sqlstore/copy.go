package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// copyBatch is how many rows of a copy travel in one statement.
const copyBatch = 500

// leasesTable is not copied: its leases are promises of the database they were made
// in.
const leasesTable = "leases"

// CopiedTable is a table that was copied, as it reads in both stores.
type CopiedTable struct {
	Name string `json:"table"`
	Rows int64  `json:"rows"`
	// Checksum is the same for the same rows, whatever their order.
	Checksum string `json:"checksum"`
}

// Copy copies a store, as it is at one moment, into another one that is empty: all
// tables but leases and counts, in one transaction. Then it reads the copy and compares
// counts and checksums. The first store may be in use, also by a pipeline; the
// second must not be. told is called before each table and may be nil.
func Copy(ctx context.Context, from, to *Store, told func(table string)) ([]CopiedTable, error) {
	if told == nil {
		told = func(string) {}
	}
	var copied []CopiedTable
	err := to.write(ctx, "copy store", func(into *tx) error {
		copied = nil
		return from.read(ctx, "read store to copy", func(of *tx) (err error) {
			copied, err = copyAll(of, into, told)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return copied, to.read(ctx, "verify copy", func(t *tx) error { return t.verify(copied) })
}

func copyAll(of, into *tx, told func(string)) ([]CopiedTable, error) {
	tables, err := into.tables()
	if err != nil {
		return nil, err
	}
	if err := into.deferReferences(); err != nil {
		return nil, err
	}
	var copied []CopiedTable
	for _, name := range tables {
		told(name)
		table, err := copyTable(of, into, name)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		copied = append(copied, table)
	}
	if err := into.checkReferences(); err != nil {
		return nil, err
	}
	if err := into.countNewRecords(0); err != nil {
		return nil, err
	}
	return copied, into.advanceIDs()
}

// deferReferences lets customers come before those they refer to; the references
// are checked when all are there. On SQLite that is a setting of the transaction, on
// PostgreSQL one of the constraint, changed and changed back in this transaction.
func (t *tx) deferReferences() error {
	if t.dialect.name == migrations.SQLite {
		_, err := t.exec(`PRAGMA defer_foreign_keys = ON`)
		return err
	}
	return t.each(
		`ALTER TABLE customers ALTER CONSTRAINT customers_merged_into_fkey DEFERRABLE INITIALLY IMMEDIATE`,
		`SET CONSTRAINTS customers_merged_into_fkey DEFERRED`)
}

func (t *tx) checkReferences() error {
	if t.dialect.name == migrations.SQLite {
		return nil // done at COMMIT
	}
	return t.each(
		`SET CONSTRAINTS customers_merged_into_fkey IMMEDIATE`,
		`ALTER TABLE customers ALTER CONSTRAINT customers_merged_into_fkey NOT DEFERRABLE`)
}

// each runs statements one after the other.
func (t *tx) each(statements ...string) error {
	for _, text := range statements {
		if _, err := t.exec(text); err != nil {
			return err
		}
	}
	return nil
}

// copyTable copies the rows of a table, a batch at a time.
func copyTable(of, into *tx, table string) (CopiedTable, error) {
	taken := 0
	if err := into.one(`SELECT COUNT(*) FROM (SELECT 1 FROM `+table+` LIMIT 1) AS found`, []any{&taken}); err != nil {
		return CopiedTable{}, err
	}
	if taken > 0 {
		return CopiedTable{}, errors.New("the store to copy into is not empty")
	}
	columns, err := into.columns(table)
	if err != nil {
		return CopiedTable{}, err
	}
	b := newCopying(table, columns)
	err = of.query(b.read, func(r row) error {
		if err := b.add(r); err != nil || b.size() < copyBatch {
			return err
		}
		return b.flush(into)
	})
	if err != nil {
		return CopiedTable{}, err
	}
	return b.sum.table(table), b.flush(into)
}

// verify reads the tables again.
func (t *tx) verify(copied []CopiedTable) error {
	for _, want := range copied {
		columns, err := t.columns(want.Name)
		if err != nil {
			return err
		}
		b := newCopying(want.Name, columns)
		err = t.query(b.read, func(r row) error {
			b.clear()
			return b.add(r)
		})
		if err != nil {
			return err
		}
		if got := b.sum.table(want.Name); got != want {
			return fmt.Errorf("table %s of the copy has %d rows with checksum %s, want %d with %s",
				want.Name, got.Rows, got.Checksum, want.Rows, want.Checksum)
		}
	}
	return nil
}

// copying is a table on its way.
type copying struct {
	read, write string
	cells       []*cells
	sum         checksum
}

func newCopying(table string, columns []string) *copying {
	b := &copying{}
	var names []string
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, ":")
		names = append(names, name)
		b.cells = append(b.cells, &cells{kind: kind})
	}
	list := strings.Join(names, ", ")
	b.read = `SELECT ` + list + ` FROM ` + table
	b.write = `INSERT INTO ` + table + ` (` + list + `) SELECT ` + list + ` FROM {rows ` + strings.Join(columns, " ") + `} AS r`
	return b
}

func (b *copying) size() int { return b.cells[0].size() }

func (b *copying) clear() {
	for _, c := range b.cells {
		c.values = c.values[:0]
	}
}

// add reads a row, and takes it into the checksum.
func (b *copying) add(r row) error {
	into, values := make([]any, len(b.cells)), make([]any, len(b.cells))
	for i := range into {
		into[i] = cell{&values[i]}
	}
	if err := r.Scan(into...); err != nil {
		return err
	}
	for i, c := range b.cells {
		c.values = append(c.values, values[i])
	}
	return b.sum.add(values)
}

func (b *copying) flush(into *tx) error {
	table := make(rows, len(b.cells))
	for i, c := range b.cells {
		table[i] = c.column()
	}
	_, err := into.exec(b.write, table) // later, all of a table would be kept
	b.clear()
	return err
}

// checksum is a sum of digests of rows.
type checksum struct {
	rows      int64
	high, low uint64
	buffer    []byte
}

func (s *checksum) add(values []any) error {
	b := s.buffer[:0]
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case string:
			b = append(binary.BigEndian.AppendUint64(append(b, 't'), uint64(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint64(append(b, 'b'), uint64(len(v))), v...)
		default:
			return fmt.Errorf("a value of type %T cannot be copied", v)
		}
	}
	s.buffer = b
	digest := sha256.Sum256(b)
	s.rows++
	s.high += binary.BigEndian.Uint64(digest[:8])
	s.low += binary.BigEndian.Uint64(digest[8:16])
	return nil
}

func (s *checksum) table(name string) CopiedTable {
	return CopiedTable{Name: name, Rows: s.rows, Checksum: fmt.Sprintf("%016x%016x", s.high, s.low)}
}

// tables returns the tables to copy, those that others refer to first.
func (t *tx) tables() ([]string, error) {
	text := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if t.dialect.name == migrations.Postgres {
		text = `SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()`
	}
	var tables []string
	err := t.query(text+` ORDER BY 1`, func(r row) error {
		var name string
		err := r.Scan(&name)
		if name != leasesTable && name != countsTable && name != migrations.VersionTable {
			tables = append(tables, name)
		}
		return err
	})
	slices.SortStableFunc(tables, func(a, b string) int { return rank(a) - rank(b) })
	return tables, err
}

func rank(table string) int {
	if table == "customers" {
		return 0
	}
	return 1
}

// columns returns the columns of a table as a {rows …} hole names them.
func (t *tx) columns(table string) ([]string, error) {
	text := `SELECT name, type FROM pragma_table_info($1) ORDER BY name`
	if t.dialect.name == migrations.Postgres {
		text = `
			SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name`
	}
	var columns []string
	err := t.query(text, func(r row) error {
		var name, kind string
		if err := r.Scan(&name, &kind); err != nil {
			return err
		}
		switch strings.ToLower(kind) {
		case "integer", "bigint", "smallint":
			kind = "bigint"
		case "text":
			kind = "text"
		case "blob", "bytea":
			kind = "bytea"
		default:
			return fmt.Errorf("column %s.%s of type %s cannot be copied", table, name, kind)
		}
		columns = append(columns, name+":"+kind)
		return nil
	}, table)
	slices.Sort(columns) // the two databases sort names differently
	return columns, err
}

// advanceIDs lets PostgreSQL's counters go on behind the copied ids; SQLite's do by
// themselves.
func (t *tx) advanceIDs() error {
	if t.dialect.name != migrations.Postgres {
		return nil
	}
	var counted []string
	err := t.query(`
		SELECT CAST(table_name AS TEXT) FROM information_schema.columns
		WHERE table_schema = current_schema() AND column_name = 'id' AND is_identity = 'YES' ORDER BY 1`, func(r row) error {
		var name string
		err := r.Scan(&name)
		counted = append(counted, name)
		return err
	})
	for _, table := range counted {
		if err == nil {
			_, err = t.exec(`SELECT setval(pg_get_serial_sequence('` + table + `', 'id'), (SELECT MAX(id) + 1 FROM ` + table + `), false)`)
		}
	}
	return err
}

// CopyStore opens the stores behind two URLs and copies the first into the second,
// which is made where it does not exist.
func CopyStore(ctx context.Context, from, to string, opts Options, told func(table string)) (copied []CopiedTable, err error) {
	opts.ReadOnly, opts.Pipeline = true, false
	source, err := Open(ctx, from, opts)
	if err != nil {
		return nil, fmt.Errorf("store to copy: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	opts.ReadOnly, opts.Pipeline = false, true
	destination, err := Open(ctx, to, opts)
	if errors.Is(err, store.ErrPipelineRunning) {
		return nil, fmt.Errorf("store to copy into is in use: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("store to copy into: %w", err)
	}
	defer func() { err = errors.Join(err, destination.Close()) }()
	if copied, err = Copy(ctx, source, destination, told); err != nil {
		return nil, err
	}
	// A file is a backup by itself only once its log is in it.
	return copied, destination.Flush(ctx)
}
