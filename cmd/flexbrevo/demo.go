package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store"
)

//go:embed demo.yaml
var demoConfig []byte

const demoKey = "demo-key"

// demo is a contact centre's day, played in a minute to a real worker.
type demo struct {
	c        *cli
	contacts int
	seed     uint64
	length   time.Duration
	dir      string

	world  *world.World
	twilio *twiliosim.Server
	brevo  *brevosim.Server
	played time.Time // when the last of the day's events happens, by the day's clock
	clock  func() time.Time
}

func (c *cli) demoCommand() *cobra.Command {
	d := &demo{c: c}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole thing without any account: simulated Twilio and Brevo, a busy day in a minute",
		Long: "Starts a simulated Twilio Flex account and a simulated Brevo account on loopback, plays a\n" +
			"contact centre's day to a real worker, and shows what landed in Brevo.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	cmd.Flags().IntVar(&d.contacts, "contacts", 300, "how many times a customer gets in touch")
	cmd.Flags().Uint64Var(&d.seed, "seed", 1, "the same seed makes the same day")
	cmd.Flags().DurationVar(&d.length, "length", 40*time.Second, "how long the day takes to play")
	cmd.Flags().StringVar(&d.dir, "dir", "", "keep the store in this `directory` instead of a temporary one")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.contacts < 1 || d.length < time.Second {
		return usage(errors.New("--contacts must be at least 1 and --length at least 1s"))
	}
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "flexbrevo-demo-")
		if err != nil {
			return fmt.Errorf("make a directory for the demo's store: %w; --dir names one", err)
		}
		d.dir = dir
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	d.day()
	servers, env, err := d.serve()
	if err != nil {
		return err
	}
	defer servers.close()
	cfg, err := config.Parse("demo.yaml", demoConfig, config.Options{Env: env, ScheduleCheck: schedule.Check})
	if err != nil {
		return &configError{err}
	}
	s, done, err := d.c.service(ctx, cfg, d.c.logger(cfg))
	if err != nil {
		return err
	}
	defer done()
	return d.play(ctx, s)
}

// day makes the day that ends now, and a clock that plays it.
func (d *demo) day() {
	now := time.Now().UTC()
	d.world = world.New(world.Options{
		Seed: d.seed, Start: now.Add(-20 * time.Hour), End: now.Add(-2 * time.Hour),
		Contacts: d.contacts, Customers: max(5, d.contacts*2/5), Odd: true,
	})
	begins := now.Add(-20 * time.Hour)
	factor := float64(20*time.Hour) / float64(d.length)
	real := time.Now()
	d.played = now
	d.clock = func() time.Time {
		at := begins.Add(time.Duration(float64(time.Since(real)) * factor))
		if at.After(now) { // the day is over; from here on time goes as it does
			at = now.Add(time.Since(real) - d.length)
		}
		return at
	}
}

// serving are the two simulators on loopback.
type serving []*http.Server

func (s serving) close() {
	for _, server := range s {
		_ = server.Close() // nobody is left to be told
	}
}

func (d *demo) serve() (serving, func(string) (string, bool), error) {
	d.twilio = twiliosim.New(twiliosim.Options{World: d.world, Clock: d.clock, Seed: d.seed})
	d.brevo = brevosim.New(brevosim.Options{APIKey: demoKey, Tier: brevosim.TierExtended, Seed: d.seed})
	var s serving
	urls := map[string]string{}
	for name, handler := range map[string]http.Handler{"DEMO_TWILIO": d.twilio, "DEMO_BREVO": d.brevo} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.close()
			return nil, nil, fmt.Errorf("listen for the demo: %w", err)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = server.Serve(l) }() // ends with close
		s = append(s, server)
		urls[name] = "http://" + l.Addr().String()
	}
	urls["DEMO_ACCOUNT_SID"], urls["DEMO_AUTH_TOKEN"] = d.world.AccountSID, d.world.AuthToken
	urls["DEMO_BREVO_KEY"], urls["DEMO_SYNC_MAP"] = demoKey, demoSyncMap
	urls["DEMO_STORE"] = "sqlite://" + filepath.Join(d.dir, "flexbrevo.db")
	return s, func(name string) (string, bool) { v, ok := urls[name]; return v, ok }, nil
}

// play runs the worker until the day is over and nothing is owed.
func (d *demo) play(ctx context.Context, s *connector.Service) error {
	fmt.Fprintf(d.c.out, "A simulated contact centre: %d contacts of %d customers with %d agents, one day in %s.\n",
		len(d.world.Contacts), len(d.world.Customers), len(d.world.Agents), d.length)
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(working, d.c.abort) }()
	err := d.watch(working, s, ended)
	stop()
	if err == nil {
		err = <-ended
	}
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(d.c.out, "Stopped before the day was over; this is what landed so far.")
	}
	return d.show()
}

// watch shows progress until the day was played and everything owed is settled.
func (d *demo) watch(ctx context.Context, s *connector.Service, ended chan error) error {
	terminal := isTerminal(d.c.out)
	defer func() {
		if terminal {
			fmt.Fprint(d.c.out, "\r\x1b[K")
		}
	}()
	every := 200 * time.Millisecond
	if !terminal {
		every = 5 * time.Second
	}
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	var said time.Time
	quiet := 0
	for quiet < 5 {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return errors.Join(err, errors.New("the worker ended early"))
		case <-t.C:
		}
		st, err := s.Status(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if time.Since(said) >= every {
			d.say(st, terminal)
			said = time.Now()
		}
		if d.settled(st) {
			quiet++
		} else {
			quiet = 0
		}
	}
	return nil
}

// settled says whether the events stream has read past the day and nothing waits.
func (d *demo) settled(st *connector.Status) bool {
	c := st.Connectors[0]
	through := c.Streams["events"].Through
	if through == nil || through.Before(d.played) || c.Records[store.Waiting] > 0 {
		return false
	}
	for _, states := range c.Outbox {
		if states[store.Pending]+states[store.Sending]+states[store.Unknown] > 0 {
			return false
		}
	}
	for _, p := range c.Parts {
		if p.Counts["waiting"] > 0 {
			return false
		}
	}
	return true
}

func (d *demo) say(st *connector.Status, terminal bool) {
	c := st.Connectors[0]
	records := 0
	for _, n := range c.Records {
		records += n
	}
	begins := d.played.Add(-20 * time.Hour)
	part := min(1, float64(d.clock().Sub(begins))/float64(20*time.Hour))
	line := fmt.Sprintf("%s %3.0f%%  records %d  contacts %d  events %d  owed %d",
		bar(part), part*100, records, c.Outbox[store.ContactDelivery][store.Delivered],
		c.Outbox[store.EventDelivery][store.Delivered],
		c.Outbox[store.ContactDelivery][store.Pending]+c.Outbox[store.EventDelivery][store.Pending])
	if terminal {
		fmt.Fprint(d.c.out, "\r\x1b[K"+line)
		return
	}
	fmt.Fprintln(d.c.out, line)
}

func bar(part float64) string {
	const width = 24
	full := int(part * width)
	b := make([]rune, width)
	for i := range b {
		b[i] = '░'
		if i < full {
			b[i] = '█'
		}
	}
	return string(b)
}

// show prints what landed in the simulated Brevo.
func (d *demo) show() error {
	contacts, events := d.brevo.Contacts(), d.brevo.Events()
	fmt.Fprintf(d.c.out, "\nIn Brevo now: %d contacts, %d events.\n\n", len(contacts), len(events))
	if demoSyncMap != "" {
		fmt.Fprintf(d.c.out, "On the agents' screens, in Twilio Sync: %d customers.\n\n", len(d.twilio.SyncItems(demoSyncMap)))
	}
	w := tabwriter.NewWriter(d.c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LIST\tCONTACTS")
	for _, l := range d.brevo.Lists() {
		fmt.Fprintf(w, "%s\t%d\n", l.Name, l.Members)
	}
	fmt.Fprintln(w, "\nATTRIBUTE\tFILLED")
	filled := map[string]int{}
	for _, c := range contacts {
		count(filled, "EMAIL", c.Email != "")
		count(filled, "SMS", c.SMS != "")
		for name := range c.Attributes {
			filled[name]++
		}
	}
	printCounts(w, filled)
	fmt.Fprintln(w, "\nEVENT\tSENT")
	named := map[string]int{}
	for _, e := range events {
		named[e.Name]++
	}
	printCounts(w, named)
	if err := w.Flush(); err != nil {
		return err
	}
	refused := 0
	for call, n := range d.brevo.Calls() {
		if call.Status == http.StatusTooManyRequests {
			refused += n
		}
	}
	fmt.Fprintf(d.c.out, "\nCalls refused for their rate: %d. Things Brevo should never be sent: %d.\n", refused, len(d.brevo.Violations()))
	fmt.Fprintln(d.c.out, "Next: copy connector.yaml, set your credentials in the environment, and try `flexbrevo check`, then `flexbrevo sync`.")
	return nil
}

func count(m map[string]int, name string, has bool) {
	if has {
		m[name]++
	}
}

func printCounts(w *tabwriter.Writer, counts map[string]int) {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "%s\t%d\n", name, counts[name])
	}
}
