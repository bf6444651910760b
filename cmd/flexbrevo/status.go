package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/store"
)

func (c *cli) statusCommand() *cobra.Command {
	asJSON, watch := false, false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What is connected, how far it is, what is owed and what was left out",
		Long:  "Asks the running daemon, and without one reads the store.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			for {
				st, err := c.status(cmd.Context(), cfg)
				if err != nil {
					return err
				}
				if watch && !asJSON && isTerminal(c.out) {
					fmt.Fprint(c.out, "\x1b[H\x1b[2J")
				}
				if err := c.sayStatus(st, asJSON); err != nil || !watch {
					return err
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(2 * time.Second):
				}
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "print again every two seconds")
	return cmd
}

// status prefers the daemon, which also knows what is wrong right now.
func (c *cli) status(ctx context.Context, cfg *config.Config) (*connector.Status, error) {
	if st, err := c.askStatus(ctx, cfg); err == nil {
		return st, nil
	}
	if path := cfg.Store.SQLitePath; path != "" {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no store at %s yet; start with `flexbrevo run` or `flexbrevo sync`", path)
		}
	}
	st, err := connector.OpenStore(ctx, cfg, c.logger(cfg), false, true)
	if err != nil {
		return nil, err
	}
	status, err := connector.ReadStatus(ctx, cfg, st, c.connector, time.Now())
	return status, errors.Join(err, st.Close())
}

func (c *cli) askStatus(ctx context.Context, cfg *config.Config) (*connector.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.Server.AdminListen+"/api/v1/status", nil)
	if err != nil {
		return nil, err
	}
	if p := cfg.Server.ConsolePassword.Reveal(); p != "" {
		req.SetBasicAuth("status", p)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("admin listener answered %d", resp.StatusCode)
	}
	var st connector.Status
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		return nil, err
	}
	if !c.mine(&st, cfg) {
		return nil, errors.New("another flexbrevo listens there")
	}
	return &st, nil
}

// mine says whether a status is of this configuration's connectors.
func (c *cli) mine(st *connector.Status, cfg *config.Config) bool {
	names := map[string]bool{}
	for _, s := range st.Connectors {
		names[s.Name] = true
	}
	for _, k := range cfg.Connectors {
		if k.Enabled && (c.connector == "" || c.connector == k.Name) && !names[k.Name] {
			return false
		}
	}
	return len(st.Connectors) > 0
}

func (c *cli) sayStatus(st *connector.Status, asJSON bool) error {
	if asJSON {
		return c.print(st)
	}
	now := time.Now()
	fmt.Fprintf(c.out, "connected %s   last sync %s   conversations %d   customers linked %d   agents %d\n",
		yesNo(st.Connected), ago(st.LastSync, now), st.ConversationsTracked, st.CustomersLinked, st.AgentsMonitored)
	for _, k := range st.Connectors {
		c.sayConnector(k, now)
	}
	return nil
}

func (c *cli) sayConnector(k connector.ConnectorStatus, now time.Time) {
	fmt.Fprintf(c.out, "\n%s\n", k.Name)
	for _, p := range k.Problems {
		fmt.Fprintf(c.out, "  ✗ %s\n", p)
	}
	for _, p := range k.Parts {
		for _, notice := range p.Notices {
			fmt.Fprintf(c.out, "  %s: %s\n", p.Name, notice)
		}
	}
	if b := k.Backfill; b != nil {
		fmt.Fprintf(c.out, "  backfill of %s until %s: %s\n", b.Since.Format(time.RFC3339), b.Until.Format(time.RFC3339), backfillStands(b))
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, name := range sorted(k.Streams) {
		s := k.Streams[name]
		through := ""
		if s.Through != nil { // some streams are read whole, and know no such moment
			through = "read through " + ago(s.Through, now)
		}
		fmt.Fprintf(w, "  stream %s\t%s\tsaved %s\n", name, through, ago(s.SavedAt, now))
	}
	for _, state := range []store.RecordState{store.Waiting, store.Digested, store.Ignored, store.Failed} {
		if n := k.Records[state]; n > 0 {
			fmt.Fprintf(w, "  records %s\t%d\n", state, n)
		}
	}
	for _, kind := range []store.DeliveryKind{store.ContactDelivery, store.EventDelivery} {
		states := k.Outbox[kind]
		for _, state := range sorted(states) {
			fmt.Fprintf(w, "  %ss %s\t%d\n", kind, state, states[state])
		}
	}
	for _, o := range k.Omissions {
		fmt.Fprintf(w, "  left out: %s\t%s\t%d\n", o.What, o.Reason, o.Count)
	}
	if k.Backlog.DoneAt != nil {
		fmt.Fprintf(w, "  all that is owed is sent\tin about %s\n", time.Duration(k.Backlog.Seconds*float64(time.Second)).Round(time.Second))
	}
	for _, name := range sorted(k.Webhooks) {
		s := k.Webhooks[name]
		fmt.Fprintf(w, "  webhooks %s\tlast %s\t%d taken, %d refused\n", name, ago(s.LastAt, now), s.Accepted, s.Refused)
	}
	for _, q := range k.QueueNumbers {
		fmt.Fprintf(w, "  queue %s\t%d waiting, longest %s\t%d agents available, as Twilio told %s\n",
			q.Name, q.Waiting, time.Duration(q.Longest)*time.Second, q.Available, ago(&q.At, now))
	}
	if a := k.AgentsCheck; a != nil {
		fmt.Fprintf(w, "  offers to agents on %s\t%d by events\t%d by Twilio's statistics\n", a.Day, a.Events.Offered, a.Twilio.Offered)
	}
	if k.PluginPosts.Unconfirmed > 0 {
		fmt.Fprintf(w, "  plugin posts not confirmed\t%d\toldest %s\n", k.PluginPosts.Unconfirmed, ago(k.PluginPosts.Oldest, now))
	}
	for _, p := range k.Parts {
		for _, what := range sorted(p.Counts) {
			fmt.Fprintf(w, "  %s %s\t%d\n", p.Name, strings.ReplaceAll(what, "_", " "), p.Counts[what])
		}
	}
	if k.DeadLetters > 0 {
		fmt.Fprintf(w, "  dead letters\t%d\n", k.DeadLetters)
	}
	_ = w.Flush() // standard output; a failure shows nowhere else either
}

func sorted[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
