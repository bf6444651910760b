package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/figures"
)

func (c *cli) figuresCommand() *cobra.Command {
	var since, until string
	asJSON := false
	cmd := &cobra.Command{
		Use:   "figures agents|queues|csat|workers",
		Short: "Agents' days, queues' hours, survey answers, and who the agents are",
		Long: "Agents by day of the connector's time zone, queues by UTC hour and channel, as the events\n" +
			"tell; kept where sync.agent_activity and sync.queue_analytics are on. Works beside a\n" +
			"running daemon. --since and --until as for backfill.\n\n" +
			"csat shows survey answers by day, channel and queue, whoever took the task and if nobody\n" +
			"did; kept where sync.csat is on.\n\n" +
			"workers lists the agents as they are now: activity, skills and, where sync.agent_activity is\n" +
			"on, how many tasks of each channel they may have at once.\n\n" + exitHelp,
		ValidArgs: []string{"agents", "queues", "csat", "workers"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(cmd.ValidArgs, args[0]) {
				return usage(errors.New("figures of what? agents, queues, csat or workers"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.figures(cmd.Context(), args[0], since, until, asJSON)
		},
	}
	cmd.Flags().StringVar(&since, "since", "7d", "first day or hour")
	cmd.Flags().StringVar(&until, "until", "", "end, not included (default now)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (c *cli) figures(ctx context.Context, what, since, until string, asJSON bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	st, err := connector.OpenStore(ctx, cfg, c.logger(cfg), false, true)
	if err != nil {
		return err
	}
	all := map[string]any{}
	for _, k := range cfg.Connectors {
		if !k.Enabled || (c.connector != "" && c.connector != k.Name) {
			continue
		}
		from, to, e := span(k, since, until, time.Now())
		if e != nil {
			return errors.Join(usage(e), st.Close())
		}
		if what == "workers" {
			agents, e := connector.LoadAgents(ctx, st, k.Name)
			err = errors.Join(err, e)
			all[k.Name] = agents
			if !asJSON {
				c.sayWorkers(agents)
			}
			continue
		}
		end := to.Add(-time.Nanosecond).In(k.Location).AddDate(0, 0, 1).Format(time.DateOnly)
		if what == "csat" {
			if !k.Sync.CSAT {
				fmt.Fprintf(c.err, "%s: sync.csat is off\n", k.Name)
			}
			days, e := figures.LoadCSATDays(ctx, st, k.Name, from.In(k.Location).Format(time.DateOnly), end)
			err = errors.Join(err, e)
			all[k.Name] = days
			if !asJSON {
				c.sayCSAT(days)
			}
			continue
		}
		if what == "agents" {
			if !k.Sync.AgentActivity {
				fmt.Fprintf(c.err, "%s: sync.agent_activity is off\n", k.Name)
			}
			days, e := figures.LoadAgentDays(ctx, st, k.Name, from.In(k.Location).Format(time.DateOnly), end)
			err = errors.Join(err, e)
			all[k.Name] = days
			if !asJSON {
				c.sayAgents(days)
			}
			continue
		}
		if !k.Sync.QueueAnalytics {
			fmt.Fprintf(c.err, "%s: sync.queue_analytics is off\n", k.Name)
		}
		hours, e := figures.LoadQueueHours(ctx, st, k.Name, from.Truncate(time.Hour), to)
		err = errors.Join(err, e)
		all[k.Name] = hours
		if !asJSON {
			c.sayQueues(hours)
		}
	}
	if asJSON {
		err = errors.Join(err, c.print(all))
	}
	return errors.Join(err, st.Close())
}

// span reads the two ends as backfill does.
func span(k *config.Connector, since, until string, now time.Time) (from, to time.Time, err error) {
	if from, err = moment(since, k.Location, now); err != nil {
		return from, to, fmt.Errorf("--since %s: %w", since, err)
	}
	if to = now; until != "" {
		if to, err = moment(until, k.Location, now); err != nil {
			return from, to, fmt.Errorf("--until %s: %w", until, err)
		}
	}
	if !to.After(from) {
		return from, to, errors.New("the range is empty: --until must be after --since")
	}
	return from, to, nil
}

func (c *cli) sayAgents(days []figures.AgentDay) {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "day\tagent\toffered\taccepted\trejected\ttimed out\thandled\ttalk\twrap-up\tcsat\tactivities")
	for _, d := range days {
		csat := ""
		if d.CSAT != nil {
			csat = fmt.Sprintf("%.2f", *d.CSAT)
		}
		activities := ""
		for _, name := range sorted(d.Activities) {
			activities += fmt.Sprintf("%s %s (%.0f%%)  ", name, time.Duration(d.Activities[name])*time.Second, 100*d.Occupancy[name])
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%ds\t%ds\t%s\t%s\n", d.Day, d.Agent,
			d.Offered, d.Accepted, d.Rejected, d.TimedOut, d.Handled, d.Talk, d.Wrap, csat, activities)
	}
	_ = w.Flush() // a terminal that is gone
}

func (c *cli) sayCSAT(days []figures.CSATDay) {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "day\tchannel\tqueue\tanswers\tmean\tscores")
	for _, d := range days {
		value := func(score string) float64 { v, _ := strconv.ParseFloat(score, 64); return v } // it was made of one
		scores := slices.SortedFunc(maps.Keys(d.Scores), func(a, b string) int { return cmp.Compare(value(b), value(a)) })
		for i, s := range scores {
			scores[i] = fmt.Sprintf("%s: %d", s, d.Scores[s])
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.2f\t%s\n", d.Day, d.Channel, d.Name, d.Answers, d.Mean, strings.Join(scores, "  "))
	}
	_ = w.Flush() // a terminal that is gone
}

func (c *cli) sayWorkers(agents []connector.Agent) {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "agent\tactivity\tskills\ttasks at once")
	for _, a := range agents {
		if a.Gone {
			continue
		}
		capacities := ""
		for _, name := range sorted(a.Channels) {
			switch channel := a.Channels[name]; {
			case !channel.Available:
				capacities += name + " off  "
			case channel.Capacity > 0:
				capacities += fmt.Sprintf("%s %d  ", name, channel.Capacity)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", a.Name, a.Activity, strings.Join(a.Skills, ", "), capacities)
	}
	_ = w.Flush() // a terminal that is gone
}

func (c *cli) sayQueues(hours []figures.QueueHour) {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "hour (UTC)\tqueue\tchannel\toffered\taccepted\tabandoned\tshort\tavg wait\tlongest\tservice level")
	for _, h := range hours {
		level := ""
		if h.ServiceLevel != nil {
			level = fmt.Sprintf("%.0f%%", 100**h.ServiceLevel)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%.0fs\t%ds\t%s\n", h.Hour.Format("2006-01-02 15:04"), h.Name, h.Channel,
			h.Offered, h.Accepted, h.Abandoned, h.ShortAbandoned, h.AverageWait, h.LongestWait, level)
	}
	_ = w.Flush() // a terminal that is gone
}
