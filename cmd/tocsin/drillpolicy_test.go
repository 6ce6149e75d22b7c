package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// save writes a file that a drill calls NAME@ORG into that organisation's
// directory. One that its policy is made of is in force as after any save.
func (d *drill) save(file string) {
	d.t.Helper()
	name, org, at := strings.Cut(file, "@")
	if !at || !d.fed.Names(org) {
		return
	}
	path := filepath.Join(string(d.home(org)), filepath.FromSlash(name))
	if err := firstError(os.MkdirAll(filepath.Dir(path), 0o700), replace(path, []byte(d.files[file]))); err != nil {
		d.t.Fatal(err)
	}
	book := d.book(org)
	book.look() // it was written to
	book.look() // and is not any more
}

// book returns what keeps an organisation's policy in force.
func (d *drill) book(org string) *rulebook {
	if d.books[org] == nil {
		d.books[org] = &rulebook{dir: d.home(org), log: slog.New(slog.DiscardHandler), turn: make(chan struct{}, 1), read: []rulefile{{name: api.PolicyName}},
			enforce: func(r *node.Rules) policy.Faults { return d.fed.Node(org).SetRules(r) },
			note:    func(ctx context.Context, r *node.Rules) error { return d.fed.Node(org).NoteRules(ctx, r) }}
	}
	return d.books[org]
}

// rules has a node that starts again begin with the policy it has by then.
func (d *drill) rules(org string, c *node.Config) {
	if d.books[org] == nil {
		return
	}
	set, err := d.home(org).readRules()
	if err != nil {
		d.t.Fatal(err)
	}
	c.Rules = set.rules
}

// door gives a node's door the files of its policy.
func (d *drill) door(org string, c *api.Config) {
	c.Policy = api.PolicyFiles{
		Reload: func(ctx context.Context) (api.PolicyFaults, error) { return d.book(org).reload(ctx) },
		Refused: func() api.PolicyFaults {
			if d.books[org] == nil {
				return nil
			}
			return d.books[org].files().Refused()
		},
	}
}
