package sink

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafka has a broker receive all changes, in order, under the value as key.
func TestKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "tocsin"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	d := newDesk(t)
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("n%d.example", i))
		d.say("add", want[i])
	}
	s := d.sinks()
	stop := d.run(s)
	d.add(s, Config{Name: "bus", Kind: Kafka, URL: "kafka://" + cluster.ListenAddrs()[0] + "/tocsin"})
	eventually(t, "all changes", func() bool { return d.state(s, "bus").Delivered == 300 })
	stop()
	d.say("remove", "n7.example")
	want = append(want, "n7.example")
	s = d.sinks()
	stop = d.run(s)
	defer func() { stop() }()
	eventually(t, "the change after the restart", func() bool { return d.state(s, "bus").Delivered == 1 })

	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("tocsin"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var keys []string
	for len(keys) < len(want) {
		fetched := reader.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			keys = append(keys, string(r.Key))
			if !strings.Contains(string(r.Value), string(r.Key)) || len(r.Headers) != 2 || r.Headers[0].Key != "id" || len(r.Headers[0].Value) != 32 {
				t.Errorf("record %s: %s %v", r.Key, r.Value, r.Headers)
			}
		})
	}
	if !slices.Equal(keys, want) {
		t.Errorf("%d keys, want %d in order", len(keys), len(want))
	}
}
