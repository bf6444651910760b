package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// wrap turns a driver's error into the contract's, saying what was being done.
// Texts of drivers are not passed on where they may quote values.
func wrap(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, migrations.ErrNewer):
		return fmt.Errorf("%s: %w: %w", op, store.ErrNewerSchema, err)
	case isContract(err):
		return fmt.Errorf("%s: %w", op, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	c, known := causeOf(err)
	switch {
	case !known:
		return fmt.Errorf("%s: %w", op, err)
	case c.unavailable:
		return fmt.Errorf("%s: %w: %w", op, store.ErrUnavailable, c)
	}
	return fmt.Errorf("%s: %w", op, c)
}

// isContract says whether an error is one that callers branch on already.
func isContract(err error) bool {
	for _, sentinel := range []error{
		store.ErrLeaseHeld, store.ErrLeaseLost, store.ErrPipelineRunning, store.ErrNewerSchema,
		store.ErrNotFound, store.ErrUnavailable,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// cause is a driver's error without the data that its text may quote.
type cause struct {
	text        string
	unavailable bool
}

// Error implements error.
func (c *cause) Error() string { return c.text }

// causeOf recognises the errors of drivers and of the network below them.
func causeOf(err error) (*cause, bool) {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var path *fs.PathError
	var network *net.OpError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &lite):
		return sqliteCause(lite.Code()), true
	case errors.As(err, &pg):
		return postgresCause(pg), true
	case errors.As(err, &path):
		return &cause{path.Op + ": " + path.Err.Error(), true}, true
	case errors.As(err, &network):
		return &cause{"database connection: " + network.Op + ": " + errnoText(network.Err), true}, true
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), pgconn.SafeToRetry(err),
		pgconn.Timeout(err), errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF):
		return &cause{"database connection lost or refused", true}, true
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone):
		return &cause{"database connection closed", true}, true
	}
	return nil, false
}

// errnoText is the system's own word for a network error, without addresses.
func errnoText(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return "no connection"
}

// sqliteCause names a result code of SQLite. Its texts are SQLite's own constant
// ones, which quote nothing.
func sqliteCause(code int) *cause {
	text, ok := sqlite.ErrorCodeString[code]
	if !ok {
		text = sqlite.ErrorCodeString[code&0xff]
	}
	c := &cause{text: fmt.Sprintf("sqlite error %d: %s", code, text)}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		c.unavailable = true
	}
	return c
}

// postgresCause names an SQLSTATE. The server's message may quote values and is
// left out; the constraint's name is ours.
func postgresCause(err *pgconn.PgError) *cause {
	c := &cause{text: "postgres error " + err.Code}
	if err.ConstraintName != "" {
		c.text += ", constraint " + err.ConstraintName
	}
	switch err.Code[:min(2, len(err.Code))] {
	case "08", "28", "3D", "53", "57", "58", "F0", "XX": // connection, login, no such database, resources, shutdown, system
		c.unavailable = true
	case "25": // read only transaction, idle in transaction
		c.unavailable = err.Code == "25006" || err.Code == "25P03"
	case "40", "55": // deadlock, serialisation, lock not available
		c.unavailable = true
	}
	return c
}

// conflicted says that the database gave a transaction up for another one.
func conflicted(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
