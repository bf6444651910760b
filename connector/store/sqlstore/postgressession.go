package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// serverSession is a connection to PostgreSQL. Each trip to a server and back costs both
// sides more than most statements do, so that those whose answer nobody waits for go
// together with the next whose answer somebody does.
type serverSession struct {
	conn    *pgxpool.Conn
	waiting []statement
	// unbegun says that nothing waits but what begins the transaction.
	unbegun bool
}

// mostWaiting is how many statements are kept before they are sent.
const mostWaiting = 64

func (s *serverSession) begin(_ context.Context, text string) error {
	s.waiting, s.unbegun = append(s.waiting, statement{text: text}), true
	return nil
}

// errRolledBack is for a COMMIT that PostgreSQL answers by rolling back, which is no error
// to it.
var errRolledBack = errors.New("postgres rolled a failed transaction back")

func (s *serverSession) commit(ctx context.Context) error {
	if s.unbegun {
		s.waiting, s.unbegun = nil, false
		return nil
	}
	tag, err := s.send(ctx, statement{text: "COMMIT"})
	if err == nil && tag.String() == "ROLLBACK" {
		err = errRolledBack
	}
	return err
}

func (s *serverSession) rollback(ctx context.Context) error {
	s.waiting, s.unbegun = nil, false
	const idle = 'I'
	if pg := s.conn.Conn().PgConn(); pg.IsClosed() || pg.TxStatus() == idle {
		return nil
	}
	_, err := s.send(ctx, statement{text: "ROLLBACK"})
	return err
}

func (s *serverSession) later(ctx context.Context, st statement) error {
	s.waiting, s.unbegun = append(s.waiting, st), false
	if len(s.waiting) < mostWaiting {
		return nil
	}
	_, err := s.run(ctx)
	return err
}

func (s *serverSession) run(ctx context.Context, statements ...statement) (int, error) {
	tag, err := s.send(ctx, statements...)
	return int(tag.RowsAffected()), err
}

// send sends what waits with statements after it, and returns what the server says of the
// last.
func (s *serverSession) send(ctx context.Context, statements ...statement) (tag pgconn.CommandTag, err error) {
	all := append(s.waiting, statements...)
	s.waiting, s.unbegun = nil, false
	if len(all) == 1 {
		return s.alone(ctx, all[0])
	}
	batch := &pgx.Batch{}
	for _, st := range all {
		batch.Queue(st.text, st.arrays()...)
	}
	results := s.conn.SendBatch(ctx, batch)
	for _, st := range all {
		if st.scan == nil {
			tag, err = results.Exec()
		} else {
			err = readAll(st.scan)(results.Query())
		}
		if err != nil {
			_ = results.Close() // says the same again
			return tag, err
		}
	}
	return tag, results.Close()
}

// alone runs one statement. pgx does not prepare what takes no arguments.
func (s *serverSession) alone(ctx context.Context, st statement) (pgconn.CommandTag, error) {
	if st.scan == nil {
		return s.conn.Exec(ctx, st.text, st.arrays()...)
	}
	return pgconn.CommandTag{}, readAll(st.scan)(s.conn.Query(ctx, st.text, st.arrays()...))
}

// readAll returns what reads the rows of a query and closes them.
func readAll(scan func(row) error) func(pgx.Rows, error) error {
	return func(found pgx.Rows, err error) error {
		if err != nil {
			return err
		}
		defer found.Close()
		return scanEach(found, scan)
	}
}

// arrays are a statement's arguments, an array for each column of its tables.
func (st statement) arrays() []any {
	if len(st.tables) == 0 {
		return st.scalars
	}
	args := append(make([]any, 0, len(st.scalars)+8), st.scalars...)
	for _, table := range st.tables {
		for _, c := range table {
			args = append(args, c.array())
		}
	}
	return args
}

// serverPool lends the connections of pgx's pool, which finds out about broken ones.
type serverPool struct {
	pool   *pgxpool.Pool
	closed *atomic.Bool
}

func (p serverPool) take(ctx context.Context) (session, error) {
	conn, err := p.pool.Acquire(ctx)
	switch {
	case p.closed.Load() && err != nil:
		return nil, sql.ErrConnDone
	case err != nil:
		return nil, err
	}
	return &serverSession{conn: conn}, nil
}

// put returns the connection; the pool throws it away if it is broken or within a
// transaction.
func (p serverPool) put(s session) { s.(*serverSession).conn.Release() }

func (p serverPool) close(bool) error {
	p.closed.Store(true)
	p.pool.Close() // which may be done twice
	return nil
}
