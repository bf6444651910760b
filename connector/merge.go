package connector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"flexbrevo/config"
	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Conflict is a customer whose contact lacks an identifier because another contact
// in Brevo holds it, and what a merge of the two would do.
type Conflict struct {
	Connector string `json:"connector"`
	Customer  int64  `json:"customer"`
	// Configured says whether the connector has merges made at all.
	Configured bool `json:"configured"`
	brevo.MergePlan
	// refused is the identifier's value, unmasked.
	refused any
}

// Mergeable says whether a merge would be made if it were agreed to.
func (c Conflict) Mergeable() bool { return c.Configured && c.Obstacle == "" }

// conflictPage is how many customers are read from the store at once.
const conflictPage = 100

// obstacleOurs stands in the way of a merge with a contact that we write, too.
const obstacleOurs = "another customer of ours has the other contact: two people share the identifier"

// Conflicts reads, from the store and from Brevo, at most limit conflicts of all
// connectors, and changes nothing. What was read before an error is returned with
// it.
func (s *Service) Conflicts(ctx context.Context, limit int) ([]Conflict, error) {
	var out []Conflict
	for _, f := range s.flows {
		for after := int64(0); len(out) < limit; {
			customers, err := s.o.Store.LoadNoted(ctx, f.cfg.Name, brevo.ReasonConflict, after, conflictPage)
			if err != nil {
				return out, err
			}
			for _, c := range customers {
				some, err := f.conflicts(ctx, c)
				if out = append(out, some...); err != nil {
					return out, fmt.Errorf("connector %s: %w", f.cfg.Name, err)
				}
				if after = c.ID; len(out) >= limit {
					return out[:limit], nil
				}
			}
			if len(customers) < conflictPage {
				break
			}
		}
	}
	return out, nil
}

// conflicts plans the merges of one customer.
func (f *flow) conflicts(ctx context.Context, c store.Customer) ([]Conflict, error) {
	var out []Conflict
	if c.Held.ID == 0 || c.Held.Deleted {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.Held.Taken)) {
		plan, err := f.account.destination.PlanMerge(ctx, c.Held, name)
		if err != nil {
			return out, err
		}
		if plan.Obstacle == "" {
			if plan.Obstacle, err = f.account.ours(ctx, f, c.ID, plan.With, c.Held.ID); err != nil {
				return out, err
			}
		}
		out = append(out, Conflict{
			Connector: f.cfg.Name, Customer: c.ID, Configured: f.cfg.Identity.OnConflict == config.OnConflictMerge, MergePlan: plan,
			refused: c.Held.Refused[name],
		})
	}
	return out, nil
}

// ours says why a merge would take a contact from another customer of ours.
func (a *account) ours(ctx context.Context, own *flow, customer int64, contacts ...int64) (obstacle string, err error) {
	for _, f := range a.flows {
		for _, contact := range contacts {
			owner, err := f.store.LoadContactOwner(ctx, f.cfg.Name, contact)
			switch {
			case errors.Is(err, store.ErrNotFound) || err == nil && f == own && owner == customer:
			case err != nil:
				return "", err
			default:
				return obstacleOurs, nil
			}
		}
	}
	return "", nil
}

// AskMerges has the given merges made by whoever delivers, now or when it starts:
// each only while it would still delete the contact that is named.
func (s *Service) AskMerges(ctx context.Context, conflicts []Conflict) error {
	for _, f := range s.flows {
		var asks []store.MergeAsk
		for _, c := range conflicts {
			if c.Connector == f.cfg.Name && c.Mergeable() {
				asks = withAsk(asks, c)
			}
		}
		if len(asks) == 0 {
			continue
		}
		if err := s.o.Store.AskMerges(ctx, f.cfg.Name, f.account.name, asks, s.o.Clock()); err != nil {
			return err
		}
	}
	return nil
}

// withAsk adds a conflict to those of its customer; they come one after the other.
func withAsk(asks []store.MergeAsk, c Conflict) []store.MergeAsk {
	if n := len(asks); n == 0 || asks[n-1].CustomerID != c.Customer {
		asks = append(asks, store.MergeAsk{CustomerID: c.Customer, Merge: map[string]record.Merge{}})
	}
	a := &asks[len(asks)-1]
	a.Merge[c.Identifier] = record.Merge{With: c.With, Deletes: c.Deletes.ID}
	a.Contact.Attributes = append(a.Contact.Attributes, record.Attribute{Name: c.Identifier, Value: c.refused, Type: "text"})
	return asks
}
