package api

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node/api/sink"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// told is what a sink gets from the beginning, an operation and a value each.
func (r *rig) told(c sink.Config) (list []string) {
	r.t.Helper()
	r.check(c.Check())
	for after := ""; ; {
		page, err := r.door.sinkPage(r.t.Context(), &c, after, 0)
		r.check(err)
		if len(page.Events) == 0 {
			return list
		}
		for i := range page.Events {
			e := &page.Events[i]
			list = append(list, e.Op+" "+e.Values[0].Value)
			if !strings.Contains(string(e.JSON), `"cursor":"`+e.Cursor+`"`) {
				r.t.Errorf("%s is not the change of its cursor", e.JSON)
			}
		}
		after = page.Cursor
	}
}

func anySink() sink.Config {
	return sink.Config{Name: "soc", Kind: sink.Webhook, URL: "https://soc.example/"}
}

// TestSinkCeiling has a sink get what its ceiling lets through and no more.
func TestSinkCeiling(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.1")
	_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.AmberStrict, To: []string{"bank"}, Values: []string{"203.0.113.2"}})
	r.check(err)
	_, err = r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, PAP: protocol.PAPRed, Values: []string{"203.0.113.3"}})
	r.check(err)
	_, err = r.Revoke(t.Context(), TakeBackRequest{Values: []string{"203.0.113.1"}})
	r.check(err)
	r.say(protocol.Clear, "203.0.113.4")
	for _, row := range []struct {
		clearance protocol.TLP
		pap       protocol.PAP
		want      string
	}{
		{0, 0, "remove 203.0.113.1, add 203.0.113.4"},
		{protocol.Clear, 0, "add 203.0.113.4"},
		{protocol.Green, protocol.PAPRed, "add 203.0.113.3, remove 203.0.113.1, add 203.0.113.4"},
		{protocol.AmberStrict, 0, "add 203.0.113.2, remove 203.0.113.1, add 203.0.113.4"},
	} {
		c := anySink()
		c.Clearance, c.PAP = row.clearance, row.pap
		if got := strings.Join(r.told(c), ", "); got != row.want {
			t.Errorf("%s %s: %s; want %s", row.clearance, row.pap, got, row.want)
		}
	}
	c := anySink()
	c.Tier = "block" // one organisation's word blocks nothing, but removals come
	if got := strings.Join(r.told(c), ", "); got != "remove 203.0.113.1" {
		t.Errorf("of tier block: %s", got)
	}
}

// TestSinkTwoWorlds: what a sink may not have does not show in what it gets, byte
// for byte, cursors too.
func TestSinkTwoWorlds(t *testing.T) {
	o := newOrigin(t, utterances())
	whole := o.world(t, func(utterance) bool { return true })
	for _, name := range []string{"clear", "green", "greenall", "amber", "strict"} {
		apart := o.world(t, func(u utterance) bool { return u.seen(name) })
		for _, tier := range []string{"", "observe", "block"} {
			c := anySink()
			c.Clearance, c.PAP, c.Tier = readers()[name].Clearance, readers()[name].PAP, tier
			there, here := whole.pages(c), apart.pages(c)
			if diff := cmp.Diff(here, there); diff != "" {
				t.Errorf("%s, tier %q (-without +with):\n%s", name, tier, diff)
			}
			if tier == "" && len(here) < 3 {
				t.Errorf("%s is told nothing: %q", name, here)
			}
		}
	}
}

// pages is all that a sink gets, and the cursors it is read by.
func (r *rig) pages(c sink.Config) (all []string) {
	r.t.Helper()
	r.check(c.Check())
	for after := ""; ; {
		page, err := r.door.sinkPage(r.t.Context(), &c, after, 0)
		r.check(err)
		for i := range page.Events {
			all = append(all, page.Events[i].ID()+" "+string(page.Events[i].JSON))
		}
		if all = append(all, page.Cursor); page.Cursor == after {
			return all
		}
		after = page.Cursor
	}
}

// TestSinkTier: a sink with a tier is told of values whether they are in it, by
// whatever is said of them.
func TestSinkTier(t *testing.T) {
	r := member(t)
	c, after := anySink(), ""
	c.Tier = "block"
	r.check(c.Check())
	confidence := func(n int, values ...string) {
		t.Helper()
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: values, Confidence: &n})
		r.check(err)
	}
	sight := func(q SightRequest) {
		t.Helper()
		q.Values = []string{"203.0.113.7"}
		_, err := r.Sight(t.Context(), q)
		r.check(err)
	}
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"said surely", func() { confidence(90, "203.0.113.7") }, "add 203.0.113.7 block"},
		{"said hardly", func() { confidence(10, "203.0.113.8") }, ""},
		{"surer now", func() { confidence(95, "203.0.113.8") }, "add 203.0.113.8 block"},
		{"less sure now", func() { confidence(10, "203.0.113.8") }, "remove 203.0.113.8 observe"},
		{"harmless", func() { sight(SightRequest{FalsePositive: true}) }, "remove 203.0.113.7 observe"},
		{"not harmless after all", func() { sight(SightRequest{FalsePositive: true, Retract: true}) }, "add 203.0.113.7 block"},
		{"met", func() { sight(SightRequest{}) }, "add 203.0.113.7 block"},
		{"taken back", func() {
			_, err := r.Revoke(t.Context(), TakeBackRequest{Values: []string{"203.0.113.7"}})
			r.check(err)
		}, "remove 203.0.113.7 none"},
	} {
		step.do()
		page, err := r.door.sinkPage(t.Context(), &c, after, 0)
		r.check(err)
		var told []string
		for i := range page.Events {
			e := &page.Events[i]
			told = append(told, e.Op+" "+e.Values[0].Value+" "+e.Tier)
			if in := e.Op == OpAdd; in == e.Until.IsZero() || in != strings.Contains(string(e.JSON), `"tier":"block","until":"`) {
				t.Errorf("%s: %s %s", step.what, e.Until, e.JSON)
			}
		}
		if got := strings.Join(told, ", "); got != step.want {
			t.Errorf("%s: told %q, want %q", step.what, got, step.want)
		}
		after = page.Cursor
	}
	two := `{"type":"indicator","spec_version":"2.1","id":"indicator--88888888-8888-4888-8888-888888888888","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",` +
		`"confidence":95,"pattern":"[ipv4-addr:value = '203.0.113.20'] OR [domain-name:value = 'two.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`
	_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Objects: []jsontext.Value{jsontext.Value(two)}})
	r.check(err)
	page, err := r.door.sinkPage(t.Context(), &c, after, 0)
	if err != nil || len(page.Events) != 2 || !page.Events[0].More || page.Events[1].More || page.Events[0].ID() == page.Events[1].ID() || page.Events[0].Cursor != page.Events[1].Cursor {
		t.Errorf("an object of two values: %+v, %v", page, err)
	}
}

// TestSinkCursor reads by cursors alone: another store's leads nowhere.
func TestSinkCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := virtual(t)
		r.say(protocol.Green, "203.0.113.1")
		c := anySink()
		r.check(c.Check())
		page, err := r.door.sinkPage(t.Context(), &c, "", 0)
		r.check(err)
		began := time.Now()
		next, err := r.door.sinkPage(t.Context(), &c, page.Cursor, 10*time.Second)
		if took := time.Since(began); err != nil || took != 10*time.Second || len(next.Events) != 0 || next.Cursor != page.Cursor {
			t.Errorf("with nothing new after %s: %+v, %v", took, next, err)
		}
		go func() { time.Sleep(time.Second); r.say(protocol.Green, "203.0.113.2") }()
		next, err = r.door.sinkPage(t.Context(), &c, page.Cursor, 10*time.Second)
		synctest.Wait()
		if err != nil || len(next.Events) != 1 || next.Events[0].Values[0].Value != "203.0.113.2" || next.Cursor != next.Events[0].Cursor {
			t.Errorf("news: %+v, %v", next, err)
		}
		foreign := newCursors("another store").text(mark{received: 1})
		if page, err := r.door.sinkPage(t.Context(), &c, foreign, 0); err != nil || !page.Reset {
			t.Errorf("another store's cursor: %+v, %v", page, err)
		}
	})
}

// TestOutbound is the table of who may be dialled.
func TestOutbound(t *testing.T) {
	lan := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		addr       string
		allow      []netip.Prefix
		plain, may bool
	}{
		{"9.9.9.9", nil, false, true},
		{"2620:fe::fe", nil, false, true},
		{"9.9.9.9", nil, true, false},
		{"9.9.9.9", []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32")}, true, true},
		{"127.0.0.1", nil, false, false},
		{"127.0.0.1", lan, false, false},
		{"::1", nil, false, false},
		{"::ffff:127.0.0.1", nil, false, false},
		{"0.0.0.0", nil, false, false},
		{"10.1.2.3", nil, false, false},
		{"10.1.2.3", lan, false, true},
		{"10.1.2.3", lan, true, true},
		{"::ffff:10.1.2.3", lan, true, true},
		{"10.2.2.3", lan, false, false},
		{"fd00::1", lan, false, true},
		{"fe80::1%eth0", nil, false, false},
		{"169.254.169.254", nil, false, false},
		{"100.64.0.1", nil, false, false},
		{"192.168.1.1", nil, false, false},
		{"224.0.0.1", nil, false, false},
		{"64:ff9b::a9fe:a9fe", nil, false, false}, // 169.254.169.254 behind NAT64
		{"2002:7f00:1::", nil, false, false},      // 127.0.0.1 by 6to4
	} {
		addr := netip.MustParseAddr(row.addr).Unmap().WithZone("")
		if err := mayDial(addr, row.allow, row.plain); (err == nil) != row.may {
			t.Errorf("%s, allowed %v, plain %t: %v", row.addr, row.allow, row.plain, err)
		}
	}
}

// TestOutboundByName looks at the address a name leads to, when it is dialled.
func TestOutboundByName(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if c, err := outbound(nil, false)(ctx, "tcp", "localhost:1"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("localhost: %v, %v", c, err)
	}
}

// TestSinkRoutes adds, lists and removes a sink. Its secret is shown once.
func TestSinkRoutes(t *testing.T) {
	r := member(t)
	made, err := r.AddSink(t.Context(), SinkRequest{Config: anySink()})
	r.check(err)
	if !strings.HasPrefix(made.Secret, "whsec_") || made.Clearance != protocol.Green {
		t.Errorf("made %+v", made)
	}
	if _, err := r.AddSink(t.Context(), SinkRequest{Config: anySink()}); err == nil || !strings.Contains(err.Error(), "of that name") {
		t.Errorf("the same name again: %v", err)
	}
	inside := anySink()
	inside.Name, inside.URL = "inside", "https://169.254.169.254/latest/meta-data"
	if _, err := r.AddSink(t.Context(), SinkRequest{Config: inside}); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("a link-local address: %v", err)
	}
	w := r.send(r.door.Local(), request{method: "GET", target: "/v1/sinks"})
	if w.Code != 200 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), `"name":"soc"`) {
		t.Errorf("list: %d %s", w.Code, w.Body)
	}
	r.check(r.RemoveSink(t.Context(), "soc"))
	if list, err := r.Sinks(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after the end: %+v, %v", list, err)
	}
	if _, err := r.Letters(t.Context(), "soc"); err == nil {
		t.Error("letters of none")
	}
}
