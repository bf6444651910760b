package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

func (c *cli) simulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run the simulators alone, for tests of your own",
		Long: "The simulators answer as the real APIs do, their faults included, and can be asked and\n" +
			"told to misbehave under /_sim/. Point base_url of connector.yaml at them.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("there is no simulator %q; there are twilio and brevo", args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(c.simulateTwilio(), c.simulateBrevo())
	return cmd
}

func (c *cli) simulateTwilio() *cobra.Command {
	listen, o, back, ahead := "", world.Options{}, time.Duration(0), time.Duration(0)
	realistic := false
	cmd := &cobra.Command{
		Use:   "twilio",
		Short: "A Twilio Flex account with a contact centre's days in it",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now().UTC()
			o.Start, o.End = now.Add(-back), now.Add(ahead)
			if !o.Start.Before(o.End) {
				return usage(errors.New("--back and --ahead leave no time for anything to happen"))
			}
			w := world.New(o)
			so := twiliosim.Options{World: w, Seed: o.Seed}
			if realistic {
				so.Latency = twiliosim.RealisticLatency()
			}
			return c.simulate(cmd.Context(), listen, twiliosim.New(so), func(url string) {
				fmt.Fprintf(c.out, "base_url: %s\nTWILIO_ACCOUNT_SID=%s\nTWILIO_AUTH_TOKEN=%s\n", url, w.AccountSID, w.AuthToken)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9000", "`address` to listen on")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed makes the same world")
	f.IntVar(&o.Contacts, "contacts", 300, "how many contacts with the centre")
	f.IntVar(&o.Customers, "customers", 120, "how many customers")
	f.IntVar(&o.Agents, "agents", 12, "how many agents")
	f.BoolVar(&o.Odd, "odd", true, "add the records that go wrong in real life")
	f.DurationVar(&back, "back", 24*time.Hour, "how long ago the first contact began")
	f.DurationVar(&ahead, "ahead", 0, "how far contacts reach into the future, to arrive live")
	f.BoolVar(&realistic, "late", false, "list events some seconds, and a few minutes or hours, late")
	return cmd
}

func (c *cli) simulateBrevo() *cobra.Command {
	listen, tier, o := "", "", brevosim.Options{}
	cmd := &cobra.Command{
		Use:   "brevo",
		Short: "An empty Brevo account",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Tier = brevosim.Tier(tier)
			switch o.Tier {
			case brevosim.TierGeneral, brevosim.TierAdvanced, brevosim.TierExtended, brevosim.TierNone:
			default:
				return usage(fmt.Errorf("--tier %s: expected general, advanced, extended or none", tier))
			}
			return c.simulate(cmd.Context(), listen, brevosim.New(o), func(url string) {
				fmt.Fprintf(c.out, "base_url: %s\nBREVO_API_KEY=%s\n", url, o.APIKey)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9100", "`address` to listen on")
	f.StringVar(&o.APIKey, "api-key", "simulated-key", "the key it accepts")
	f.StringVar(&tier, "tier", "general", "rate limits: general, advanced, extended or none")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of its random choices")
	f.DurationVar(&o.ReadLag, "read-lag", 0, "how long a write may stay invisible to reads")
	return cmd
}

// simulate serves until the command ends.
func (c *cli) simulate(ctx context.Context, listen string, h http.Handler, ready func(url string)) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	ready("http://" + l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
