package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Graves knows who was forgotten, without knowing who they were.
type Graves interface {
	// Any says whether somebody of a connector was forgotten, as of lately.
	Any(ctx context.Context, connector string) (bool, error)
	// LoadBuried returns those of a connector's tokens that led to somebody who was
	// forgotten, each with the moment until which what began is theirs.
	LoadBuried(ctx context.Context, connector string, tokens []store.Token) (map[store.Token]time.Time, error)
	// SaveTombs blocks more that belongs to somebody who was forgotten.
	SaveTombs(ctx context.Context, connector string, tombs []store.Tomb) error
	// Tomb blocks a token until a moment.
	Tomb(connector string, token store.Token, until time.Time) store.Tomb
	// Hide gives the name by which a record is kept that is of somebody who was
	// forgotten.
	Hide(connector, key string) string
}

// Sift empties, before they are stored, records of people who were forgotten, so that
// nothing of them comes near the disk again; the rest is left as it is. It is asked when
// records come in, beside a digest, which makes sure of it once more. It may be called
// from several goroutines at once.
func (d *Digest) Sift(ctx context.Context, records []record.Record) error {
	if d.o.Graves == nil || len(records) == 0 {
		return nil
	}
	if any, err := d.o.Graves.Any(ctx, d.o.Connector); err != nil || !any {
		return err
	}
	b := d.newBatch()
	for _, r := range records {
		decoded, err := d.decode(r)
		if err != nil {
			decoded = Decoded{} // told by the digest
		}
		b.tell(r, store.RecordResult{}, decoded)
	}
	if err := d.bury(ctx, b); err != nil {
		return err
	}
	for i := range b.tellers {
		if b.tellers[i].buried {
			records[i].Key, records[i].Body = HiddenKey(d.o.Graves, d.o.Connector, records[i].Key), nil
		}
	}
	if len(b.tombs) == 0 {
		return nil
	}
	return d.o.Graves.SaveTombs(ctx, d.o.Connector, b.tombs)
}

// bury takes out of a batch what belongs to people who were forgotten: nothing of it
// becomes a fact, and the records are emptied.
func (d *Digest) bury(ctx context.Context, b *batch) error {
	if d.o.Graves == nil || len(b.tellers) == 0 {
		return nil
	}
	buried, err := d.o.Graves.LoadBuried(ctx, d.o.Connector, b.leads(&d.o.Profile))
	if err != nil || len(buried) == 0 {
		return err
	}
	gone := map[fact.Key]bool{}
	for key, f := range b.deltas {
		links := profile.LinksOf(f, &d.o.Profile)
		until, blocked := blockedUntil(f, links, b.began(key), buried, &d.o.Profile)
		if !blocked {
			continue
		}
		gone[key] = true
		delete(b.deltas, key)
		b.tombs = append(b.tombs, d.tombs(links, until, buried)...)
	}
	for i := range b.tellers {
		t := &b.tellers[i]
		if t.emptied {
			continue
		}
		for _, key := range t.facts {
			t.buried = t.buried || gone[key]
		}
		for _, token := range t.mentions {
			_, is := buried[token]
			t.buried = t.buried || is
		}
		if t.buried {
			t.result.State, t.result.Reason = store.Ignored, store.ForgottenReason
			b.buried = append(b.buried, store.BuriedRecord{ID: t.record.ID, Key: HiddenKey(d.o.Graves, d.o.Connector, t.record.Key)})
		}
	}
	return nil
}

// leads are all tokens by which somebody in the batch could be known.
func (b *batch) leads(o *profile.Options) []store.Token {
	set := map[store.Token]bool{}
	for key, f := range b.deltas {
		links := profile.LinksOf(f, o)
		for _, list := range [...][]profile.Token{links.Now, links.Seen} {
			for _, t := range list {
				set[store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}] = true
			}
		}
		set[store.Token{Kind: store.Ref, Value: key.SID}] = true
	}
	for i := range b.tellers {
		for _, t := range b.tellers[i].mentions {
			set[t] = true
		}
	}
	return sortedTokens(set)
}

var mention = regexp.MustCompile(`[A-Z]{2}[0-9a-f]{32}|\+[0-9]{7,15}|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)

// mentioned reads what may lead to somebody out of a record's body.
func mentioned(body []byte) []store.Token {
	var out []store.Token
	for _, word := range mention.FindAllString(string(body), -1) {
		switch {
		case strings.HasPrefix(word, "+"):
			out = append(out, store.Token{Kind: store.Phone, Value: word})
		case strings.Contains(word, "@"):
			out = append(out, store.Token{Kind: store.Email, Value: strings.ToLower(word)})
		default:
			out = append(out, store.Token{Kind: store.Ref, Value: word})
		}
	}
	return out
}

// began is when what a batch tells of a fact began: its earliest moment, or that of the
// first record.
func (b *batch) began(key fact.Key) time.Time {
	var first time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, ms := range b.deltas[key].Times {
		earlier(time.UnixMilli(ms))
	}
	for _, t := range b.tellers {
		for _, k := range t.facts {
			if k == key {
				earlier(t.record.At)
			}
		}
	}
	return first
}

// blockedUntil says whether a fact is of somebody who was forgotten. What is known by
// its own SID is, whenever it is told; of the rest what began before they were. A
// thread can be used again by somebody new, so a task is not blocked by its
// conversation alone; a survey is, because it is about what was before.
func blockedUntil(f *fact.Fact, links profile.Links, began time.Time, buried map[store.Token]time.Time, o *profile.Options) (time.Time, bool) {
	if until, is := buried[store.Token{Kind: store.Ref, Value: f.SID}]; is {
		return until, true
	}
	about := f.Kind == fact.Survey || f.Kind == fact.Task && profile.IsSurvey(f, o)
	for _, list := range [...][]profile.Token{links.Now, links.Seen} {
		for _, t := range list {
			until, is := buried[store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}]
			switch {
			case !is:
			case t.Kind == profile.RefToken:
				if about || !strings.HasPrefix(t.Value, "CH") {
					return until, true
				}
			case !began.After(until):
				return until, true
			}
		}
	}
	return time.Time{}, false
}

// tombs block those references of what is blocked that were not known.
func (d *Digest) tombs(links profile.Links, until time.Time, buried map[store.Token]time.Time) []store.Tomb {
	var out []store.Tomb
	for _, t := range links.Now {
		_, known := buried[store.Token{Kind: store.Ref, Value: t.Value}]
		if t.Kind == profile.RefToken && !known {
			out = append(out, d.o.Graves.Tomb(d.o.Connector, store.Token{Kind: store.Ref, Value: t.Value}, until))
		}
	}
	return out
}

// HiddenKey is the key under which a buried record is kept: an event's SID says nothing
// of a person, any other key may.
func HiddenKey(g Graves, connector, key string) string {
	if strings.HasPrefix(key, "EV") {
		return key
	}
	return g.Hide(connector, key)
}

// withoutTold leaves out events that were told of somebody who was forgotten: a contact
// with the centre may go on under the same name with somebody new in it.
func (d *Digest) withoutTold(ctx context.Context, out *store.Digest) error {
	if d.o.Graves == nil || len(out.Events) == 0 {
		return nil
	}
	tokens := make([]store.Token, len(out.Events))
	for i, e := range out.Events {
		tokens[i] = store.Token{Kind: store.EventToken, Value: e.Key}
	}
	told, err := d.o.Graves.LoadBuried(ctx, d.o.Connector, tokens)
	if err != nil {
		return fmt.Errorf("load events of the forgotten: %w", err)
	}
	if len(told) == 0 {
		return nil
	}
	kept := out.Events[:0]
	for i, e := range out.Events {
		if _, is := told[tokens[i]]; !is {
			kept = append(kept, e)
		}
	}
	out.Events = kept
	return nil
}
