package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"flexbrevo/config"
)

func (c *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of connector.yaml, for editors",
		Long: "Editors complete and check connector.yaml by it when the file's first line says where it is,\n" +
			"as the one that `flexbrevo init` writes does:\n\n" +
			"  # yaml-language-server: $schema=./connector.schema.json\n\n" + exitHelp,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.out, "%s\n", schema)
			return err
		},
	}
}
