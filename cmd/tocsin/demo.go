package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const demoHelp = `Sets up three organisations in a temporary directory and one process: a bank, a
hospital and a CERT, each with keys, store and sockets of its own on loopback. The
bank founds a community and lets the others in; each says what its sample feed
holds, and hears from the others. Then their HTTP doors stay open, with the curl
lines to try, until interrupted.

With --once it ends when the exchange is complete: code 0 when all three hold the
same, 1 when they do not within a minute. What it made is deleted at the end.`

const (
	demoCommunity = "isac"
	demoValue     = "203.0.113.7" // said by two of them
	demoPatience  = time.Minute
)

//go:embed sample
var sample embed.FS

// A demoNode is one of the three.
type demoNode struct {
	name   string
	files  []string // of the sample
	daemon *daemon
	client *api.Client
	held   map[string]bool // objects it has seen: organisation and STIX id
}

// A demo is one showing.
type demo struct {
	*cli
	nodes  []*demoNode
	events chan demoEvent
	wg     sync.WaitGroup
}

// A demoEvent is something that one of the nodes saw, or the end of all
// imports with what they said, or what went wrong.
type demoEvent struct {
	node    *demoNode
	claim   *api.Claim
	objects int
	err     error
}

func (c *cli) demoCommand() *cobra.Command {
	once := false
	cmd := &cobra.Command{Use: "demo", Short: "Watch three organisations exchange a sample feed", Long: demoHelp, Args: noArgs}
	cmd.Flags().BoolVar(&once, "once", false, "end when the exchange is complete")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), once) }
	return cmd
}

func (c *cli) demo(ctx context.Context, once bool) (err error) {
	base, err := os.MkdirTemp("", "tocsin-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	d := &demo{cli: c, events: make(chan demoEvent, 64), nodes: []*demoNode{
		{name: "bank", files: []string{"bank.csv"}},
		{name: "hospital", files: []string{"hospital.txt"}},
		{name: "cert", files: []string{"cert.json", "cert-event.json"}},
	}}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { err = errors.Join(err, d.end(cancel)) }()
	err = d.show(ctx, base, once)
	if ctx.Err() != nil && !once {
		return nil // interrupted, as it should be
	}
	return err
}

// end stops all that runs, and waits for it.
func (d *demo) end(cancel context.CancelFunc) error {
	cancel()
	d.wg.Wait()
	var errs []error
	for _, n := range d.nodes {
		if n.daemon != nil {
			errs = append(errs, n.daemon.stopSoon())
		}
	}
	return errors.Join(errs...)
}

func (d *demo) show(ctx context.Context, base string, once bool) error {
	for _, n := range d.nodes {
		if err := d.start(ctx, n, base); err != nil {
			return fmt.Errorf("start %s: %w", n.name, err)
		}
	}
	if err := d.federate(ctx); err != nil {
		return err
	}
	for _, n := range d.nodes {
		d.wg.Go(func() { d.watchNode(ctx, n) })
	}
	d.wg.Go(func() { d.importSamples(ctx) })
	if err := d.exchange(ctx); err != nil {
		return err
	}
	if err := d.lookups(ctx); err != nil || once {
		return err
	}
	if err := d.doors(ctx); err != nil {
		return err
	}
	return d.follow(ctx)
}

// start brings one organisation up, the way init and run do.
func (d *demo) start(ctx context.Context, n *demoNode, base string) error {
	dir := directory(filepath.Join(base, n.name))
	conf := defaultConfig()
	conf.Org, conf.Listen, conf.HTTP = n.name, []string{"/ip4/127.0.0.1/tcp/0"}, "127.0.0.1:0"
	if _, err := dir.create(conf, nil, time.Now()); err != nil {
		return err
	}
	k, err := dir.readKeys(func() ([]byte, error) { return nil, errPassphrase })
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: slog.LevelError})).With("org", n.name)
	if n.daemon, err = startDaemon(ctx, dir, conf, k, true, log); err != nil {
		return err
	}
	n.client, n.held = api.Unix(dir.socket()), map[string]bool{}
	d.say("%s is up: %s", n.name, n.daemon.node.Identity().Addrs[0])
	return nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }

// federate lets the first found a community and the others in.
func (d *demo) federate(ctx context.Context) error {
	founder := d.nodes[0]
	if _, err := founder.client.CreateCommunity(ctx, demoCommunity); err != nil {
		return err
	}
	d.say("%s founds the community %s", founder.name, demoCommunity)
	for _, n := range d.nodes[1:] {
		invite, err := founder.client.Invite(ctx, api.InviteRequest{Community: demoCommunity, Name: n.name})
		if err != nil {
			return err
		}
		if _, err := n.client.Join(ctx, invite.Token); err != nil {
			return fmt.Errorf("%s joins: %w", n.name, err)
		}
		d.say("%s invites %s, which joins %s", founder.name, n.name, demoCommunity)
	}
	return nil
}

// watchNode passes on what a node takes in.
func (d *demo) watchNode(ctx context.Context, n *demoNode) {
	err := n.client.Watch(ctx, "", nil, func(change api.Change) error {
		if change.Op == api.OpAdd {
			d.tell(ctx, demoEvent{node: n, claim: change.Claim})
		}
		return nil
	})
	if err == nil {
		err = errors.New("the node stopped answering")
	}
	d.tell(ctx, demoEvent{err: fmt.Errorf("watch %s: %w", n.name, err)})
}

func (d *demo) tell(ctx context.Context, e demoEvent) {
	select {
	case d.events <- e:
	case <-ctx.Done():
	}
}

// importSamples lets every organisation say what its sample feed holds.
func (d *demo) importSamples(ctx context.Context) {
	said := 0
	for _, n := range d.nodes {
		for _, file := range n.files {
			tally, err := n.importSample(ctx, file)
			if err != nil {
				d.tell(ctx, demoEvent{err: fmt.Errorf("%s imports %s: %w", n.name, file, err)})
				return
			}
			said += tally.Objects
		}
	}
	d.tell(ctx, demoEvent{objects: said})
}

func (n *demoNode) importSample(ctx context.Context, file string) (api.Tally, error) {
	f, err := sample.Open("sample/" + file)
	if err != nil {
		return api.Tally{}, err
	}
	defer f.Close()
	tally, err := n.client.Import(ctx, f, api.ImportOptions{Name: file, TLP: protocol.Green}, nil)
	if err == nil && (tally.Objects == 0 || tally.Refused > 0) {
		err = fmt.Errorf("%d said, %d refused: %v", tally.Objects, tally.Refused, tally.Reasons)
	}
	return tally, err
}

// exchange prints who says what to whom until each node holds all that was
// said.
func (d *demo) exchange(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	said := 0
	for said == 0 || !d.allHold(said) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not complete after %s: of %d objects %s", demoPatience, said, d.counts())
		case e := <-d.events:
			if e.err != nil {
				return e.err
			}
			said += e.objects
			d.heard(e)
		}
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	d.say("all three hold the same %d objects", said)
	return nil
}

// heard prints what a node took in.
func (d *demo) heard(e demoEvent) {
	if e.claim == nil {
		return
	}
	e.node.held[e.claim.OrgKey.String()+e.claim.ID] = true
	value, kind := claimSubject(*e.claim)
	what := fmt.Sprintf("%s (%s) %s", clean(value), clean(kind), e.claim.TLP.Label())
	if e.claim.OrgKey == e.node.daemon.node.Org() {
		d.say("%s says: %s", e.node.name, what)
	} else {
		d.say("%s hears from %s: %s", e.node.name, clean(e.claim.Org), what)
	}
}

func (d *demo) allHold(said int) bool {
	for _, n := range d.nodes {
		if len(n.held) < said {
			return false
		}
	}
	return true
}

func (d *demo) counts() (text string) {
	for _, n := range d.nodes {
		text += fmt.Sprintf("%s has %d, ", n.name, len(n.held))
	}
	return text[:len(text)-2]
}

// compare asks the nodes themselves whether they hold the same.
func (d *demo) compare(ctx context.Context) error {
	claims := make([]int, len(d.nodes))
	for i, n := range d.nodes {
		status, err := n.client.Status(ctx)
		if err != nil {
			return err
		}
		if claims[i] = status.Claims; claims[i] != claims[0] || len(n.held) != len(d.nodes[0].held) {
			return fmt.Errorf("%s holds %d claims, %s %d", d.nodes[0].name, claims[0], n.name, claims[i])
		}
	}
	return nil
}

// lookups looks one value up on each node.
func (d *demo) lookups(ctx context.Context) error {
	for _, n := range d.nodes {
		answers, err := n.client.Lookup(ctx, api.LookupRequest{Values: []string{demoValue}})
		if err != nil {
			return err
		}
		d.say("\n%s$ tocsin lookup %s", n.name, demoValue)
		for _, a := range answers {
			if len(a.Claims) == 0 {
				return fmt.Errorf("%s knows nothing of %s", n.name, demoValue)
			}
			for _, claim := range a.Claims {
				d.say("%s", claimLine(demoValue, claim))
			}
		}
	}
	return nil
}

// doors prints how to reach the HTTP doors.
func (d *demo) doors(ctx context.Context) error {
	for _, n := range d.nodes {
		token, err := n.client.CreateToken(ctx, api.TokenRequest{Role: api.Reader, Name: "demo"})
		if err != nil {
			return err
		}
		header := fmt.Sprintf("curl -H 'Authorization: Bearer %s'", token.Secret)
		url := "http://" + n.daemon.http.String()
		d.say("\n%s answers at %s (and to: tocsin --dir %s status)", n.name, url, n.daemon.dir)
		d.say("  %s '%s/v1/lookup?value=%s'", header, url, demoValue)
		d.say("  %s '%s/v1/changes'", header, url)
	}
	d.say("\nuntil interrupted")
	return nil
}

// follow goes on printing what the nodes take in.
func (d *demo) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-d.events:
			if e.err != nil {
				return e.err
			}
			d.heard(e)
		}
	}
}
