package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	ma "github.com/multiformats/go-multiaddr"
	"github.com/pelletier/go-toml/v2"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const maxConfig = 64 << 10

// A config is what config.toml says. The file that init writes explains every
// key.
type config struct {
	Org            string         `toml:"org"`
	Listen         []string       `toml:"listen"`
	Announce       []string       `toml:"announce"`
	HTTP           string         `toml:"http"`
	Hosts          []string       `toml:"hosts"`
	LoopbackFeeds  string         `toml:"loopback_feeds"`
	TLS            tlsFiles       `toml:"tls"`
	PassphraseFile string         `toml:"passphrase_file"`
	LogLevel       string         `toml:"log_level"`
	Connections    int            `toml:"connections"`
	MaxPeers       int            `toml:"max_peers"`
	Trusted        []netip.Prefix `toml:"trusted"`
	Sealing        string         `toml:"sealing"`
}

// tlsFiles are PEM files, relative to the directory.
type tlsFiles struct {
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
}

// configText is the file as init writes it, and its documentation.
const configText = `# Configuration of a tocsin node. Read once, by ` + "`tocsin run`" + `; unknown keys are refused.

# What the organisation calls itself. Others see it beside its fingerprint;
# it is never proof of identity.
org = {{toml .Org}}

# Where other nodes reach this one: multiaddrs, TCP or QUIC. Every one must open.
# 0.0.0.0 is every IPv4 address of the machine. Empty: this node only dials out,
# and cannot invite.
listen = {{toml .Listen}}

# What to tell others instead of the addresses above, behind a NAT or a name:
# announce = ["/dns4/tocsin.bank.example/tcp/4001"]
announce = {{toml .Announce}}

# Address of the HTTP door for your own tools; they show a token made with
# ` + "`tocsin token create`" + `. Empty: none. Anything but loopback needs [tls] below.
http = {{toml .HTTP}}

# Names by which tools call the HTTP door, besides its own addresses:
# hosts = ["tocsin.soc.bank.example"]
hosts = {{toml .Hosts}}

# The strictest label that programs of this machine which can show no token
# (resolvers, proxies) get in feeds: clear, green, amber or amber+strict. Empty:
# none, they need a token. Not with a proxy on this machine that passes on what
# others ask: whoever comes by it comes from here.
loopback_feeds = {{toml .LoopbackFeeds}}

# File with the passphrase of the keys, readable by nobody else. Empty: the
# systemd credential tocsin.passphrase, else whoever starts the daemon is asked.
# Only asked for where init was given a passphrase.
passphrase_file = {{toml .PassphraseFile}}

# debug, info, warn or error; the log goes to standard error.
log_level = {{toml .LogLevel}}

# Random connections to members kept in each community (1 to 200).
connections = {{.Connections}}

# Peers connected at most (8 to 5000).
max_peers = {{.MaxPeers}}

# Networks from which many members come (one NAT, one VPN): no limit of
# connections per address there. trusted = ["198.51.100.0/24"]
trusted = {{toml .Trusted}}

# How others encrypt what is for this node alone (AMBER and above): "hybrid" is
# ML-KEM-768 with X25519, which also a later quantum computer does not open;
# "x25519" is X25519 alone. When it changes, the next start makes a new seal.key.
sealing = {{toml .Sealing}}

# Certificate and key of the HTTP door, PEM files, relative to this directory.
[tls]
cert = {{toml .TLS.Cert}}
key = {{toml .TLS.Key}}
`

// tomlValue writes a string or a list as TOML.
func tomlValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		text, err := jsonLine(v) // a TOML basic string is a JSON string
		return strings.TrimSuffix(string(text), "\n"), err
	case []string:
		var items []string
		for _, s := range v {
			item, err := tomlValue(s)
			if err != nil {
				return "", err
			}
			items = append(items, item)
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case []netip.Prefix:
		var texts []string
		for _, p := range v {
			texts = append(texts, p.String())
		}
		return tomlValue(texts)
	}
	return "", fmt.Errorf("no TOML for %T", v)
}

// defaultConfig is what a key that is not in the file means.
func defaultConfig() config {
	return config{
		Listen: []string{"/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"}, HTTP: "127.0.0.1:7801",
		LogLevel: "info", Connections: 16, MaxPeers: 200, Sealing: sealHybrid,
	}
}

// text returns the configuration as a file.
func (c config) text() ([]byte, error) {
	t, err := template.New("config.toml").Funcs(template.FuncMap{"toml": tomlValue}).Parse(configText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, c)
	return b.Bytes(), err
}

// readConfig reads and checks a directory's configuration.
func (d directory) readConfig() (config, error) {
	text, err := readFile(d.config(), maxConfig)
	if err != nil {
		return config{}, err
	}
	c, err := parseConfig(text)
	if err != nil {
		return config{}, hinted(fmt.Errorf("%s: %w", d.config(), err), "correct the file; `tocsin init` in another directory writes one with every key explained")
	}
	return c, nil
}

// parseConfig reads a configuration strictly. Errors name line and key.
func parseConfig(text []byte) (config, error) {
	c := defaultConfig()
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c)
	if err != nil {
		return config{}, tomlError(err)
	}
	return c, c.check()
}

func tomlError(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		var keys []string
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			keys = append(keys, fmt.Sprintf("line %d: unknown key %s", line, strings.Join(e.Key(), ".")))
		}
		return errors.New(strings.Join(keys, "; "))
	}
	var broken *toml.DecodeError
	if errors.As(err, &broken) {
		line, column := broken.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(broken.Error(), "toml: "))
	}
	return err
}

// check refuses what could not work, or not safely.
func (c config) check() error {
	if err := protocol.CheckName(c.Org); err != nil {
		return fmt.Errorf("org = %q: %w", c.Org, err)
	}
	for _, list := range []struct {
		key   string
		addrs []string
	}{{"listen", c.Listen}, {"announce", c.Announce}} {
		if err := checkMultiaddrs(list.addrs); err != nil {
			return fmt.Errorf("%s: %w", list.key, err)
		}
	}
	if _, err := c.level(); err != nil {
		return err
	}
	if c.Connections < 1 || c.Connections > 200 {
		return fmt.Errorf("connections = %d: 1 to 200 are allowed", c.Connections)
	}
	if c.MaxPeers < 8 || c.MaxPeers > 5000 {
		return fmt.Errorf("max_peers = %d: 8 to 5000 are allowed", c.MaxPeers)
	}
	if c.suite() == 0 {
		return fmt.Errorf("sealing = %q: %s or %s", c.Sealing, sealHybrid, sealX25519)
	}
	if _, err := c.loopbackFeeds(); err != nil {
		return err
	}
	return c.checkHTTP()
}

// loopbackFeeds is the label of the key loopback_feeds, none where it is empty.
func (c config) loopbackFeeds() (label protocol.TLP, err error) {
	if c.LoopbackFeeds == "" {
		return label, nil
	}
	if err := label.UnmarshalText([]byte(c.LoopbackFeeds)); err != nil || label == protocol.Red {
		return label, fmt.Errorf("loopback_feeds = %q: clear, green, amber, amber+strict, or empty", c.LoopbackFeeds)
	}
	return label, nil
}

// Values of the key sealing.
const (
	sealHybrid = "hybrid"
	sealX25519 = "x25519"
)

// suite returns the HPKE suite that is configured; 0: there is no such.
func (c config) suite() uint16 {
	switch c.Sealing {
	case sealHybrid:
		return protocol.SuiteHybrid
	case sealX25519:
		return protocol.SuiteX25519
	}
	return 0
}

// checkMultiaddrs refuses addresses this node could not listen on or tell.
func checkMultiaddrs(addrs []string) error {
	if len(addrs) > 16 {
		return fmt.Errorf("%d addresses, at most 16 are allowed", len(addrs))
	}
	for _, a := range addrs {
		addr, err := ma.NewMultiaddr(a)
		if err != nil {
			return fmt.Errorf("%q is not a multiaddr such as /ip4/198.51.100.1/tcp/4001", a)
		}
		_, tcp := addr.ValueForProtocol(ma.P_TCP)
		_, quic := addr.ValueForProtocol(ma.P_QUIC_V1)
		if tcp != nil && quic != nil {
			return fmt.Errorf("%q: neither /tcp/PORT nor /udp/PORT/quic-v1", a)
		}
		if _, err := addr.ValueForProtocol(ma.P_P2P); err == nil {
			return fmt.Errorf("%q: without /p2p/: the node's identity is added by itself", a)
		}
	}
	return nil
}

// checkHTTP refuses to show the door to the network without TLS.
func (c config) checkHTTP() error {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return errors.New("[tls]: cert and key are needed together")
	}
	if c.HTTP == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.HTTP)
	if err != nil {
		return fmt.Errorf("http = %q: want HOST:PORT, such as 127.0.0.1:7801", c.HTTP)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("http = %q: %q is not a port", c.HTTP, port)
	}
	if c.TLS.Cert == "" && !loopback(host) {
		return fmt.Errorf("http = %q is not a loopback address: tokens would travel in the clear; set cert and key in [tls], or listen on 127.0.0.1", c.HTTP)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (c config) level() (slog.Level, error) {
	var level slog.Level
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(c.LogLevel))
	}
	return level, fmt.Errorf("log_level = %q: one of debug, info, warn, error", c.LogLevel)
}

// within makes a path of the configuration one of the file system.
func (d directory) within(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(string(d), path)
}
