package brevo

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/failure"
)

// asked is a destination with a clock of its own in front of a server.
func asked(t *testing.T, handler http.HandlerFunc) (*Destination, *atomic.Int64) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	passed := &atomic.Int64{}
	d, err := New(Options{APIKey: "k", BaseURL: server.URL, Clock: func() time.Time { return began.Add(time.Duration(passed.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, passed
}

// TestDoLeavesTheRestOfTheHour lets a part have its share of the hour, spread over it,
// and nothing of it once others have used that much.
func TestDoLeavesTheRestOfTheHour(t *testing.T) {
	t.Parallel()
	calls := atomic.Int64{}
	d, passed := asked(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":1,"email":"a@example.com"}`)
	})
	ask := Ask{Op: "GET /objects", Method: "GET", Path: "/objects/x/records", Share: 0.5}
	made := 0
	var last *failure.Error
	for range 3600 / 30 {
		for {
			_, err := d.Do(t.Context(), ask)
			if err != nil {
				if !errors.As(err, &last) || last.Reason != failure.RateLimited || last.RetryAfter <= 0 || last.RetryAfter > time.Hour {
					t.Fatalf("%v", err)
				}
				break
			}
			made++
		}
		passed.Add(int64(30 * time.Second))
	}
	// General: 100 an hour, of which our share is 80, of which half.
	if made < 38 || made > 41 || int(calls.Load()) != made {
		t.Errorf("%d calls made, %d came, want 40", made, calls.Load())
	}
	passed.Store(int64(time.Hour + time.Minute))
	for range 45 {
		if err := d.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Do(t.Context(), ask); failure.ReasonOf(err) != failure.RateLimited {
		t.Errorf("others have used more than its share: %v", err)
	}
}

// TestDoWaitsNoLongerThanItMust: after the time that a refusal names a call is there.
func TestDoWaitsNoLongerThanItMust(t *testing.T) {
	t.Parallel()
	d, passed := asked(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
	ask := Ask{Op: "op", Method: "POST", Path: "/crm/notes", Body: []byte(`{}`), Writes: true, Share: 0.25}
	for range 30 {
		var refused *failure.Error
		if _, err := d.Do(t.Context(), ask); errors.As(err, &refused) {
			passed.Add(int64(refused.RetryAfter))
			if _, err := d.Do(t.Context(), ask); err != nil {
				t.Fatalf("after %s: %v", refused.RetryAfter, err)
			}
		}
	}
}

// TestDoTellsWhatCame classifies as every other call of the package is, keeps what
// came for the caller and puts none of it into the error.
func TestDoTellsWhatCame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		writes bool
		want   failure.Reason
		says   string
	}{
		"not in the plan":  {403, `{"code":"permission_denied","message":"Not for secret@example.com"}`, true, failure.Forbidden, "Not for secret@example.com"},
		"broken, a write":  {200, `{"id":`, true, failure.Unknown, ""},
		"broken, a read":   {200, `{"id":`, false, failure.Transient, ""},
		"bad gateway":      {502, `<html>`, true, failure.Unknown, ""},
		"not its own word": {400, `<html>`, true, failure.Transient, ""},
		"wrong":            {400, `{"message":"secret@example.com is wrong"}`, true, failure.Invalid, "secret@example.com is wrong"},
		"media type":       {415, `{"message":"Format is not supported"}`, true, failure.Invalid, "Format is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := asked(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			got, err := d.Do(t.Context(), Ask{Op: "POST /x", Method: "POST", Path: "/x", Body: []byte(`{}`), Writes: c.writes, Share: 1})
			if failure.ReasonOf(err) != c.want || got.Status != c.status || string(got.Body) != c.body || got.Message != c.says {
				t.Errorf("%+v, %v", got, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells what was sent: %v", err)
			}
		})
	}
	d, _ := asked(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := d.Do(t.Context(), Ask{Op: "POST /x", Method: "POST", Path: "/x"}); failure.ReasonOf(err) != failure.Invalid {
		t.Errorf("without a share: %v", err)
	}
}
