package main_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

const eventsPath = "/webhooks/twilio/events"

// signedEvent is a post as Twilio makes it: the path with its query, the body and the signature.
type signedEvent struct{ path, body, signature string }

// event is the creation of a task that nobody else tells of, with so many bytes of white space in it.
func (l *lab) event(n, padding int) signedEvent {
	at := time.Now().UTC().Format(time.RFC3339)
	body := fmt.Sprintf(`[{"specversion":"1.0","type":"com.twilio.taskrouter.task.created","source":"AB1","id":"EZ%032x","time":%q,`+
		`"data":{"payload":{"sid":"EV%032x","eventtype":"task.created","timestamp":%q,"task_sid":"WT%032x","task_attributes":"{}"}}}%*s]`, n, at, n, at, n, padding, "")
	address, signature := l.twilio.SignJSON(publicURL+eventsPath, []byte(body))
	return signedEvent{strings.TrimPrefix(address, publicURL), body, signature}
}

// forgery makes a request that must not be believed, or can never be read. It returns the status to expect; 0 where
// several are right.
func (l *lab) forgery(random *rand.Rand, good signedEvent, token http.Header) (*http.Request, int) {
	if random.IntN(4) == 0 {
		return l.forgedForm(random), http.StatusForbidden
	}
	cut := func(s string) string { return s[:random.IntN(len(s))] }
	flip := func(s string) string {
		b := []byte(s)
		b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		return string(b)
	}
	method, path, body, header, status := http.MethodPost, good.path, good.body, http.Header{"X-Twilio-Signature": {good.signature}}, http.StatusForbidden
	switch random.IntN(14) {
	case 0:
		header = http.Header{} // no proof
	case 1:
		header.Set("X-Twilio-Signature", twiliosim.SignForm(strings.Repeat("f", 32), publicURL+path, nil)) // another's key
	case 2:
		body = cut(body) // truncated
	case 3:
		body = flip(body) // tampered
	case 4:
		path = eventsPath + "?bodySHA256=" + strings.Repeat("0", 64) // another hash
	case 5:
		path = eventsPath // no hash
	case 6:
		path = strings.Replace(path, "/twilio/events", "/survey", 1) // replayed elsewhere
	case 7:
		path += "&tenant=other" // an addition
	case 8:
		body, status = strings.Repeat("x", 1<<20+1+random.IntN(1<<16)), http.StatusRequestEntityTooLarge
	case 9: // a compression bomb
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, 1<<16)) // to memory
		_ = z.Close()
		body, status = b.String(), http.StatusUnsupportedMediaType
		header.Set("Content-Encoding", "gzip")
	case 10:
		method, status = http.MethodGet, http.StatusMethodNotAllowed
	case 11: // a forged user token
		path, header = pluginPath, bearer("eyJ."+cut(good.signature))
	case 12: // a good token under a post that can never be read
		path, header, body, status = pluginPath, token.Clone(), cut(`{"TaskSid":"x"}`), http.StatusBadRequest
	case 13: // fields and headers of garbage
		header.Set("X-Twilio-Signature", cut(good.signature))
		header.Set("X-Garbage", strings.Repeat("y", random.IntN(20<<10)))
		path = eventsPath + "?" + strings.Repeat("a=b&", random.IntN(100))
	}
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	return r, status
}

// TestForgeries sends ten thousand requests that must change nothing, with good ones in between, and slow ones beside
// them: the good ones are kept, nothing else is, and the daemon stays healthy.
func TestForgeries(t *testing.T) {
	t.Parallel()
	const forged, workers, each = 10_000, 16, 50 // one good one after so many
	l := newLab(t, setup{world: aDayUntilNow(31, 5), clock: time.Now, env: map[string]string{"EVENTS": "@every 9h", "CONVERSATIONS": "@every 9h"}})
	l.write("connector.yaml", strings.Replace(readFile(t, filepath.Join(l.dir, "connector.yaml")), "public_url:", "survey_secret: "+surveyKey+"\n  public_url:", 1))
	l.must(0, "sync")
	d := l.run()
	eventually(t, 15*time.Second, "the daemon is idle", func() bool { before, _ := d.status(); after, _ := d.status(); return before == after && before > 0 })
	before, _ := d.status()
	derived := l.derived()
	l.brevo.ResetCalls()
	token := bearer(l.twilio.IssueToken(l.world.Agents[0].SID))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	slow := sendSlowly(ctx, d.listen, 40)

	var sending sync.WaitGroup
	var counted sync.Mutex
	kept := 0
	for w := range workers {
		sending.Go(func() {
			random := rand.New(rand.NewPCG(31, uint64(w)))
			for i := range forged / workers {
				n := w*forged + i
				good := l.event(n, 0)
				r, want := l.forgery(random, good, token)
				status := d.send(client, r)
				if want != 0 && status != want && status != http.StatusServiceUnavailable {
					t.Errorf("%s %.80s with %d bytes: status %d, want %d", r.Method, r.URL, r.ContentLength, status, want)
				}
				if i%each != 0 {
					continue
				}
				genuine, err := http.NewRequest(http.MethodPost, good.path, strings.NewReader(good.body))
				if err != nil {
					panic(err)
				}
				genuine.Header = http.Header{"X-Twilio-Signature": {good.signature}, "Content-Type": {"application/json"}}
				for range 2 { // and once more, as Twilio may
					again := genuine.Clone(ctx)
					again.Body = io.NopCloser(strings.NewReader(good.body))
					status := d.send(client, again)
					for try := 0; status == http.StatusServiceUnavailable && try < 20; try++ { // a starved machine; Twilio comes again, too
						again.Body = io.NopCloser(strings.NewReader(good.body))
						status = d.send(client, again)
					}
					if status != http.StatusNoContent {
						t.Errorf("a good post: status %d", status)
					}
				}
				counted.Lock()
				kept++
				counted.Unlock()
			}
		})
	}
	sending.Wait()
	cancel()
	slow.Wait()
	if after, problems := d.status(); after != before+kept {
		t.Errorf("%d records after %d good posts, want %d; problems %q", after, kept, before+kept, problems)
	}
	if again := l.derived(); again != derived {
		t.Errorf("derived before %s, afterwards %s", derived, again)
	}
	if n := l.writes(); n != 0 {
		t.Errorf("%d calls to Brevo of forged posts, or of tasks without a customer", n)
	}
	response, err := http.Get("http://" + d.listen + "/readyz")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the daemon is not well: %v, %v", response, err)
	} else {
		_ = response.Body.Close()
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// send sends a request to the daemon and returns the status; 413 also where the daemon hung up on a body too large.
func (d *daemon) send(client *http.Client, r *http.Request) int {
	r.URL.Scheme, r.URL.Host = "http", d.listen
	response, err := client.Do(r)
	if err != nil {
		if r.ContentLength > 1<<20 {
			return http.StatusRequestEntityTooLarge
		}
		d.t.Errorf("%s %.80s: %v", r.Method, r.URL, err)
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	return response.StatusCode
}

// sendSlowly holds connections open that send their header, or their body, a byte at a time.
func sendSlowly(ctx context.Context, address string, connections int) *sync.WaitGroup {
	var sending sync.WaitGroup
	for i := range connections {
		sending.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer conn.Close()
			head := "POST " + eventsPath + " HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
			if i%2 == 0 {
				head += "\r\n" // a body that never comes
			}
			for _, b := range []byte(head + strings.Repeat("X-Never-Ending: 1\r\n", 1000)) {
				if _, err := conn.Write([]byte{b}); err != nil || ctx.Err() != nil {
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	return &sending
}
