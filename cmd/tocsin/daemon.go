package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	requestGrace  = time.Second // for requests under way when we stop
	sweepEvery    = 3 * time.Hour
	maxCA         = 1 << 20
	maxSocketPath = 103 // what every unix takes
)

// A daemon is a node with its store and its doors, all up.
type daemon struct {
	dir    directory
	log    *slog.Logger
	lock   *os.File
	store  *storage.Store
	node   *node.Node
	rules  *rulebook
	audit  *recorder
	ended  error                         // why it stops, if that is a fault
	http   net.Addr                      // nil: none
	failed chan error                    // a door that broke
	undo   []func(context.Context) error // what stop does, last first
	wg     sync.WaitGroup
}

// startDaemon brings everything up, in this order: lock, keys, store, host,
// node, doors. When it fails, what was up is taken down again.
func startDaemon(ctx context.Context, dir directory, c config, k keys, small bool, log *slog.Logger) (*daemon, error) {
	d := &daemon{dir: dir, log: log, failed: make(chan error, 2)}
	steps := []func() error{
		d.takeLock,
		func() error { return dir.readySealKey(&k, c.suite()) },
		func() error { return d.openStore(storage.Options{Key: k.store, Small: small, Log: log}) },
		func() error { return d.openJournal(k) },
		func() error { return d.startNode(ctx, c, k) },
		d.noteLife,
		d.watchJournal,
		d.startSweeper,
		func() error { return d.openDoors(ctx, c) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, errors.Join(err, d.stop(context.WithoutCancel(ctx)))
		}
	}
	return d, nil
}

// stop takes everything down in reverse order.
func (d *daemon) stop(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(d.undo) {
		errs = append(errs, undo(ctx))
	}
	d.undo = nil
	d.wg.Wait()
	return errors.Join(errs...)
}

func (d *daemon) later(undo func(context.Context) error) { d.undo = append(d.undo, undo) }

func (d *daemon) takeLock() error {
	lock, err := d.dir.acquire()
	if err != nil {
		return err
	}
	d.later(func(context.Context) error { return lock.Close() })
	return nil
}

func (d *daemon) openStore(o storage.Options) error {
	store, err := storage.Open(d.dir.store(), o)
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", d.dir.store(), err)
	}
	d.store = store
	d.later(func(context.Context) error { return store.Close() })
	return nil
}

func (d *daemon) startNode(ctx context.Context, c config, k keys) error {
	gate := node.NewGate()
	h, err := node.NewHost(node.HostConfig{Key: k.node, Listen: c.Listen, Announce: c.Announce, MaxPeers: c.MaxPeers, Trusted: c.Trusted}, gate)
	if err != nil {
		return hinted(err, "is another daemon on that port? change `listen` in %s", d.dir.config())
	}
	n, err := d.newNode(ctx, c, k, h, gate)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	d.node, d.rules.enforce, d.rules.note, d.rules.refusal = n, n.SetRules, n.NoteRules, n.NoteRefusedRules
	d.later(func(context.Context) error { return n.Close() })
	return d.dir.entered()
}

func (d *daemon) newNode(ctx context.Context, c config, k keys, h host.Host, gate *node.Gate) (*node.Node, error) {
	book, rules, err := openRulebook(d.dir, d.log)
	if err != nil {
		return nil, err
	}
	d.rules = book
	return node.Start(ctx, node.Config{
		Host: h, Gate: gate, Key: k.node, Org: k.org, Certificate: k.cert, Name: c.Org,
		Store: d.store, Log: d.log, Connections: c.Connections, Keep: d.dir.keepCert, Entry: k.entry, Seal: k.seal, Rules: rules,
		Audit: d.audit.Append, AuditSync: d.audit.AppendSync, History: d.audit.List,
	})
}

// watchRules keeps what is written to the files of the policy in force.
func (d *daemon) watchRules(hangup <-chan os.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.rules.watch(ctx, hangup)
	}()
	d.later(func(context.Context) error { cancel(); <-done; return nil })
}

// startSweeper drops what has expired, now and then.
func (d *daemon) startSweeper() error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				d.sweep(ctx, now)
			}
		}
	}()
	d.later(func(context.Context) error { cancel(); <-done; return nil })
	return nil
}

func (d *daemon) sweep(ctx context.Context, now time.Time) {
	dropped, err := d.store.Sweep(ctx, now)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("sweep", "err", err)
	} else if dropped > 0 {
		d.log.Info("swept expired bulletins", "dropped", dropped)
	}
	d.prune(ctx, now)
}

// prune drops what the policy keeps no longer.
func (d *daemon) prune(ctx context.Context, now time.Time) {
	rules, _ := d.node.Rules()
	for {
		dropped, err := d.store.Prune(ctx, func(label protocol.TLP) time.Time { return rules.Policy.Retention.Before(label, now) })
		if err != nil && ctx.Err() == nil {
			d.log.Warn("retention", "err", err)
		}
		if err != nil || dropped == 0 {
			return
		}
		d.log.Info("pruned bulletins older than the policy keeps them", "dropped", dropped)
	}
}

// openDoors serves the API on the directory's socket and, where configured, on
// TCP.
func (d *daemon) openDoors(ctx context.Context, c config) error {
	label, err := c.loopbackFeeds()
	if err != nil {
		return err
	}
	door := api.New(api.Config{Node: d.node, Hosts: c.Hosts, Loopback: label, Log: d.log, Policy: d.rules.files(), Audit: d.audit.door(), Files: d.readOperators})
	d.runDoor(door)
	local, err := d.dir.listen()
	if err != nil {
		return err
	}
	d.serve(api.PeerCredListener(local), door.Local(), nil)
	if c.HTTP == "" {
		return nil
	}
	secure, err := d.dir.tlsConfig(c.TLS)
	if err != nil {
		return err
	}
	remote, err := new(net.ListenConfig).Listen(ctx, "tcp", c.HTTP)
	if err != nil {
		return hinted(fmt.Errorf("open the HTTP door: %w", err), "is another daemon on that port? change `http` in %s", d.dir.config())
	}
	d.http = remote.Addr()
	d.serve(remote, door.Remote(), secure)
	return nil
}

// runDoor has the door do what nobody asks for, until stop.
func (d *daemon) runDoor(door *api.Door) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := door.Run(ctx); err != nil {
			d.log.Error("sinks and sources have stopped", "err", err)
		}
	}()
	d.later(func(stopping context.Context) error {
		cancel()
		<-done
		if err := door.SaveFeeds(stopping); err != nil { // they are a minute old then
			d.log.Warn("the baselines of the feeds are not written", "err", err)
		}
		return nil
	})
}

// readOperators reads a file that the operator named for a sink or a source: a
// certificate, or a secret, which nobody else may read.
func (d *daemon) readOperators(path string, secret bool) ([]byte, error) {
	if secret {
		return readSecret(path, maxConfig)
	}
	return readFile(path, maxCA)
}

// serve answers on a listener until stop.
func (d *daemon) serve(l net.Listener, h http.Handler, secure *tls.Config) {
	ctx, cancel := context.WithCancel(context.Background()) // of every request; ends those that never end by themselves
	server := &http.Server{
		Handler: h, TLSConfig: secure, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: api.WithPeer,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	d.wg.Go(func() {
		err := error(nil)
		if secure != nil {
			err = server.ServeTLS(l, "", "")
		} else {
			err = server.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
	d.later(func(stopping context.Context) error {
		defer cancel()
		defer time.AfterFunc(requestGrace, cancel).Stop()
		if err := server.Shutdown(stopping); err != nil {
			return errors.Join(fmt.Errorf("requests at %s did not end: %w", l.Addr(), err), server.Close())
		}
		return nil
	})
}

// listen opens the directory's socket. A socket that nobody answers is left
// over and taken away; anything else in its place is not ours to remove.
func (d directory) listen() (net.Listener, error) {
	path := d.socket()
	if len(path) > maxSocketPath {
		return nil, hinted(fmt.Errorf("%s: too long for a socket (%d bytes, at most %d)", path, len(path), maxSocketPath), "give a shorter --dir")
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSocket == 0:
		return nil, hinted(fmt.Errorf("%s is not a socket", path), "move it away")
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("another daemon answers at %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// tlsConfig reads the HTTP door's certificate; nil for none.
func (d directory) tlsConfig(f tlsFiles) (*tls.Config, error) {
	if f.Cert == "" {
		return nil, nil
	}
	key := d.within(f.Key)
	if _, err := readSecret(key, 1<<20); err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(d.within(f.Cert), key)
	if err != nil {
		return nil, fmt.Errorf("[tls]: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
