package webhook

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve runs the handler's server on loopback and returns its address.
func serve(t *testing.T, f *fixture) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := f.Server(l.Addr().String())
	var running sync.WaitGroup // the server, and its connections until they are closed
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			running.Add(1)
		case http.StateClosed:
			running.Done()
		}
	}
	running.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); running.Wait() })
	return l.Addr().String()
}

// impatient has limits that a test can wait for.
func impatient(o *Options, _ *Connector) {
	o.Limits = Limits{HeaderTimeout: 100 * time.Millisecond, BodyTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond, MaxHeader: 8 << 10}
}

// say writes to a connection and returns the answer, nil when it was closed
// without one. A server that never gives up fails the test.
func say(t *testing.T, address, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text) // the server may have closed already
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatal("the server did not cut the client off")
	}
	if err != nil {
		return nil
	}
	return r
}

func head(path, headers string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Type: " + formType + "\r\n" + signatureHeader + ": x\r\n" + headers + "\r\n"
}

func TestBadClientsAreCutOff(t *testing.T) {
	f := newFixture(t, impatient)
	address := serve(t, f)
	for name, c := range map[string]struct {
		text   string
		status int // 0 means closed without an answer
	}{
		"no request":            {"", 0},
		"a header without end":  {"POST / HTTP/1.1\r\nHost: h\r\nX-A: ", 0},
		"a flood of headers":    {"POST " + taskRouterPath + " HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X-Flood: flood\r\n", 10_000), http.StatusRequestHeaderFieldsTooLarge},
		"a slow body":           {head(taskRouterPath, "Content-Length: 10\r\n") + "abc", http.StatusRequestTimeout},
		"a slow chunked body":   {head(taskRouterPath, "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n", http.StatusRequestTimeout},
		"a body announced huge": {head(taskRouterPath, "Content-Length: 99999999999\r\n"), http.StatusRequestEntityTooLarge},
		"chunks without end":    {head(taskRouterPath, "Transfer-Encoding: chunked\r\n") + strings.Repeat("10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n", 32), http.StatusRequestEntityTooLarge},
		"chunks that are none":  {head(taskRouterPath, "Transfer-Encoding: chunked\r\n") + "zz\r\n", http.StatusBadRequest},
		"a method of its own":   {"SMUGGLE " + taskRouterPath + " HTTP/1.1\r\nHost: h\r\n\r\n", http.StatusMethodNotAllowed},
		"every path's options":  {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			r := say(t, address, c.text)
			switch {
			case r == nil && c.status != 0:
				t.Errorf("closed without an answer, want %d", c.status)
			case r != nil && r.StatusCode != c.status:
				t.Errorf("answer %s, want %d", r.Status, c.status)
			}
		})
	}
	if n := len(f.keeper.kept()); n != 0 {
		t.Errorf("kept %d records", n)
	}
	good := signedForm(taskRouterPath, goodForm)
	text := head(taskRouterPath, fmt.Sprintf("Content-Length: %d\r\n", len(goodForm)))
	text = strings.Replace(text, signatureHeader+": x", signatureHeader+": "+good.Header.Get(signatureHeader), 1)
	if r := say(t, address, text+goodForm); r == nil || r.StatusCode != http.StatusNoContent {
		t.Errorf("a good post afterwards: %v", r)
	}
}

func TestServerHasEveryLimit(t *testing.T) {
	s := newFixture(t, nil).Server("127.0.0.1:0")
	for name, d := range map[string]time.Duration{
		"header": s.ReadHeaderTimeout, "request": s.ReadTimeout, "answer": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("no limit on the time of the %s", name)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.WriteTimeout <= s.ReadTimeout {
		t.Errorf("header %d bytes, write %s after read %s", s.MaxHeaderBytes, s.WriteTimeout, s.ReadTimeout)
	}
}
