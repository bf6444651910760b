package sqlstore_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/store/sqlstore"
)

func TestSlowWritingIsSaid(t *testing.T) {
	_, url := file(t)
	var log strings.Builder
	now, step := time.Unix(0, 0), time.Duration(0)
	s := open(t, url, sqlstore.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Clock:  func() time.Time { now = now.Add(step); return now },
	})
	for _, want := range []bool{false, true} {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(log.String(), "writing to the store is slow"); said != want {
			t.Errorf("steps of %v: the log says %q", step, log.String())
		}
		step = 3 * time.Second
	}
}
