//go:build unix

package connector_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// BenchmarkPullToCaptured is the first part of a backfill alone, which design section 8 asks 30,000 records/s of: all
// events of a day are read from the simulator over HTTP, made records and stored durably once, page by page with their
// checkpoint, while nobody digests. Twilio's calls are not held back, because its stand-in has no limits.
// "read" is what the simulator gives to a reader that throws everything away, "bare" the least that keeps it: one
// transaction a page in SQLite, once by key (BenchmarkCaptureAgainstCopy has a bare COPY). All is in one process;
// cpu-µs/record is what it took, the simulator in it, PostgreSQL not.
func BenchmarkPullToCaptured(b *testing.B) {
	w := benchWorld()
	b.Run("read", func(b *testing.B) { benchPages(b, w, nil) })
	b.Run("bare", func(b *testing.B) {
		benchPages(b, w, func(s *bareSync, pages <-chan []bareEvent) error {
			s.create()
			kept := make(chan []bareEvent, 64)
			defer close(kept)
			go func() {
				for range kept {
				}
			}()
			return s.keep(pages, kept)
		})
	})
	b.Run("sqlite", func(b *testing.B) {
		benchCapture(b, w, func() string { return "sqlite://" + filepath.Join(b.TempDir(), "bench.db") })
	})
	b.Run("postgres", func(b *testing.B) {
		server := durable(b)
		benchCapture(b, w, func() string { return server.Database(b) })
	})
}

// meter measures what captures took.
type meter struct {
	records   int
	wall, cpu time.Duration
	began     time.Time
	cpuBefore time.Duration
}

// processor is the time of processors that this process has taken.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (m *meter) begin(b *testing.B) { m.began, m.cpuBefore = time.Now(), processor(b) }

func (m *meter) end(b *testing.B, records int) {
	m.wall, m.cpu = m.wall+time.Since(m.began), m.cpu+processor(b)-m.cpuBefore
	m.records += records
}

func (m *meter) report(b *testing.B) {
	perSecond := float64(m.records) / m.wall.Seconds()
	b.ReportMetric(perSecond, "records/s")
	b.ReportMetric(perSecond/30000, "of-30000/s")
	b.ReportMetric(m.cpu.Seconds()*1e6/float64(m.records), "cpu-µs/record")
}

// benchPages reads all pages with the bare reader; keep, unless it is nil, stores them.
func benchPages(b *testing.B, w *world.World, keep func(*bareSync, <-chan []bareEvent) error) {
	var m meter
	for b.Loop() {
		db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "bare.db"))
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		s := &bareSync{b: b, db: db, world: w, stand: newStands(b, w, "sqlite:///unused", func(s *brevosim.Server) http.Handler { return s })}
		m.begin(b)
		read, counted := make(chan []bareEvent, 2), make(chan []bareEvent, 2)
		records := 0
		var group errgroup.Group
		group.Go(func() error { defer close(read); return s.read(read) })
		group.Go(func() error {
			defer close(counted)
			for page := range read {
				records += len(page)
				if keep != nil {
					counted <- page
				}
			}
			return nil
		})
		if keep != nil {
			group.Go(func() error { return keep(s, counted) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		m.end(b, records)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	m.report(b)
}

// benchCapture captures the world's events into new stores.
func benchCapture(b *testing.B, w *world.World, newStore func() string) {
	var m meter
	for b.Loop() {
		s := newStands(b, w, newStore(), func(s *brevosim.Server) http.Handler { return s })
		st, err := connector.OpenStore(b.Context(), s.config, slog.New(slog.DiscardHandler), true, false)
		if err != nil {
			b.Fatal(err)
		}
		m.begin(b)
		m.end(b, s.capture(b, st))
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
	m.report(b)
}

// capture reads the events of the world's days into the store, as a backfill does.
func (s *stands) capture(b *testing.B, st store.Store) int {
	b.Helper()
	budgets := twilio.DefaultBudgets()
	for api := range budgets {
		budgets[api] = 0
	}
	source, err := twilio.New(twilio.Options{
		AccountSID: s.world.AccountSID, AuthToken: s.world.AuthToken, BaseURL: s.env["TWILIO"], Budgets: budgets,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	intake := pipeline.NewIntake(st, time.Now, func(string) {})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); intake.Run(ctx) }()
	o, records := s.world.Options(), 0
	days := twilio.Range{From: o.Start.Truncate(time.Second), To: time.Now().Add(-time.Minute).Truncate(time.Second)}
	err = source.FetchRange(ctx, twilio.EventsStream, days, "", func(p record.Page) error {
		captured, err := intake.Keep(ctx, "bench", p)
		records += captured.New
		return err
	})
	stop()
	<-ended
	if err != nil {
		b.Fatal(err)
	}
	return records
}
