package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"flexbrevo/connector/store"
	"flexbrevo/connector/store/sqlstore"
	"flexbrevo/connector/store/storetest/pgtest"
)

// BenchmarkCaptureAgainstCopy stores records in batches of a thousand, in turns with a bare COPY of the same keys and
// bodies into a table without an index on the same server, which writes to its disk before it acknowledges: of-copy is
// the part of the machine's own limit that capture reaches, whatever else the machine does meanwhile.
func BenchmarkCaptureAgainstCopy(b *testing.B) {
	server := pgtest.Own(b, &pgtest.Server{Durable: true})
	url := server.Database(b)
	s := open(b, url, sqlstore.Options{})
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.Context()))
	if _, err := conn.Exec(b.Context(), `CREATE TABLE bare (key TEXT, body BYTEA)`); err != nil {
		b.Fatal(err)
	}
	const size = 1000
	var captured, copied time.Duration
	rows := 0
	for b.Loop() {
		batch := []store.Batch{{Connector: "flex", At: time.Now(), Pages: records(b, rows, size)}}
		began := time.Now()
		if _, err := s.Capture(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		captured += time.Since(began)
		began = time.Now()
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"bare"}, []string{"key", "body"},
			pgx.CopyFromSlice(size, func(i int) ([]any, error) { return []any{fmt.Sprintf("EV%032d", rows+i), body}, nil }))
		if err != nil {
			b.Fatal(err)
		}
		copied += time.Since(began)
		rows += size
	}
	b.ReportMetric(float64(rows)/captured.Seconds(), "captured/s")
	b.ReportMetric(float64(rows)/copied.Seconds(), "copied/s")
	b.ReportMetric(copied.Seconds()/captured.Seconds(), "of-copy")
}
