package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	taxiiType  = "application/taxii+json;version=2.1"
	loopedLong = 100 // pages; a client that gets more goes round in circles
)

// A taxiiPoll is a client that goes on from where it was.
type taxiiPoll struct {
	e      *example
	url    string // of objects/
	login  string
	repeat bool // added_after goes with next, too
	limit  int
	after  string
	held   map[string]bool // by id: revoked
	pages  int
}

// poll takes everything new, and returns the ids of it.
func (p *taxiiPoll) poll() (ids []string) {
	p.e.t.Helper()
	next, last := "", p.after
	for range loopedLong {
		q := url.Values{}
		if p.limit > 0 {
			q.Set("limit", strconv.Itoa(p.limit))
		}
		if next != "" {
			q.Set("next", next)
		}
		if p.after != "" && (next == "" || p.repeat) {
			q.Set("added_after", p.after)
		}
		var page struct {
			More    bool
			Next    string
			Objects []struct {
				ID      string
				Type    string
				Revoked bool
			}
		}
		h := p.e.json(p.url+"?"+q.Encode(), &page, "Authorization", p.login, "Accept", taxiiType)
		p.pages++
		for _, o := range page.Objects {
			ids = append(ids, o.ID)
			if o.Type == "indicator" {
				p.held[o.ID] = o.Revoked
			}
		}
		if got := h.Get("X-TAXII-Date-Added-Last"); got != "" {
			last = got
		}
		if next = page.Next; next == "" {
			p.after = last
			return ids
		}
	}
	p.e.t.Fatalf("no end after %d pages", loopedLong)
	return nil
}

// holds polls, and wants so many indicators to stand, and so many to be revoked; it
// returns how many those are.
func (p *taxiiPoll) holds(stand int, want func(revoked int) bool) (revoked int) {
	p.e.t.Helper()
	ids := p.poll()
	for _, r := range p.held {
		if r {
			revoked++
		}
	}
	if got := len(p.held) - revoked; got != stand || !want(revoked) {
		p.e.t.Errorf("%d stand, want %d, and %d are revoked; new: %q", got, stand, revoked, ids)
	}
	return revoked
}

// follows polls all there is, nothing, a revocation, and what is said after it, which
// is another object.
func (p *taxiiPoll) follows(node *process) {
	p.e.t.Helper()
	p.held = map[string]bool{}
	before := p.holds(5, func(int) bool { return true })
	if p.limit > 0 && p.pages < 3 {
		p.e.t.Errorf("%d pages of %d", p.pages, p.limit)
	}
	if ids := p.poll(); len(ids) > 0 {
		p.e.t.Errorf("nothing is new but %q", ids)
	}
	node.must("revoke", "203.0.113.7")
	oneMore := func(revoked int) bool { return revoked == before+1 }
	p.holds(4, oneMore)
	node.must("submit", "--tlp", "green", "--confidence", "90", "203.0.113.7") // for whoever comes next
	p.holds(5, oneMore)
}

// collection finds one by its title.
func (e *example) collection(root, title, login string) (id string) {
	e.t.Helper()
	var list struct{ Collections []struct{ ID, Title string } }
	e.json(root+"collections/", &list, "Authorization", login, "Accept", taxiiType)
	for _, c := range list.Collections {
		if c.Title == title {
			return c.ID
		}
	}
	e.t.Fatalf("no collection %q in %+v", title, list)
	return ""
}

// exampleElastic: pages by next alone, then on from the header.
func exampleElastic(t *testing.T, e *example) {
	e.hasPrograms("curl")
	node := e.fed()
	e.makesToken("elastic.token")
	if got := e.types("curl -H \"Authorization: Bearer $TOKEN\" -H"); !strings.Contains(got, `"title":"everything"`) {
		t.Errorf("curl printed %q", got)
	}
	beat := e.read("filebeat.yml")
	for _, want := range []string{"Accept, value: " + taxiiType, "url.params.limit", "url.params.added_after", "url.params.next", "X-TAXII-Date-Added-Last"} {
		if !strings.Contains(beat, want) {
			t.Errorf("filebeat.yml does not speak of %s", want)
		}
	}
	login := "Bearer " + e.token
	address := regexp.MustCompile(`request\.url: (\S+)`).FindStringSubmatch(beat)[1]
	id := e.collection(node.url()+"/taxii2/tlp2/", "everything", login)
	p := taxiiPoll{e: e, url: e.filled(address, "http://127.0.0.1:7801", node.url(), "COLLECTION", id), login: login, limit: 2, after: "2020-01-01T00:00:00Z"}
	p.follows(node)

	var form struct{ Fields map[string]any }
	if err := json.Unmarshal([]byte(e.read("ti_custom.json")), &form); err != nil {
		t.Fatal(err)
	}
	if got := e.filled(e.at(fmt.Sprint(form.Fields["URL"])), "COLLECTION", id); got != p.url {
		t.Errorf("ti_custom.json has another URL: %s", got)
	}
	node.must("revoke", "evil.example")
	if docs := e.types("curl -H \"Authorization: Bearer $TOKEN\" 'http"); strings.Contains(docs, `"name":"evil.example"`) || !strings.Contains(docs, `"name":"203.0.113.7"`) {
		t.Errorf("the feed ecs has %s", docs)
	}
}

// exampleOpenCTI: the built-in feed repeats added_after while it pages, the connector
// finds root and collection by their names.
func exampleOpenCTI(t *testing.T, e *example) {
	e.hasPrograms("curl")
	node := e.fed()
	e.makesToken("opencti.token")
	e.types("curl")
	var f struct {
		URI, Version, Collection string
		Type                     string `json:"authentication_type"`
		After                    string `json:"added_after_start"`
	}
	if err := json.Unmarshal([]byte(e.read("taxii-feed.json")), &f); err != nil || f.Version != "v21" || f.Type != "bearer" {
		t.Fatalf("taxii-feed.json: %+v, %v", f, err)
	}
	root := e.at(f.URI)
	id := e.collection(root, "everything", "Bearer "+e.token)
	(&taxiiPoll{e: e, url: root + "collections/" + id + "/objects/", login: "Bearer " + e.token, limit: 2, repeat: true, after: f.After}).follows(node)

	env := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ +- (\w+)=(\S+)`).FindAllStringSubmatch(e.read("docker-compose.yml"), -1) {
		env[m[1]] = m[2]
	}
	login := "Token " + e.token // taxii2client's TokenAuth
	var d struct {
		Roots []string `json:"api_roots"`
	}
	e.json(e.at(env["TAXII2_DISCOVERY_URL"]), &d, "Authorization", login, "Accept", "application/taxii+json; version=2.1")
	name, title, _ := strings.Cut(env["TAXII2_COLLECTIONS"], ".")
	i := slices.IndexFunc(d.Roots, func(r string) bool { parts := strings.Split(r, "/"); return parts[len(parts)-2] == name })
	if i < 0 {
		t.Fatalf("no API root %q in %q", name, d.Roots)
	}
	found := node.url() + d.Roots[i]
	p := taxiiPoll{e: e, url: found + "collections/" + e.collection(found, title, login) + "/objects/", login: login, limit: 2}
	p.follows(node)
}
