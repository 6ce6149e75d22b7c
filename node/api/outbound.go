package api

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// dialWithin is how long one connection may take, its name included.
const dialWithin = 10 * time.Second

// outbound returns what connects to systems the operator named. The address is
// looked at when the name has become one, right before it is dialled: what a name
// leads to may change at any time. Loopback, link-local, private and other
// addresses of special use, and this host's own, are dialled where the operator
// allowed them by name and nowhere else; plain connections, which anybody on the
// way can read, go to those alone.
func outbound(allow []netip.Prefix, plain bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialWithin, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return mayDial(at.Addr().Unmap().WithZone(""), allow, plain)
	}}
	return d.DialContext
}

func mayDial(addr netip.Addr, allow []netip.Prefix, plain bool) error {
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return nil
	}
	why := specialAddr(addr)
	switch {
	case why == "" && plain:
		why = "without TLS only allowed networks are dialled"
	case why == "" && ownAddr(addr):
		why = "an address of this host"
	}
	if why == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", addr, why)
}

// mayName refuses at once what could never be dialled: an address that is no name
// and may not be. What names lead to is looked at when they are dialled.
func mayName(location string, allow []netip.Prefix, plain bool) error {
	u, err := url.Parse(location)
	if err != nil {
		return kindUsage.errorf("%q is no URL", shown(location))
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	if err := mayDial(addr.Unmap().WithZone(""), allow, plain); err != nil {
		return kindUsage.problem(err.Error(), "with --allow, if it is meant")
	}
	return nil
}

func specialAddr(addr netip.Addr) string {
	kind := stix.IPv4Addr
	if addr.Is6() {
		kind = stix.IPv6Addr
	}
	return stix.Observable{Type: kind, Value: addr.String()}.SpecialUse()
}

func ownAddr(addr netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, ok := a.(*net.IPNet)
		return ok && own.IP.Equal(addr.AsSlice())
	})
}
