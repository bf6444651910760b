package main

import (
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"flexbrevo/connector"
)

// configured stands for the store of the configuration file.
const configured = "config"

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Copy the store: the backup, and the move from SQLite to PostgreSQL; print a record",
		Long:  "See `flexbrevo store copy --help` and `flexbrevo store record --help`.\n\n" + exitHelp,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.storeCopyCommand(), c.storeRecordCommand())
	return cmd
}

func (c *cli) storeCopyCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy a store, also one in use, into an empty one of either kind",
		Long: "FROM and TO are sqlite://PATH, postgres://…, or the word config for the store of the\n" +
			"configuration file. A running daemon may go on working on FROM: the copy is of one\n" +
			"moment. TO is made where it does not exist and must hold nothing; counts and checksums\n" +
			"of both are compared before the command says that it is done.\n\n" +
			"A password belongs in PGPASSWORD or a .pgpass file rather than in the URL.\n\n" +
			"To move: stop the daemon, copy, change store.url, start it. What TO had not when the\n" +
			"copy was made is pulled from Twilio again, but what was sent from FROM after the copy\n" +
			"would be sent twice; so do not run both.\n\n" + exitHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(fmt.Errorf("%s takes FROM and TO, got %d arguments", cmd.CommandPath(), len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := c.storeURL(args[0])
			if err != nil {
				return err
			}
			to, err := c.storeURL(args[1])
			if err != nil {
				return err
			}
			logger := slog.New(slog.NewTextHandler(c.err, nil))
			copied, err := connector.CopyStore(cmd.Context(), from, to, logger, func(table string) {
				if isTerminal(c.err) {
					fmt.Fprintf(c.err, "\r\x1b[Kcopying %s", table)
				}
			})
			if isTerminal(c.err) {
				fmt.Fprint(c.err, "\r\x1b[K")
			}
			if err != nil {
				return err
			}
			return c.sayCopied(copied, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the tables as JSON")
	return cmd
}

// storeURL resolves an argument to a store's URL.
func (c *cli) storeURL(arg string) (string, error) {
	switch {
	case arg == configured:
		cfg, err := c.load()
		if err != nil {
			return "", err
		}
		if cfg.Store.SQLitePath != "" {
			return "sqlite://" + cfg.Store.SQLitePath, nil
		}
		return cfg.Store.URL.Reveal(), nil
	case strings.HasPrefix(arg, "sqlite://"), strings.HasPrefix(arg, "postgres://"), strings.HasPrefix(arg, "postgresql://"):
		return arg, nil
	}
	return "", usage(fmt.Errorf("a store is sqlite://PATH, postgres://… or %s", configured)) // what was given may hold a password
}

func (c *cli) sayCopied(copied []connector.CopiedTable, asJSON bool) error {
	if asJSON {
		return c.print(copied)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, t := range copied {
		fmt.Fprintf(w, "%s\t%d rows\t%s\n", t.Name, t.Rows, t.Checksum)
	}
	fmt.Fprintln(w, "copied and compared; counts and checksums are equal")
	return w.Flush()
}
