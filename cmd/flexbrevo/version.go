package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and commit are set by the release build (-ldflags "-X main.version=…"); a
// build from a checkout knows its commit by itself, one of an image does not.
var version, commit = "", ""

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(c.out, "flexbrevo %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

func versionText() string {
	commit, dirty := commit[:min(12, len(commit))], ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
	}
	switch {
	case version != "" && commit != "":
		return version + " (" + commit + dirty + ")"
	case version != "":
		return version
	case commit != "":
		return "development (" + commit + dirty + ")"
	}
	return "development"
}
