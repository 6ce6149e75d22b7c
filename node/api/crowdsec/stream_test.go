package crowdsec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stand is what stands at a moment: values, and for how long.
func stand(position uint64, bans map[string]time.Duration) Standing {
	values := map[string]bool{}
	for v := range bans {
		values[v] = true
	}
	var list []Entry
	for _, v := range slices.SortedFunc(maps.Keys(values), compare) {
		e := Entry{Value: v}
		if bans[v] > 0 {
			e.Until = start.Add(bans[v])
		}
		list = append(list, e)
	}
	return Standing{Changed: start.Add(time.Duration(position) * time.Second), Position: position, Len: len(list), All: slices.Values(list)}
}

// A firewall does what it is told: it has bans, each for as long as it was told
// first.
type firewall map[string]time.Time

func (f firewall) follow(t *testing.T, body string, now time.Time) (said Changes) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	maps.DeleteFunc(f, func(_ string, until time.Time) bool { return !now.Before(until) })
	for _, d := range said.Deleted {
		delete(f, d.Value)
	}
	for _, d := range said.New {
		left, err := time.ParseDuration(d.Duration)
		if err != nil || d.ID != number(d.Value) || d.Origin != Origin || d.Type != "ban" || d.Scope != scope(d.Value) {
			t.Fatalf("%+v: %v", d, err)
		}
		if _, has := f[d.Value]; !has {
			f[d.Value] = now.Add(left)
		}
	}
	return said
}

func pull(t *testing.T, k *Keys, p Pull) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := k.Stream(t.Context(), &b, &p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func nothingHeld() (Past, error) { return nil, nil }

// TestContract: the bodies are those that real bouncers were seen to read.
func TestContract(t *testing.T) {
	var k Keys
	one := stand(1, map[string]time.Duration{"192.0.2.66": 4*time.Hour - 1500*time.Millisecond, "198.51.100.0/24": 0})
	first := pull(t, &k, Pull{Key: "a", Startup: true, Now: start, Stands: one, Past: nothingHeld})
	want := fmt.Sprintf(`{"deleted":null,"new":[{"duration":"3h59m58.5s","id":%d,"origin":"tocsin","scenario":"tocsin/block","scope":"Ip","type":"ban","value":"192.0.2.66"},`+
		`{"duration":"87600h0m0s","id":%d,"origin":"tocsin","scenario":"tocsin/block","scope":"Range","type":"ban","value":"198.51.100.0/24"}]}`+"\n", number("192.0.2.66"), number("198.51.100.0/24"))
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	const none = `{"deleted":null,"new":null}` + "\n"
	if again := pull(t, &k, Pull{Key: "a", Now: start, Stands: one, Past: nothingHeld}); again != none {
		t.Errorf("nothing new: %s", again)
	}
	later := one
	later.Position = 2 // something came that is no ban
	if again := pull(t, &k, Pull{Key: "a", Now: start, Stands: later, Past: nothingHeld}); again != none {
		t.Errorf("nothing new for bouncers: %s", again)
	}
	gone := pull(t, &k, Pull{Key: "a", Now: start, Stands: stand(3, map[string]time.Duration{"198.51.100.0/24": 0}), Past: nothingHeld})
	if want := fmt.Sprintf(`{"deleted":[{"duration":"-1s","id":%d,"origin":"tocsin","scenario":"tocsin/block","scope":"Ip","type":"ban","value":"192.0.2.66"}],"new":null}`+"\n", number("192.0.2.66")); gone != want {
		t.Errorf("got %s, want %s", gone, want)
	}
}

// TestFollowing: whatever stands when, and however often the node forgets, a
// firewall that follows the stream has what stands, and nothing else.
func TestFollowing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pool := []string{"192.0.2.1", "192.0.2.10", "192.0.2.2", "198.51.100.0/24", "198.51.100.7", "2001:db8::/32", "2001:db8::1", "203.0.113.9"}
	for range 300 {
		k, wall, now := &Keys{}, firewall{}, start
		ever, last := Past{}, map[string]time.Duration{}
		for step := range uint64(20) {
			now = now.Add(time.Duration(r.IntN(90)) * time.Minute)
			bans := map[string]time.Duration{}
			for _, v := range pool {
				if r.IntN(2) == 0 {
					bans[v] = []time.Duration{0, now.Sub(start) + time.Hour, now.Sub(start) + time.Duration(1+r.IntN(100))*time.Hour}[r.IntN(3)]
					ever[v] = false
				}
			}
			for v := range ever {
				ever[v] = bans[v] != last[v] // something was said of it since
			}
			if r.IntN(5) == 0 {
				k = &Keys{} // the node started again
			}
			said := wall.follow(t, pull(t, k, Pull{Key: "a", Startup: step == 0, Now: now, Stands: stand(step+1, bans), Past: func() (Past, error) { return ever, nil }}), now)
			if len(wall) != len(bans) {
				t.Fatalf("step %d: the firewall has %v, want %v, was told %+v", step, wall, bans, said)
			}
			for v, left := range bans {
				until, has := wall[v]
				if !has || left > 0 && until.Before(start.Add(left-slack)) {
					t.Fatalf("step %d: %s until %s, want %s", step, v, until, start.Add(left))
				}
			}
			last = bans
		}
	}
}

// TestAnswerNotTaken: what could not be handed over is told again.
func TestAnswerNotTaken(t *testing.T) {
	var k Keys
	now := stand(1, map[string]time.Duration{"192.0.2.1": 0, "192.0.2.2": 0})
	pull(t, &k, Pull{Key: "a", Startup: true, Now: start, Stands: now, Past: nothingHeld})
	fewer := stand(2, map[string]time.Duration{"192.0.2.2": 0})
	p := Pull{Key: "a", Now: start, Stands: fewer, Past: nothingHeld}
	broken := errors.New("connection reset")
	if _, err := k.Stream(t.Context(), writerFunc(func([]byte) (int, error) { return 0, broken }), &p); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := k.Stream(ctx, writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil }), &p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 2 {
		got := pull(t, &k, p)
		if strings.Contains(got, "192.0.2.1") == strings.HasPrefix(got, `{"deleted":null`) {
			t.Errorf("%s", got)
		}
		if !strings.Contains(got, `"-1s"`) && got != `{"deleted":null,"new":null}`+"\n" {
			t.Errorf("%s", got)
		}
	}
	failing := Pull{Key: "b", Now: start, Stands: fewer, Past: func() (Past, error) { return nil, broken }}
	if _, err := k.Stream(t.Context(), &bytes.Buffer{}, &failing); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestKeysAreBounded: what nobody asks for is forgotten, and so is what is too much.
func TestKeysAreBounded(t *testing.T) {
	var k Keys
	ask := func(name string, at time.Duration, s Standing) {
		pull(t, &k, Pull{Key: name, Startup: true, Now: start.Add(at), Stands: s, Past: nothingHeld})
	}
	same := stand(1, map[string]time.Duration{"192.0.2.1": 0})
	same.Len = maxTold - 1
	for i := range 10 {
		ask(fmt.Sprint("same ", i), 0, same)
	}
	if len(k.keys) != 10 {
		t.Errorf("%d keys that share what they were told", len(k.keys))
	}
	other := stand(2, map[string]time.Duration{"192.0.2.2": 0})
	other.Len = 2
	ask("other", time.Minute, other)
	if len(k.keys) != 1 || k.keys["other"] == nil {
		t.Errorf("%d keys, want the last one", len(k.keys))
	}
	ask("late", 2*time.Hour, other)
	if len(k.keys) != 1 || k.keys["late"] == nil {
		t.Errorf("%d keys an hour later", len(k.keys))
	}
}

func TestFilters(t *testing.T) {
	stands := stand(1, map[string]time.Duration{"192.0.2.66": 0, "198.51.100.0/24": 0, "198.51.100.128/25": 0, "198.51.100.7": 0, "2001:db8::/32": 0, "2001:db8::1": 0})
	const all = "192.0.2.66 198.51.100.0/24 198.51.100.128/25 198.51.100.7 2001:db8::/32 2001:db8::1"
	for query, want := range map[string]string{
		"": all, "origins=tocsin": all, "origins=a%2CTocsin": all, "origins=cscli": "", "origins=": "", "scopes=Ip": "192.0.2.66 198.51.100.7 2001:db8::1", "scopes=ip%2CRange": all,
		"scope=range": "198.51.100.0/24 198.51.100.128/25 2001:db8::/32", "scope=Country&value=FR": "", "value=192.0.2.66": "192.0.2.66", "type=ban": all, "type=captcha": "",
		"scenarios_containing=ti%2F": "", "scenarios_containing=block": all, "scenarios_not_containing=ssh": all, "scenarios_not_containing=tocsin": "", "additional_pull=false&community_pull=false": all,
		"ip=198.51.100.7": "198.51.100.0/24 198.51.100.7", "ip=198.51.100.200": "198.51.100.0/24 198.51.100.128/25", "ip=203.0.113.1": "", "ip=2001:db8::1": "2001:db8::/32 2001:db8::1",
		"range=198.51.100.0/24": "198.51.100.0/24", "range=198.51.100.0/24&contains=false": "198.51.100.0/24 198.51.100.128/25 198.51.100.7", "range=0.0.0.0/0&contains=false": "192.0.2.66 198.51.100.0/24 198.51.100.128/25 198.51.100.7",
		"ip=::ffff:192.0.2.66": "192.0.2.66", "ip=bogus": "bad", "range=1/2": "bad", "range=1&contains=maybe": "bad",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ReadFilter(q)
		if want == "bad" {
			if !errors.Is(err, ErrFilter) {
				t.Errorf("%s: %v", query, err)
			}
			continue
		}
		var b bytes.Buffer
		if _, err := Decisions(&b, &f, &stands, start); err != nil {
			t.Fatal(err)
		}
		var list []Decision
		if err := json.Unmarshal(b.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		var values []string
		for _, d := range list {
			values = append(values, d.Value)
		}
		if got := strings.Join(values, " "); err != nil || got != want || want == "" && b.String() != "null\n" {
			t.Errorf("%s: %q, want %q", query, b.String(), want)
		}
	}
}

// FuzzFilter: no query is too much for a filter, and what a filter wants is
// narrowed by what it says.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "ip=192.0.2.1", "range=198.51.100.0%2F24&contains=false", "scopes=Ip&origins=tocsin", "ip=fe80::1%25eth0", "ip=::ffff:1.2.3.4/96"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := ReadFilter(q)
		if err != nil {
			if !errors.Is(err, ErrFilter) || len(err.Error()) > 500 {
				t.Fatal(err)
			}
			return
		}
		for _, value := range []string{"192.0.2.1", "198.51.100.0/24", "2001:db8::1", "::/0"} {
			if filter.wants(value) && (filter.value != "" && filter.value != value) {
				t.Fatalf("%q wants %s", query, value)
			}
		}
	})
}
