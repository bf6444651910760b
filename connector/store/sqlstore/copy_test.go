package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
)

// TestCopy copies a store that is being written to, between all kinds, and works on
// with the copy.
func TestCopy(t *testing.T) {
	kinds := map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "s.db") },
		"postgres": func(t *testing.T) string { return postgres.Database(t) },
	}
	for from, newFrom := range kinds {
		for to, newTo := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, destination := newFrom(t), newTo(t)
				s := open(t, source, sqlstore.Options{Pipeline: true})
				now := time.Now()
				fill(t, s, now)
				stop := keepWriting(t, s)
				copied, err := sqlstore.CopyStore(t.Context(), source, destination, sqlstore.Options{}, nil)
				stop()
				if err != nil {
					t.Fatal(err)
				}
				rows := map[string]int64{}
				for _, c := range copied {
					rows[c.Name] = c.Rows
				}
				if rows["customers"] != 1200 || rows["facts"] != 1200 || rows["deliveries"] != 2400 || rows["records"] < 1200 {
					t.Errorf("copied %v", rows)
				}
				d := open(t, destination, sqlstore.Options{Pipeline: true})
				sameSummary(t, s, d, now)
				workOn(t, d)
				if _, err := sqlstore.CopyStore(t.Context(), source, destination, sqlstore.Options{}, nil); err == nil {
					t.Error("a store was copied over another")
				}
			})
		}
	}
}

// fill stores records of every awkward kind, digested into customers who refer to
// one another.
func fill(t *testing.T, s store.Store, now time.Time) {
	t.Helper()
	page := record.Page{Stream: "events", Cursor: "c", Through: now}
	for range 1200 {
		n := len(page.Records)
		body := []byte{0, 0xff, byte(n)}
		if n%2 == 0 {
			body = fmt.Appendf(nil, `{"event_type":"task.completed","resource_type":"task","sid":"EV%032d"}`, n) // stored compressed
		}
		page.Records = append(page.Records, record.Record{Key: "EV" + string(rune(0x4e00+n)), At: now, Body: body})
	}
	if _, err := s.Capture(t.Context(), []store.Batch{{Connector: "flex", At: now, Pages: []record.Page{page}}}); err != nil {
		t.Fatal(err)
	}
	lease := acquire(t, s, "digest")
	waiting, err := s.LoadUndigested(t.Context(), "flex", 600)
	if err != nil {
		t.Fatal(err)
	}
	d := &store.Digest{Connector: "flex", Account: "brevo", At: now, Feed: true}
	for i := range int64(1200) {
		addCustomer(d, i+1)
		if i%3 == 0 && i < 1199 {
			d.Customers[i].MergedInto = i + 2 // stored before the one it refers to
		}
	}
	d.Facts[0].Fact.SetValue("odd", `"quoted" \ '\u0000' €`, now)
	for _, r := range waiting {
		d.Records = append(d.Records, store.RecordResult{ID: r.ID, State: store.Ignored, Reason: "it's odd"})
	}
	if err := s.SaveDigest(t.Context(), lease, d); err != nil {
		t.Fatal(err)
	}
}

// keepWriting captures on and on until it is stopped.
func keepWriting(t *testing.T, s store.Store) (stop func()) {
	ended, end := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			r := record.Record{Key: "live" + string(rune(0x4e00+i%20000)), Body: []byte("{}")}
			_, err := s.Capture(t.Context(), []store.Batch{{Connector: "other", At: time.Now(), Pages: []record.Page{{Records: []record.Record{r}}}}})
			if err != nil {
				t.Errorf("capture beside a copy: %v", err)
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func sameSummary(t *testing.T, a, b store.Store, now time.Time) {
	t.Helper()
	want, err := a.LoadSummary(t.Context(), "flex", now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.LoadSummary(t.Context(), "flex", now)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the copy is %+v, %v, want %+v", got, err, want)
	}
	n, err := a.LoadNeighbours(t.Context(), "flex", nil, []fact.Key{{Kind: fact.Task, SID: "WT00000000000000000000000000000001"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.LoadNeighbours(t.Context(), "flex", nil, []fact.Key{{Kind: fact.Task, SID: "WT00000000000000000000000000000001"}})
	if err != nil || !reflect.DeepEqual(m, n) {
		t.Errorf("neighbours in the copy are %+v, %v, want %+v", m, err, n)
	}
	records, err := a.LoadRecordsAfter(t.Context(), "flex", 0, 2000)
	if err != nil || len(records) == 0 {
		t.Fatal(len(records), err)
	}
	again, err := b.LoadRecordsAfter(t.Context(), "flex", 0, 2000)
	if err != nil || !reflect.DeepEqual(again, records) {
		t.Errorf("the copy holds %d records that are not the %d, %v", len(again), len(records), err)
	}
}

// workOn does what a pipeline does next; its new rows must get ids of their own.
func workOn(t *testing.T, s store.Store) {
	t.Helper()
	if _, err := s.Capture(t.Context(), batch("new")); err != nil {
		t.Errorf("capture into the copy: %v", err)
	}
	d := &store.Digest{Connector: "flex", Account: "brevo", At: time.Now()}
	addCustomer(d, 5000)
	if err := s.SaveDigest(t.Context(), acquire(t, s, "digest"), d); err != nil {
		t.Errorf("digest into the copy: %v", err)
	}
	claimed, err := s.Claim(t.Context(), acquire(t, s, "deliver"), "brevo", time.Now().Add(time.Hour), 10, 10)
	if err != nil || len(claimed) == 0 {
		t.Errorf("claimed %d from the copy, %v", len(claimed), err)
	}
}

// TestCopyRefusesAStoreInUse keeps a copy out of the file that a pipeline works on.
func TestCopyRefusesAStoreInUse(t *testing.T) {
	t.Parallel()
	_, source := file(t)
	_, destination := file(t)
	open(t, source, sqlstore.Options{})
	open(t, destination, sqlstore.Options{Pipeline: true})
	if _, err := sqlstore.CopyStore(t.Context(), source, destination, sqlstore.Options{}, nil); !errors.Is(err, store.ErrPipelineRunning) {
		t.Errorf("copy into a store in use: %v", err)
	}
	missing := "sqlite://" + filepath.Join(t.TempDir(), "none.db")
	if _, err := sqlstore.CopyStore(t.Context(), missing, destination, sqlstore.Options{}, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("copy of no store: %v", err)
	}
}

// TestCopyIsCompared damages a copy before it is read again.
func TestCopyIsCompared(t *testing.T) {
	t.Parallel()
	source := postgres.Database(t)
	s := open(t, source, sqlstore.Options{})
	fill(t, s, time.Now())
	destination := postgres.Database(t)
	db, err := sql.Open("pgx", destination)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `
		CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.conversations := NEW.conversations + 1; RETURN NEW; END';
		CREATE TRIGGER damage BEFORE INSERT ON customers FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION damage()`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlstore.CopyStore(t.Context(), source, destination, sqlstore.Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), "table customers of the copy") {
		t.Errorf("a damaged copy: %v", err)
	}
}
