package twilio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"

	"flexbrevo/connector/record"
)

// listHead is what a record needs to know of a row of a full list.
type listHead struct {
	SID           scalar `json:"sid"`
	DateCreated   scalar `json:"date_created"`
	DateUpdated   scalar `json:"date_updated"`
	StatusChanged scalar `json:"date_status_changed"`
}

// fullList is a stream that is read whole every time: there is no cursor to ask
// from (facts/twilio.md 12). A row that did not change has the key it had.
type fullList struct {
	stream string
	key    string // in the envelope
	kind   string // the records' type
	path   string // below the workspace
}

// fetchList reads a list and hands over page after page. Only the last page moves
// the cursor, which merely says when the list was last read whole.
func (s *Source) fetchList(ctx context.Context, l fullList, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	first := withQuery(taskrouterURL+segment(d.WorkspaceSID)+l.path, url.Values{"PageSize": {pageSizeText}})
	var began time.Time
	return s.client.walkAgain(ctx, first, l.key, func(p page) (bool, error) {
		if began.IsZero() {
			began = p.date
		}
		out := record.Page{Stream: l.stream}
		for _, raw := range p.rows {
			out.Records = append(out.Records, s.listRecord(l, raw))
		}
		if p.next == "" {
			out.Cursor = encodeCursor(map[string]time.Time{"at": began})
			out.Through = began
		}
		return true, keep(out)
	})
}

// listRecord makes a record of one row, keyed by what it is and what it holds. The
// dates are part of the content, so that a value that comes back is a new record.
func (s *Source) listRecord(l fullList, raw []byte) record.Record {
	var h listHead
	readHead(raw, &h)
	updated := firstTime(time.Unix(0, 0).UTC(), string(h.DateUpdated), string(h.DateCreated))
	return s.redactor.Redact(record.Record{
		Key: string(h.SID) + ":" + contentHash(raw), Stream: l.stream, Type: l.kind, Via: record.Poll, Body: raw,
		At: latest(updated, firstTime(updated, string(h.StatusChanged))),
	})
}

// readHead reads the few fields that a record needs. A row that is no object has
// none of them; it is kept all the same.
func readHead(raw []byte, head any) bool { return json.Unmarshal(raw, head) == nil }

// contentHash is short: it tells states of one thing apart, not things.
func contentHash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
