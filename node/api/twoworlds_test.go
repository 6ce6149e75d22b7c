package api

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An utterance is a bulletin of one indicator, and which of the readers below
// may know of it. What is said under PAP:RED comes from another node of its
// author, so that no visible header names it as the one before.
type utterance struct {
	by     string // bank, hospital; "hospital2" is another of its nodes
	tlp    protocol.TLP
	pap    protocol.PAP
	to     string // "ORG" or "ORG/PERSON", above GREEN
	value  string
	note   string // revoked, expired, absent (its body), or a word of its own
	seenBy string
}

// readers are who asks: what each token may see. The operator is at the socket.
func readers() map[string]trust.Reader {
	return map[string]trust.Reader{
		"clear":    {Clearance: protocol.Clear, PAP: protocol.PAPAmber},
		"green":    {Clearance: protocol.Green, PAP: protocol.PAPAmber},
		"greenall": {Clearance: protocol.Green, PAP: protocol.PAPRed},
		"amber":    {Clearance: protocol.Amber, PAP: protocol.PAPAmber},
		"strict":   {Clearance: protocol.AmberStrict, PAP: protocol.PAPAmber},
		"nobody":   {Clearance: protocol.Red, PAP: protocol.PAPRed},
		"alice":    {Clearance: protocol.Red, PAP: protocol.PAPRed, Person: "alice"},
		"bob":      {Clearance: protocol.Red, PAP: protocol.PAPRed, Person: "bob"},
	}
}

// clearedReaders are those of the matrix, who differ in clearance alone.
func clearedReaders() map[string]trust.Reader {
	all := readers()
	for name, label := range map[string]protocol.TLP{"m-clear": protocol.Clear, "m-green": protocol.Green, "m-amber": protocol.Amber, "m-strict": protocol.AmberStrict} {
		all[name] = trust.Reader{Clearance: label, PAP: protocol.PAPRed}
	}
	return all
}

const operatorAtHome = "operator"

func utterances() []utterance {
	const (
		all    = "clear green greenall amber strict nobody alice bob operator"
		greens = "green greenall amber strict nobody alice bob operator"
		ambers = "amber strict nobody alice bob operator"
		strict = "strict nobody alice bob operator"
		papRed = "greenall nobody alice bob operator"
	)
	u := func(by string, tlp protocol.TLP, pap protocol.PAP, to, value, note, seenBy string) utterance {
		return utterance{by, tlp, pap, to, value, note, seenBy}
	}
	return []utterance{
		u("hospital", protocol.Red, 0, "bank/alice", "203.0.113.1", "first of all", "alice"),
		u("hospital", protocol.Clear, 0, "", "203.0.113.1", "", all),
		u("hospital", protocol.Green, 0, "", "203.0.113.1", "", greens),
		u("hospital2", protocol.Clear, protocol.PAPRed, "", "203.0.113.1", "newer and not to be noticed", "nobody alice bob operator greenall"),
		u("hospital", protocol.Amber, 0, "bank", "evil.example", "", ambers),
		u("hospital", protocol.Clear, protocol.PAPAmber, "", "evil.example", "", all),
		u("hospital", protocol.AmberStrict, 0, "bank", "www.evil.example", "", strict),
		u("hospital2", protocol.Green, protocol.PAPRed, "", "198.51.100.2", "", papRed),
		u("hospital", protocol.Red, 0, "bank/bob", "203.0.113.0/24", "", "bob"),
		u("bank", protocol.Red, 0, "hospital/carol", "203.0.113.1", "", ""),
		u("bank", protocol.Clear, 0, "", "203.0.113.1", "", all),
		u("hospital", protocol.Green, 0, "", "203.0.113.1", "a new version", greens),
		u("hospital", protocol.Clear, protocol.PAPClear, "", "*.evil.example", "", all),
		u("hospital", protocol.Red, 0, "bank/alice", "203.0.113.1", "revoked", "alice"),
		u("bank", protocol.Amber, 0, "hospital", "198.51.100.7", "", ambers),
		u("hospital", protocol.Amber, 0, "bank", "evil.example", "revoked", ambers),
		u("hospital", protocol.Clear, 0, "", "www.evil.example", "expired", all),
		u("hospital", protocol.Green, 0, "", "www.evil.example", "", greens),
		u("hospital", protocol.Red, 0, "bank/alice", "www.evil.example", "for one", "alice"),
		u("hospital", protocol.AmberStrict, 0, "bank", "203.0.113.1", "last of all", strict),
		u("hospital", protocol.Amber, 0, "bank", "198.51.100.77", "", ambers),
		u("bank", protocol.Amber, 0, "hospital", "198.51.100.77", "which shows that the hospital is right", ambers),
		u("hospital", protocol.Red, 0, "bank/bob", "198.51.100.9", "after it", "bob"),
		u("hospital", protocol.Red, 0, "bank/bob", "198.51.100.9", "absent", "bob"),
	}
}

func (u utterance) seen(reader string) bool { return slices.Contains(strings.Fields(u.seenBy), reader) }

// An origin is a past that worlds share: a directory, the keys, the tokens and
// the bulletins that come later, signed once.
type origin struct {
	dir         string
	org, key    ed25519.PrivateKey
	hospital    protocol.Org
	tokens      map[string]string
	said        []utterance
	bulletins   []*protocol.Bulletin
	community   protocol.ID
	begun       time.Time
	writers     map[string]writer
	heads       map[protocol.ID]*protocol.Bulletin // of streams
	identifiers []string                           // of the objects
}

type writer struct {
	key  ed25519.PrivateKey
	cert protocol.Certificate
}

func keyNamed(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// newOrigin is bank's node, in a community with hospital, and what is to be said.
func newOrigin(t *testing.T, said []utterance) *origin {
	t.Helper()
	o := &origin{
		dir: t.TempDir(), org: keyNamed("bank"), key: keyNamed("bank node"), tokens: map[string]string{}, said: said,
		begun: time.Now().Add(-30 * time.Minute).Truncate(time.Second), heads: map[protocol.ID]*protocol.Bulletin{}, writers: map[string]writer{},
	}
	for name, org := range map[string]string{"bank": "bank", "hospital": "hospital", "hospital2": "hospital"} {
		key := keyNamed("another node " + name)
		o.writers[name] = writer{key, protocol.Certify(keyNamed(org), protocol.NodeOf(key), o.begun.Add(-time.Hour), o.begun.Add(365*24*time.Hour))}
	}
	o.hospital = o.writers["hospital"].cert.Org
	r := rigIn(t, o.dir, "bank", o.org, o.key)
	made, err := r.CreateCommunity(t.Context(), "isac")
	r.check(err)
	o.community = made.ID
	r.check(r.node.Introduce(t.Context(), made.ID, o.writers["hospital"].cert, "hospital"))
	_, err = r.Collections(t.Context()) // whose ids are random
	r.check(err)
	for name, reader := range clearedReaders() {
		for _, role := range roles() {
			answer, err := r.CreateToken(t.Context(), TokenRequest{Role: role, Clearance: reader.Clearance, PAP: reader.PAP, Person: reader.Person})
			r.check(err)
			o.tokens[name+" "+string(role)] = answer.Secret
		}
	}
	r.end()
	for i, u := range o.said {
		o.bulletins = append(o.bulletins, o.sign(t, i, u))
	}
	return o
}

// end closes a rig before its test does.
func (r *rig) end() {
	r.t.Helper()
	r.check(r.node.Close())
	r.check(r.store.Close())
}

// sign signs what is said, as number i.
func (o *origin) sign(t testing.TB, i int, u utterance) *protocol.Bulletin {
	t.Helper()
	at := o.begun.Add(time.Duration(i) * time.Minute)
	w := o.writers[u.by]
	h := protocol.Header{Kind: protocol.Objects, TLP: u.tlp, PAP: u.pap, Epoch: 1, Seq: 1, Issued: protocol.Millis(at)}
	if u.tlp <= protocol.Green {
		h.Community = o.community
	} else {
		name, person, _ := strings.Cut(u.to, "/")
		h.Audience = []protocol.Recipient{{Org: protocol.OrgOf(keyNamed(name)), Person: person}}
	}
	h.Certificate = w.cert
	stream := h.Stream().ID()
	if last := o.heads[stream]; last != nil {
		h.Seq, h.Prev = last.Header.Seq+1, last.ID()
	}
	b, err := protocol.Sign(w.key, w.cert, h, [][]byte{o.object(i, u, at)})
	if err != nil {
		t.Fatal(err)
	}
	o.heads[stream] = b
	return b
}

func (o *origin) object(i int, u utterance, at time.Time) []byte {
	id := fmt.Sprintf("indicator--%08d-0000-4000-8000-000000000000", i)
	o.identifiers = append(o.identifiers, id)
	kind, until := "domain-name", at.Add(30*24*time.Hour)
	if strings.ContainsAny(u.value[:1], "0123456789") {
		kind = "ipv4-addr"
	}
	if u.note == "expired" {
		until = at.Add(time.Second)
	}
	return fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"%s","created":"%[2]s","modified":"%[2]s","description":"%[3]s",`+
		`"revoked":%[4]t,"pattern":"[%[5]s:value = '%[6]s']","pattern_type":"stix","valid_from":"%[2]s","valid_until":"%[7]s"}`,
		id, at.UTC().Format("2006-01-02T15:04:05.000Z"), u.note, u.note == "revoked", kind, u.value, until.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// world opens a copy of the origin in which that was said which wanted wants.
func (o *origin) world(t *testing.T, wanted func(utterance) bool) *rig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(o.dir)); err != nil {
		t.Fatal(err)
	}
	r := rigIn(t, dir, "bank", o.org, o.key)
	for i, b := range o.bulletins {
		if !wanted(o.said[i]) {
			continue
		}
		e := storage.Entry{Bulletin: b, Body: storage.Held, Reason: "member", Received: protocol.Time(b.Header.Issued).Add(time.Second)}
		if o.said[i].note == "absent" {
			e.Bulletin, e.Body = b.HeaderOnly(), storage.Absent
		}
		_, err := r.store.Put(t.Context(), e)
		r.check(err)
	}
	for tick := time.NewTicker(time.Millisecond); r.node.Reckoned() < r.store.Position(); { // scores move with it
		<-tick.C
	}
	return r
}

// readsFiles names the routes that read the store's files as they are, for
// whoever could read them without the node: at the socket, and without a token.
func (r *route) readsFiles() bool { return r.path == "/v1/backup" || r.path == "/v1/store/check" }

// questions are all that can be asked with GET, of every route, and the lookups.
func (o *origin) questions(r *rig, files bool) (list []request) {
	get := func(path string, query ...string) {
		q := url.Values{}
		for i := 0; i < len(query); i += 2 {
			q.Add(query[i], query[i+1])
		}
		list = append(list, request{method: "GET", target: path + "?" + q.Encode()})
	}
	for i := range r.door.routes {
		if route := &r.door.routes[i]; route.method == "GET" && (files || !route.readsFiles()) {
			q := route.example()
			q.target += "?"
			list = append(list, q)
		}
	}
	var values []string
	for i, u := range o.said {
		get("/v1/lookup", "value", u.value)
		get("/v1/why", "value", u.value)
		get("/v1/lookup", "value", o.identifiers[i])
		get("/v1/objects/" + o.identifiers[i])
		get("/v1/bulletins/" + o.bulletins[i].ID().String())
		get("/v1/search", "text", strings.ToUpper(u.value))
		get("/v1/search", "text", u.note, "limit", "2")
		values = append(values, u.value)
	}
	get("/v1/search", "org", "hospital", "limit", "3")
	get("/v1/search", "type", "domain-name")
	get("/v1/changes", "after", "now")
	get("/v1/archive", "for", "nobody")
	get("/v1/peers/hospital")
	get("/v1/policy", "format", "json")
	for _, tier := range []string{"observe", "alert", "block"} {
		get("/feeds/ip", "tier", tier)
		get("/feeds/domain", "tier", tier)
		get("/v1/feeds", "tier", tier)
		for _, path := range feedPaths(r) {
			if strings.HasSuffix(path, ".md5") {
				continue // of dates too
			}
			get("/feeds/"+path, "tier", tier)
		}
		get("/feeds/stix.json", "tier", tier, "labels", "clear,green")
		get("/feeds/csv", "tier", tier, "communities", "isac", "labels", "clear")
	}
	collections, err := r.Collections(r.t.Context())
	r.check(err)
	for _, c := range collections {
		for _, root := range []string{"tlp2", "tlp1"} {
			path := "/taxii2/" + root + "/collections/" + c.ID + "/"
			get(path)
			get(path + "manifest/")
			get(path+"objects/", "limit", "3", "match[version]", "all")
			for _, id := range o.identifiers {
				get(path+"objects/", "match[id]", id)
				get(path + "objects/" + id + "/versions/")
			}
		}
	}
	body, err := json.Marshal(LookupRequest{Values: values})
	r.check(err)
	return append(list,
		request{"POST", "/v1/lookup?", string(body), map[string]string{"Content-Type": typeJSON}},
		request{"POST", "/v1/lookup?", strings.Join(values, "\n"), map[string]string{"Content-Type": typeLines}})
}

// asker is who asks a rig: with a token or without, over TCP or at the socket.
type asker struct {
	*rig
	token  string
	socket bool
}

func (a asker) ask(q request) *httptest.ResponseRecorder {
	a.t.Helper()
	h := a.door.Remote()
	if a.socket {
		h = a.door.Local()
	}
	if a.token != "" {
		q = q.with("Authorization", "Bearer "+a.token)
	}
	if !strings.HasPrefix(q.target, "/v1/watch") {
		return a.send(h, q)
	}
	for patience := 20 * time.Millisecond; ; patience *= 2 {
		if w := a.askBriefly(h, q, patience); w != nil {
			return w
		}
	}
}

// askBriefly asks what has no end, and goes; nil when it went too soon.
func (a asker) askBriefly(h http.Handler, q request, patience time.Duration) (w *httptest.ResponseRecorder) {
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			if w = nil; p != http.ErrAbortHandler {
				panic(p)
			}
		}
	}()
	return a.send(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h.ServeHTTP(w, req.WithContext(ctx)) }), q)
}

// all is every answer there is, bytes and headers, and every page of what has
// pages, one thing a page.
func (a asker) all(o *origin) string {
	var out strings.Builder
	note := func(q request, w *httptest.ResponseRecorder) {
		head := regexp.MustCompile(`(Date-Added-(First|Last)):\S+`).ReplaceAllString(fmt.Sprint(w.Header()), "$1")
		fmt.Fprintf(&out, "%s %s %s\n%d %s\n%s\n", q.method, q.target, q.body, w.Code, head, steady(q.target, w.Body.String()))
	}
	for _, q := range o.questions(a.rig, !a.socket) {
		w := a.ask(q)
		if strings.HasPrefix(q.target, "/feeds/") {
			w = undated(a.t, w)
		}
		note(q, w)
	}
	cursor := regexp.MustCompile(`"cursor":"([^"]*)"`)
	for _, path := range []string{"/v1/search", "/v1/changes"} {
		after := ""
		for range 2 * len(o.said) {
			q := request{method: "GET", target: path + "?limit=1&after=" + after}
			w := a.ask(q)
			note(q, w)
			found := cursor.FindAllStringSubmatch(w.Body.String(), -1)
			if len(found) == 0 {
				break
			}
			after = found[len(found)-1][1]
		}
	}
	return out.String()
}

// undated takes the date of a feed's last change out of an answer, which is when
// it was first asked for in a world, and what goes by it.
func undated(t testing.TB, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	h := w.Header()
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return w
	}
	h.Del("Last-Modified")
	body := w.Body.String()
	if strings.Contains(h.Get("Content-Type"), "gzip") {
		body = unpacked(t, w.Body)
	}
	dates := []string{fmt.Sprint(changed.Unix()), "DATE"}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02", "20060102"} {
		dates = append(dates, changed.UTC().Format(layout), "DATE")
	}
	plain := strings.NewReplacer(dates...).Replace(body)
	plain = fadedAt.ReplaceAllString(plain, "${1}") // the worlds are not asked in the same second
	if plain != w.Body.String() {
		h.Del("ETag")
		h.Del("Content-Length")
		w.Body = bytes.NewBufferString(plain)
	}
	return w
}

// fadedAt is when something fades, within the hour.
var fadedAt = regexp.MustCompile(`(T\d\d|\bend=\d{7}):?[\d:.]*Z?`)

// unpacked is what the files of a tar.gz hold.
func unpacked(t testing.TB, in io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for files := tar.NewReader(z); ; {
		file, err := files.Next()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, file.Name, file.Size)
		if _, err := io.Copy(&out, files); err != nil {
			t.Fatal(err)
		}
	}
}

// steady takes out of an answer what no two moments have in common: of metrics
// all but the node's and its store's, dates of what the node itself said at its
// start, the disk; and of weights that fade while it is asked the last digits.
func steady(target, body string) string {
	if strings.HasPrefix(target, "/v1/audit") { // of the node's life, not of what it holds; see TestNothingSaidIsOnRecord
		return ""
	}
	if strings.HasPrefix(target, "/metrics") {
		var kept []string
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "tocsin_") && !strings.HasPrefix(line, "tocsin_http_") && !strings.HasPrefix(line, "tocsin_store_disk_bytes") && !strings.HasPrefix(line, "tocsin_store_free_bytes") && !strings.HasPrefix(line, "tocsin_certificate_") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	if strings.HasPrefix(target, taxiiPath) { // when something came here; package taxii has a test that compares this too
		body = regexp.MustCompile(`"(date_added|next)":"[^"]*"`).ReplaceAllString(body, "$1")
	}
	body = regexp.MustCompile(`"(?:decay|weight)":[0-9.]+`).ReplaceAllStringFunc(body, func(field string) string {
		name, text, _ := strings.Cut(field, ":")
		weight, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return field
		}
		return fmt.Sprintf("%s:%.2f", name, weight)
	})
	return regexp.MustCompile(`"(last|certificate_expires|judged|until)":"[^"]*"|\},"at":\d{13}|"duration":"[^"]*"|"free":\d+|\d+ MiB|mark \d+:[0-9a-f]+|[-0-9]+ [:0-9]+ UTC`).ReplaceAllString(body, "")
}

// TestTwoWorlds: to every caller a store with what it may not see answers byte
// for byte as one that never held it: bodies, counts, headers, pages, cursors,
// errors.
func TestTwoWorlds(t *testing.T) {
	o := newOrigin(t, utterances())
	whole := o.world(t, func(utterance) bool { return true })
	callers := map[string]trust.Reader{operatorAtHome: {}}
	for name, reader := range readers() {
		callers[name] = reader
	}
	for name := range callers {
		t.Run(name, func(t *testing.T) {
			apart := o.world(t, func(u utterance) bool { return u.seen(name) })
			asked := []string{""}
			if name != operatorAtHome {
				asked = nil
				for _, role := range []Role{Reader, Operator} {
					asked = append(asked, o.tokens[name+" "+string(role)])
				}
			}
			for _, token := range asked {
				here, there := asker{apart, token, token == ""}.all(o), asker{whole, token, token == ""}.all(o)
				if diff := cmp.Diff(strings.Split(here, "\n"), strings.Split(there, "\n")); diff != "" {
					t.Fatalf("what %s may not see shows (-without +with):\n%s", name, diff)
				}
				if strings.Count(here, "\n200 ") < 20 {
					t.Fatalf("%s is told nothing", name)
				}
			}
		})
	}
}

// TestEveryWordShows: what a reader may see it does see, and nothing else.
func TestEveryWordShows(t *testing.T) {
	o := newOrigin(t, utterances())
	whole := o.world(t, func(utterance) bool { return true })
	for i, u := range o.said {
		if u.note == "revoked" || u.note == "expired" || u.note == "absent" {
			continue
		}
		for name := range readers() {
			w := asker{whole, o.tokens[name+" reader"], false}.ask(request{method: "GET", target: "/v1/search?"})
			if shows := strings.Contains(w.Body.String(), o.bulletins[i].ID().String()); shows && !u.seen(name) {
				t.Errorf("%s sees number %d: %+v", name, i, u)
			}
			w = asker{whole, o.tokens[name+" reader"], false}.ask(request{method: "GET", target: "/v1/changes?"})
			later := slices.ContainsFunc(o.said[i+1:], func(v utterance) bool {
				return v.note != "absent" && v.seen(name) && v.value == u.value && v.tlp == u.tlp && v.to == u.to && v.by[:4] == u.by[:4]
			})
			if shows := strings.Contains(w.Body.String(), o.bulletins[i].ID().String()); shows != (u.seen(name) && !later) {
				t.Errorf("%s: number %d is shown: %t, %+v", name, i, shows, u)
			}
		}
	}
}

// TestHeartbeatsTellNothing: news that a watcher may not see neither delays nor
// hastens the beats of its stream.
func TestHeartbeatsTellNothing(t *testing.T) {
	beats := func(news bool) (text string) {
		synctest.Test(t, func(t *testing.T) {
			r := virtual(t)
			w := asker{r, r.token(Reader, protocol.Clear), false}
			go func() {
				for i := range 200 {
					time.Sleep(400 * time.Millisecond)
					if news {
						r.say(protocol.Green, fmt.Sprintf("203.0.113.%d", i))
					}
				}
			}()
			text = w.askBriefly(r.door.Remote(), request{method: "GET", target: "/v1/watch"}.with("Authorization", "Bearer "+w.token), 70*time.Second).Body.String()
			time.Sleep(time.Minute)
		})
		return text
	}
	quiet, busy := beats(false), beats(true)
	if quiet != busy || strings.Count(quiet, "\n:\n") != 4 {
		t.Errorf("without news %q, with it %q", quiet, busy)
	}
}

// TestCursorsOutlastTheDoor: every cursor leads on from where it was given, in
// the process that gave it and in the next, for whoever shows it; until what it
// stands at is gone.
func TestCursorsOutlastTheDoor(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	for _, name := range []string{"clear", "alice", ""} {
		token := o.tokens[name+" reader"]
		list := func(after string) (changes []Change) {
			t.Helper()
			client := InProcess(r.door.Remote())
			if client.Token = token; token == "" {
				client = InProcess(r.door.Local())
			}
			last, err := client.Changes(t.Context(), ChangesOptions{After: after}, func(c Change) error { changes = append(changes, c); return nil })
			r.check(err)
			if len(changes) > 0 && changes[len(changes)-1].Cursor != last {
				t.Errorf("%s: the last cursor is not that of the last change", name)
			}
			return changes
		}
		all := list("")
		for range 2 {
			for i, c := range all {
				if diff := cmp.Diff(all[i+1:], list(c.Cursor), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%s: after cursor %d of %d:\n%s", name, i, len(all), diff)
				}
			}
			if late := list("now"); len(late) > 0 {
				t.Errorf("%s: from now on: %+v", name, late)
			}
			r.door = New(Config{Node: r.node, Log: slog.New(slog.DiscardHandler)})
		}
	}
	_, err := r.Changes(t.Context(), ChangesOptions{After: r.door.cursors.text(mark{o.bulletins[1].ID(), 0, 1, r.door.node.Silence()})}, func(Change) error { return nil })
	if problemOf(err).Status != http.StatusGone {
		t.Errorf("a cursor at a body that came anew: %v", err)
	}
}

// TestOldTokens: a token made before there were PAP levels is good still, for
// what a new one gets.
func TestOldTokens(t *testing.T) {
	r := member(t)
	secret := tokenPrefix + strings.Repeat("A", 43)
	hash := sha256.Sum256([]byte(secret))
	row := fmt.Sprintf(`{"id":"%s","role":"reader","clearance":"green","created":"2026-01-01T00:00:00Z","sha256":"%x"}`, tokenID(hash), hash)
	r.check(r.store.Table(tokenTable).Set(t.Context(), []byte(tokenID(hash)), []byte(row)))
	for level, seen := range map[protocol.PAP]int{protocol.PAPNone: 1, protocol.PAPAmber: 1, protocol.PAPRed: 0} {
		value := fmt.Sprintf("203.0.113.%d", level)
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, PAP: level, Values: []string{value}})
		r.check(err)
		answers, err := r.remote(secret).Lookup(t.Context(), LookupRequest{Values: []string{value}})
		r.check(err)
		if got := len(answers[0].Claims); got != seen {
			t.Errorf("pap %q: %d claims, want %d", level, got, seen)
		}
	}
	if tokens, err := r.ListTokens(t.Context()); err != nil || tokens[0].PAP != protocol.PAPAmber {
		t.Errorf("listed as %+v, %v", tokens, err)
	}
}
