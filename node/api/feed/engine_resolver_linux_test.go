package feed

import (
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// world answers DNS questions as the rest of the world would: every name is at
// 192.0.2.53, but for those that name an address themselves. It returns its port.
func world(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1<<12)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := worldly(b[:n]); answer != nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-ended })
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}

// namedAfter is a name that is at an address.
func namedAfter(a netip.Addr) string {
	return "at-" + hex.EncodeToString(a.AsSlice()) + ".answers.example"
}

func worldly(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	a := netip.MustParseAddr("192.0.2.53")
	if label, _, _ := strings.Cut(strings.ToLower(q.Name.String()), "."); strings.HasPrefix(label, "at-") {
		raw, _ := hex.DecodeString(label[len("at-"):])
		a, _ = netip.AddrFromSlice(raw)
	}
	m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true, Authoritative: true}, Questions: m.Questions}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	switch {
	case q.Type == dnsmessage.TypeA && a.Is4():
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && a.Is6():
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// resolve asks a resolver for the address of a name: none where it says that there
// is no such name. It is an error that nobody answers.
func resolve(port, name string, kind dnsmessage.Type) (a netip.Addr, err error) {
	c, err := net.DialTimeout("udp", "127.0.0.1:"+port, engineWithin)
	if err != nil {
		return a, err
	}
	defer c.Close()
	n, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return a, err
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}}}
	question, err := m.Pack()
	if err != nil {
		return a, err
	}
	c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := c.Write(question); err != nil {
		return a, err
	}
	b := make([]byte, 1<<12)
	size, err := c.Read(b)
	if err != nil {
		return a, err
	}
	if err := m.Unpack(b[:size]); err != nil {
		return a, err
	}
	if m.RCode != dnsmessage.RCodeSuccess && m.RCode != dnsmessage.RCodeNameError {
		return a, &net.DNSError{Err: m.RCode.String(), Name: name}
	}
	for _, r := range m.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			a = netip.AddrFrom4(body.A)
		case *dnsmessage.AAAAResource:
			a = netip.AddrFrom16(body.AAAA)
		}
	}
	return a, nil
}

// refused asks a resolver for a value: a name, or a name that is at an address.
func refused(t *testing.T, port, v string) bool {
	t.Helper()
	name, kind := v, dnsmessage.TypeA
	if a, err := netip.ParseAddr(v); err == nil {
		if name = namedAfter(a); a.Is6() {
			kind = dnsmessage.TypeAAAA
		}
	}
	a, err := resolve(port, name, kind)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return !a.IsValid() || a.IsUnspecified()
}

// answers reports whether a resolver is there and has let a name go.
func answers(port, name string) func() bool {
	return func() bool {
		a, err := resolve(port, name, dnsmessage.TypeA)
		return err == nil && a.IsValid() && !a.IsUnspecified()
	}
}

const namedConf = `
options {
	directory "DIR";
	pid-file "DIR/named.pid";
	session-keyfile "DIR/session.key";
	listen-on port PORT { 127.0.0.1; };
	listen-on-v6 { none; };
	forwarders { 127.0.0.1 port WORLD; };
	forward only;
	dnssec-validation no;
	response-policy { zone "tocsin.rpz.example"; } min-update-interval 1 qname-wait-recurse no;
};
controls { };
zone "tocsin.rpz.example" { type primary; file "DIR/rpz"; };
`

func TestBIND(t *testing.T) {
	named, checkzone := program(t, "named"), program(t, "named-checkzone")
	dir, port := engineDir(t), freePort(t)
	conf := writeFile(t, dir, "named.conf", strings.NewReplacer("DIR", dir, "PORT", port, "WORLD", world(t)).Replace(namedConf))
	var resolver *running
	loads := 0
	e := engine{ask: func(t *testing.T, v string) bool { return refused(t, port, v) }}
	e.load = func(t *testing.T, d *Document) *running {
		writeFormat(t, dir, "rpz", d)
		if said := run(t, checkzone, "tocsin.rpz.example", filepath.Join(dir, "rpz")); !strings.HasSuffix(said, "OK\n") {
			t.Error(said)
		}
		if resolver == nil {
			resolver = background(t, named, "-g", "-4", "-n", "1", "-c", conf)
			resolver.eventually(t, "it answers", answers(port, "good.example"))
			return resolver
		}
		loads++
		later := time.Now().Add(time.Duration(loads) * time.Hour) // named compares whole seconds
		if err := os.Chtimes(filepath.Join(dir, "rpz"), later, later); err != nil {
			t.Fatal(err)
		}
		resolver.cmd.Process.Signal(syscall.SIGHUP)
		return resolver
	}
	e.check(t, true, false)
	if log := resolver.log(); strings.Contains(log, "rpz IP address") || strings.Contains(log, "invalid rpz") {
		t.Errorf("named leaves something out:\n%s", log)
	}
}

const unboundConf = `
server:
	directory: "DIR"
	chroot: ""
	username: ""
	pidfile: "DIR/unbound.pid"
	use-syslog: no
	logfile: ""
	interface: 127.0.0.1
	port: PORT
	do-ip6: no
	do-not-query-localhost: no
	module-config: "respip iterator"
	cache-max-ttl: 0
	local-zone: "example." nodefault
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@WORLD
rpz:
	name: "tocsin.rpz.example"
	url: "http://127.0.0.1:FEED/feeds/rpz"
	zonefile: "DIR/rpz.zone"
remote-control:
	control-enable: yes
	control-use-cert: no
	control-interface: "DIR/control"
`

func TestUnbound(t *testing.T) {
	unbound, control := program(t, "unbound"), program(t, "unbound-control")
	dir, port := engineDir(t), freePort(t)
	var zone atomic.Pointer[string]
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/dns; charset=utf-8")
		w.Write([]byte(*zone.Load()))
	}))
	defer node.Close()
	_, feed, _ := net.SplitHostPort(node.Listener.Addr().String())
	conf := writeFile(t, dir, "unbound.conf", strings.NewReplacer("DIR", dir, "PORT", port, "FEED", feed, "WORLD", world(t)).Replace(unboundConf))
	var resolver *running
	e := engine{ask: func(t *testing.T, v string) bool { return refused(t, port, v) }}
	e.load = func(t *testing.T, d *Document) *running {
		text := ""
		for _, f := range resolverFormats() {
			if f.Name == "rpz" {
				text = filesOf(t, &f, d)[""]
			}
		}
		zone.Store(&text)
		if resolver == nil {
			resolver = background(t, unbound, "-d", "-c", conf)
			resolver.eventually(t, "it answers", answers(port, "good.example"))
			resolver.eventually(t, "it has the zone", func() bool { return !answers(port, "evil.example")() })
			return resolver
		}
		run(t, control, "-c", conf, "auth_zone_transfer", "tocsin.rpz.example")
		return resolver
	}
	e.check(t, true, false)
}

// dnsmasq reads a configuration of its own, or hosts; the latter know no
// wildcards.
func TestDnsmasq(t *testing.T) {
	dnsmasq := program(t, "dnsmasq")
	for format, flag := range map[string]string{"dnsmasq": "--conf-file=", "hosts": "--conf-file=/dev/null --addn-hosts="} {
		var port string
		e := engine{ask: func(t *testing.T, v string) bool { return refused(t, port, v) }}
		if format == "hosts" {
			e.lacks = func(v string) bool { return strings.HasSuffix(v, ".wild.example") }
		}
		upstream := world(t)
		e.load = func(t *testing.T, d *Document) *running {
			dir := engineDir(t)
			port = freePort(t)
			writeFormat(t, dir, format, d)
			args := append(strings.Fields(flag+filepath.Join(dir, format)), "--keep-in-foreground", "--log-facility=-", "--port="+port, "--listen-address=127.0.0.1",
				"--bind-interfaces", "--no-resolv", "--no-hosts", "--server=127.0.0.1#"+upstream, "--pid-file", "--cache-size=0")
			if os.Geteuid() == 0 {
				args = append(args, "--user=root")
			}
			run(t, dnsmasq, append([]string{"--test"}, args...)...)
			r := background(t, dnsmasq, args...)
			r.eventually(t, "it answers", answers(port, "good.example"))
			return r
		}
		e.check(t, false)
	}
}

// A name that is too long for a zone would keep all of it from being loaded.
func TestRPZLongNames(t *testing.T) {
	checkzone, dir := program(t, "named-checkzone"), engineDir(t)
	label := strings.Repeat(strings.Repeat("a", 62)+".", 4)
	long, longest := label[:rpzNames-len("example")]+"example", label[len(label)-(253-len("example")):]+"example"
	d := documentOf(t, "domain-name *."+long[2:]+"\ndomain-name "+long+"\ndomain-name "+longest)
	writeFormat(t, dir, "rpz", d)
	text, err := os.ReadFile(filepath.Join(dir, "rpz"))
	if err != nil || len(long) != rpzNames || len(longest) != 253 || strings.Count(string(text), "CNAME") != 2 {
		t.Fatalf("%v, names of %d and %d bytes:\n%s", err, len(long), len(longest), text)
	}
	if said := run(t, checkzone, strings.Repeat("z", 63)+".", filepath.Join(dir, "rpz")); !strings.HasSuffix(said, "OK\n") {
		t.Error(said)
	}
}
