package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite/vtab"
)

// handover is the virtual table of one connection to a SQLite file by which statements read
// the tables that are handed over with them: where they are, value by value. JSON would be
// copied twice, and be taken apart by functions, which may fail: of a statement that may fail
// half-way SQLite keeps copies of all pages that it changes, see {or fail}.
//
// handed(0) is the first table of a statement, handed(1) the second; its columns are c0, c1
// and so on.
type handover struct {
	name   string
	tables []rows
	// from and to bound the rows, where they go over in pieces; to is 0 for all.
	from, to int
	// room is where values are made ready. SQLite copies a value before it asks for the next.
	room []byte
}

const (
	handoverModule = "flexbrevo_handover"
	// handoverColumns is more than any table has.
	handoverColumns = 64
	// handoverRoom is as large as room may stay.
	handoverRoom = 32 << 10
)

// handovers are those of all connections, by the names that their CREATE gives them.
var handovers = struct {
	sync.Mutex
	last int
	of   map[string]*handover
}{of: map[string]*handover{}}

// registerHandover makes the module known to all connections that are opened later.
var registerHandover = sync.OnceValue(func() error { return vtab.RegisterModule(nil, handoverModule, handoverTables{}) })

// newHandover gives a connection its virtual table, which lasts as long as it does.
func newHandover(ctx context.Context, conn *sql.Conn) (*handover, error) {
	handovers.Lock()
	handovers.last++
	h := &handover{name: strconv.Itoa(handovers.last)}
	handovers.of[h.name] = h
	handovers.Unlock()
	if _, err := conn.ExecContext(ctx, `CREATE VIRTUAL TABLE temp.handed USING `+handoverModule+`(`+h.name+`)`); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// close forgets a connection that nobody uses any more.
func (h *handover) close() {
	handovers.Lock()
	defer handovers.Unlock()
	delete(handovers.of, h.name)
}

// take hands tables over to the statements that follow, until the returned function is
// called.
func (h *handover) take(tables []rows, from, to int) (back func()) {
	before := *h
	h.tables, h.from, h.to = tables, from, to
	return func() { h.tables, h.from, h.to = before.tables, before.from, before.to }
}

// handoverTables is SQLite's module of these tables.
type handoverTables struct{}

var _ vtab.Module = handoverTables{}

// Create implements vtab.Module.
func (m handoverTables) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	return m.Connect(ctx, args)
}

// Connect implements vtab.Module.
func (handoverTables) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	handovers.Lock()
	defer handovers.Unlock()
	h := handovers.of[args[len(args)-1]]
	if h == nil {
		return nil, errors.New("no connection of this name")
	}
	return h, ctx.Declare(handoverSchema())
}

var handoverSchema = sync.OnceValue(func() string {
	names := make([]string, handoverColumns)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return `CREATE TABLE handed (nth HIDDEN, ` + strings.Join(names, ", ") + `)`
})

var _ vtab.Table = (*handover)(nil)

// BestIndex implements vtab.Table. It costs as little as SQLite's own table of JSON, so that
// plans begin with it.
func (h *handover) BestIndex(info *vtab.IndexInfo) error {
	for i := range info.Constraints {
		if c := &info.Constraints[i]; c.Column == 0 && c.Op == vtab.OpEQ && c.Usable {
			c.ArgIndex, c.Omit = 0, true
			info.EstimatedCost = 1
			return nil
		}
	}
	return errors.New("handed takes the number of a table")
}

// Open implements vtab.Table.
func (h *handover) Open() (vtab.Cursor, error) { return &handoverCursor{of: h}, nil }

// Disconnect implements vtab.Table.
func (h *handover) Disconnect() error { return nil }

// Destroy implements vtab.Table.
func (h *handover) Destroy() error { return nil }

// handoverCursor reads one table.
type handoverCursor struct {
	of     *handover
	table  rows
	at, to int
}

var _ vtab.Cursor = (*handoverCursor)(nil)

// Filter implements vtab.Cursor.
func (c *handoverCursor) Filter(_ int, _ string, values []vtab.Value) error {
	n, ok := values[0].(int64)
	if !ok || n < 0 || n >= int64(len(c.of.tables)) {
		return fmt.Errorf("no table %v was handed over", values[0])
	}
	c.table = c.of.tables[n]
	c.at, c.to = c.of.from, c.of.to
	if c.to == 0 {
		c.to = c.table.size()
	}
	return nil
}

// Next implements vtab.Cursor.
func (c *handoverCursor) Next() error { c.at++; return nil }

// Eof implements vtab.Cursor.
func (c *handoverCursor) Eof() bool { return c.at >= c.to }

// Column implements vtab.Cursor. A panic that went through SQLite would leave it in the midst
// of a statement; what it says may quote what was handed over.
func (c *handoverCursor) Column(i int) (v vtab.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a value cannot be handed over: panic of type %T", p)
		}
	}()
	if i < 1 || i > len(c.table) {
		return nil, fmt.Errorf("a table of %d columns was handed over", len(c.table))
	}
	value, room := c.table[i-1].value(c.at, c.of.room[:0])
	if cap(room) <= handoverRoom {
		c.of.room = room
	}
	return value, nil
}

// Rowid implements vtab.Cursor.
func (c *handoverCursor) Rowid() (int64, error) { return int64(c.at), nil }

// Close implements vtab.Cursor.
func (c *handoverCursor) Close() error { return nil }
