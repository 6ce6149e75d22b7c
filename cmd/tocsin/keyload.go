package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const keyLoadHelp = `Loads a certificate file of ` + "`tocsin certify`" + `; org.key is not needed. A certificate
for this node takes the place of the one in force, and the node comes into those
communities of the file that it is not in. One for another node of the
organisation is told to all communities, which then know that node before it comes.

Without a daemon, a certificate for this node is put in place for the next start.
With - the file is read from standard input.

Prints: loaded NODE until DATE.`

func (c *cli) keyLoadCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "load FILE", Short: "Load a certificate made elsewhere", Long: keyLoadHelp, Args: exactArgs("FILE")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.loadKey(cmd.Context(), args[0]) }
	return c.answers(cmd)
}

func (c *cli) loadKey(ctx context.Context, name string) error {
	f, err := c.readCertificateFile(name)
	if err != nil {
		return err
	}
	client, dir, err := c.daemon()
	if err != nil {
		return err
	}
	r := api.CertificateRequest{Certificate: f.Certificate.Encode(), Communities: f.Communities, Peers: f.Peers}
	answer, err := client.LoadCertificate(ctx, r)
	if err = unreachable(err, string(dir)); errors.Is(err, errNoDaemon) {
		answer, err = dir.load(f, time.Now())
	}
	if err != nil {
		return err
	}
	return c.print(answer, "loaded %s until %s", clean(answer.Node), answer.Until.UTC().Format(time.DateOnly))
}

// readCertificateFile reads a certificate file, or standard input for "-".
func (c *cli) readCertificateFile(name string) (certificateFile, error) {
	in := c.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return certificateFile{}, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxCertFile+1))
	if err == nil && len(text) > maxCertFile {
		err = fmt.Errorf("longer than %d bytes", maxCertFile)
	}
	if err != nil {
		return certificateFile{}, fmt.Errorf("%s: %w", name, err)
	}
	f, err := parseCertificateFile(text)
	if err != nil {
		return f, hinted(fmt.Errorf("%s: %w", name, err), "it must be a file that `tocsin certify` wrote")
	}
	return f, nil
}

// load puts a certificate in place while no daemon runs.
func (d directory) load(f certificateFile, now time.Time) (api.CertificateAnswer, error) {
	answer := api.CertificateAnswer{Node: node.PeerID(f.Certificate.Node).String(), Until: protocol.Time(f.Certificate.NotAfter)}
	if err := d.check(); err != nil {
		return answer, err
	}
	lock, err := d.acquire()
	if err != nil {
		return answer, err
	}
	defer lock.Close()
	old, err := d.readCert(d.cert())
	switch {
	case err != nil:
		return answer, err
	case f.Certificate.Org != old.Org || f.Certificate.Node != old.Node:
		return answer, hinted(fmt.Errorf("the certificate is for another node than the one in %s", d), "one for another node of the organisation is loaded into a running daemon: `tocsin run` first")
	case !f.Certificate.Covers(protocol.Millis(now)):
		return answer, fmt.Errorf("the certificate is valid from %s to %s", protocol.Time(f.Certificate.NotBefore).Format(time.DateTime), answer.Until.Format(time.DateTime))
	case f.Certificate.NotAfter < old.NotAfter:
		return answer, fmt.Errorf("the certificate in force lasts longer, until %s", protocol.Time(old.NotAfter).Format(time.DateTime))
	}
	text, err := f.text()
	if err != nil {
		return answer, err
	}
	if err := replace(d.entry(), text); err != nil {
		return answer, err
	}
	return answer, replace(d.cert(), encodeCertificate(f.Certificate))
}
