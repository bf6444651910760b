package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

func (c *cli) deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Deliveries and records that were given up on",
		Long: "Lists what was given up on, shows one of them whole, sends them again or lets them go.\n" +
			"A contact is written d12 by its number, an event too, a record r7; `dead list` shows them.\n" +
			"Works beside a running daemon, which goes on with what is requeued.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.deadListCommand(), c.deadShowCommand(),
		c.deadChangeCommand("requeue", "Try them again, as if they had never been tried",
			"A contact comes back with the events that died with it. An event that may have reached Brevo is\n"+
				"looked up there first, and one that Brevo has is not sent again.", false, store.Undertaker.RequeueDead),
		c.deadChangeCommand("drop", "Let them go for good",
			"They are kept as skipped or ignored for as long as other settled rows, and are never sent.", true, store.Undertaker.DropDead))
	return cmd
}

// deadFlags are the filters of all subcommands.
type deadFlags struct {
	kind, reason, since, until string
	limit                      int
	all, yes, json             bool
}

func (f *deadFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", "", "only of this `kind`: contact, event or record")
	flags.StringVar(&f.reason, "reason", "", "only with this `text` in the reason")
	flags.StringVar(&f.since, "since", "", "only given up since this `date`, moment or age (2026-11-01, 2026-11-01T08:00:00Z, 30d)")
	flags.StringVar(&f.until, "until", "", "only given up before this `date`, moment or age")
}

// filter makes the store's filter of one connector.
func (f *deadFlags) filter(k *config.Connector, args []string, now time.Time) (store.DeadFilter, error) {
	out := store.DeadFilter{Connector: k.Name, Kind: store.DeadKind(f.kind), Reason: f.reason}
	switch out.Kind {
	case "", store.DeadContact, store.DeadEvent, store.DeadRecord:
	default:
		return out, usage(fmt.Errorf("--kind %s: want contact, event or record", f.kind))
	}
	for _, m := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &out.Since}, {"until", f.until, &out.Until}} {
		if m.text == "" {
			continue
		}
		var err error
		if *m.to, err = moment(m.text, k.Location, now); err != nil {
			return out, usage(fmt.Errorf("--%s %s: %w", m.flag, m.text, err))
		}
	}
	return out, addIDs(&out, args)
}

// addIDs reads numbers such as d12 and r7.
func addIDs(f *store.DeadFilter, args []string) error {
	for _, arg := range args {
		var id int64
		var err error = strconv.ErrSyntax
		if len(arg) > 1 {
			id, err = strconv.ParseInt(arg[1:], 10, 64)
		}
		switch {
		case err == nil && arg[0] == 'd':
			f.Deliveries = append(f.Deliveries, id)
		case err == nil && arg[0] == 'r':
			f.Records = append(f.Records, id)
		default:
			return usage(fmt.Errorf("%q is no number of a dead letter; want one such as d12 or r7", arg))
		}
	}
	return nil
}

// deadRow is a dead letter as it is printed.
type deadRow struct {
	ID        string    `json:"id"`
	Connector string    `json:"connector"`
	Kind      string    `json:"kind"`
	What      string    `json:"what"`
	Customer  int64     `json:"customer,omitempty"`
	Reason    string    `json:"reason"`
	Status    int       `json:"status,omitempty"`
	Attempts  int       `json:"attempts,omitempty"`
	DiedAt    time.Time `json:"diedAt"`
	// The rest is only shown by dead show.
	CreatedAt  *time.Time        `json:"createdAt,omitempty"`
	HappenedAt *time.Time        `json:"happenedAt,omitempty"`
	Rule       string            `json:"rule,omitempty"`
	Contact    map[string]string `json:"contact,omitempty"`
	Event      map[string]string `json:"event,omitempty"`
	Record     string            `json:"record,omitempty"`
}

func rowOf(connector string, l store.DeadLetter) deadRow {
	row := deadRow{Connector: connector, Kind: string(l.Kind), Reason: l.Reason, DiedAt: l.DiedAt}
	switch {
	case l.Record != nil:
		row.ID, row.What = fmt.Sprint("r", l.ID), l.Record.Type+" "+l.Record.Key
	case l.Delivery.Event != nil:
		row.What = l.Delivery.Event.Name + " " + l.Delivery.Key
	case l.Delivery.Contact != nil:
		row.What = "contact " + record.Mask(firstOf(l.Delivery.Contact.Email, l.Delivery.Contact.Phone))
	}
	if l.Delivery != nil {
		row.ID, row.Customer = fmt.Sprint("d", l.ID), l.Delivery.CustomerID
		row.Status, row.Attempts = l.Delivery.Status, l.Delivery.Attempts
	}
	return row
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// detailed adds what was to be sent, values masked.
func detailed(row deadRow, l store.DeadLetter) deadRow {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	if l.Record != nil {
		row.HappenedAt, row.Record = moment(l.Record.At), fmt.Sprintf("%d bytes of stream %s by %s", len(l.Record.Body), l.Record.Stream, l.Record.Via)
		return row
	}
	row.CreatedAt = moment(l.Delivery.CreatedAt)
	if e := l.Delivery.Event; e != nil {
		row.HappenedAt, row.Rule, row.Event = moment(e.At), e.Rule, map[string]string{"event_name": e.Name, "source_event_id": e.ID}
		for name, v := range e.Properties {
			row.Event[name] = record.Mask(fmt.Sprint(v))
		}
		return row
	}
	contact := l.Delivery.Contact
	row.Contact = map[string]string{}
	for name, v := range map[string]string{"email": contact.Email, "phone": contact.Phone} {
		if v != "" {
			row.Contact[name] = record.Mask(v)
		}
	}
	for _, a := range contact.Attributes {
		row.Contact[a.Name] = record.Mask(fmt.Sprint(a.Value))
	}
	if len(contact.Lists) > 0 {
		row.Contact["lists"] = strings.Join(contact.Lists, ", ")
	}
	return row
}

func (c *cli) deadListCommand() *cobra.Command {
	var f deadFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List them, the latest first", Args: noArgs,
		Long: "Lists deliveries and records that were given up on, the latest first.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows := []deadRow{}
			err := c.eachConnector(cmd.Context(), true, func(st store.Store, k *config.Connector) error {
				filter, err := f.filter(k, nil, time.Now())
				if err != nil {
					return err
				}
				found, err := st.LoadDead(cmd.Context(), filter, f.limit)
				for _, l := range found {
					rows = append(rows, rowOf(k.Name, l))
				}
				return err
			})
			if err != nil {
				return err
			}
			if f.json {
				return c.print(rows)
			}
			c.sayDead(rows)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 100, "at most this `many` of each connector")
	cmd.Flags().BoolVar(&f.json, "json", false, "print as JSON")
	return cmd
}

func (c *cli) sayDead(rows []deadRow) {
	if len(rows) == 0 {
		fmt.Fprintln(c.out, "nothing was given up on")
		return
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCONNECTOR\tWHAT\tREASON\tSTATUS\tATTEMPTS\tGIVEN UP")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.ID, r.Connector, r.What, r.Reason, r.Status, r.Attempts, r.DiedAt.Format(time.RFC3339))
	}
	_ = w.Flush() // standard output; a failure shows nowhere else either
}

func (c *cli) deadShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID...", Short: "Show what was to be sent and why it was not, values masked", Args: cobra.ArbitraryArgs,
		Long: "Prints, as JSON, what was to be sent, with private values masked, and why it was given up.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("which one? see `flexbrevo dead list`"))
			}
			rows := []deadRow{}
			err := c.eachConnector(cmd.Context(), true, func(st store.Store, k *config.Connector) error {
				filter := store.DeadFilter{Connector: k.Name}
				if err := addIDs(&filter, args); err != nil {
					return err
				}
				found, err := st.LoadDead(cmd.Context(), filter, len(args))
				for _, l := range found {
					rows = append(rows, detailed(rowOf(k.Name, l), l))
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case len(rows) < len(args):
				return errors.Join(c.print(rows), fmt.Errorf("%d of %d are not among the dead letters", len(args)-len(rows), len(args)))
			}
			return c.print(rows)
		},
	}
}

// deadBatch is how many dead letters one transaction moves.
const deadBatch = 500

type deadChange func(store.Undertaker, context.Context, store.DeadFilter, time.Time, int) (int, error)

func (c *cli) deadChangeCommand(name, short, long string, destructive bool, change deadChange) *cobra.Command {
	var f deadFlags
	cmd := &cobra.Command{
		Use: name + " [ID...]", Short: short, Args: cobra.ArbitraryArgs,
		Long: short + ": those named, or those that the filters choose, or with --all every one.\n" + long + "\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && f.kind+f.reason+f.since+f.until == "" && !f.all {
				return usage(fmt.Errorf("which ones? name them, give a filter, or --all"))
			}
			total := 0
			err := c.eachConnector(cmd.Context(), false, func(st store.Store, k *config.Connector) error {
				n, err := c.changeDead(cmd.Context(), st, k, args, &f, name, destructive, change)
				total += n
				return err
			})
			if f.json {
				return errors.Join(err, c.print(map[string]int{name: total}))
			}
			fmt.Fprintf(c.out, "%s: %d\n", name, total)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "every one")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.json, "json", false, "print as JSON")
	return cmd
}

// changeDead changes all that a filter chooses of one connector. What dies while it
// works is left for the next time.
func (c *cli) changeDead(ctx context.Context, st store.Store, k *config.Connector, args []string, f *deadFlags, name string, destructive bool, change deadChange) (int, error) {
	now := time.Now()
	filter, err := f.filter(k, args, now)
	if err != nil {
		return 0, err
	}
	if filter.Until.IsZero() {
		filter.Until = now.Add(time.Millisecond)
	}
	if destructive && !f.yes {
		if err := c.confirmDead(ctx, st, filter, name); err != nil {
			return 0, err
		}
	}
	total := 0
	for {
		n, err := change(st, ctx, filter, now, deadBatch)
		total += n
		if n == 0 || err != nil {
			return total, err
		}
	}
}

// confirmDead asks on a terminal; elsewhere only --yes will do.
func (c *cli) confirmDead(ctx context.Context, st store.Store, filter store.DeadFilter, name string) error {
	found, err := st.LoadDead(ctx, filter, deadBatch+1)
	if err != nil || len(found) == 0 {
		return err
	}
	many := strconv.Itoa(len(found))
	if len(found) > deadBatch {
		many = "more than " + strconv.Itoa(deadBatch)
	}
	terminal := c.asked()
	if terminal == nil {
		return usage(fmt.Errorf("%s of %s dead letters of %s needs --yes where nobody can be asked", name, many, filter.Connector))
	}
	yes, err := c.agrees(ctx, terminal, fmt.Sprintf("%s %s dead letters of %s for good?", name, many, filter.Connector))
	if err == nil && !yes {
		err = errors.New("nothing was changed")
	}
	return err
}
