package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// session is one connection, held by one transaction at a time.
type session struct {
	conn *sql.Conn
	// statements are those prepared on this connection; nil where the driver keeps
	// prepared statements itself.
	statements map[string]*sql.Stmt
	// draft is room for the tables that are handed over with a statement; the driver of
	// SQLite copies its arguments before a call returns.
	draft []byte
}

// keep keeps a draft for the next statement, unless it is of an unusual size.
func (s *session) keep(draft []byte) {
	if cap(draft) <= draftBytes {
		s.draft = draft
	}
}

// draftBytes is more than the tables of most statements have.
const draftBytes = 256 << 10

// do runs a statement that is no query and takes no arguments.
func (s *session) do(ctx context.Context, text string) error {
	_, err := s.exec(ctx, text, nil)
	return err
}

func (s *session) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if s.statements == nil {
		return s.conn.ExecContext(ctx, text, args...)
	}
	st, err := s.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *session) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if s.statements == nil {
		return s.conn.QueryContext(ctx, text, args...)
	}
	st, err := s.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// prepared returns the prepared form of a text, preparing it the first time. The
// texts are constants, so that there are never many.
func (s *session) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
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

// pool lends sessions.
type pool interface {
	// take waits for a session, or for the end of ctx.
	take(ctx context.Context) (*session, error)
	put(s *session)
	// close waits for the sessions lent and closes all.
	close() error
}

// fixedPool lends a fixed number of sessions that keep their prepared statements.
// database/sql alone would prepare each statement anew in each transaction. The
// session that came back last is lent first, so that one page cache stays warm and
// those of the others stay small.
type fixedPool struct {
	db *sql.DB
	// idle holds a token for each session in free.
	idle chan struct{}

	mu   sync.Mutex
	free []*session
}

// newFixedPool opens size connections at once.
func newFixedPool(ctx context.Context, db *sql.DB, size int) (*fixedPool, error) {
	db.SetMaxOpenConns(size)
	p := &fixedPool{db: db, idle: make(chan struct{}, size)}
	for range size {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		p.put(&session{conn: conn, statements: map[string]*sql.Stmt{}})
	}
	return p, nil
}

func (p *fixedPool) take(ctx context.Context) (*session, error) {
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

func (p *fixedPool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	s := p.free[last]
	p.free = p.free[:last]
	return s
}

func (p *fixedPool) put(s *session) {
	p.mu.Lock()
	p.free = append(p.free, s)
	p.mu.Unlock()
	p.idle <- struct{}{}
}

func (p *fixedPool) close() error {
	var errs []error
	for range cap(p.idle) {
		<-p.idle
		errs = append(errs, p.pop().conn.Close())
	}
	close(p.idle)
	return errors.Join(append(errs, p.db.Close())...)
}

// sharedPool lends the connections of a database/sql pool, whose driver finds out
// about broken ones and keeps prepared statements.
type sharedPool struct{ db *sql.DB }

func (p sharedPool) take(ctx context.Context) (*session, error) {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{conn: conn}, nil
}

// put returns the connection; the pool throws it away if it is broken.
func (p sharedPool) put(s *session) { _ = s.conn.Close() }

func (p sharedPool) close() error { return p.db.Close() }

// noPool stands for a pool that was never opened.
type noPool struct{}

func (noPool) take(context.Context) (*session, error) { return nil, sql.ErrConnDone }
func (noPool) put(*session)                           {}
func (noPool) close() error                           { return nil }
