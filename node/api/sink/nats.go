package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsTimeout = 5 * time.Second // of a connection

// A natsStream is a subject of a NATS server.
type natsStream struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	subject string
}

// natsDial lets NATS dial as everything here does. TLS it begins by itself.
type natsDial func(network, address string) (net.Conn, error)

// Dial connects.
func (d natsDial) Dial(network, address string) (net.Conn, error) { return d(network, address) }

func connectNATS(ctx context.Context, out outlet) (*natsStream, error) {
	o := nats.GetDefaultOptions()
	o.Url, o.Name = "nats://"+out.address(), "tocsin"
	o.AllowReconnect, o.IgnoreDiscoveredServers, o.SkipHostLookup = false, true, true
	o.Timeout = natsTimeout
	o.CustomDialer = natsDial(func(network, address string) (net.Conn, error) { return out.dial(ctx, network, address) })
	o.Secure, o.TLSConfig = out.tls != nil, out.tls
	if o.User = out.user; o.User != "" {
		o.Password = out.secret
	} else {
		o.Token = out.secret
	}
	conn, err := o.Connect()
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(MaxBatch))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return &natsStream{conn, js, out.topic}, nil
}

func (n *natsStream) close() { n.conn.Close() }

// send publishes a batch and waits until the stream has all of it.
func (n *natsStream) send(ctx context.Context, batch []Event) error {
	acks := make([]jetstream.PubAckFuture, len(batch))
	for i := range batch {
		var err error
		acks[i], err = n.js.PublishMsgAsync(&nats.Msg{Subject: n.subject, Data: batch[i].JSON}, jetstream.WithMsgID(batch[i].ID()))
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("%w: nats: %w", errRefused, err)
		}
		if err != nil {
			return fmt.Errorf("nats: %w", err)
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return fmt.Errorf("nats: subject %s: %w", n.subject, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
