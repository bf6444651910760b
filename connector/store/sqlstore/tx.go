package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flexbrevo/connector/store"
)

// retries is how often a transaction is run when the database gave it up for
// another one (deadlock, serialisation); it has then changed nothing.
const retries = 5

// slow is how long a transaction may take, waiting for its turn included, before
// an operator should know: webhooks wait behind it.
const slow = 2 * time.Second

// frameTime bounds each of BEGIN, COMMIT, with what was left for it, and ROLLBACK.
const frameTime = 30 * time.Second

// tx is one transaction.
type tx struct {
	ctx     context.Context
	op      string
	dialect dialect
	session session
}

// write runs fn in a transaction and keeps it through a failure of power, or changes
// nothing.
func (s *Store) write(ctx context.Context, op string, fn func(*tx) error) error {
	return s.commit(ctx, op, s.flusher.flush, fn)
}

// writeSoon is write for what is done again, by whoever comes next, where a crash of the
// machine takes it back: it is kept with the next that is, and never after what is
// committed after it. A claim, which is kept before anything is sent, keeps what it follows from.
func (s *Store) writeSoon(ctx context.Context, op string, fn func(*tx) error) error {
	return s.commit(ctx, op, func() error { return nil }, func(t *tx) error {
		if err := t.set(s.dialect.soon); err != nil {
			return err
		}
		return fn(t)
	})
}

func (s *Store) commit(ctx context.Context, op string, keep func() error, fn func(*tx) error) error {
	if s.options.ReadOnly {
		return fmt.Errorf("%s: %w: opened read only", op, store.ErrUnavailable)
	}
	s.writing.RLock()
	defer s.writing.RUnlock()
	if err := s.flusher.ready(); err != nil {
		return wrap(ctx, op, err)
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
	if err == nil {
		err = keep()
	}
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
	frame := func(do func(context.Context) error) error {
		life, cancel := context.WithTimeout(context.WithoutCancel(ctx), frameTime)
		defer cancel()
		return do(life)
	}
	step(op, "begin")
	if err := frame(func(ctx context.Context) error { return ss.begin(ctx, begin) }); err != nil {
		return err
	}
	if err = fn(&tx{ctx: ctx, op: op, dialect: s.dialect, session: ss}); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		step(op, "commit")
		err = frame(ss.commit)
		step(op, "committed")
	}
	if err != nil {
		// What matters is the first error. Where the connection is gone, or SQLite
		// has rolled back by itself, there is nothing to roll back.
		_ = frame(ss.rollback)
	}
	return err
}

// byIndex is for a query with a limit over rows that are few whenever the server
// measures them, and many in a burst: taken for few, they would all be collected and
// sorted for each batch.
func (t *tx) byIndex() error { return t.set(t.dialect.byIndex) }

// keepPlans is for transactions of which each statement looks rows up that are handed
// over with it: a plan for some rows is one for many, as long as no table is read whole
// because it was small when the plan was made, and tables are measured (see measure,
// after which plans are made anew). It holds for the checks of foreign keys, too, which
// would else be planned for each row.
func (t *tx) keepPlans() error { return t.set(t.dialect.keepPlans) }

// set runs what the dialect sets for the rest of a transaction.
func (t *tx) set(settings []string) error {
	for _, text := range settings {
		if err := t.session.later(t.ctx, statement{text: text}); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement and returns how many rows it changed. Rows come last in args. A
// statement with empty rows is not run.
func (t *tx) exec(shared string, args ...any) (int, error) {
	st := t.statement(shared, args)
	if st.idle() {
		return 0, nil
	}
	step(t.op, "statement")
	return t.session.run(t.ctx, st)
}

// later is exec for whom it does not matter how many rows are changed. The statement runs
// before the next one, which may return its error; one that failed commits nothing.
func (t *tx) later(shared string, args ...any) error {
	st := t.statement(shared, args)
	if st.idle() {
		return nil
	}
	step(t.op, "statement")
	return t.session.later(t.ctx, st)
}

// query runs a statement and calls scan for each row it returns. Empty rows
// return nothing.
func (t *tx) query(shared string, scan func(row) error, args ...any) error {
	return t.together(t.question(shared, scan, args...))
}

// question is a query to be run with others.
func (t *tx) question(shared string, scan func(row) error, args ...any) statement {
	st := t.statement(shared, args)
	st.scan = scan
	return st
}

// together runs queries none of which depends on what another returns.
func (t *tx) together(questions ...statement) error {
	questions = slices.DeleteFunc(questions, statement.idle)
	if len(questions) == 0 {
		return nil
	}
	_, err := t.session.run(t.ctx, questions...)
	return err
}

// statement is a shared text as the dialect has it, with its arguments.
func (t *tx) statement(shared string, args []any) statement {
	scalars, tables := split(args)
	return statement{text: t.dialect.render(shared), scalars: scalars, tables: tables}
}

// idle says whether a statement is about rows of which there are none.
func (st statement) idle() bool {
	return slices.ContainsFunc(st.tables, func(table rows) bool { return table.size() == 0 })
}

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
