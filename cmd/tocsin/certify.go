package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

const certifyHelp = `Signs, with org.key, the organisation's word that a node is its own: a second node
(` + "`tocsin key create`" + ` there prints NODE), or one whose certificate ends. Nothing but
org.key is needed, so it works on a machine without a network.

Writes a certificate file: the certificate, where the organisation's nodes listen,
and the communities they are in, as far as they are known here: from the daemon of
the directory, else from its store, else from --peer and --community. The file is
no secret. A daemon that answers loads the certificate at once and tells all
communities of the node.

  on the node's machine     tocsin init --certificate FILE      a second node
                            tocsin key load FILE                a certificate renewed

Prints the file, or with --out: certified NODE until DATE.`

// maxCertLife is the longest time that certify signs for.
const maxCertLife = 10 * 365 * 24 * time.Hour

type certifyFlags struct {
	valid          api.Duration
	out            string
	org            string
	peers          []string
	communities    []string
	passphraseFile string
}

func (c *cli) certifyCommand() *cobra.Command {
	f := certifyFlags{valid: api.Duration(certLife)}
	cmd := &cobra.Command{Use: "certify NODE", Short: "Certify another node of the organisation", Long: certifyHelp, Args: exactArgs("NODE"),
		Example: "  tocsin certify 12D3KooW... --valid 1y --out bank2.toml"}
	flags := cmd.Flags()
	flags.TextVar(&f.valid, "valid", f.valid, "how long, up to 10y")
	flags.StringVar(&f.out, "out", "", "file to write, which must not exist (default: standard output)")
	flags.StringVar(&f.org, "org", "", "what the organisation calls itself (default: what config.toml says)")
	flags.StringArrayVar(&f.peers, "peer", nil, "address of a node of the organisation, with /p2p/ID; repeat for more")
	flags.StringArrayVar(&f.communities, "community", nil, "id of a community the organisation is in; repeat for more")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "file with the passphrase of the keys, instead of what config.toml says")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.certify(cmd.Context(), args[0], f) }
	return c.answers(cmd)
}

func (c *cli) certify(ctx context.Context, what string, f certifyFlags) error {
	n, err := node.ParseNode(what)
	if err != nil {
		return usagef("%q is no node: give its peer id (12D3...), which `tocsin key create` prints there", clean(what))
	}
	valid := time.Duration(f.valid)
	if valid < time.Minute || valid > maxCertLife {
		return usagef("--valid %s: a minute to 10y", f.valid)
	}
	file, err := f.file()
	if err != nil {
		return err
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	org, store, err := c.orgKey(dir, f.passphraseFile)
	if err != nil {
		return err
	}
	now := time.Now()
	file.Certificate = protocol.Certify(org, n, now.Add(-time.Hour), now.Add(valid))
	if err := file.Certificate.Check(); err != nil {
		return usagef("%v", err)
	}
	loaded, err := c.fillIn(ctx, dir, store, &file)
	if err != nil {
		return err
	}
	return c.handOut(file, f.out, loaded)
}

// file is what the flags say of it.
func (f certifyFlags) file() (certificateFile, error) {
	file := certificateFile{Org: f.org, Peers: f.peers}
	for _, text := range f.communities {
		var id protocol.ID
		if err := id.UnmarshalText([]byte(text)); err != nil || id.IsZero() {
			return file, usagef("--community %q: want the id, 64 hexadecimal digits; `tocsin community list --json` shows it", clean(text))
		}
		file.Communities = append(file.Communities, id)
	}
	for _, a := range f.peers {
		if err := checkPeerAddr(a); err != nil {
			return file, usagef("--peer %v", err)
		}
	}
	return file, nil
}

// orgKey reads the organisation's key, from a node's directory or from one that
// holds nothing else, and what opens the store beside it.
func (c *cli) orgKey(dir directory, passphraseFile string) (org ed25519.PrivateKey, store []byte, err error) {
	missing := hinted(fmt.Errorf("there is no org.key in %s", dir), "certify where the organisation's key is kept, or put it there")
	if _, err := os.Stat(dir.config()); err == nil {
		_, k, err := c.load(dir, runFlags{passphraseFile: passphraseFile})
		if err == nil && k.org == nil {
			err = missing
		}
		return k.org, k.store, err
	}
	file, err := readSecret(dir.orgKey(), maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, missing
	}
	if err != nil {
		return nil, nil, err
	}
	var passphrase []byte
	if sealed(file) {
		if passphrase, err = c.passphrase(passphraseFile); err != nil {
			return nil, nil, err
		}
	}
	if org, err = decodeKey("org", file, passphrase); err != nil {
		err = fmt.Errorf("%s: %w", dir.orgKey(), err)
	}
	return org, nil, err
}

// fillIn adds what is known here of the organisation's nodes and communities. A
// daemon that answers has loaded the certificate afterwards.
func (c *cli) fillIn(ctx context.Context, dir directory, storeKey []byte, f *certificateFile) (loaded bool, err error) {
	client, _, err := c.daemon()
	if err != nil {
		return false, err
	}
	id, err := client.Identity(ctx)
	if err = unreachable(err, string(dir)); errors.Is(err, errNoDaemon) {
		return false, dir.fillIn(storeKey, f)
	}
	if err != nil {
		return false, err
	}
	if id.OrgKey != f.Certificate.Org {
		return false, fmt.Errorf("the daemon of %s is of another organisation than its org.key", dir)
	}
	if f.Org == "" {
		f.Org = id.Org
	}
	f.addPeers(id.Addrs)
	peers, err := client.Peers(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range peers {
		if p.Org == id.OrgKey && p.Node != f.Certificate.Node {
			f.addPeers(with(p.Addrs, node.PeerID(p.Node).String()))
		}
	}
	communities, err := client.Communities(ctx)
	if err != nil {
		return false, err
	}
	for _, community := range communities {
		f.addCommunity(community.ID)
	}
	_, err = client.LoadCertificate(ctx, api.CertificateRequest{Certificate: f.Certificate.Encode()})
	return true, err
}

// fillIn is for a directory whose daemon does not run.
func (d directory) fillIn(storeKey []byte, f *certificateFile) error {
	if _, err := os.Stat(d.config()); errors.Is(err, fs.ErrNotExist) {
		if f.Org == "" {
			return usagef("--org is missing: there is no config.toml in %s", d)
		}
		return nil
	}
	id, err := d.offlineIdentity()
	if err != nil {
		return err
	}
	if f.Org == "" {
		f.Org = id.Org
	}
	f.addPeers(id.Addrs)
	lock, err := d.acquire()
	if err != nil {
		return err
	}
	defer lock.Close()
	store, err := storage.Open(d.store(), storage.Options{Key: storeKey})
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", d.store(), err)
	}
	for _, community := range node.CommunitiesIn(store) {
		f.addCommunity(community)
	}
	return store.Close()
}

func with(addrs []string, id string) (list []string) {
	for _, a := range addrs {
		list = append(list, a+"/p2p/"+id)
	}
	return list
}

func (f *certificateFile) addPeers(addrs []string) {
	for _, a := range addrs {
		if dialable(a) && len(f.Peers) < maxCertEntries {
			f.Peers = append(f.Peers, a)
		}
	}
}

func (f *certificateFile) addCommunity(id protocol.ID) {
	if len(f.Communities) < maxCertEntries {
		f.Communities = append(f.Communities, id)
	}
}

// handOut writes the file, and says what it lacks.
func (c *cli) handOut(f certificateFile, out string, loaded bool) error {
	if err := f.check(); err != nil {
		return err
	}
	text, err := f.text()
	if err != nil {
		return err
	}
	record := struct {
		Node   string    `json:"node"`
		Until  time.Time `json:"until"`
		Loaded bool      `json:"loaded"` // by the daemon of the directory
		File   string    `json:"file,omitempty"`
		Text   string    `json:"text,omitempty"`
	}{node.PeerID(f.Certificate.Node).String(), protocol.Time(f.Certificate.NotAfter), loaded, out, string(text)}
	if out != "" {
		record.Text = ""
		if err := writeNew(out, text); err != nil {
			return err
		}
	}
	if out == "" && !c.json {
		_, err = c.stdout.Write(text)
	} else {
		err = c.print(record, "certified %s until %s", record.Node, record.Until.Format(time.DateOnly))
	}
	switch {
	case len(f.Communities) == 0:
		c.hint("no community is known here: the node will come into none, unless --community names it")
	case len(f.Peers) == 0:
		c.hint("no address of the organisation's nodes is known here: give --peer, or `tocsin peer add ADDR` on the new node")
	}
	return err
}
