package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// A kafkaTopic is a topic of a Kafka cluster.
type kafkaTopic struct {
	client *kgo.Client
	topic  string
}

// connectKafka makes a producer; it connects when it has something to say.
func connectKafka(out outlet) (*kafkaTopic, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(out.address()), kgo.ClientID("tocsin"), kgo.DefaultProduceTopic(out.topic), kgo.Dialer(out.secured),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordDeliveryTimeout(sendWithin), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(MaxBatch), kgo.ProducerBatchMaxBytes(MaxBytes),
	}
	if out.user != "" {
		options = append(options, kgo.SASL(plain.Auth{User: out.user, Pass: out.secret}.AsMechanism()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &kafkaTopic{client, out.topic}, nil
}

func (k *kafkaTopic) close() { k.client.Close() }

// send produces a batch and waits until all replicas in step have it.
func (k *kafkaTopic) send(ctx context.Context, batch []Event) error {
	records := make([]*kgo.Record, len(batch))
	for i := range batch {
		e := &batch[i]
		records[i] = &kgo.Record{Key: []byte(e.key()), Value: e.JSON, Headers: []kgo.RecordHeader{
			{Key: "id", Value: []byte(e.ID())}, {Key: "op", Value: []byte(e.Op)}}}
	}
	err := k.client.ProduceSync(ctx, records...).FirstErr()
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("%w: kafka: %w", errRefused, err)
	case err != nil:
		return fmt.Errorf("kafka: topic %s: %w", k.topic, err)
	}
	return nil
}
