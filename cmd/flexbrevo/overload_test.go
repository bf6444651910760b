package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOverload holds more connections open than the daemon works on, with bodies that it holds in memory and that
// never end: good posts are answered at once, taken or 503, health and console answer, memory stays bounded, and when
// the slow ones were cut off everything is taken again.
func TestOverload(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDayUntilNow(45, 5), clock: time.Now, env: map[string]string{"EVENTS": "@every 9h", "CONVERSATIONS": "@every 9h"}})
	l.must(0, "sync")
	d := l.run()
	before := d.resident()
	good := func(n int) (status int, took time.Duration) {
		e := l.event(n)
		began := time.Now()
		status = d.send(http.DefaultClient, request(e.path, "application/json", e.body, http.Header{"X-Twilio-Signature": {e.signature}}))
		return status, time.Since(began)
	}
	for name, c := range map[string]struct {
		announced, sent, connections int
		want                         int // what a good post is answered with meanwhile
	}{
		"large bodies that never end": {1 << 20, 1<<20 - 1, 200, http.StatusNoContent},
		"small ones in every place":   {1000, 999, 700, http.StatusServiceUnavailable},
	} {
		held := d.hold(c.connections, c.announced, c.sent)
		eventually(t, 4*time.Second, name+": the daemon is full", func() bool { status, _ := good(c.sent); return status == c.want })
		status, took := good(c.sent + 1)
		if status != c.want || took > time.Second {
			t.Errorf("%s: a good post is answered %d after %s, want %d at once", name, status, took, c.want)
		}
		for _, address := range []string{"http://" + d.listen + "/healthz", "http://" + d.listen + "/readyz", "http://" + d.admin + "/", "http://" + d.admin + "/api/v1/status"} {
			began := time.Now()
			response, err := http.Get(address)
			if err != nil || response.StatusCode != http.StatusOK || time.Since(began) > 2*time.Second {
				t.Errorf("%s: %s: %v, %v after %s", name, address, response, err, time.Since(began))
			}
			if err == nil {
				_ = response.Body.Close()
			}
		}
		// 32 large bodies may be held, each once more while it grows, and 512 small ones.
		grown := d.resident() - before
		t.Logf("%s: %d MiB more, a good post answered %d in %s", name, grown>>20, status, took)
		if grown > 100<<20 {
			t.Errorf("%s: the daemon grew by %d MiB", name, grown>>20)
		}
		eventually(t, 15*time.Second, name+": the slow ones are cut off", func() bool { status, _ := good(c.sent + 2); return status == http.StatusNoContent })
		for _, conn := range held {
			_ = conn.Close()
		}
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, tail(d.stderr.String(), 1500))
	}
}

// hold opens connections that announce a body and send less of it. What is answered instead of waited for is let go.
func (d *daemon) hold(connections, announced, sent int) (held []net.Conn) {
	d.t.Helper()
	head := fmt.Sprintf("POST %s?bodySHA256=x HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", eventsPath, announced)
	body := strings.Repeat("x", sent)
	for range connections {
		conn, err := net.Dial("tcp", d.listen)
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(func() { _ = conn.Close() })
		_, _ = conn.Write([]byte(head + body)) // it may have been refused already
		held = append(held, conn)
	}
	return held
}

// resident is how much memory the daemon has, in bytes.
func (d *daemon) resident() int {
	d.t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Skip("this system tells no process's memory under /proc")
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			if kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(text, "kB"))); err == nil {
				return kilobytes << 10
			}
		}
	}
	d.t.Fatal("VmRSS is not in the process's status")
	return 0
}
