package main_test

import (
	"bytes"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"flexbrevo/connector/store/storetest/pgtest"
)

// TestPostgresAttacked breaks PostgreSQL under a sync, at an answer of Twilio and at a write that Brevo has just applied
// and not answered yet. A sync may fail for it; the next one must find everything: nothing lost, no event twice,
// contacts as calculated.
func TestPostgresAttacked(t *testing.T) {
	t.Parallel()
	moments := []place{{"twilio/answered", 4}, {"brevo/applied", 5}}
	each := func(t *testing.T, number int, server *pgtest.Server, attack func(v *attacked)) {
		for i, m := range moments { // each in a world of its own: a sync may live through the attack and leave nothing
			v := newAttacked(t, number+i, server.Database(t))
			v.attackedAt(m, func() { attack(v) })
			v.mustRecover()
		}
	}
	t.Run("server killed", func(t *testing.T) {
		t.Parallel()
		server := ownServer(t, &pgtest.Server{Prepare: postgres.Prepare})
		each(t, 10, server, func(*attacked) { server.Kill(t); server.Restart(t) })
	})
	t.Run("connections cut", func(t *testing.T) {
		t.Parallel()
		each(t, 20, &postgres, func(v *attacked) {
			cut := ask(t, v.database, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'flexbrevo'`)
			if cut[0] == "0" {
				t.Error("there was no connection to cut")
			}
		})
	})
	t.Run("answer to COMMIT lost", func(t *testing.T) {
		t.Parallel()
		v := newAttacked(t, 3, postgres.Database(t))
		proxy := newCommitProxy(t, v.database)
		v.env["STORE"] = proxy.url
		for n := range 12 { // another one of each sync's commits, the first ones among them
			proxy.lose(1 + 3*n)
			v.flexbrevo("sync")
			v.passLease()
		}
		if lost := proxy.lost.Load(); lost < 6 {
			t.Errorf("only %d answers to COMMIT were lost", lost)
		}
		v.env["STORE"] = v.database
		v.mustRecover()
	})
	t.Run("clock put forward", func(t *testing.T) {
		t.Parallel()
		// That is what a jump does to leases: all of them have run out.
		each(t, 40, &postgres, func(v *attacked) { execute(t, v.database, `UPDATE leases SET expires_at = 0`) })
	})
	t.Run("clock put back", func(t *testing.T) {
		t.Parallel()
		v := newAttacked(t, 5, postgres.Database(t))
		// Leases then last an hour longer than they should, by which nobody is held up who holds them.
		r := v.attackedAt(moments[0], func() {
			execute(t, v.database, `UPDATE leases SET expires_at = expires_at + 3600000 WHERE expires_at > 0`)
		})
		if r.code != 0 {
			t.Errorf("exit code %d\n%s", r.code, r.stderr)
		}
		v.mustRecover()
	})
	t.Run("disk full", func(t *testing.T) {
		t.Parallel()
		server := ownServer(t, &pgtest.Server{Prepare: postgres.Prepare, Room: 200 << 20})
		v := newAttacked(t, 6, server.Database(t))
		var free func()
		r := v.attackedAt(place{"twilio/answered", 4}, func() { free = server.Fill(t) })
		if free(); !server.Runs() {
			server.Restart(t)
		}
		if r.code == 0 {
			t.Errorf("a sync with a full disk ended with exit code 0\n%s", r.stdout)
		}
		v.mustRecover()
	})
}

// ownServer is a server that the test may break.
func ownServer(t *testing.T, s *pgtest.Server) *pgtest.Server {
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// attacked is a victim whose database is attacked, not its process.
type attacked struct {
	*victim
	matrix *crashes
	number int
}

func newAttacked(t *testing.T, number int, database string) *attacked {
	c := &crashes{database: database, seed: 900}
	a := &attacked{victim: c.newVictim(t, number), matrix: c, number: number}
	c.database = "postgres" // where another world like it is made, to compare with
	return a
}

// attackedAt runs a sync that is attacked at a place.
func (a *attacked) attackedAt(p place, attack func()) result {
	a.t.Helper()
	side, moment, _ := strings.Cut(p.name, "/")
	done := false
	wire := a.wires[side]
	wire.arm(moment, p.most, func() { attack(); done = true })
	r := a.flexbrevo("sync")
	wire.arm("", 0, nil)
	if !done {
		a.t.Errorf("a sync never came to %s %d times", p.name, p.most)
	}
	a.passLease()
	return r
}

// mustRecover runs a sync and compares.
func (a *attacked) mustRecover() {
	a.t.Helper()
	a.matrix.mustRecover(a.victim, a.number)
}

// commitProxy stands before PostgreSQL, and lets a COMMIT through to the server while its answer never comes back.
type commitProxy struct {
	url    string
	server string
	left   atomic.Int64 // commits until one is lost
	lost   atomic.Int64
}

func newCommitProxy(t *testing.T, database string) *commitProxy {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &commitProxy{server: u.Host}
	u.Host = l.Addr().String()
	p.url = u.String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.carry(t, client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return p
}

// lose makes the n-th COMMIT from now on one whose answer is lost.
func (p *commitProxy) lose(n int) { p.left.Store(int64(n)) }

// carry joins a client to the server until either ends.
func (p *commitProxy) carry(t *testing.T, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		t.Error(err)
		return
	}
	var deaf atomic.Bool
	answered := make(chan struct{}, 1)
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if deaf.Load() {
				answered <- struct{}{} // the server has committed, and nobody hears of it
				return
			}
			if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
				_ = client.Close()
				return
			}
		}
	})
	err = p.forward(client, server, func() {
		deaf.Store(true)
		p.lost.Add(1)
	})
	if deaf.Load() {
		<-answered
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Log(err)
	}
	_ = server.Close()
	back.Wait()
}

// forward passes the client's messages on, one by one: after its first, which has no type, each is a byte and a
// length. Before the COMMIT whose answer is to be lost it calls cut, and ends after it.
func (p *commitProxy) forward(client io.Reader, server io.Writer, cut func()) error {
	for typed := 0; ; typed = 1 {
		head := make([]byte, typed+4)
		if _, err := io.ReadFull(client, head); err != nil {
			return err
		}
		size := encoding.BigEndian.Uint32(head[typed:])
		message := make([]byte, size-4)
		if _, err := io.ReadFull(client, message); err != nil {
			return fmt.Errorf("read a message of %d bytes: %w", size, err)
		}
		last := typed == 1 && bytes.Equal(message, []byte("COMMIT\x00")) && p.left.Add(-1) == 0
		if last {
			cut()
		}
		if _, err := server.Write(append(head, message...)); err != nil || last {
			return err
		}
	}
}
