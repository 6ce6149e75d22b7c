package sink

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startNATS runs a server in this process, with a stream of one subject.
func startNATS(t *testing.T) (url string, stream jetstream.Stream) {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, MaxPayload: 4096})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server is not ready")
	}
	conn, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "INTEL", Subjects: []string{"tocsin.changes"}})
	if err != nil {
		t.Fatal(err)
	}
	return ns.ClientURL(), stream
}

// stored lists the values of the messages of a stream, in order.
func stored(t *testing.T, stream jetstream.Stream) (values []string) {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		_, value, _ := strings.Cut(string(m.Data), `"value":"`)
		values = append(values, strings.TrimSuffix(value, `"}`))
	}
	return values
}

// TestNATS has a real server receive each change once, also when the node ends
// after a batch was taken and before that was noted.
func TestNATS(t *testing.T) {
	url, stream := startNATS(t)
	d := newDesk(t)
	var want []string
	say := func(n int) {
		for range n {
			want = append(want, fmt.Sprintf("n%d.example", len(want)))
			d.say("add", want[len(want)-1])
		}
	}
	say(300)
	s := d.sinks()
	stop := d.run(s)
	d.add(s, Config{Name: "bus", Kind: NATS, URL: url + "/tocsin.changes"})
	eventually(t, "the first changes", func() bool { return d.state(s, "bus").Delivered == 300 })
	stop()
	rec, _, err := s.records.load("bus")
	if err != nil || rec.Cursor != "300" {
		t.Fatalf("record %+v, %v", rec, err)
	}
	rec.Cursor = "256" // the node was killed before it had written the last one
	if err := s.records.save(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	say(10)
	s = d.sinks()
	defer d.run(s)()
	eventually(t, "all changes", func() bool { return d.state(s, "bus").Delivered == 54 })
	if got := stored(t, stream); !slices.Equal(got, want) {
		t.Errorf("stored %d messages, want %d once each, in order", len(got), len(want))
	}
	d.say("add", strings.Repeat("long", 2000)+".example") // more than the server takes
	d.say("add", "last.example")
	eventually(t, "one dead letter, and what came behind it", func() bool {
		st := d.state(s, "bus")
		return st.Dead == 1 && st.Delivered == 55
	})
	if got := stored(t, stream); got[len(got)-1] != "last.example" {
		t.Errorf("last stored: %s", got[len(got)-1])
	}
}

// TestNATSWithoutStream waits where nobody keeps what is published.
func TestNATSWithoutStream(t *testing.T) {
	url, _ := startNATS(t)
	d := newDesk(t)
	d.say("add", "a.example")
	s := d.sinks()
	defer d.run(s)()
	d.add(s, Config{Name: "bus", Kind: NATS, URL: url + "/nobody.listens"})
	eventually(t, "a problem", func() bool {
		st := d.state(s, "bus")
		return strings.Contains(st.Problem, "nobody.listens") && st.Delivered == 0
	})
}
