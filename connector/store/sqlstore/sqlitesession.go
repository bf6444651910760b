package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// fileSession is a connection to a SQLite file. Each statement is a call of a function, so
// that nothing is left for later.
type fileSession struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	// handover is how it reads the tables that are handed over with a statement.
	handover *handover
}

func (s *fileSession) begin(ctx context.Context, text string) error { return do(ctx, s, text) }
func (s *fileSession) commit(ctx context.Context) error             { return do(ctx, s, "COMMIT") }
func (s *fileSession) rollback(ctx context.Context) error           { return do(ctx, s, "ROLLBACK") }

func (s *fileSession) later(ctx context.Context, st statement) error {
	_, err := s.run(ctx, st)
	return err
}

func (s *fileSession) run(ctx context.Context, statements ...statement) (changed int, err error) {
	for _, st := range statements {
		switch {
		case st.scan != nil:
			err = s.query(ctx, st)
		case len(st.tables) == 1 && st.tables[0].bulky():
			changed, err = s.execPieces(ctx, st)
		default:
			changed, err = s.exec(ctx, st, 0, 0)
		}
		if err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func (s *fileSession) query(ctx context.Context, st statement) error {
	prepared, err := s.prepared(ctx, st.text)
	if err != nil {
		return err
	}
	defer s.handover.take(st.tables, 0, 0)()
	found, err := prepared.QueryContext(ctx, st.scalars...)
	if err != nil {
		return err
	}
	return errors.Join(scanEach(found, st.scan), found.Close())
}

// execPieces runs a statement once for each piece of its rows.
func (s *fileSession) execPieces(ctx context.Context, st statement) (changed int, err error) {
	for from, size := 0, st.tables[0].size(); from < size; from += pieceRows {
		n, err := s.exec(ctx, st, from, min(from+pieceRows, size))
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// exec runs a statement with the rows from one to before another, or with all where to is 0.
func (s *fileSession) exec(ctx context.Context, st statement, from, to int) (int, error) {
	prepared, err := s.prepared(ctx, st.text)
	if err != nil {
		return 0, err
	}
	defer s.handover.take(st.tables, from, to)()
	result, err := prepared.ExecContext(ctx, st.scalars...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// prepared returns the prepared form of a text, preparing it the first time. The
// texts are constants, so that there are never many.
func (s *fileSession) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := s.statements[text]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.statements[text] = st
	return st, nil
}

// close lets go of the connection and of all that was prepared on it, for which SQLite would
// wait: the last connection to a file moves what its log has left into it. Untouched has it wait.
func (s *fileSession) close(untouched bool) error {
	s.handover.close()
	var errs []error
	for _, st := range s.statements {
		if !untouched {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// filePool lends a fixed number of sessions that keep their prepared statements.
// database/sql alone would prepare each statement anew in each transaction. The
// session that came back last is lent first, so that one page cache stays warm and
// those of the others stay small.
type filePool struct {
	db *sql.DB
	// idle holds a token for each session in free.
	idle chan struct{}

	mu   sync.Mutex
	free []*fileSession
}

// newFilePool opens size connections at once.
func newFilePool(ctx context.Context, db *sql.DB, size int) (*filePool, error) {
	db.SetMaxOpenConns(size)
	p := &filePool{db: db, idle: make(chan struct{}, size)}
	for range size {
		ss, err := newFileSession(ctx, db)
		if err != nil {
			for _, ss := range p.free {
				err = errors.Join(err, ss.close(false))
			}
			return nil, errors.Join(err, db.Close())
		}
		p.put(ss)
	}
	return p, nil
}

func newFileSession(ctx context.Context, db *sql.DB) (*fileSession, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	h, err := newHandover(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &fileSession{conn: conn, statements: map[string]*sql.Stmt{}, handover: h}, nil
}

func (p *filePool) take(ctx context.Context) (session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case _, open := <-p.idle:
		if !open {
			return nil, sql.ErrConnDone
		}
		return p.pop(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *filePool) pop() *fileSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	s := p.free[last]
	p.free = p.free[:last]
	return s
}

func (p *filePool) put(s session) {
	p.mu.Lock()
	p.free = append(p.free, s.(*fileSession))
	p.mu.Unlock()
	p.idle <- struct{}{}
}

func (p *filePool) close(untouched bool) error {
	var errs []error
	for range cap(p.idle) {
		<-p.idle
		errs = append(errs, p.pop().close(untouched))
	}
	close(p.idle)
	return errors.Join(append(errs, p.db.Close())...)
}

// noPool stands for a pool that was never opened.
type noPool struct{}

func (noPool) take(context.Context) (session, error) { return nil, sql.ErrConnDone }
func (noPool) put(session)                           {}
func (noPool) close(bool) error                      { return nil }
