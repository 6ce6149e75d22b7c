package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const versionHelp = `Prints what was built: version, Go, and the commit where it is known.`

func (c *cli) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print what was built", Long: versionHelp, Args: noArgs}
	cmd.RunE = func(*cobra.Command, []string) error {
		record := struct {
			Version string `json:"version"`
			Go      string `json:"go"`
			Commit  string `json:"commit,omitempty"`
		}{Version: "devel", Go: runtime.Version()}
		if info, ok := debug.ReadBuildInfo(); ok {
			if v := info.Main.Version; v != "" && v != "(devel)" {
				record.Version = v
			}
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					record.Commit = s.Value
				}
			}
		}
		line := "tocsin " + record.Version + " " + record.Go
		if record.Commit != "" {
			line += " " + record.Commit
		}
		return c.print(record, "%s", line)
	}
	return c.answers(cmd)
}
