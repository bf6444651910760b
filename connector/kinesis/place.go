package kinesis

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/part"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// place is how far a shard was read, as its checkpoint says.
type place struct {
	// After is the sequence number of the last record that was kept; empty when none was.
	After string `json:"after,omitempty"`
	// Ended says that the shard was closed and read to its end.
	Ended bool `json:"ended,omitempty"`
	// Lost is the latest span of which records were lost; nil for none.
	Lost *gap `json:"lost,omitempty"`
	// through is the moment up to which it was read; zero when it never was.
	through time.Time
}

// beginning is the checkpoint of a stream as a whole.
type beginning struct {
	// First is the moment from which records are read, Unix milliseconds.
	First int64 `json:"first"`
}

// gap is a span of time in which a shard was not read before its records went, in Unix
// milliseconds.
type gap struct {
	From  int64 `json:"from"`
	Until int64 `json:"until"`
}

// places keeps the checkpoints of one Kinesis stream. Two streams that had the same
// name one after the other have places of their own: their shards' names are the same.
type places struct {
	store     store.Capturer
	connector string
	clock     func() time.Time
	prefix    string
}

func newPlaces(site part.Site, stream string, created time.Time) *places {
	return &places{
		store: site.Store, connector: site.Config.Name, clock: site.Clock,
		prefix: prefixOf(stream) + strconv.FormatInt(created.Unix(), 10),
	}
}

// prefixOf begins the names of a stream's checkpoints, see part.StreamPrefix.
func prefixOf(stream string) string { return part.StreamPrefix + "kinesis:" + stream + ":" }

// newest is the prefix of the checkpoints of the latest stream of a name.
func newest(checkpoints map[string]store.Checkpoint, prefix string) (string, bool) {
	latest := int64(-1)
	for name := range checkpoints {
		rest, ours := strings.CutPrefix(name, prefix)
		created, _, _ := strings.Cut(rest, ":")
		if n, err := strconv.ParseInt(created, 10, 64); ours && err == nil {
			latest = max(latest, n)
		}
	}
	return prefix + strconv.FormatInt(latest, 10), latest >= 0
}

func (p *places) name(shard string) string { return p.prefix + ":" + shard }

// load returns the shards' places, and the stream's beginning, which is nil while
// there is none.
func (p *places) load(ctx context.Context) (map[string]place, *beginning, error) {
	checkpoints, err := p.store.LoadCheckpoints(ctx, p.connector)
	if err != nil {
		return nil, nil, fmt.Errorf("load the places in the Kinesis stream: %w", err)
	}
	return decodePlaces(checkpoints, p.prefix)
}

func decodePlaces(checkpoints map[string]store.Checkpoint, prefix string) (map[string]place, *beginning, error) {
	out := map[string]place{}
	var first *beginning
	for name, c := range checkpoints {
		rest, ours := strings.CutPrefix(name, prefix)
		shard, isShard := strings.CutPrefix(rest, ":")
		switch {
		case !ours || rest != "" && !isShard:
			continue
		case !isShard:
			first = &beginning{}
			if err := json.Unmarshal([]byte(c.Cursor), first); err != nil {
				return nil, nil, fmt.Errorf("read checkpoint %s: %w", name, err)
			}
			continue
		}
		at := place{through: c.Through}
		if c.Cursor != "" {
			if err := json.Unmarshal([]byte(c.Cursor), &at); err != nil {
				return nil, nil, fmt.Errorf("read checkpoint %s: %w", name, err)
			}
		}
		out[shard] = at
	}
	return out, first, nil
}

func (p *places) save(ctx context.Context, shard string, at place) error {
	page := record.Page{Stream: p.name(shard), Cursor: cursor(at), Through: at.through}
	return p.capture(ctx, page)
}

func (p *places) begin(ctx context.Context, b beginning) error {
	return p.capture(ctx, record.Page{Stream: p.prefix, Cursor: cursor(b)})
}

func (p *places) capture(ctx context.Context, page record.Page) error {
	_, err := p.store.Capture(ctx, []store.Batch{{Connector: p.connector, At: p.clock(), Pages: []record.Page{page}}})
	if err != nil {
		return fmt.Errorf("save the place in the Kinesis stream: %w", err)
	}
	return nil
}

func cursor(v any) record.Cursor {
	b, err := json.Marshal(v)
	if err != nil {
		panic("kinesis: " + err.Error()) // only our own plain structs come here
	}
	return record.Cursor(b)
}
