package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	renewBefore = 30 * 24 * time.Hour // the end of a certificate
	renewCheck  = time.Hour           // how often it is looked at: clocks are set, machines sleep
	remindEvery = 24 * time.Hour
)

// RenewAt returns when a certificate is to be renewed: 30 days before it ends,
// or when a third of its life is left, where that is less.
func RenewAt(c protocol.Certificate) time.Time {
	ends := protocol.Time(c.NotAfter)
	return ends.Add(-min(renewBefore, ends.Sub(protocol.Time(c.NotBefore))/3))
}

// Renewed returns a certificate for the same node that lasts as long as c did.
// It begins a little in the past, since clocks differ.
func Renewed(org ed25519.PrivateKey, c protocol.Certificate, now time.Time) protocol.Certificate {
	life := protocol.Time(c.NotAfter).Sub(protocol.Time(c.NotBefore))
	from := now.Add(-min(time.Hour, life/10))
	return protocol.Certify(org, c.Node, from, from.Add(life))
}

// certificate returns the certificate in force. n.cert is the one the node began
// with; its organisation and its key hold for good.
func (n *Node) certificate() protocol.Certificate {
	if c := n.renewed.Load(); c != nil {
		return *c
	}
	return n.cert
}

// runRenew renews the certificate in time where the organisation's key is here,
// and reminds whoever reads the log where it is not.
func (n *Node) runRenew() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var reminded time.Time
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		switch due := !now.Before(RenewAt(n.certificate())); {
		case due && n.org != nil:
			n.renew(now)
		case due && now.Sub(reminded) >= remindEvery:
			reminded = now
			n.log.Warn("the certificate of this node ends soon: `tocsin certify NODE` where org.key is, then `tocsin key load FILE` here",
				"peer", n.host.ID(), "until", protocol.Time(n.certificate().NotAfter).Format(time.DateTime))
		}
		timer.Reset(n.untilRenewal(now))
	}
}

// untilRenewal returns when to look at the certificate next: in time before it
// is due, and several times before its end where renewing it fails.
func (n *Node) untilRenewal(now time.Time) time.Duration {
	wait := RenewAt(n.certificate()).Sub(now)
	if wait <= 0 {
		wait = max(time.Minute, protocol.Time(n.certificate().NotAfter).Sub(now)/10)
	}
	return min(wait, renewCheck)
}

func (n *Node) renew(now time.Time) {
	next := Renewed(n.org, n.certificate(), now)
	if err := n.putInForce(n.ctx, next); err != nil && n.ctx.Err() == nil {
		n.log.Error("renew the certificate", "err", err)
		return
	}
	n.log.Info("certificate renewed", "until", protocol.Time(next.NotAfter).Format(time.DateTime))
}

// putInForce takes another certificate for this node's own key: durably, then
// for all it signs from now on, then it tells the others.
func (n *Node) putInForce(ctx context.Context, next protocol.Certificate) error {
	if n.keep != nil {
		if err := n.keep(next); err != nil {
			return fmt.Errorf("keep the certificate: %w", err)
		}
	}
	n.renewed.Store(&next)
	n.learn(func(*knowledge) {})
	n.NoteDone(ctx, onKey(next.Org, next.Node, "certificate"))
	n.presentAll(ctx, n.Communities())
	return nil
}

// Load takes a certificate that the organisation's key signed elsewhere. One for
// this node takes the place of the one in force, and the node comes into the
// communities of e that it is not in. One for another node of ours is told to
// all communities, so that it is known before it comes.
func (n *Node) Load(ctx context.Context, c protocol.Certificate, e Entry) error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("%w: %v", ErrUsage, err)
	}
	switch current := n.certificate(); {
	case c.Org != n.cert.Org:
		return fmt.Errorf("%w: the certificate is by another organisation (%s)", ErrRefused, c.Org.Fingerprint())
	case !c.Covers(protocol.Millis(time.Now())):
		return fmt.Errorf("%w: the certificate is valid from %s to %s", ErrRefused,
			protocol.Time(c.NotBefore).Format(time.DateTime), protocol.Time(c.NotAfter).Format(time.DateTime))
	case c.Node != n.cert.Node:
		return n.vouch(ctx, c)
	case c.NotAfter < current.NotAfter:
		return fmt.Errorf("%w: the certificate in force lasts longer, until %s", ErrRefused, protocol.Time(current.NotAfter).Format(time.DateTime))
	case c != current:
		if err := n.putInForce(ctx, c); err != nil {
			return err
		}
	}
	fresh := e.Communities[:0:0]
	for _, id := range e.Communities {
		if n.look().Communities[id] == nil {
			fresh = append(fresh, id)
		}
	}
	e.Communities = fresh
	return n.keepEntry(ctx, e)
}

// vouch tells all communities of another node of our organisation.
func (n *Node) vouch(ctx context.Context, c protocol.Certificate) error {
	n.mu.Lock()
	told := n.known.vouched[vouching{c.Node, c.Org}] == c
	n.mu.Unlock()
	if told {
		return nil
	}
	if err := n.store.Table(tableCerts).Set(ctx, c.Node[:], c.Encode()); err != nil {
		return err
	}
	var errs []error
	for _, community := range n.Communities() {
		_, err := n.state(ctx, community.ID, protocol.Statement{Presence: &protocol.Presence{Certificate: c}})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.vouch(c) })
	n.NoteDone(ctx, onKey(c.Org, c.Node, "vouch"))
	return nil
}
