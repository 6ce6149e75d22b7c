package nodetest

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Stolen adds a hostile host with the key of a second node of an organisation,
// which certified it two days ago, while it was its own.
func (f *Federation) Stolen(org string, reaches ...string) *Raw {
	f.t.Helper()
	r, m, now := f.Raw(reaches...), f.member(org), time.Now()
	r.Org = m.org
	r.Cert = protocol.Certify(m.org, r.Cert.Node, now.Add(-48*time.Hour), now.Add(365*24*time.Hour))
	return r
}

// Leave ends a hostile host's link to an organisation's node; see Reach. Streams
// that opened as it closed are ended, too.
func (r *Raw) Leave(org string) {
	r.f.t.Helper()
	id := r.f.member(org).host.ID()
	r.f.check(r.f.net.UnlinkPeers(r.Host.ID(), id))
	conns := append(r.f.net.Net(id).ConnsToPeer(r.Host.ID()), r.Host.Network().ConnsToPeer(id)...)
	r.f.net.DisconnectPeers(r.Host.ID(), id)
	time.Sleep(time.Millisecond)
	r.f.net.DisconnectPeers(r.Host.ID(), id)
	for _, c := range conns {
		for _, s := range c.GetStreams() {
			s.Reset()
		}
	}
}
