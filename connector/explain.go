package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/console"
	"flexbrevo/connector/fact"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/store"
)

// Explained are the customers of one connector that a question is about.
type Explained struct {
	Connector string                 `json:"connector"`
	Customers []pipeline.Explanation `json:"customers"`
	// Forgotten is when somebody was forgotten who was known by what was asked for;
	// nil where nobody was, or where the key is not at hand that would tell.
	Forgotten *time.Time `json:"forgotten,omitempty"`
}

// historyLimit is how many of a customer's latest deliveries an explanation reads.
const historyLimit = 5000

// Explain answers, from the store alone, why Brevo holds what it holds of whoever
// what names: a task's or conversation's SID, an email, or a phone. It works
// beside a running daemon. Connectors that know nothing of it are left out.
func Explain(ctx context.Context, c *config.Config, st store.Store, only, what string) ([]Explained, error) {
	out := []Explained{}
	for _, k := range c.Connectors {
		if only != "" && only != k.Name {
			continue
		}
		tokens, keys, err := question(strings.TrimSpace(what), k.Region)
		if err != nil {
			return nil, err
		}
		n, err := st.LoadNeighbours(ctx, k.Name, tokens, keys)
		if err != nil {
			return nil, err
		}
		forgotten, err := forgottenAt(ctx, c, st, k.Name, tokens)
		if err != nil {
			return nil, err
		}
		if len(n.Customers) == 0 && forgotten == nil {
			continue
		}
		history := map[int64]store.History{}
		for _, customer := range n.Customers {
			if history[customer.ID], err = st.LoadHistory(ctx, k.Name, customer.ID, historyLimit); err != nil {
				return nil, err
			}
		}
		d := pipeline.NewDigest(digestOptions(k, "", st, nil, time.Now, slog.New(slog.DiscardHandler)))
		out = append(out, Explained{k.Name, append([]pipeline.Explanation{}, d.Explain(n, history)...), forgotten})
	}
	return out, nil
}

// forgottenAt is when somebody was forgotten whom one of the tokens led to.
func forgottenAt(ctx context.Context, c *config.Config, st store.Forgetter, connector string, tokens []store.Token) (*time.Time, error) {
	g := newGraves(c, st)
	if g == nil {
		return nil, nil
	}
	buried, err := g.LoadBuried(ctx, connector, tokens)
	if err != nil {
		return nil, err
	}
	var last *time.Time
	for _, at := range buried {
		if last == nil || at.After(*last) {
			last = &at
		}
	}
	return last, nil
}

// explain answers the console by the same code as the command.
func (s *Service) explain(ctx context.Context, what string) (any, error) {
	if strings.TrimSpace(what) == "" {
		return nil, fmt.Errorf("%w: %w", console.ErrBadRequest, errNothingAsked)
	}
	return Explain(ctx, s.o.Config, s.o.Store, s.o.Connector, what)
}

var errNothingAsked = errors.New("nothing to explain; expected a task or conversation SID, an email, or a phone")

var isSID = regexp.MustCompile(`^[A-Z]{2}[0-9a-fA-F]{32}$`)

// question says what in the store a question may be about.
func question(what, region string) ([]store.Token, []fact.Key, error) {
	if isSID.MatchString(what) {
		sid := what[:2] + strings.ToLower(what[2:])
		return []store.Token{{Kind: store.Ref, Value: sid}},
			[]fact.Key{{Kind: fact.Task, SID: sid}, {Kind: fact.Conversation, SID: sid}}, nil
	}
	if email, ok := profile.Email(what); ok {
		return []store.Token{{Kind: store.Email, Value: email}}, nil, nil
	}
	if phone, ok := profile.Phone(what, region); ok {
		return []store.Token{{Kind: store.Phone, Value: phone}}, nil, nil
	}
	if what == "" {
		return nil, nil, errNothingAsked
	}
	return []store.Token{{Kind: store.Identity, Value: what}}, nil, nil
}
