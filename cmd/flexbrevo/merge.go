package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
)

// mergeFlags are the flags of merge.
type mergeFlags struct {
	dryRun, yes, asJSON bool
	limit               int
}

func (c *cli) mergeCommand() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge [CONTACT...]",
		Short: "Show contacts in Brevo that are one customer, and make them one",
		Long: "Lists customers whose contact lacks an identifier because another contact in Brevo has it,\n" +
			"and for each the contact that a merge would delete, with its history: the one of the two that\n" +
			"was changed longer ago. A merge cannot be undone.\n\n" +
			"--dry-run ends there. Otherwise the merges are made after a question, or --yes: all, or those\n" +
			"that delete the contacts named. It needs `identity: {on_conflict: merge}`. A merge that would\n" +
			"by then delete the other contact, or one with a contact on a blocklist, is not made.\n" +
			"A running daemon makes them at once, else the next run or sync does.\n\n" + exitHelp,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			contacts, err := contactIDs(args)
			if err != nil {
				return err
			}
			if f.limit < 1 {
				return usage(fmt.Errorf("--limit %d: want 1 or more", f.limit))
			}
			return c.merge(cmd.Context(), contacts, f)
		},
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be merged and change nothing")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().IntVar(&f.limit, "limit", 100, "at most this `many`; each costs two calls of Brevo")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print as JSON")
	return cmd
}

func contactIDs(args []string) ([]int64, error) {
	var out []int64
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id <= 0 {
			return nil, usage(fmt.Errorf("%q is no number of a contact in Brevo; `flexbrevo merge --dry-run` shows them", arg))
		}
		out = append(out, id)
	}
	return out, nil
}

func (c *cli) merge(ctx context.Context, contacts []int64, f mergeFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	logger := c.logger(cfg)
	st, err := connector.OpenStore(ctx, cfg, logger, false, false)
	if err != nil {
		return err
	}
	s, done, err := c.assemble(cfg, st, logger)
	if err != nil {
		return err
	}
	defer done()
	found, err := s.Conflicts(ctx, f.limit)
	if len(contacts) > 0 {
		found = slices.DeleteFunc(found, func(k connector.Conflict) bool { return !slices.Contains(contacts, k.Deletes.ID) })
	}
	if sayErr := c.sayConflicts(found, f); err != nil || sayErr != nil || f.dryRun {
		return errors.Join(err, sayErr)
	}
	return c.askMerges(ctx, s, found, f)
}

// askMerges has those merged that can be, after a yes.
func (c *cli) askMerges(ctx context.Context, s *connector.Service, found []connector.Conflict, f mergeFlags) error {
	mergeable := 0
	for _, k := range found {
		if !k.Configured {
			return &configError{fmt.Errorf("connectors.%s.identity.on_conflict is drop, so nothing is merged: set it to merge, or see --dry-run", k.Connector)}
		}
		if k.Mergeable() {
			mergeable++
		}
	}
	if mergeable == 0 {
		return nil
	}
	if !f.yes {
		if err := c.confirmMerges(ctx, mergeable); err != nil {
			return err
		}
	}
	if err := s.AskMerges(ctx, found); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%d merges asked for: a running daemon makes them now, else the next `flexbrevo run` or `sync` does\n", mergeable)
	return nil
}

func (c *cli) confirmMerges(ctx context.Context, n int) error {
	terminal := c.asked()
	if terminal == nil {
		return usage(fmt.Errorf("%d merges need --yes where nobody can be asked", n))
	}
	yes, err := c.agrees(ctx, terminal, fmt.Sprintf("delete %d contacts in Brevo for good, with their history?", n))
	if err == nil && !yes {
		err = errors.New("nothing was changed")
	}
	return err
}

func (c *cli) sayConflicts(found []connector.Conflict, f mergeFlags) error {
	if f.asJSON {
		if found == nil {
			found = []connector.Conflict{}
		}
		return c.print(found)
	}
	if len(found) == 0 {
		fmt.Fprintln(c.out, "no contact of ours stands against another one")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "IDENTIFIER\tVALUE\tDELETES\tCHANGED\tKEEPS\tCHANGED\tNOTE")
	for _, k := range found {
		note := k.Obstacle
		if note == "" && !k.Configured {
			note = "on_conflict is drop"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Identifier, k.Value,
			sideText(k.Deletes.ID, k.Deletes.Email, k.Deletes.Phone), dateText(k.Deletes.ModifiedAt),
			sideText(k.Keeps.ID, k.Keeps.Email, k.Keeps.Phone), dateText(k.Keeps.ModifiedAt), note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(found) == f.limit {
		fmt.Fprintf(c.out, "there may be more: --limit %d shows the first\n", f.limit)
	}
	return nil
}

func sideText(id int64, email, phone string) string {
	if id == 0 {
		return "-"
	}
	return strings.TrimSpace(fmt.Sprint(id) + " " + firstOf(email, phone))
}

func dateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}
