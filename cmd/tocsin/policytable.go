package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

const maxTable = 1 << 20 // what policy.RunTable takes

func (c *cli) policyTestCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "test TABLE", Short: "Ask a policy a decision table", Long: policyTestHelp, Args: exactArgs("TABLE")}
	cmd.Flags().StringVar(&file, "policy", "", "file of the policy to ask (default: that of the directory)")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return c.testPolicy(args[0], file) }
	return c.answers(cmd)
}

func (c *cli) testPolicy(table, file string) error {
	if table == "-" && file == "-" {
		return usagef("the table and the policy cannot both be standard input")
	}
	p, err := c.readPolicy(file)
	if err != nil {
		return c.printFaults(err)
	}
	text, err := c.readText(table, maxTable)
	if err != nil {
		return err
	}
	results, err := policy.RunTable(p.rules.Policy, text)
	if err != nil {
		return c.printFaults(faultsOf(table, err))
	}
	return c.printResults(table, results)
}

// A tableSummary is how a decision table went.
type tableSummary struct {
	Passed int `json:"passed"`
	Cases  int `json:"cases"`
}

// printResults prints the cases that failed, as JSON all of them, and how many
// did not.
func (c *cli) printResults(table string, results []policy.Result) error {
	sum := tableSummary{Cases: len(results)}
	for _, r := range results {
		if r.Pass {
			sum.Passed++
		}
		if r.Pass && !c.json {
			continue
		}
		line := fmt.Sprintf("%s:%d: %s: want %s, got %s: %s", table, r.Line, r.Case, r.Want, r.Got, r.Reason)
		if err := c.print(r, "%s", clean(line)); err != nil {
			return err
		}
	}
	if err := c.print(sum, "passed %d of %d", sum.Passed, sum.Cases); err != nil {
		return err
	}
	if sum.Passed < sum.Cases {
		return errTold
	}
	return nil
}

// A policyFile is a policy as it was read.
type policyFile struct {
	file  string // as it is called
	text  []byte
	rules *node.Rules
}

// readPolicy reads a policy and its lists: a file, - for standard input, or ""
// for that of the directory, where none is the empty policy.
func (c *cli) readPolicy(file string) (policyFile, error) {
	p, beside := policyFile{file: file}, filepath.Dir(file)
	if file == "" || file == "-" {
		dir, err := c.dir()
		if err != nil {
			return p, err
		}
		beside = string(dir)
	}
	var err error
	if file == "" {
		p.file = api.PolicyName
		if err := directory(beside).check(); err != nil {
			return p, err
		}
		if p.text, err = readFile(filepath.Join(beside, p.file), policy.MaxText); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		p.text, err = c.readText(file, policy.MaxText)
	}
	if err != nil {
		return p, err
	}
	root, err := os.OpenRoot(beside)
	if err != nil {
		return p, err
	}
	defer root.Close()
	r := reading{root: root, left: maxListBytes}
	p.rules, err = r.rules(p.file, p.text)
	return p, err
}

// readText reads a file, or standard input where it is called -.
func (c *cli) readText(file string, limit int64) ([]byte, error) {
	if file != "-" {
		return readFile(file, limit)
	}
	text, err := io.ReadAll(io.LimitReader(c.stdin, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("standard input is longer than %d bytes", limit)
	}
	return text, err
}

// first returns the first argument, "" for none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
