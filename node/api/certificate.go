package api

import (
	"context"
	"fmt"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// loadCertificate takes a certificate that the organisation's key signed
// elsewhere. That key stays where it is: the signature says all.
func (d *Door) loadCertificate(ctx context.Context, r CertificateRequest) (CertificateAnswer, error) {
	cert, err := protocol.DecodeCertificate(r.Certificate)
	if err != nil {
		return CertificateAnswer{}, fmt.Errorf("%w: %v", node.ErrUsage, err)
	}
	answer := CertificateAnswer{Node: node.PeerID(cert.Node).String(), Until: protocol.Time(cert.NotAfter)}
	return answer, d.node.Load(ctx, cert, node.Entry{Communities: r.Communities, Peers: r.Peers})
}
