package sqlstore

import "context"

// session is one connection, held by one transaction at a time.
type session interface {
	// begin begins a transaction, at the latest with the first statement that is run.
	begin(ctx context.Context, text string) error
	// commit runs what was left for later, and commits.
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
	// run runs statements in their order, after those that were left for later, and returns
	// how many rows the last of them changed. Where a server is asked, all go to it
	// together: none of them may depend on the answer to another.
	run(ctx context.Context, statements ...statement) (int, error)
	// later runs a statement at the latest with the next run or commit, which then may
	// return its error.
	later(ctx context.Context, s statement) error
}

// statement is one statement and what goes with it.
type statement struct {
	text string
	// scalars are its first arguments, tables those after them.
	scalars []any
	tables  []rows
	// scan is called for each row; nil where none are returned.
	scan func(row) error
}

// row is what a scan function may do with a row. Bytes that it hands over are those of the
// driver where a scanner takes them so, and good until it returns.
type row interface{ Scan(dest ...any) error }

// found are rows as the drivers return them.
type found interface {
	row
	Next() bool
	Err() error
}

// scanEach calls scan for each row.
func scanEach(rows found, scan func(row) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// do runs a statement that takes and returns nothing.
func do(ctx context.Context, s session, text string) error {
	_, err := s.run(ctx, statement{text: text})
	return err
}

// pool lends sessions.
type pool interface {
	// take waits for a session, or for the end of ctx.
	take(ctx context.Context) (session, error)
	put(s session)
	// close waits for the sessions lent and closes all. Where nothing may be written any more,
	// untouched leaves the files as they are.
	close(untouched bool) error
}
