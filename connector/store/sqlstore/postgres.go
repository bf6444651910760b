package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"flexbrevo/migrations"
)

const (
	// postgresConns is how many connections one process opens at most.
	postgresConns = 12
	// connectTime bounds one attempt to connect.
	connectTime = 5 * time.Second
	// idleTime is how long a connection is kept that nobody needs.
	idleTime = 5 * time.Minute
)

// openPostgres connects to a server and brings its schema up to date.
func openPostgres(ctx context.Context, url string, opts Options) (*Store, error) {
	const op = "open postgres store"
	config, err := poolOf(url)
	if err != nil {
		// The parser's text quotes the URL.
		return nil, errors.New(op + ": the url is not one that PostgreSQL understands")
	}
	opened, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, wrap(ctx, op, err)
	}
	pool := serverPool{opened, &atomic.Bool{}}
	s := &Store{
		dialect: postgresDialect(), options: opts, release: func() error { return nil }, writers: pool, readers: pool,
	}
	if err := s.migrate(ctx, opened); err != nil {
		return nil, errors.Join(wrap(ctx, op, err), s.Close())
	}
	return s, nil
}

// poolOf is how connections to a server are made and kept. What a URL says of its pool
// counts: pool_max_conns and the others of pgx.
func poolOf(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	plain, err := pgx.ParseConfig(url) // keeps as settings of the server what is said of the pool
	if err != nil {
		return nil, err
	}
	if _, said := plain.RuntimeParams["pool_max_conns"]; !said {
		config.MaxConns = postgresConns
	}
	if _, said := plain.RuntimeParams["pool_max_conn_idle_time"]; !said {
		config.MaxConnIdleTime = idleTime
	}
	configure(config.ConnConfig)
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		useArrays(conn.TypeMap())
		return nil
	}
	return config, nil
}

// configure sets what every connection needs. A transaction left open by a
// stopped process must not keep its locks, which would keep others from taking
// over its leases; and one old snapshot slows every claim (facts/stack.md 2). A
// statement is planned each time for the rows handed over with it and the tables as
// they are: a plan kept from when a table was small would read it whole until the
// next ANALYZE, which in a first load comes long after the table has grown. A bitmap
// scan collects all it finds where an index scan ends at the limit, and seems cheaper
// as long as the table seems empty.
//
// What is written without asking the server for types, as some poolers want it, would have
// no types for whole columns: they are asked for, without keeping a statement.
func configure(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	switch config.DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	}
	for name, value := range map[string]string{
		"application_name": "flexbrevo", "timezone": "UTC", "client_encoding": "UTF8",
		"idle_in_transaction_session_timeout": "5000", "lock_timeout": "20000", "jit": "off",
		"plan_cache_mode": "force_custom_plan", "enable_bitmapscan": "off",
	} {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
}

func (s *Store) migrate(ctx context.Context, pool *pgxpool.Pool) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	if !s.options.ReadOnly {
		return migrations.Apply(ctx, migrations.Postgres, db)
	}
	pending, err := migrations.Pending(ctx, migrations.Postgres, db)
	if err == nil && pending {
		return errors.New("the store has no schema, or that of an older flexbrevo: any command that writes brings it up to date")
	}
	return err
}
