package connector

import (
	"context"
	"errors"
	"fmt"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/record"
)

// BrevoProvision is what was found, and made or to be made, in one Brevo account.
type BrevoProvision struct {
	Account    string       `json:"account"`
	Connectors []string     `json:"connectors"`
	Steps      []brevo.Step `json:"steps"`
	// Warnings are what is off: its values are left out, the rest goes on.
	Warnings []record.Omission `json:"warnings"`
	// Canary is what became of the values of a canary contact; nil without one.
	Canary *brevo.CanaryReport `json:"canary,omitempty"`
}

// ProvisionBrevo makes the attributes, lists and folder that the rules need in each
// account, or with dryRun only says what it would make. With canary it writes a
// contact with a value for each attribute, reads it back and deletes it. An account
// that fails does not stop the others; the errors are joined.
func (s *Service) ProvisionBrevo(ctx context.Context, dryRun, canary bool) ([]BrevoProvision, error) {
	var out []BrevoProvision
	var errs []error
	for _, name := range s.accountNames() {
		p, err := s.accounts[name].provision(ctx, dryRun, canary)
		out = append(out, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("provision Brevo account %s: %w", name, err))
		}
	}
	return out, errors.Join(errs...)
}

func (a *account) provision(ctx context.Context, dryRun, canary bool) (BrevoProvision, error) {
	out := BrevoProvision{Account: a.name}
	for _, f := range a.flows {
		out.Connectors = append(out.Connectors, f.cfg.Name)
	}
	plan := a.plan()
	plan.DryRun = dryRun
	report, err := a.destination.Provision(ctx, plan)
	out.Steps, out.Warnings = report.Steps, report.Warnings
	if err != nil || !canary {
		return out, err
	}
	made, err := a.destination.Canary(ctx, plan.Attributes)
	if out.Canary = &made; a.store != nil {
		a.saveAnswers(ctx, a.store)
	}
	return out, err
}
