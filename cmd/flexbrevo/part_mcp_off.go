//go:build no_mcp

package main

import "github.com/spf13/cobra"

// mcpCommands is empty: this program is built without the command.
func (c *cli) mcpCommands() []*cobra.Command { return nil }
