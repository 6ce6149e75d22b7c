package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// A dial makes a connection, to who may be dialled.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// connect makes a receiver of a record.
func (s *Sinks) connect(ctx context.Context, rec *record) (receiver, error) {
	to, err := rec.target()
	if err != nil {
		return nil, err
	}
	out := outlet{target: to, dial: s.Dialer(rec.Allow, !to.tls), user: rec.User}
	if to.tls {
		if out.tls, err = s.tlsConfig(rec, to.host); err != nil {
			return nil, err
		}
	}
	if rec.SecretFile != "" {
		b, err := s.File(rec.SecretFile, true)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		out.secret = string(bytes.TrimSpace(b))
	}
	switch rec.Kind {
	case Webhook:
		return newWebhook(rec, out), nil
	case Syslog:
		return connectSyslog(ctx, out, rec.Format, s.Host)
	case NATS:
		return connectNATS(ctx, out)
	case Kafka:
		return connectKafka(out)
	}
	return nil, fmt.Errorf("%w: kind %q", ErrInvalid, rec.Kind)
}

// An outlet is how a receiver is reached.
type outlet struct {
	target
	dial   dial
	tls    *tls.Config // nil: without
	user   string
	secret string
}

func (s *Sinks) tlsConfig(rec *record, host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if rec.CAFile == "" {
		return c, nil
	}
	pem, err := s.File(rec.CAFile, false)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA: %s holds no certificate in PEM", rec.CAFile)
	}
	return c, nil
}

// secured dials, and speaks TLS where there is to be any.
func (o *outlet) secured(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := o.dial(ctx, network, address)
	if err != nil || o.tls == nil {
		return c, err
	}
	config := o.tls
	if host, _, err := net.SplitHostPort(address); err == nil && host != config.ServerName {
		config = config.Clone()
		config.ServerName = host // a broker that another one named
	}
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return t, nil
}
