package api

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
)

// certificateSoon is when a certificate's end is worth a word.
const certificateSoon = 30 * 24 * time.Hour

// doctor says in words how the node is, one thing at a time.
func (d *Door) doctor(context.Context) (DoctorAnswer, error) {
	s, err := d.statusWithoutRed()
	if err != nil {
		return DoctorAnswer{}, err
	}
	id := d.node.Identity()
	checks := []Check{d.checkStore(s), checkCommunities(s), checkListening(id), checkCertificate(id, time.Now()), checkClock(s, time.Now())}
	for _, e := range s.Entering {
		checks = append(checks, Check{"entry", false, e.Problem, "it is tried again every few minutes"})
	}
	checks = append(checks, checkPeers(s)...)
	checks = append(checks, checkLogs(s)...)
	checks = append(checks, d.checkPolicy())
	checks = append(checks, d.checkJournal()...)
	checks = append(checks, d.checkSinks()...)
	checks = append(checks, d.checkSources()...)
	checks = append(checks, d.checkFeeds()...)
	return DoctorAnswer{append(checks, checkGaps(s), checkDrops(s))}, nil
}

// checkFeeds tells of every list that stands still because too much of it would
// change at once.
func (d *Door) checkFeeds() (checks []Check) {
	for _, a := range d.allAlarms() {
		detail := fmt.Sprintf("%s of tier %s stands still until %s: of %d lines %d would go at once and %d come", a.Feed, a.Tier, a.Until.Format(time.RFC3339), a.Lines, a.Gone, a.Come)
		if len(a.Orgs) > 0 {
			detail += ", mostly by " + strings.Join(a.Orgs, ", ")
		}
		checks = append(checks, Check{"feed", false, detail, "look at what they said; `tocsin feed release " + a.Feed + " --tier " + a.Tier + "` lets it change now"})
	}
	return checks
}

func (d *Door) checkStore(s node.Status) Check {
	select {
	case <-d.node.Store().Failed():
		return Check{"store", false, "the disk has failed: nothing is taken in any more", "look at the log and at the disk, then start the node again"}
	default:
	}
	st := d.node.Store().Stats()
	switch {
	case st.ReadOnly:
		return Check{"store", false, fmt.Sprintf("the disk is nearly full, %d MiB are free: nothing is taken in", st.Free>>20), "free space, and it goes on by itself"}
	case st.Lost > 0:
		return Check{"store", false, fmt.Sprintf("%d bulletins that were here are missing: it is older than it should be", st.Lost), "was it restored from a backup? peers will give back what they hold"}
	case st.Damaged > 0:
		return Check{"store", false, fmt.Sprintf("%d records are damaged on the disk", st.Damaged), "they are fetched from peers again; look at the disk"}
	}
	return Check{"store", true, fmt.Sprintf("%d bulletins, %d MiB on the disk", s.Bulletins, st.DiskBytes>>20), ""}
}

func checkCommunities(s node.Status) Check {
	if len(s.Communities) == 0 {
		return Check{"community", false, "this node is in no community: it can share with nobody", "`tocsin community create NAME`, or `tocsin join TOKEN` with an invite"}
	}
	alone := 0
	names := []string{}
	for _, c := range s.Communities {
		names = append(names, fmt.Sprintf("%s, members: %d", c.Name, len(c.Members)))
		if len(c.Members) <= 1 {
			alone++
		}
	}
	if alone == len(s.Communities) {
		return Check{"community", false, strings.Join(names, "; ") + ": nobody else is in it yet", "`tocsin invite` makes a token for another organisation"}
	}
	return Check{"community", true, strings.Join(names, "; "), ""}
}

func checkListening(id node.Identity) Check {
	if len(id.Addrs) == 0 {
		return Check{"listen", false, "this node listens nowhere: others cannot dial it, and nobody can join through it", "set `listen` in the configuration"}
	}
	for _, a := range id.Addrs {
		if !loopbackAddr(a) {
			return Check{"listen", true, strings.Join(id.Addrs, ", "), ""}
		}
	}
	return Check{"listen", false, "this node listens on loopback only: other hosts cannot dial it", "set `listen` in the configuration to an address others can reach, or `announce` where there is NAT"}
}

func loopbackAddr(multiaddr string) bool {
	parts := strings.Split(multiaddr, "/")
	if len(parts) < 3 || parts[1] != "ip4" && parts[1] != "ip6" {
		return false
	}
	addr, err := netip.ParseAddr(parts[2])
	return err == nil && addr.IsLoopback()
}

func checkCertificate(id node.Identity, now time.Time) Check {
	until, hint := id.Expires.UTC().Format(time.DateOnly), "`tocsin certify "+id.Node+"` where org.key is, then `tocsin key load FILE` here"
	if id.Renews {
		hint = "it is renewed by itself, since org.key is here: the log says why it was not"
	}
	switch left := id.Expires.Sub(now); {
	case left <= 0:
		return Check{"certificate", false, "the node's certificate ended on " + until + ": no other node accepts this one", hint}
	case left < certificateSoon:
		return Check{"certificate", false, "the node's certificate ends on " + until, hint}
	}
	return Check{"certificate", true, "valid until " + until, ""}
}

// checkClock compares this host's clock with the dates in what others said:
// nobody can have said anything tomorrow.
func checkClock(s node.Status, now time.Time) Check {
	for _, o := range s.Origins {
		if ahead := o.Last.Sub(now); ahead > time.Minute {
			return Check{"clock", false, fmt.Sprintf("%s said something %s from now", o.Org, ahead.Round(time.Second)), "set this host's clock, or theirs: bulletins dated ahead are not taken"}
		}
	}
	return Check{"clock", true, now.UTC().Format(time.DateTime) + " UTC", ""}
}

// checkPeers has a line for how many are connected, and one for every node
// that is not.
func checkPeers(s node.Status) []Check {
	connected := 0
	var missing []Check
	for _, p := range s.Peers {
		if p.Connected {
			connected++
			continue
		}
		hint := ""
		if p.Failures > 0 {
			hint = fmt.Sprintf("tried %d times so far, at %s", p.Failures, strings.Join(p.Addrs, ", "))
		}
		missing = append(missing, Check{"peer " + p.Name, p.Blocked, "not connected: " + p.Problem, hint})
	}
	all := Check{"peers", connected > 0, fmt.Sprintf("%d of %d connected", connected, len(s.Peers)), ""}
	switch {
	case len(s.Peers) == 0:
		all.Detail, all.Hint = "no other node is known", "`tocsin invite` one, or `tocsin join` a community"
	case connected == 0:
		all.Hint = "the lines below say why for each"
	}
	return append([]Check{all}, missing...)
}

const stolenHint = "somebody else has that node's key, or a copy of its disk runs elsewhere: stop the copy, or `tocsin init` a node with a new key"

// checkLogs has a line for every organisation that is quarantined, our own too.
func checkLogs(s node.Status) (checks []Check) {
	if s.Alarm != "" {
		checks = append(checks, Check{"own log", false, s.Alarm, stolenHint})
	}
	for _, q := range s.Quarantined {
		c := Check{"log of " + q.Org, false, q.Reason, "what it says does not count here; ask it by a channel you trust what happened, then release it"}
		if q.Own {
			c.Detail = "our own organisation, by node " + q.Node.String() + ", " + q.Reason
			c.Hint = stolenHint + "; the others have quarantined us"
		}
		checks = append(checks, c)
	}
	if checks == nil {
		checks = append(checks, Check{"logs", true, "nobody broke the log it signs", ""})
	}
	return checks
}

func checkGaps(s node.Status) Check {
	gaps, where := 0, []string{}
	for _, o := range s.Origins {
		if o.Gaps > 0 {
			gaps += o.Gaps
			where = append(where, o.Org)
		}
	}
	if gaps > 0 {
		return Check{"gaps", false, fmt.Sprintf("%d gaps in what %s said", gaps, strings.Join(where, ", ")), "they are asked for every minute; somebody who has them must be connected"}
	}
	return Check{"gaps", true, "nothing known to exist is missing", ""}
}

// checkDrops looks at what was lost on the way. Synchronisation makes up for
// it, so it is a sign of too much load and no loss.
func checkDrops(s node.Status) Check {
	total, worst := uint64(0), ""
	for _, name := range []string{"gossip_overflow", "gossip_read_dropped", "gossip_send_dropped", "gossip_validation_dropped", "fetch_overflow", "sync_overflow"} {
		if n := s.Counts[name]; n > 0 {
			total += n
			worst += fmt.Sprintf(" %s:%d", name, n)
		}
	}
	if total > 0 {
		return Check{"drops", false, "since the start messages were dropped:" + worst, "synchronisation makes up for them; if it goes on, this host is too slow or its network too narrow"}
	}
	return Check{"drops", true, "nothing was dropped since the start", ""}
}
