// Package pgtest gives tests a PostgreSQL of their own: a throw-away cluster on
// loopback, one database for each test, nothing left behind.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// URLVariable names a server to use instead of a cluster of our own. Its user must
// be allowed to create databases.
const URLVariable = "FLEXBREVO_TEST_DATABASE_URL"

// patience bounds each step of starting and stopping.
const patience = 60 * time.Second

// Server is a PostgreSQL for the tests of one package. Its zero value is ready; it
// starts with the first database asked for. Stop it when the tests are done.
type Server struct {
	// Prepare, when set, fills a database once, of which all others are copies: a
	// copy is several times faster than a schema made anew.
	Prepare func(url string) error
	// Durable lets a cluster of our own write to disk before it acknowledges, as
	// benchmarks need it and tests do not.
	Durable bool
	// Room, when set, is how many bytes the cluster's disk has: it is made in memory,
	// which only root may do, see Fill.
	Room int64

	start sync.Once
	err   error
	url   *url.URL
	// template is the name of the prepared database.
	template string
	made     atomic.Int64
	// of a cluster of our own:
	dir     string
	begun   func() error // starts the server on the cluster
	mounted bool
	lifter  io.Closer // the server runs until this is closed, also by our death
	process *exec.Cmd
}

// errNoBinaries is returned where no PostgreSQL is installed.
var errNoBinaries = errors.New("no PostgreSQL found: install its server (initdb and postgres in PATH or below " +
	"/usr/lib/postgresql), or set " + URLVariable)

// Own is a server for one test or benchmark alone, and is stopped with it.
func Own(t testing.TB, s *Server) *Server {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Database returns the URL of a new database that goes with the test: empty, or as
// Prepare made it.
// Without PostgreSQL the test is skipped, and fails where CI is set.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.start.Do(func() {
		if s.err = s.begin(); s.err == nil {
			s.err = s.prepare()
		}
	})
	if errors.Is(s.err, errNoMount) || errors.Is(s.err, errNoBinaries) && os.Getenv("CI") == "" {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
	name := fmt.Sprintf("flexbrevo_%d_%d", os.Getpid(), s.made.Add(1))
	if err := s.run("CREATE DATABASE " + name + " TEMPLATE " + s.template); err != nil {
		t.Fatalf("create test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.run("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return s.database(name)
}

// database is the URL of one of the server's databases.
func (s *Server) database(name string) string {
	u := *s.url
	u.Path = "/" + name
	return u.String()
}

// prepare makes the database that others are copies of.
func (s *Server) prepare() error {
	if s.Prepare == nil {
		s.template = "template1"
		return nil
	}
	s.template = fmt.Sprintf("flexbrevo_%d_template", os.Getpid())
	if err := s.run("CREATE DATABASE " + s.template); err != nil {
		return err
	}
	return s.Prepare(s.database(s.template))
}

// Stop removes the prepared database, ends the cluster and removes its files.
func (s *Server) Stop() error {
	if s.process == nil {
		if s.url == nil || s.Prepare == nil {
			return nil
		}
		return s.run("DROP DATABASE IF EXISTS " + s.template + " WITH (FORCE)")
	}
	err := errors.Join(s.lifter.Close(), s.process.Wait(), s.unmount(), os.RemoveAll(s.dir))
	s.process = nil
	return err
}

// run executes one statement in the server's own database.
func (s *Server) run(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url.String())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// begin finds the server that the environment names, or starts one.
func (s *Server) begin() (err error) {
	if given := os.Getenv(URLVariable); given != "" {
		if s.url, err = url.Parse(given); err != nil {
			return errors.New(URLVariable + " is not a URL")
		}
		return nil
	}
	bin, err := binaries()
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "flexbrevo-pg-"); err != nil {
		return err
	}
	if err := errors.Join(s.mount(), s.cluster(bin)); err != nil {
		return errors.Join(err, s.Stop(), s.unmount(), os.RemoveAll(s.dir))
	}
	return nil
}

// binaries returns the folder of the newest PostgreSQL server installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Reverse(found)
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(path))
		}
	}
	for _, dir := range found {
		if exists(filepath.Join(dir, "initdb")) && exists(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errNoBinaries
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// cluster makes a cluster and starts its server. Unless it is to be durable nothing
// is synced to disk: a throw-away database need not outlive the machine.
func (s *Server) cluster(bin string) error {
	who, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "flexbrevo", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = who, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.url = &url.URL{Scheme: "postgres", User: url.User("flexbrevo"), Host: "127.0.0.1:" + port, Path: "/postgres", RawQuery: "sslmode=disable"}
	s.begun = func() error { return s.serve(bin, port, who) }
	if err := s.begun(); err != nil {
		return err
	}
	return s.ready(patience)
}

// serve starts the server of the cluster.
func (s *Server) serve(bin, port string, who *syscall.SysProcAttr) (err error) {
	data := filepath.Join(s.dir, "data")
	// The shell ends the server when its standard input does, so that none is left
	// running when the tests are killed.
	const keeper = `"$@" & pid=$!; read -r _; kill -INT $pid; wait $pid`
	server := exec.Command("/bin/sh", "-c", keeper, "sh", filepath.Join(bin, "postgres"), "-D", data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "synchronous_commit=on", "-c", "max_connections=200")
	if !s.Durable {
		server.Args = append(server.Args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	server.SysProcAttr, server.Dir = who, s.dir
	if s.lifter, err = server.StdinPipe(); err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.process = server
	return nil
}

// ready waits until the server answers.
func (s *Server) ready(limit time.Duration) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		err := s.run("SELECT 1")
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// freePort returns a port of loopback that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
