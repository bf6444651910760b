package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/config/secretfile"
	"flexbrevo/connector/schedule"
)

// configOptions are what every reading of connector.yaml needs.
func (c *cli) configOptions() config.Options {
	return config.Options{
		Env: c.env, ScheduleCheck: schedule.Check,
		Secrets: func(file, keyFrom string) (func(string) (string, bool), error) {
			return secretfile.Box{Path: file, KeyFrom: keyFrom, Env: c.env}.Lookup()
		},
	}
}

// box is the encrypted file that the configuration names.
func (c *cli) box() (secretfile.Box, error) {
	s, err := config.LoadSecrets(c.file, c.configOptions())
	if err != nil {
		return secretfile.Box{}, &configError{err}
	}
	if s.File == "" {
		return secretfile.Box{}, &configError{fmt.Errorf("%s names no encrypted file; expected secrets: {file: secrets.age, key_from: env}", c.file)}
	}
	return secretfile.Box{Path: s.File, KeyFrom: s.KeyFrom, Env: c.env}, nil
}

func (c *cli) secretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Credentials that are kept encrypted behind ${NAME}",
		Long: "Keeps credentials in the file that `secrets: {file, key_from}` of connector.yaml names,\n" +
			"encrypted with age. The environment goes before it. The key is " + secretfile.KeyVariable + " (key_from: env),\n" +
			"or stands in a file (key_from: file): the one that " + secretfile.KeyFileVariable + " names, else the\n" +
			"encrypted file's own name with .key at its end. Keep the key out of backups of the file.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.secretsSet(), c.secretsRemove(), c.secretsList(), c.secretsKey(), c.secretsRotate())
	return cmd
}

func (c *cli) secretsSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a value, read from a prompt or from standard input",
		Long: "The value is never an argument, which everybody on the machine could read. A running\n" +
			"daemon takes it over on SIGHUP.\n\n" + exitHelp,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			box, err := c.box()
			if err != nil {
				return err
			}
			value, err := c.askHidden(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if value == "" {
				return usage(errors.New("the value is empty; `flexbrevo secrets remove` takes a name out"))
			}
			return box.Set(map[string]string{args[0]: value})
		},
	}
}

func (c *cli) secretsRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a value",
		Args:  oneName,
		RunE: func(_ *cobra.Command, args []string) error {
			box, err := c.box()
			if err != nil {
				return err
			}
			return box.Set(map[string]string{args[0]: ""})
		},
	}
}

func (c *cli) secretsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the names that are kept, never the values",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			box, err := c.box()
			if err != nil {
				return err
			}
			names, err := box.Names()
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for _, name := range names {
				fmt.Fprintln(c.out, name)
			}
			return nil
		},
	}
}

func (c *cli) secretsKey() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Make the key: into its file, or printed for the environment",
		Long:  "Makes a first key. An existing key file is never replaced; see `flexbrevo secrets rotate`.\n\n" + exitHelp,
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			box, err := c.box()
			if err != nil {
				return err
			}
			key, err := box.NewKey()
			if err != nil {
				return err
			}
			c.sayKey(box, key)
			return nil
		},
	}
}

func (c *cli) secretsRotate() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Encrypt the file to a new key",
		Long: "With key_from: file the key file is replaced too, and nothing else is to be done. With\n" +
			"key_from: env the new key is printed: set it as " + secretfile.KeyVariable + " where the daemon runs. The\n" +
			"file as it was stays beside it, ending in .old, until you delete it.\n\n" + exitHelp,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			box, err := c.box()
			if err != nil {
				return err
			}
			key, err := box.Rotate()
			if err != nil {
				return err
			}
			c.sayKey(box, key)
			return nil
		},
	}
}

// sayKey prints a new key where the operator has to keep it: alone on standard
// output, so that it can be piped to where it belongs.
func (c *cli) sayKey(box secretfile.Box, key string) {
	if box.KeyFrom == secretfile.FromFile {
		fmt.Fprintf(c.err, "the key is in %s; nobody but this user can read it\n", filepath.Base(box.KeyPath()))
		return
	}
	fmt.Fprintf(c.err, "keep this key: set it as %s where flexbrevo runs\n", secretfile.KeyVariable)
	fmt.Fprintln(c.out, key)
}

func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(fmt.Errorf("%s takes the name of one secret; its value is read from the prompt or standard input", cmd.CommandPath()))
	}
	return nil
}

// askHidden reads one value: without showing it from a terminal, to its end from
// anything else.
func (c *cli) askHidden(ctx context.Context, what string) (string, error) {
	if terminal := c.asked(); terminal != nil {
		fmt.Fprintf(c.err, "%s: ", what)
		value, err := hear(ctx, terminal, hidden(terminal))
		fmt.Fprintln(c.err)
		return value, err
	}
	value, err := io.ReadAll(io.LimitReader(bufio.NewReader(c.in), 64<<10))
	return strings.TrimSpace(string(value)), err
}
