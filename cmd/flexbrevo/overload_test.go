package main_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOverload holds more connections open than the daemon works on, with bodies that it holds in memory and that
// never end, and comes again when it is cut off: good posts are answered at once, taken or 503, health and console
// answer, memory stays bounded, and once nobody comes again everything is taken.
func TestOverload(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDayUntilNow(45, 5), clock: time.Now, env: map[string]string{"EVENTS": "@every 9h", "CONVERSATIONS": "@every 9h"}})
	l.must(0, "sync")
	d := l.run()
	before := d.resident()
	posts := 0
	post := func(size int) (status int) {
		posts++
		e := l.event(posts, size)
		return d.send(http.DefaultClient, request(e.path, "application/json", e.body, http.Header{"X-Twilio-Signature": {e.signature}}))
	}
	const small, large = 0, 100 << 10
	for name, c := range map[string]struct {
		announced, sent, connections int
		meanwhile                    int // what a small good post is answered with
	}{
		"large bodies that never end": {1 << 20, 1<<20 - 1, 200, http.StatusNoContent},
		"small ones in every place":   {1000, 999, 700, http.StatusServiceUnavailable},
	} {
		giveUp := d.hold(c.connections, c.announced, c.sent)
		// Places come free for a moment when those who hold them are cut off.
		eventually(t, 30*time.Second, name+": the daemon is full and answers at once", func() bool {
			began := time.Now()
			return post(large) == http.StatusServiceUnavailable && post(small) == c.meanwhile && time.Since(began) < time.Second
		})
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
		t.Logf("%s: %d MiB more", name, grown>>20)
		if grown > 100<<20 {
			t.Errorf("%s: the daemon grew by %d MiB", name, grown>>20)
		}
		giveUp()
		eventually(t, 30*time.Second, name+": the slow ones are cut off", func() bool { return post(large) == http.StatusNoContent && post(small) == http.StatusNoContent })
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, tail(d.stderr.String(), 1500))
	}
}

// hold keeps connections open that announce a body and send less of it, each anew once it was answered, until the
// returned function is called; after that each waits for its last answer.
func (d *daemon) hold(connections, announced, sent int) (giveUp func()) {
	d.t.Helper()
	head := fmt.Sprintf("POST %s?bodySHA256=x HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", eventsPath, announced)
	body := strings.Repeat("x", sent)
	over, giveUp := context.WithCancel(context.Background())
	var holding sync.WaitGroup
	for range connections {
		holding.Go(func() {
			for over.Err() == nil {
				conn, err := net.Dial("tcp", d.listen)
				if err != nil {
					d.t.Error(err)
					return
				}
				_, _ = conn.Write([]byte(head + body)) // it may have been refused already
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
				select {
				case <-over.Done():
				case <-time.After(time.Second):
				}
			}
		})
	}
	d.t.Cleanup(holding.Wait)
	d.t.Cleanup(giveUp)
	return giveUp
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
