package main_test

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// forwarder is a company's proxy: it makes tunnels, by name, to where the test has put the two sides.
type forwarder struct {
	mu      sync.Mutex
	routes  map[string]string // "host:port" as asked for, to an address
	tunnels map[string]int
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	to, ok := f.routes[r.Host]
	f.tunnels[r.Host]++
	f.mu.Unlock()
	if r.Method != http.MethodConnect || !ok {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	there, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

func (f *forwarder) count(host string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tunnels[host]
}

// behindForwarder puts both sides behind TLS, by names that only a proxy knows, and returns the proxy.
func behindForwarder(t *testing.T, l *lab) *forwarder {
	t.Helper()
	f := &forwarder{routes: map[string]string{}, tunnels: map[string]int{}}
	for name, side := range map[string]struct {
		handler  http.Handler
		variable string
	}{"twilio.example.com": {l.twilio, "TWILIO_URL"}, "brevo.example.com": {l.brevo, "BREVO_URL"}} {
		server := httptest.NewTLSServer(side.handler)
		t.Cleanup(server.Close)
		f.routes[name+":443"] = server.Listener.Addr().String()
		l.env[side.variable] = "https://" + name
		authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		l.write("authority.pem", string(authority)) // both have the same
	}
	l.env["HTTPS_PROXY"] = serve(t, f)
	return f
}

// TestProxyAndAuthority reaches both sides through HTTPS_PROXY and trusts them by tls.ca_file; without the one or the
// other nothing is reached, and what NO_PROXY names is not asked of the proxy.
func TestProxyAndAuthority(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(53, 30, false)})
	f := behindForwarder(t, l)
	text := readFile(t, filepath.Join(l.dir, "connector.yaml"))
	r := l.must(5, "sync")
	if !strings.Contains(r.stderr, "certificate") || l.writes() != 0 {
		t.Errorf("an unknown authority is not named: %s", r.stderr)
	}
	l.write("connector.yaml", text+"tls: {ca_file: authority.pem}\n")
	l.must(0, "sync")
	l.mustEqual(settings(today().Add(-10 * time.Second)))
	if f.count("twilio.example.com:443") == 0 || f.count("brevo.example.com:443") == 0 {
		t.Errorf("tunnels %v, want some to both sides", f.tunnels)
	}

	before := f.count("brevo.example.com:443")
	l.env["NO_PROXY"] = "brevo.example.com"
	l.must(5, "test") // nobody else knows that name
	if after := f.count("brevo.example.com:443"); after != before {
		t.Errorf("the proxy was asked %d times for what NO_PROXY names", after-before)
	}
	delete(l.env, "HTTPS_PROXY")
	l.must(5, "test")
	l.write("connector.yaml", text+"tls: {ca_file: missing.pem}\n")
	if r := l.must(3, "sync"); !strings.Contains(r.stderr, "tls.ca_file") {
		t.Errorf("a missing authority is not named by its setting: %s", r.stderr)
	}
}

// TestIPv6 listens and calls on IPv6 only.
func TestIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(54, 20, false), env: map[string]string{"LISTEN": "[::1]:0", "ADMIN": "[::1]:0"}})
	for variable, side := range map[string]http.Handler{"TWILIO_URL": l.twilio, "BREVO_URL": l.brevo} {
		listener, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			t.Skip("this machine has no IPv6 loopback:", err)
		}
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: side}}
		server.Start()
		t.Cleanup(server.Close)
		l.env[variable] = server.URL
	}
	d := l.run()
	l.eventuallyEqual(liveSettings(today().Add(-10*time.Second)), time.Minute, d)
	for _, address := range []string{"http://" + d.listen + "/readyz", "http://" + d.admin + "/api/v1/status"} {
		response, err := http.Get(address)
		if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(address, "http://[::1]:") {
			t.Fatalf("%s: %v, %v", address, response, err)
		}
		_ = response.Body.Close()
	}
	if status := l.must(0, "status").stdout; !strings.Contains(status, "twilio_flex") {
		t.Errorf("status: %s", status)
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
