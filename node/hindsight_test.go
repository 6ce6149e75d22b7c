package node_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// A historyScene is a federation whose vendor is asked, now and then, how it
// judges values, and asked later how it judged them.
type historyScene struct {
	sightScene
	values  []string
	readers map[protocol.TLP]*api.Client // of the vendor, by clearance
	served  []served
}

// served is what one value was said to be at one moment.
type served struct {
	at    time.Time
	label protocol.TLP
	value string
	said  string
}

func newHistoryScene(t *testing.T, graph string, values ...string) *historyScene {
	s := &historyScene{sightScene: sightScene{nodetest.New(t, graph), t}, values: values, readers: map[protocol.TLP]*api.Client{}}
	for _, label := range []protocol.TLP{protocol.Clear, protocol.Green, protocol.AmberStrict} {
		token, err := s.Client("vendor").CreateToken(t.Context(), api.TokenRequest{Role: api.Reader, Clearance: label, PAP: protocol.PAPRed})
		s.check(err)
		client := *s.Client("vendor")
		client.Token = token.Secret
		s.readers[label] = &client
	}
	return s
}

// ask notes what lookups and lists say to every reader.
func (s *historyScene) ask() {
	s.t.Helper()
	now := time.Now()
	for label, client := range s.readers {
		answers, err := client.Lookup(s.t.Context(), api.LookupRequest{Values: s.values})
		s.check(err)
		lists := map[string][]string{}
		for _, tier := range []string{"observe", "alert", "block"} {
			_, err := client.Feed(s.t.Context(), "ip", tier, func(value string) error {
				lists[value] = append(lists[value], tier)
				return nil
			})
			s.check(err)
		}
		for i, a := range answers {
			s.served = append(s.served, served{now, label, s.values[i], said(a.Tier, *a.Score, len(a.Claims), lists[s.values[i]])})
		}
	}
	time.Sleep(time.Second) // what happens next happens later
}

// said is an answer in a line. Where no claim stands a lookup has nothing to judge,
// also when a sighting stands.
func said(tier string, score, claims int, lists []string) string {
	if claims == 0 {
		return fmt.Sprintln("nothing", lists)
	}
	return fmt.Sprintln(tier, score, claims, lists)
}

// again compares all that was served with what a node says of it later.
func (s *historyScene) again(who string, client *api.Client) {
	s.t.Helper()
	for _, was := range s.served {
		w, err := client.Why(s.t.Context(), api.WhyQuery{Value: was.value, At: was.at.Format(time.RFC3339Nano), Clearance: was.label.String()})
		s.check(err)
		standing, lists := 0, []string(nil)
		for _, c := range w.Claims {
			if c.State == "stands" {
				standing++
			}
		}
		for _, f := range w.Feeds {
			if f.Feed == "ip" && f.In {
				lists = append(lists, f.Tier)
			}
		}
		if is := said(w.Tier, w.Score, standing, lists); is != was.said {
			s.t.Errorf("%s, %s under %s at %s: was %s is %s %+v", who, was.value, was.label, was.at, was.said, is, w.Conclusion)
		}
		if differences, err := w.Replay(); err != nil || len(differences) > 0 {
			s.t.Errorf("%s, %s judged again: %q, %v", who, was.value, differences, err)
		}
	}
}

// exported yields the records of an exported journal.
func exported(text []byte) node.History {
	return func(journal.Query) iter.Seq2[journal.Record, error] {
		return func(yield func(journal.Record, error) bool) {
			lines := bufio.NewReader(bytes.NewReader(text))
			for {
				line, err := lines.ReadBytes('\n')
				if err == io.EOF {
					return
				}
				if bytes.HasPrefix(line, []byte(`{"journal":"`)) {
					continue
				}
				if r, err := journal.DecodeRecord(line); !yield(r, err) {
					return
				}
			}
		}
	}
}

// offline opens a copy of the vendor's store with its exported journal, and
// nothing else.
func (s *historyScene) offline() *api.Client {
	s.t.Helper()
	var text bytes.Buffer
	s.check(s.Client("vendor").ExportAudit(s.t.Context(), &text, "", ""))
	report, err := journal.VerifyStream(bytes.NewReader(text.Bytes()))
	s.check(err)
	s.check(report.Err())
	store, err := storage.Open(s.Copy("vendor"), storage.Options{Small: true})
	s.check(err)
	s.t.Cleanup(func() { store.Close() })
	_, key, cert := s.Keys("vendor")
	rules, err := node.NewRules(policy.Default())
	s.check(err)
	n, history, err := node.Consult(s.t.Context(), node.Config{Key: key, Certificate: cert, Name: "vendor", Store: store, Log: slog.New(slog.DiscardHandler), Rules: rules, History: exported(text.Bytes())})
	s.check(err)
	if history.Damaged+int(history.Dropped) > 0 {
		s.t.Errorf("the journal: %+v", history)
	}
	return api.InProcess(api.New(api.Config{Node: n, Log: slog.New(slog.DiscardHandler)}).Local())
}

// rules puts a policy in force at the vendor, as its daemon does.
func (s *historyScene) rules(text string) {
	s.t.Helper()
	p, err := policy.Parse([]byte(text))
	s.check(err)
	r, err := node.NewRules(p)
	s.check(err)
	s.check(s.Node("vendor").NoteRules(s.t.Context(), r))
	s.Node("vendor").SetRules(r)
}

// level sets a level where the policy has none.
func (s *historyScene) level(org, level string) {
	s.t.Helper()
	if err := s.Node("vendor").SetTrust(s.t.Context(), s.Org(org), level); !errors.Is(err, node.ErrRefused) {
		s.check(err)
	}
}

// TestThenAndNow: a claim that came when its author was believed at 80 says so
// ever after, with the score that was served then.
func TestThenAndNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHistoryScene(t, threeOrgs, "203.0.113.7")
		s.level("bank", "80")
		time.Sleep(time.Second)
		s.claim("bank", "203.0.113.7")
		s.Settle()
		s.ask()
		was, err := s.Client("vendor").Lookup(t.Context(), api.LookupRequest{Values: s.values})
		s.check(err)
		s.level("bank", "10")
		s.Settle()
		s.ask()
		w, err := s.Client("vendor").Why(t.Context(), api.WhyQuery{Value: "203.0.113.7"})
		s.check(err)
		c := w.Claims[0]
		if c.Then.Trust != 80 || c.Then.By != "journal" || w.Voices[0].Trust != 10 {
			t.Errorf("then %+v, now %v", c.Then, w.Voices[0].Trust)
		}
		if c.Then.Score != *was[0].Score || c.Then.Tier != was[0].Tier || c.Then.Score != 72 || w.Score != 9 {
			t.Errorf("then %+v, now %d, the lookup said %s %d", c.Then, w.Score, was[0].Tier, *was[0].Score)
		}
		s.again("the node", s.Client("vendor"))
		s.again("the export", s.offline())
	})
}

// TestEveryMomentIsReplayed: whatever happens at a node, what it served at every
// moment follows again from its journal and its store: asked of the node, of the
// node after a restart, and of nothing but the export and a copy of the store.
func TestEveryMomentIsReplayed(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { replayHistory(t, seed) }) })
	}
}

func replayHistory(t *testing.T, seed uint64) {
	s := newHistoryScene(t, threeOrgs+`
		bank -- cert
		vendor -- cert
	`, "203.0.113.1", "203.0.113.2", "203.0.113.3", "198.51.100.9")
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	others := func() string { return pick("bank", "hospital", "cert") }
	s.ask()
	s.claim("bank", s.values...)
	s.Settle()
	s.ask()
	done := map[string]int{}
	for range 24 {
		org, value := others(), pick(s.values...)
		act := pick("claim", "claim", "claim", "brief", "amber", "met", "dispute", "level", "level", "rules", "revoke", "block", "release", "name", "restart", "wait")
		done[act]++
		switch act {
		case "claim":
			s.claim(org, value)
		case "brief":
			_, err := s.Client(org).Submit(t.Context(), api.SubmitRequest{TLP: protocol.Green, Values: []string{value}, Valid: api.Duration(5 * time.Minute)})
			s.check(err)
		case "amber":
			_, err := s.Client("bank").Submit(t.Context(), api.SubmitRequest{TLP: protocol.Amber, To: []string{"vendor"}, Values: []string{value}})
			s.check(err)
		case "met", "dispute":
			who := pick("vendor", "bank", "hospital")
			_, err := s.Client(who).Sight(t.Context(), api.SightRequest{Values: []string{value}, FalsePositive: act == "dispute"})
			if err != nil && !strings.Contains(err.Error(), "nothing") && !strings.Contains(err.Error(), "nobody") {
				done[err.Error()]++
			}
		case "level":
			s.level(org, pick("0", "10", "40", "80", "100", "anchor", ""))
		case "rules":
			s.rules(pick("", "[trust]\ndefault = 30\n", "[trust.org]\nbank = 95\n[tiers.alert]\nscore = 20\n[tiers.block]\nscore = 50\n", "[trust.types]\nipv4-addr = 15\n",
				"[trust.org]\nhospital = { level = 60, types = { ipv4-addr = 90 } }\ncert = \"anchor\"\n", "[never-block]\nnetworks = [\"198.51.100.0/24\"]\n"))
		case "revoke":
			if _, err := s.Client(org).Revoke(t.Context(), api.TakeBackRequest{Values: []string{value}}); err != nil {
				done["nothing to revoke"]++
			}
		case "block":
			s.check(s.Node("vendor").Block(t.Context(), s.Org(org), "a drill"))
		case "release":
			s.Node("vendor").Release(t.Context(), s.Org(org)) // refused where it was not blocked
		case "name":
			s.check(s.Node("vendor").SetName(t.Context(), s.Org(org), org))
		case "restart":
			s.Kill("vendor")
			s.Restart("vendor")
			for _, client := range s.readers {
				token := client.Token
				*client = *s.Client("vendor")
				client.Token = token
			}
		case "wait":
			time.Sleep(time.Duration(random.IntN(10)) * time.Minute)
		}
		s.Settle()
		s.ask()
	}
	if kinds := len(slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, was := range s.served {
			if !yield(was.said) {
				return
			}
		}
	}))); kinds < 4 {
		t.Errorf("of %d answers %d are different: little happened (%v)", len(s.served), kinds, done)
	}
	s.again("the node", s.Client("vendor"))
	s.again("the export", s.offline())
}
