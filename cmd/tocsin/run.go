package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const runHelp = `Runs the node of the directory in the foreground. When all is up it prints one line:

  ready org=bank node=12D3... http=127.0.0.1:7801 p2p=/ip4/.../tcp/4001

and logs to standard error. An interrupt or a TERM signal ends it in good order
(within 10 seconds, exit 0); a second one ends it at once. What is saved to
policy.toml, or to a list that it names, is in force within four seconds; a HUP
signal reads them at once. See ` + "`tocsin policy --help`" + `. A service manager that gave it
NOTIFY_SOCKET is told when all is up, and when it ends.

It refuses to start when a key file or the directory can be read by others, when
another daemon is at work on the directory, when a port is in use, on unknown
configuration keys, on a policy with a fault, and on an HTTP address that is not
loopback without [tls].
It ends with code 1 when the disk reports an error, to the store or to the audit
journal: nothing is acknowledged that is not safe.
On a disk that is nearly full it takes nothing in, serves on, and goes on by itself
when space is free; it refuses to start only where not even the
store can be opened, and says how much that takes.`

// stopWithin and a second is how long an end may take.
const stopWithin = 9 * time.Second

type runFlags struct {
	logLevel       string
	passphraseFile string
}

func (c *cli) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "run", Short: "Run the node in the foreground", Long: runHelp, Args: noArgs}
	cmd.Flags().StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error, instead of what config.toml says")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "file with the passphrase of the keys, instead of what config.toml says")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context(), f) }
	return cmd
}

// serve is the daemon's whole life.
func (c *cli) serve(ctx context.Context, f runFlags) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	conf, k, err := c.load(dir, f)
	if err != nil {
		return err
	}
	level, err := conf.level()
	if err != nil {
		return usagef("%v", err)
	}
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level}))
	if err := c.renew(dir, &k, log); err != nil {
		return err
	}
	d, err := startDaemon(ctx, dir, conf, k, false, log)
	if err != nil {
		return err
	}
	hangup, still := c.hangup()
	defer still()
	d.watchRules(hangup)
	fmt.Fprintln(c.stdout, d.ready())
	if err := c.notify(notifyReady); err != nil {
		log.Warn("the start was not told", "err", err)
	}
	err = d.wait(ctx)
	d.ended = err
	log.Info("stopping")
	c.notify(notifyStopping) // who does not hear it sees the end
	return errors.Join(err, d.stopSoon())
}

// load reads what the directory holds, and refuses what must not run.
func (c *cli) load(dir directory, f runFlags) (config, keys, error) {
	if err := dir.check(); err != nil {
		return config{}, keys{}, err
	}
	conf, err := dir.readConfig()
	if err != nil {
		return config{}, keys{}, err
	}
	if f.logLevel != "" {
		conf.LogLevel = f.logLevel
		if _, err := conf.level(); err != nil {
			return config{}, keys{}, usagef("--log-level %s: one of debug, info, warn, error", f.logLevel)
		}
	}
	file := f.passphraseFile
	if file == "" {
		file = dir.within(conf.PassphraseFile)
	}
	k, err := dir.readKeys(func() ([]byte, error) { return c.passphrase(file) })
	return conf, k, err
}

// renew renews the certificate where it can, before the node needs it.
func (c *cli) renew(dir directory, k *keys, log *slog.Logger) error {
	now := time.Now()
	renewed, err := dir.renew(k, now)
	if err != nil {
		return err
	}
	ends := protocol.Time(k.cert.NotAfter)
	switch {
	case renewed:
		log.Info("certificate renewed", "until", ends.Format(time.DateOnly))
	case now.After(ends):
		return hinted(fmt.Errorf("the certificate of this node ended on %s", ends.Format(time.DateOnly)), "`tocsin certify %s` where org.key is, then `tocsin key load FILE` here; with org.key in %s it is renewed by itself", node.PeerID(k.cert.Node), dir)
	}
	return nil
}

// ready is the line that says all is up.
func (d *daemon) ready() string {
	id := d.node.Identity()
	fields := []string{"ready", "org=" + field(id.Org), "node=" + id.Node}
	if d.http != nil {
		fields = append(fields, "http="+d.http.String())
	}
	if len(id.Addrs) > 0 {
		fields = append(fields, "p2p="+strings.Join(id.Addrs, ","))
	}
	return strings.Join(fields, " ")
}

// wait returns when the daemon should end, with the reason if it is a fault.
func (d *daemon) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.store.Failed():
	case <-d.audit.Failed():
	case err := <-d.failed:
		return err
	}
	select {
	case <-d.store.Failed(): // said also when both happened
		return hinted(d.storeFault(), "look at the disk of %s, then start again", d.dir)
	case <-d.audit.Failed():
		return d.journalFault()
	default:
		return nil
	}
}

// storeFault is why the store failed: it answers every change with that.
func (d *daemon) storeFault() error {
	_, err := d.store.Sweep(context.Background(), time.Now())
	return err
}

// stopSoon stops everything, or gives up: what was acknowledged is on the disk
// in any case.
func (d *daemon) stopSoon() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(stopWithin + time.Second):
		return fmt.Errorf("still not stopped after %s: giving up; what was acknowledged is on the disk", stopWithin)
	}
}
