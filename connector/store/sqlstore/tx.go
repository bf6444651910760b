package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// retries is how often a transaction is run when the database gave it up for
// another one (deadlock, serialisation); it has then changed nothing.
const retries = 5

// slow is how long a transaction may take, waiting for its turn included, before
// an operator should know: webhooks wait behind it.
const slow = 2 * time.Second

// frameTime bounds each of BEGIN, COMMIT and ROLLBACK.
const frameTime = 30 * time.Second

// tx is one transaction.
type tx struct {
	ctx     context.Context
	op      string
	dialect dialect
	session *session
}

// write runs fn in a transaction and commits it, or changes nothing.
func (s *Store) write(ctx context.Context, op string, fn func(*tx) error) error {
	if s.options.ReadOnly {
		return fmt.Errorf("%s: %w: opened read only", op, store.ErrUnavailable)
	}
	began := s.options.Clock()
	var err error
	for range retries {
		if err = s.run(ctx, op, s.writers, s.dialect.begin, fn); !conflicted(err) {
			break
		}
		s.options.Logger.Debug("transaction runs again", "op", op)
	}
	s.log.committed()
	if took := s.options.Clock().Sub(began); took > slow {
		s.options.Logger.Warn("writing to the store is slow", "op", op, "took", took)
	}
	return wrap(ctx, op, err)
}

// read runs fn on one consistent snapshot.
func (s *Store) read(ctx context.Context, op string, fn func(*tx) error) error {
	return wrap(ctx, op, s.run(ctx, op, s.readers, s.dialect.beginRead, fn))
}

// run runs fn in one transaction. BEGIN, COMMIT and ROLLBACK do not end with the
// caller's context: on PostgreSQL a COMMIT that is cut off has an unknown outcome.
func (s *Store) run(ctx context.Context, op string, from pool, begin string, fn func(*tx) error) (err error) {
	ss, err := from.take(ctx)
	if err != nil {
		return err
	}
	defer from.put(ss)
	frame := func(text string) error {
		life, cancel := context.WithTimeout(context.WithoutCancel(ctx), frameTime)
		defer cancel()
		return ss.do(life, text)
	}
	step(op, "begin")
	if err := frame(begin); err != nil {
		return err
	}
	if err = fn(&tx{ctx: ctx, op: op, dialect: s.dialect, session: ss}); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		step(op, "commit")
		err = frame("COMMIT")
		step(op, "committed")
	}
	if err != nil {
		// What matters is the first error. Where the connection is gone, or SQLite
		// has rolled back by itself, there is nothing to roll back.
		_ = frame("ROLLBACK")
	}
	return err
}

// byIndex is for a query with a limit over rows that are few whenever the server
// measures them, and many in a burst: taken for few, they would all be collected and
// sorted for each batch.
func (t *tx) byIndex() error {
	if t.dialect.byIndex == "" {
		return nil
	}
	return t.session.do(t.ctx, t.dialect.byIndex)
}

// keepPlans is for transactions of which each statement looks rows up that are handed
// over with it: a plan for some rows is one for many, as long as no table is read whole
// because it was small when the plan was made, and tables are measured (see measure,
// after which plans are made anew). It holds for the checks of foreign keys, too, which
// would else be planned for each row.
func (t *tx) keepPlans() error {
	if t.dialect.keepPlans == "" {
		return nil
	}
	return t.session.do(t.ctx, t.dialect.keepPlans)
}

// soon is for transactions that are done again, by whoever comes next, where a crash of the server
// takes them back. PostgreSQL's log is in order: a claim, which is durable before anything is sent,
// makes durable what it follows from.
func (t *tx) soon() error {
	if t.dialect.soon == "" {
		return nil
	}
	return t.session.do(t.ctx, t.dialect.soon)
}

// exec runs a statement, in pieces where the dialect needs that, and returns how many
// rows it changed. Rows come last in args. A statement with empty rows is not run.
func (t *tx) exec(shared string, args ...any) (int, error) {
	text := t.dialect.render(shared)
	scalars, tables := split(args)
	for _, table := range tables {
		if table.size() == 0 {
			return 0, nil
		}
	}
	if len(tables) == 1 && t.dialect.name == migrations.SQLite && tables[0].bulky() {
		return t.execPieces(text, scalars, tables[0])
	}
	return t.execOnce(t.ctx, text, t.flatten(scalars, tables))
}

// execPieces runs a statement once for each piece of its rows.
func (t *tx) execPieces(text string, scalars []any, table rows) (int, error) {
	changed := 0
	for from := 0; from < table.size(); {
		args, draft, to := table.piece(slices.Clone(scalars), t.session.draft[:0], from, pieceBytes)
		t.session.keep(draft)
		n, err := t.execOnce(t.ctx, text, args)
		if err != nil {
			return 0, err
		}
		changed, from = changed+n, to
	}
	return changed, nil
}

func (t *tx) execOnce(ctx context.Context, text string, args []any) (int, error) {
	step(t.op, "statement")
	result, err := t.session.exec(ctx, text, args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// query runs a statement and calls scan for each row it returns. Empty rows
// return nothing.
func (t *tx) query(shared string, scan func(row) error, args ...any) error {
	text := t.dialect.render(shared)
	scalars, tables := split(args)
	for _, table := range tables {
		if table.size() == 0 {
			return nil
		}
	}
	found, err := t.session.query(t.ctx, text, t.flatten(scalars, tables))
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// row is what a scan function may do with a row.
type row interface{ Scan(dest ...any) error }

// one scans a single row, or returns store.ErrNotFound.
func (t *tx) one(shared string, dest []any, args ...any) error {
	found := false
	err := t.query(shared, func(r row) error {
		found = true
		return r.Scan(dest...)
	}, args...)
	if err == nil && !found {
		return store.ErrNotFound
	}
	return err
}

// split parts a statement's arguments into scalars and the rows after them.
func split(args []any) (scalars []any, tables []rows) {
	for i, a := range args {
		if r, ok := a.(rows); ok {
			tables = append(tables, r)
			continue
		}
		if tables != nil {
			panic("sqlstore: a scalar after rows")
		}
		scalars = args[:i+1]
	}
	return scalars, tables
}

// flatten turns scalars and rows into the arguments of one call. They are good until the
// next one.
func (t *tx) flatten(scalars []any, tables []rows) []any {
	if len(tables) == 0 {
		return scalars
	}
	args := append(make([]any, 0, len(scalars)+8), scalars...)
	draft := t.session.draft[:0]
	for _, table := range tables {
		if t.dialect.name == migrations.SQLite {
			args, draft, _ = table.piece(args, draft, 0, 0)
			continue
		}
		for _, c := range table {
			args = append(args, c.array())
		}
	}
	t.session.keep(draft)
	return args
}
