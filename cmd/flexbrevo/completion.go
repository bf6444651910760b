package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"flexbrevo/config"
)

// shells write the completion of each shell that there is one for.
var shells = map[string]func(*cobra.Command, *cli) error{
	"bash":       func(root *cobra.Command, c *cli) error { return root.GenBashCompletionV2(c.out, true) },
	"zsh":        func(root *cobra.Command, c *cli) error { return root.GenZshCompletion(c.out) },
	"fish":       func(root *cobra.Command, c *cli) error { return root.GenFishCompletion(c.out, true) },
	"powershell": func(root *cobra.Command, c *cli) error { return root.GenPowerShellCompletionWithDesc(c.out) },
}

func (c *cli) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the shell's completion of commands, flags and connector names",
		Long: "For bash, for example:\n\n  flexbrevo completion bash > /etc/bash_completion.d/flexbrevo\n\n" +
			"and for zsh, into a directory of $fpath:\n\n  flexbrevo completion zsh > \"${fpath[1]}/_flexbrevo\"\n\n" + exitHelp,
		ValidArgs: sorted(shells),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return usage(fmt.Errorf("completion takes one of %v", sorted(shells)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root(), c) },
	}
}

// complete says what the flags that all commands share may hold.
func (c *cli) complete(root *cobra.Command) {
	// The two flags exist, so that neither call can fail.
	_ = root.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
	_ = root.RegisterFlagCompletionFunc("connector", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, err := config.Load(c.file, c.configOptions())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, k := range cfg.Connectors {
			names = append(names, k.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}
