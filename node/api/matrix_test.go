package api

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const matrixFile = "testdata/matrix.txt"

const matrixHead = `# Who gets what at the door, for every route there is, written by the test and read
# by people: look at every line that changes.
#
# The first part is the status of a request that is in order, by role and by the
# token's clearance (clear, green, amber, amber+strict, red; every PAP level).
# "nobody" shows no token; "home" is the local socket, without a token and with
# an operator's for each clearance.
#
# The second part is what is seen of one bulletin: whose it is, its label and for
# RED the person, against the caller's clearance and person. The roles named
# above a table all have it. "status" tables have the status instead.

`

// TestMatrix: route x role x clearance, and route x role x clearance x label x
// owner. A new route has no lines yet, and fails until somebody looked at them:
// go test ./node/api -run TestMatrix -update.
func TestMatrix(t *testing.T) {
	o := newOrigin(t, matrixItems())
	r := o.world(t, func(utterance) bool { return true })
	got := matrixHead
	for i := range r.door.routes {
		got += o.rights(r, &r.door.routes[i])
	}
	for _, look := range itemRoutes() {
		got += o.itemTables(r, look)
	}
	if *update {
		if err := os.WriteFile(matrixFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", matrixFile, diff)
	}
}

func matrixItems() (items []utterance) {
	for _, by := range []string{"bank", "hospital"} {
		for _, audience := range []struct {
			tlp protocol.TLP
			to  string
		}{
			{protocol.Clear, ""}, {protocol.Green, ""}, {protocol.Amber, "bank"}, {protocol.AmberStrict, "bank"},
			{protocol.Red, "bank/alice"}, {protocol.Red, "bank/bob"}, {protocol.Red, "hospital/alice"},
		} {
			items = append(items, utterance{by: by, tlp: audience.tlp, to: audience.to, value: fmt.Sprintf("203.0.113.%d", len(items)+1)})
		}
	}
	return items
}

// clearances are those of the matrix' tokens, by the reader they are made for.
func clearances() []string { return []string{"m-clear", "m-green", "m-amber", "m-strict", "nobody"} }

// rights is the first part's lines about a route.
func (o *origin) rights(rig *rig, r *route) string {
	q := r.example()
	line := func(who string, list []int) string {
		return fmt.Sprintf("  %-9s%s\n", who, strings.Trim(fmt.Sprint(list), "[]"))
	}
	text := r.pattern() + "\n" + line("nobody", []int{asker{rig, "", false}.ask(q).Code})
	home := []int{asker{rig, "", true}.ask(q).Code}
	for _, role := range roles() {
		var codes []int
		for _, clearance := range clearances() {
			token := o.tokens[clearance+" "+string(role)]
			codes = append(codes, asker{rig, token, false}.ask(q).Code)
			if role == Operator {
				home = append(home, asker{rig, token, true}.ask(q).Code)
			}
		}
		text += line(string(role), codes)
	}
	return text + line("home", home) + "\n"
}

// A look is how to ask a route about one bulletin.
type look struct {
	route  string
	status bool // the status tells, not the body
	values bool // the body has values alone, and no bulletin's id
	ask    func(u utterance, id string, b *protocol.Bulletin) request
}

// itemRoutes are the routes that show bulletins.
func itemRoutes() []look {
	fetch := func(target string) func(utterance, string, *protocol.Bulletin) request {
		return func(utterance, string, *protocol.Bulletin) request { return request{method: "GET", target: target} }
	}
	return []look{
		{route: "GET /v1/lookup by value", ask: func(u utterance, _ string, _ *protocol.Bulletin) request {
			return request{method: "GET", target: "/v1/lookup?value=" + url.QueryEscape(u.value)}
		}},
		{route: "GET /v1/lookup by STIX id", ask: func(_ utterance, id string, _ *protocol.Bulletin) request {
			return request{method: "GET", target: "/v1/lookup?value=" + id}
		}},
		{route: "POST /v1/lookup", ask: func(u utterance, _ string, _ *protocol.Bulletin) request {
			return request{"POST", "/v1/lookup", `{"values":["` + u.value + `"]}`, map[string]string{"Content-Type": typeJSON}}
		}},
		{route: "GET /v1/why", ask: func(u utterance, _ string, _ *protocol.Bulletin) request {
			return request{method: "GET", target: "/v1/why?value=" + url.QueryEscape(u.value)}
		}},
		{route: "GET /v1/objects/{id}", ask: func(_ utterance, id string, _ *protocol.Bulletin) request {
			return request{method: "GET", target: "/v1/objects/" + id}
		}},
		{route: "GET /v1/bulletins/{id}", status: true, ask: func(_ utterance, _ string, b *protocol.Bulletin) request {
			return request{method: "GET", target: "/v1/bulletins/" + b.ID().String()}
		}},
		{route: "GET /v1/search", ask: fetch("/v1/search")},
		{route: "GET /v1/changes", ask: fetch("/v1/changes")},
		{route: "GET /v1/watch", ask: fetch("/v1/watch")},
		{route: "GET /feeds/{name...}", values: true, ask: fetch("/feeds/ip?tier=observe")},
	}
}

// itemTables are the second part's tables about a route, one for all roles
// that see the same.
func (o *origin) itemTables(rig *rig, l look) (text string) {
	var tables []string
	roleOf := map[string][]string{}
	for _, role := range roles() {
		table := o.itemTable(rig, l, role)
		if roleOf[table] == nil {
			tables = append(tables, table)
		}
		roleOf[table] = append(roleOf[table], string(role))
	}
	for _, table := range tables {
		text += fmt.Sprintf("%s: %s\n%s\n", l.route, strings.Join(roleOf[table], " "), table)
	}
	return text
}

func (o *origin) itemTable(rig *rig, l look, role Role) string {
	const row = "  %-9s%-25s%-7s%-7s%-7s%-8s%-5s%-7s%-5s%s\n"
	table := fmt.Sprintf(row, "whose", "label", "clear", "green", "amber", "strict", "red", "alice", "bob", "home")
	answers := map[string]*httptest.ResponseRecorder{} // by token and question
	for i, u := range o.said {
		cells := []any{u.by, strings.TrimSpace(u.tlp.String() + " " + u.to)}
		q := l.ask(u, o.identifiers[i], o.bulletins[i])
		for _, who := range append(clearances(), "alice", "bob", "") {
			asked := who + " " + q.target + q.body
			if answers[asked] == nil {
				answers[asked] = asker{rig, o.tokens[who+" "+string(role)], who == ""}.ask(q)
			}
			w, sign := answers[asked], o.bulletins[i].ID().String()
			if l.values {
				sign = u.value + "\n"
			}
			switch shows := strings.Contains(w.Body.String(), sign); {
			case l.status || w.Code != 200:
				cells = append(cells, fmt.Sprint(w.Code))
			case shows:
				cells = append(cells, "yes")
			default:
				cells = append(cells, "-")
			}
		}
		table += fmt.Sprintf(row, cells...)
	}
	return table
}

// TestOtherRoutesShowNoBulletin: what is not in the second part of the matrix
// shows nothing of any bulletin to anybody, the operator at the socket included.
func TestOtherRoutesShowNoBulletin(t *testing.T) {
	o := newOrigin(t, matrixItems())
	r := o.world(t, func(utterance) bool { return true })
	shows := map[string]bool{}
	for _, l := range itemRoutes() {
		method, rest, _ := strings.Cut(l.route, " ")
		path, _, _ := strings.Cut(rest, " ")
		shows[method+" "+path] = true
	}
	for i := range r.door.routes {
		route := &r.door.routes[i]
		if shows[route.pattern()] || route.readsFiles() || route.path == "/v1/decisions/stream" { // see TestPastGoesByLabel
			continue
		}
		body := asker{r, "", true}.ask(route.example()).Body.String()
		for i, u := range o.said {
			if strings.Contains(body, `"`+u.value+`"`) || strings.Contains(body, o.identifiers[i]) || strings.Contains(body, o.bulletins[i].ID().String()) {
				t.Errorf("%s shows number %d to the operator: %+v", route.pattern(), i, u)
			}
		}
	}
}
