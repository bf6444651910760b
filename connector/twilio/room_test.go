package twilio

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/record"
)

// TestPagesKeepTheirBytes: while a page is being kept the next is read, after a broken
// answer that is larger than both; what is kept is what the source said all the same.
func TestPagesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var asked atomic.Int64
	source := sourceAt(t, stub{
		date: func() time.Time { return end },
		answer: func(w http.ResponseWriter, r *http.Request) {
			n := int(asked.Add(1))
			from, err := time.Parse(time.RFC3339, r.URL.Query().Get("StartDate"))
			if err != nil {
				t.Error(err)
			}
			if n%2 == 0 { // every second answer breaks once
				w.WriteHeader(http.StatusBadGateway)
				fmt.Fprint(w, strings.Repeat("-", 1<<20))
				return
			}
			rows := make([]string, 300)
			for i := range rows {
				rows[i] = row(n*1000+i, from.Add(time.Duration(i+1)*time.Millisecond))
			}
			list(w, "events", pageSize, "", rows...)
		},
	}, nil, Options{InitialLookback: 5 * time.Hour}, func() time.Time { return end })
	if _, err := source.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	pages, ahead := 0, 0
	err := source.Fetch(t.Context(), EventsStream, "", func(p record.Page) error {
		pages++
		before := asked.Load()
		for wait := time.Now(); asked.Load() < before+2 && time.Since(wait) < 200*time.Millisecond; {
			time.Sleep(time.Millisecond)
		}
		if asked.Load() > before {
			ahead++
		}
		for _, r := range p.Records {
			var n int
			if _, err := fmt.Sscanf(r.Key, "EV%x", &n); err != nil {
				return err
			}
			if want := row(n, r.At); string(r.Body) != want {
				return fmt.Errorf("page %d holds %q for %q", pages, r.Body, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages < 5 || ahead < 3 {
		t.Errorf("%d pages, %d of them kept while another was read: the test tells nothing", pages, ahead)
	}
}
