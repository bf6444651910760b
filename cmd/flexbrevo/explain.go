package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
	"flexbrevo/connector/pipeline"
)

func (c *cli) explainCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "explain TASK|CONVERSATION|EMAIL|PHONE",
		Short: "Why a contact holds a value, and why something was not sent",
		Long: "Shows, from the store alone, the customer that a task's or conversation's SID, an email or\n" +
			"a phone leads to: its facts; each attribute with the source field and the rule (file and line)\n" +
			"that gave it; each event with when it was sent and what Brevo answered; and for all that was\n" +
			"not sent, why. It prints personal data: that is what it is asked for.\n\n" + exitHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("explain takes one thing to explain: a task or conversation SID, an email, or a phone"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			st, err := connector.OpenStore(cmd.Context(), cfg, c.logger(cfg), false, true)
			if err != nil {
				return err
			}
			found, err := connector.Explain(cmd.Context(), cfg, st, c.connector, args[0])
			if err = errors.Join(err, st.Close()); err != nil {
				return err
			}
			if asJSON {
				return c.print(found)
			}
			if len(found) == 0 {
				fmt.Fprintln(c.out, "nothing is known of it: no record that was digested names it")
				return nil
			}
			for _, e := range found {
				if e.Forgotten != nil {
					fmt.Fprintf(c.out, "%s: what was before %s was forgotten and is not taken in again\n", e.Connector, stamp(*e.Forgotten))
				}
				if len(e.Customers) == 0 {
					fmt.Fprintf(c.out, "%s: nothing is known of it since\n", e.Connector)
				}
				for _, x := range e.Customers {
					if err := sayExplanation(c.out, e.Connector, x); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func sayExplanation(out io.Writer, name string, x pipeline.Explanation) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: customer %d, known since %s\n", name, x.CustomerID, stamp(x.Since))
	fmt.Fprintf(w, "  %s\n", x.Standing)
	fmt.Fprintf(w, "  name\t%s\n  email\t%s\n  phone\t%s\n  identity\t%s\n", orNone(x.Name), orNone(x.Email), orNone(x.Phone), orNone(x.Identity))
	for _, i := range x.Identifiers {
		fmt.Fprintf(w, "  known by\t%s %s%s\n", i.Kind, i.Value, ifShared(i.Shared))
	}
	for _, id := range x.Absorbed {
		fmt.Fprintf(w, "  one with\tcustomer %d\n", id)
	}
	fmt.Fprintln(w, "\nFACTS")
	for _, f := range x.Facts {
		fmt.Fprintf(w, "  %s\t%s %s\t%s\t%s\t%s\t%s\t%s\n", stamp(f.At), f.Kind, f.SID, f.Channel, f.State, f.Queue, f.Agent, f.Note)
	}
	fmt.Fprintln(w, "\nATTRIBUTES")
	for _, a := range x.Attributes {
		fmt.Fprintf(w, "  %s\t%s\t%s\tfrom %s%s\t%s\n", a.Name, shown(a.Value), because(a.State, a.Why)+by(a.Sending), a.Source, ofFact(a.From), a.Rule)
		for _, o := range a.Older {
			fmt.Fprintf(w, "  \t%s\t%s\tfrom %s%s\t\n", shown(o.Value), "not sent: older than what is there", a.Source, ofFact(&o))
		}
	}
	for _, l := range x.Lists {
		fmt.Fprintf(w, "  list %s\t%s\n", l.List, l.State+by(l.Sending))
	}
	fmt.Fprintln(w, "\nEVENTS")
	for _, e := range x.Events {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", stamp(e.At), e.Name, e.ID, eventState(e), e.Rule)
	}
	if len(x.Writes) > 0 {
		fmt.Fprintln(w, "\nWRITES OF THE CONTACT")
	}
	for _, d := range x.Writes {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", stamp(d.At), because(d.State, d.Why), answered(d.Call, d.Status), strings.Join(d.Sent, ", "))
	}
	if len(x.Omissions) > 0 {
		fmt.Fprintln(w, "\nLEFT OUT")
	}
	for _, o := range x.Omissions {
		fmt.Fprintf(w, "  %s\t%s %s\t%s\t%s\n", stamp(o.At), o.What, o.Value, o.Reason, o.Rule)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func ifShared(shared bool) string {
	if shared {
		return ", shared by several customers: it links nobody"
	}
	return ""
}

func ofFact(s *pipeline.SourceLine) string {
	if s == nil {
		return ""
	}
	return " of " + s.SID + " at " + stamp(s.At)
}

// by says when and by which call something was sent, and what Brevo answered.
func by(s pipeline.Sending) string {
	if s.Call == "" {
		return ""
	}
	text := ", by " + answered(s.Call, s.Status)
	if s.SentAt != nil {
		text += " at " + stamp(*s.SentAt)
	}
	return text
}

func answered(call string, status int) string {
	switch {
	case call == "":
		return "no call"
	case status == 0:
		return call + " (no answer)"
	}
	return fmt.Sprintf("%s (answered %d)", call, status)
}

func eventState(e pipeline.EventLine) string {
	s := because(e.State, e.Why)
	if e.SettledAt != nil {
		s += " " + stamp(*e.SettledAt)
	}
	if e.NextAttemptAt != nil {
		s += ", due " + stamp(*e.NextAttemptAt)
	}
	if e.Call != "" {
		s += ", by " + answered(e.Call, e.Status)
	}
	return s
}

func because(state, why string) string {
	if why == "" {
		return state
	}
	return state + ": " + why
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func shown(v any) string {
	if v == nil {
		return "-"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}
