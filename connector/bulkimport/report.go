package bulkimport

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// reportTime is how long a report may take, reportBytes how long it may be.
	reportTime  = 30 * time.Second
	reportBytes = 32 << 20
	// unread stands for a report that could not be read.
	unread = -1
)

// counts reads the reports of an import and counts their rows. They only explain: what
// counts is what is found in Brevo. A report whose link has expired is noted as unread.
func (l *loading) counts(ctx context.Context, reports map[string]string) map[string]int {
	out := map[string]int{}
	for name, at := range reports {
		n, err := l.count(ctx, at)
		if err != nil {
			l.logger.Warn("report of an import cannot be read", "report", name, "err", err)
			n = unread
		}
		out[name] = n
	}
	return out
}

// count fetches one report. Its address is a secret of sorts: whoever has it may read
// the rows. It is asked for without the account's credential, because it is somebody
// else's server, and told to nobody.
func (l *loading) count(ctx context.Context, at string) (int, error) {
	where, err := url.Parse(at)
	if err != nil || where.Host == "" || where.Scheme != "https" && !(where.Scheme == "http" && loopback(where.Hostname())) {
		return 0, errors.New("its address is no https address")
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), http.NoBody)
	if err != nil {
		return 0, errors.New("its address is no https address")
	}
	resp, err := l.site.Transport.RoundTrip(req)
	if err != nil {
		return 0, errors.New("no answer") // the error of the wire may hold the address
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d; its link may have expired", resp.StatusCode)
	}
	return rowsIn(io.LimitReader(resp.Body, reportBytes))
}

// loopback says whether a host name means this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// rowsIn counts the rows of a CSV behind its header. What else is in it nobody
// documents; a page in its place is none.
func rowsIn(r io.Reader) (int, error) {
	lines := csv.NewReader(r)
	lines.Comma, lines.FieldsPerRecord, lines.LazyQuotes, lines.ReuseRecord = ';', -1, true, true
	for n := -1; ; n++ {
		record, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF):
			return max(0, n), nil
		case err != nil:
			return 0, errors.New("it is no CSV")
		case n == -1 && strings.HasPrefix(strings.TrimSpace(record[0]), "<"):
			return 0, errors.New("it is a page and no CSV; its link may have expired")
		}
	}
}
