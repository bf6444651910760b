package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// lineInterval is how often one thing is logged: strangers knock all day, and a
// store that is away refuses everything.
const lineInterval = time.Minute

// lines writes one line a minute for each connector, sender and reason. All three
// come from closed sets, except the reasons of a Verifier, which are constant by
// contract; so the memory is bounded.
type lines struct {
	logger *slog.Logger
	clock  func() time.Time

	mu   sync.Mutex
	last map[lineKey]line
}

type lineKey struct {
	connector string
	sender    Sender
	reason    string
}

// line is when a thing was last logged and how often it happened since.
type line struct {
	at     time.Time
	unsaid int
}

func newLines(logger *slog.Logger, clock func() time.Time) *lines {
	return &lines{logger: logger, clock: clock, last: map[lineKey]line{}}
}

// write logs that a post was not taken, unless the same was said just now.
func (l *lines) write(ctx context.Context, rt *route, p *problem) {
	unsaid, due := l.due(lineKey{rt.connector.Name, rt.sender.name, p.reason})
	if !due {
		return
	}
	attrs := []slog.Attr{
		slog.String("connector", rt.connector.Name), slog.String("sender", string(rt.sender.name)),
		slog.String("reason", p.reason), slog.Int("status", p.status), slog.Int("more_since_last", unsaid),
	}
	if p.err != nil {
		attrs = append(attrs, slog.Any("err", p.err))
	}
	message := "webhook refused"
	if p.status >= http.StatusInternalServerError {
		message = "webhook not taken"
	}
	l.logger.LogAttrs(ctx, slog.LevelWarn, message, attrs...)
}

// due counts one more of a thing and says whether it is time to log it.
func (l *lines) due(k lineKey) (unsaid int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	at, known := l.last[k]
	if known && now.Sub(at.at) < lineInterval {
		at.unsaid++
		l.last[k] = at
		return 0, false
	}
	l.last[k] = line{at: now}
	return at.unsaid, true
}
