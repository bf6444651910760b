package main_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// TestReplicas plays a day to several daemons on one PostgreSQL, of which one is killed, one stopped, one paused for
// longer than its leases last, and two live through a newer schema. In the end everything is in Brevo, once.
func TestReplicas(t *testing.T) {
	t.Parallel()
	database := postgres.Database(t)
	options := aDay(7, 150, true)
	begins := time.Now()
	const length = 50 * time.Second
	clock := playing(options.Start, today(), length)
	l := newLab(t, setup{
		world: options, shared: true, clock: clock,
		brevo: brevosim.Options{ReadLag: 200 * time.Millisecond, Faults: brevosim.Faults{Latency: 5 * time.Millisecond}},
		env:   map[string]string{"LOOKUP_AFTER": "1s", "STORE": database},
	})
	s := liveSettings(today())
	l.withoutGroups(s)
	first := l.run()
	roles := l.heldBy(database, first, 10*time.Second)
	if len(roles) != 3 {
		t.Fatalf("roles %v, want one each for pulling, digesting and delivering", roles)
	}
	second := l.run()
	for _, d := range []*daemon{first, second} {
		report, err := l.twilio.Push(t.Context(), twiliosim.Push{
			Kind: twiliosim.PushStream, URL: publicURL + "/webhooks/twilio/events", From: options.Start,
			Client: &http.Client{Transport: behindProxy(d.listen)},
		})
		if err != nil || report.Accepted == 0 || report.Accepted != report.Posts {
			t.Errorf("of %d posts %d were accepted, %v", report.Posts, report.Accepted, err)
		}
	}
	if held := l.roles(database); !maps.Equal(held, roles) {
		t.Errorf("a second replica changed who holds what: %v, was %v", held, roles)
	}

	first.kill()
	killed := time.Now()
	l.heldBy(database, second, 20*time.Second)
	t.Logf("taken over %s after a kill", time.Since(killed).Round(10*time.Millisecond))

	third := l.run()
	if code, took := second.stop(); code != 0 {
		t.Errorf("exit code %d after %s\n%s", code, took, second.stderr.String())
	}
	stopped := time.Now()
	l.heldBy(database, third, 2*time.Second)
	t.Logf("taken over %s after a clean stop", time.Since(stopped).Round(10*time.Millisecond))

	fourth := l.run()
	l.whileSending(database)
	third.signal(syscall.SIGSTOP)
	paused := time.Now()
	l.heldBy(database, fourth, 20*time.Second)
	t.Logf("taken over %s after a pause", time.Since(paused).Round(10*time.Millisecond))
	third.signal(syscall.SIGCONT)

	// A newer binary has been started somewhere: its migration only adds.
	execute(t, database, `ALTER TABLE deliveries ADD COLUMN added BIGINT; ALTER TABLE records ADD COLUMN added TEXT NOT NULL DEFAULT '';
		CREATE TABLE added (id BIGINT); INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	old := l.start()
	if !old.wait(20*time.Second) || old.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(old.stderr.String(), "newer flexbrevo") {
		t.Errorf("an old binary started on a newer schema\n%s", old.stderr.String())
	}

	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("deliveries: %v\nthe paused replica's last lines:\n%s", ask(t, database, `SELECT kind || ' ' || state || ' ' || reason || ' ' || COUNT(*)
				FROM deliveries GROUP BY kind, state, reason`), tail(third.stderr.String(), 2000))
		}
	})
	l.eventuallyEqual(s, length-time.Since(begins)+60*time.Second, fourth)
	if held := l.roles(database); !maps.Equal(held, l.heldBy(database, fourth, time.Second)) {
		t.Errorf("the paused replica took roles back: %v", held)
	}
	for _, d := range []*daemon{fourth, third} {
		if code, took := d.stop(); code != 0 {
			t.Errorf("exit code %d after %s\n%s", code, took, d.stderr.String())
		}
	}
	l.mustEqual(s)
}

// withoutGroups leaves out the events of contacts with the centre. A second is half an hour of the day here, so that
// what a takeover holds up is linked hours late, and what was told before is not recalled (design 1, promise 2).
func (l *lab) withoutGroups(s oracle.Settings) {
	text := l.configuration("connector.yaml")
	for _, line := range []string{"      conversation.started: CONVERSATION_STARTED\n", "      conversation.ended: CONVERSATION_ENDED\n"} {
		if !strings.Contains(text, line) {
			l.t.Fatalf("the configuration holds no line %q", line)
		}
		text = strings.Replace(text, line, "", 1)
	}
	l.write("connector.yaml", strings.Replace(text, "shared_phones: []", "shared_phones: [\""+world.SharedPhone+"\"]", 1))
	delete(s.Events, "conversation.started")
	delete(s.Events, "conversation.ended")
}

// behindProxy carries what is sent to the public URL to the daemon that listens at an address.
type behindProxy string

// RoundTrip implements http.RoundTripper.
func (p behindProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, "http", string(p)
	return http.DefaultTransport.RoundTrip(r)
}

// whileSending waits until deliveries are under way.
func (l *lab) whileSending(database string) {
	l.t.Helper()
	eventually(l.t, 20*time.Second, "deliveries are under way", func() bool {
		return ask(l.t, database, `SELECT COUNT(*) FROM deliveries WHERE state = 'sending'`)[0] != "0"
	})
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// roles are those held now, each with the process id of its holder.
func (l *lab) roles(database string) map[string]string {
	l.t.Helper()
	held := map[string]string{}
	for _, row := range ask(l.t, database, `SELECT role || ' ' || split_part(holder, '/', 2) FROM leases
			WHERE expires_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`) {
		role, pid, _ := strings.Cut(row, " ")
		held[role] = pid
	}
	return held
}

// heldBy waits until a daemon holds all roles.
func (l *lab) heldBy(database string, d *daemon, limit time.Duration) (held map[string]string) {
	l.t.Helper()
	pid := strconv.Itoa(d.cmd.Process.Pid)
	eventually(l.t, limit, "one replica holds all roles", func() bool {
		held = l.roles(database)
		return len(held) == 3 && !slices.ContainsFunc(slices.Collect(maps.Values(held)), func(p string) bool { return p != pid })
	})
	return held
}
