package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

func (c *cli) storeRecordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "record KEY...",
		Short: "Print records as they came, byte for byte",
		Long: "Prints the bodies of kept records, each on a line, in the order in which they were kept: JSON\n" +
			"or a form, as Twilio gave it. In the database they are compressed. KEY is what `flexbrevo dead\n" +
			"list` shows beside the type; of a TaskRouter event it is its SID, EV…. A daemon may be running.\n" +
			"It prints personal data: that is what it is asked for.\n\n" + exitHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("which one? name the key of a record, such as the SID of an event"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found := map[string]bool{}
			var bad []error
			err := c.eachConnector(cmd.Context(), true, func(st store.Store, k *config.Connector) error {
				records, err := st.LoadRecordsByKey(cmd.Context(), k.Name, args)
				for _, r := range records {
					found[r.Key] = true
					bad = append(bad, c.sayRecord(r))
				}
				return err
			})
			if err != nil {
				return err
			}
			for _, key := range slices.Compact(slices.Sorted(slices.Values(args))) {
				if !found[key] {
					bad = append(bad, fmt.Errorf("no record is kept under the key %q", key))
				}
			}
			return errors.Join(bad...)
		},
	}
}

// sayRecord prints a record's body.
func (c *cli) sayRecord(r record.Record) error {
	switch {
	case r.Damage != "":
		return fmt.Errorf("record %s: %s", r.Key, r.Damage)
	case len(r.Body) == 0:
		return fmt.Errorf("record %s came without a body, or was emptied because it told of someone who was forgotten", r.Key)
	}
	_, err := fmt.Fprintf(c.out, "%s\n", r.Body)
	return err
}
