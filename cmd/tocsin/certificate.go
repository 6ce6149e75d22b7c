package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/pelletier/go-toml/v2"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	maxCertFile    = 64 << 10
	maxCertEntries = 64 // communities, and addresses
)

// A certificateFile is what certify hands to another node of an organisation.
// The certificate is signed; the rest only says where to ask, and is believed
// no further.
type certificateFile struct {
	Org         string // what the organisation calls itself
	Certificate protocol.Certificate
	Communities []protocol.ID
	Peers       []string // where its nodes listen, with /p2p/
}

// certificateTOML is the file as it stands. Node and until are for people.
type certificateTOML struct {
	Org         string   `toml:"org"`
	Node        string   `toml:"node"`
	Until       string   `toml:"until"`
	Certificate string   `toml:"certificate"`
	Communities []string `toml:"communities"`
	Peers       []string `toml:"peers"`
}

const certificateText = `# The word of an organisation that a node is its own: for ` + "`tocsin init --certificate`" + `
# on the node's machine, or ` + "`tocsin key load`" + `. No secret; not to be changed by hand.
org = {{toml .Org}}
node = {{toml .Node}}
until = {{toml .Until}}
certificate = {{toml .Certificate}}
communities = {{toml .Communities}}
peers = {{toml .Peers}}
`

// text returns the one form in which a certificate file is written.
func (f certificateFile) text() ([]byte, error) {
	t, err := template.New("certificate").Funcs(template.FuncMap{"toml": tomlValue}).Parse(certificateText)
	if err != nil {
		return nil, err
	}
	content := certificateTOML{
		Org: f.Org, Node: node.PeerID(f.Certificate.Node).String(), Until: protocol.Time(f.Certificate.NotAfter).Format(time.RFC3339),
		Certificate: base64.StdEncoding.EncodeToString(f.Certificate.Encode()), Peers: f.Peers,
	}
	for _, id := range f.Communities {
		content.Communities = append(content.Communities, id.String())
	}
	var b bytes.Buffer
	err = t.Execute(&b, content)
	return b.Bytes(), err
}

// parseCertificateFile reads a certificate file strictly: it is taken only as it
// was written.
func parseCertificateFile(text []byte) (certificateFile, error) {
	var content certificateTOML
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&content); err != nil {
		return certificateFile{}, tomlError(err)
	}
	f := certificateFile{Org: content.Org, Peers: content.Peers}
	der, err := base64.StdEncoding.DecodeString(content.Certificate)
	if err != nil {
		return f, fmt.Errorf("certificate: %w", err)
	}
	if f.Certificate, err = protocol.DecodeCertificate(der); err != nil {
		return f, err
	}
	for _, c := range content.Communities {
		var id protocol.ID
		if err := id.UnmarshalText([]byte(c)); err != nil {
			return f, fmt.Errorf("communities: %w", err)
		}
		f.Communities = append(f.Communities, id)
	}
	if err := f.check(); err != nil {
		return f, err
	}
	again, err := f.text()
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("not as `tocsin certify` wrote it: it was changed on the way")
	}
	return f, err
}

func (f certificateFile) check() error {
	if err := protocol.CheckName(f.Org); err != nil {
		return fmt.Errorf("org = %q: %w", f.Org, err)
	}
	if len(f.Communities) > maxCertEntries || len(f.Peers) > maxCertEntries {
		return fmt.Errorf("%d communities and %d peers, at most %d of each", len(f.Communities), len(f.Peers), maxCertEntries)
	}
	for _, id := range f.Communities {
		if id.IsZero() {
			return errors.New("communities: an id of zeros")
		}
	}
	for _, a := range f.Peers {
		if err := checkPeerAddr(a); err != nil {
			return fmt.Errorf("peers: %w", err)
		}
	}
	return nil
}

// checkPeerAddr refuses what does not say both where a node listens and which
// one it is.
func checkPeerAddr(text string) error {
	a, err := ma.NewMultiaddr(text)
	if err != nil {
		return fmt.Errorf("%q is not a multiaddr such as /ip4/198.51.100.1/tcp/4001/p2p/12D3...", text)
	}
	transport, id := peer.SplitAddr(a)
	if _, ok := node.NodeID(id); !ok || transport == nil {
		return fmt.Errorf("%q does not end in /p2p/ and a peer id", text)
	}
	return nil
}

// dialable tells addresses that others could dial from those that only say what
// to listen on.
func dialable(addr string) bool {
	for _, vague := range []string{"/ip4/0.0.0.0/", "/ip6/::/", "/tcp/0/", "/udp/0/"} {
		if strings.Contains(addr, vague) {
			return false
		}
	}
	return true
}
