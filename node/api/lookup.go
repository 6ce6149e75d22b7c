package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

func lookupParams() []param {
	return []param{
		{name: "value", about: "what to look up, defanged or not, or a STIX id"},
		{name: "type", about: "its type, such as domain-name; guessed when left out"},
		{name: "tier", about: "observe, alert or block: claims are answered only where the value is in it"},
	}
}

// query is how to ask the store for a caller: what it may not see is not there,
// before anything is computed.
func (d *Door) query(c caller) storage.Query {
	q := d.node.Query()
	counts, may := q.Visible, d.mayShow(c)
	q.Visible = func(h *protocol.Header) bool { return may(h) && counts(h) }
	return q
}

// judges are who judges for a caller: by nothing that it may not see.
func (d *Door) judges(c caller, now time.Time) *node.Judges {
	return d.node.Judges(now, node.RecordFor(c.reader))
}

// mayShow says which headers a caller may know of.
func (d *Door) mayShow(c caller) func(h *protocol.Header) bool {
	self := d.node.Identity().OrgKey
	return func(h *protocol.Header) bool { return trust.MayShow(h, self, c.reader).Allowed }
}

// mayKnow fails for a bulletin that a caller may not see as for one that is not
// held. Routes that take a bulletin's id begin with it.
func (d *Door) mayKnow(c caller, id protocol.ID) error {
	b, _, err := d.node.Store().Header(id)
	if err != nil || !d.mayShow(c)(&b.Header) {
		return fmt.Errorf("%w: no bulletin %s is held", node.ErrNotFound, id)
	}
	return nil
}

// names calls organisations and communities as they are called here. It is for
// one answer; names change.
type names struct {
	d           *Door
	communities map[protocol.ID]string
	orgs        map[protocol.Org]orgName
	judges      *node.Judges // of values; nil where none are judged
}

type orgName struct{ name, fingerprint string }

func (d *Door) names() *names { return &names{d: d, orgs: map[protocol.Org]orgName{}} }

func (n *names) org(org protocol.Org) orgName {
	name, known := n.orgs[org]
	if !known {
		name = orgName{n.d.node.Name(org), org.Fingerprint()}
		n.orgs[org] = name
	}
	return name
}

func (n *names) community(id protocol.ID) string {
	if n.communities == nil {
		n.communities = map[protocol.ID]string{}
		for _, c := range n.d.node.Communities() {
			n.communities[c.ID] = c.Name
		}
	}
	return n.communities[id]
}

// neverYear is from when on an expiry means that there is none.
const neverYear = 9999

// claim is a claim of the store as the door shows it.
func (n *names) claim(c *storage.Claim) Claim {
	o := &c.Object
	org := n.org(c.Org)
	claim := Claim{
		Org: org.name, OrgKey: c.Org, Fingerprint: org.fingerprint, Type: c.Observable.Type, Value: c.Observable.Value,
		TLP: c.TLP, PAP: c.PAP, Community: n.community(c.Community), Drill: c.Drill,
		Issued: c.Issued.UTC(), Received: c.Received.UTC(), Bulletin: c.Bulletin, Index: c.Index, Node: c.Node,
		ID: o.ID, Aliases: o.Aliases, Name: o.Name, Description: o.Description, Labels: o.Labels, Reason: c.Reason, Object: o.Raw,
	}
	claim.Audience = n.d.node.AudienceText(c.Audience)
	if !c.Via.IsZero() {
		claim.Via = n.org(c.Via).name
	}
	if o.Confidence >= 0 {
		claim.Confidence = &o.Confidence
	}
	if c.Expires.Year() < neverYear {
		claim.Expires = c.Expires.UTC()
	}
	if len(o.Claims) > 1 {
		claim.Values = o.Claims
	}
	return claim
}

func (n *names) claims(list []storage.Claim, related bool) []Claim {
	claims := make([]Claim, len(list))
	for i := range list {
		claims[i] = n.claim(&list[i])
		if related {
			claims[i].Relation = string(list[i].Relation)
		}
	}
	return claims
}

// lookup answers about one value.
func (d *Door) lookup(n *names, q storage.Query, t stix.Type, value string) (Lookup, error) {
	answer := Lookup{Value: value, Claims: []Claim{}}
	if id := strings.TrimSpace(value); t == "" && stix.IsID(id) {
		found, err := d.node.Store().Object(id, q)
		if err == nil {
			answer.Claims = n.claims(found, true)
		}
		for i := range answer.Claims {
			answer.Claims[i].Relation = "stix-id"
		}
		return answer, err
	}
	o, err := observable(t, value)
	if err != nil {
		return answer, err
	}
	answer.Observable = &o
	found, err := d.node.Store().Lookup(o, q)
	if err != nil {
		return answer, err
	}
	answer.Claims = n.claims(found, true)
	return answer, n.judge(&answer, found, q)
}

// noTier is the tier of what is in none.
const noTier = "none"

// tiers are the tiers as answers name them, the widest first.
func tiers() []string {
	return []string{noTier, score.Observe.String(), score.Alert.String(), score.Block.String()}
}

// judge says how far the value is believed and what may act on it.
func (n *names) judge(answer *Lookup, found []storage.Claim, q storage.Query) (err error) {
	if answer.Judged, err = n.judged(found, q); err != nil {
		return err
	}
	never, is := n.judges.Never(*answer.Observable)
	answer.NeverBlock = never.Reason
	tiers, most, tier := tiers(), 0, 0
	var bearing []Judged
	for _, j := range answer.Judged {
		if node.Bears(storage.Relation(j.Relation), stix.Observable{Type: j.Type, Value: j.Value}) {
			most, tier = max(most, j.Score), max(tier, slices.Index(tiers, j.Tier))
			bearing = append(bearing, j)
		}
	}
	if is { // whatever is said of a block around it
		tier = min(tier, slices.Index(tiers, score.Observe.String()))
	}
	answer.Score, answer.Tier, answer.Until = &most, tiers[tier], leave(bearing, tiers[tier])
	return nil
}

// wantedTier reads the tier that a lookup asks for; "" is any.
func wantedTier(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	tier, err := score.ParseTier(text)
	if err != nil {
		return "", kindUsage.errorf("tier %q: observe, alert or block", shown(text))
	}
	return tier.String(), nil
}

// within leaves no claims of a value that is not in a tier, "" for any.
func (l *Lookup) within(tier string) {
	if tier != "" && slices.Index(tiers(), l.Tier) < slices.Index(tiers(), tier) {
		l.Claims = []Claim{}
	}
}

func (d *Door) serveLookup(w *answerWriter, req *http.Request) error {
	q := req.URL.Query()
	t, err := observableType(q.Get("type"))
	if err != nil {
		return err
	}
	tier, err := wantedTier(q.Get("tier"))
	if err != nil {
		return err
	}
	if q.Get("value") == "" {
		return kindUsage.errorf("what is to be looked up? give value")
	}
	n, asked := d.names(), d.query(w.caller)
	n.judges = d.judges(w.caller, asked.Now)
	answer, err := d.lookup(n, asked, t, q.Get("value"))
	if errors.Is(err, stix.ErrNotObservable) {
		return kindUsage.problem(fmt.Sprintf("value %q: %s", shown(q.Get("value")), plain(err, stix.ErrNotObservable)), "if it is one all the same, give its type")
	}
	if err != nil {
		return err
	}
	answer.within(tier)
	return sendJSON(w, answer)
}

// serveLookups answers many values: JSON with JSON, a value a line with an
// answer a line.
func (d *Door) serveLookups(w *answerWriter, req *http.Request) error {
	var r LookupRequest
	mediaType, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	var err error
	if mediaType == typeLines {
		r.Values, err = readValues(req)
	} else {
		err = decodeJSON(req, &r)
	}
	if err != nil {
		return err
	}
	t, err := observableType(r.Type)
	if err != nil {
		return err
	}
	tier, err := wantedTier(r.Tier)
	switch {
	case err != nil:
		return err
	case len(r.Values) == 0:
		return kindUsage.errorf("what is to be looked up? give values")
	case len(r.Values) > MaxLookup:
		return kindUsage.errorf("%d values, at most %d are allowed", len(r.Values), MaxLookup)
	}
	ctx, n, q := req.Context(), d.names(), d.query(w.caller)
	n.judges = d.judges(w.caller, q.Now)
	if mediaType == typeLines {
		return d.sendLookups(ctx, w, r.Values, n, q)
	}
	answer := LookupAnswer{Answers: make([]Lookup, 0, len(r.Values))}
	for _, value := range r.Values {
		one, err := d.lookupOfMany(ctx, n, q, t, value)
		if err != nil {
			return err
		}
		one.within(tier)
		answer.Answers = append(answer.Answers, one)
	}
	return sendJSON(w, answer)
}

func (d *Door) sendLookups(ctx context.Context, w *answerWriter, values []string, n *names, q storage.Query) error {
	w.Header().Set("Content-Type", typeLines)
	out := newLines(w)
	for _, value := range values {
		answer, err := d.lookupOfMany(ctx, n, q, "", value)
		if err != nil {
			return err
		}
		out.send(answer)
	}
	out.flush()
	return nil
}

// lookupOfMany tells what is wrong with one value in its place.
func (d *Door) lookupOfMany(ctx context.Context, n *names, q storage.Query, t stix.Type, value string) (Lookup, error) {
	if err := ctx.Err(); err != nil {
		return Lookup{}, err
	}
	answer, err := d.lookup(n, q, t, value)
	if errors.Is(err, stix.ErrNotObservable) {
		answer.Problem, err = plain(err, stix.ErrNotObservable), nil
	}
	return answer, err
}

// maxValue is the longest line of values.
const maxValueLine = 16 << 10

// readValues reads a JSON string a line, or the text of a line as it is.
func readValues(req *http.Request) ([]string, error) {
	var values []string
	in := bufio.NewScanner(req.Body)
	in.Buffer(nil, maxValueLine)
	for in.Scan() {
		text := strings.TrimSpace(in.Text())
		if text == "" {
			continue
		}
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal([]byte(text), &text); err != nil {
				return nil, kindUsage.errorf("line %d: %v", len(values)+1, err)
			}
		}
		if values = append(values, text); len(values) > MaxLookup {
			break // told by the caller
		}
	}
	return values, bodyError(in.Err())
}

func (d *Door) serveObject(w *answerWriter, req *http.Request) error {
	found, err := d.node.Store().Object(req.PathValue("id"), d.query(w.caller))
	if err != nil {
		return err
	}
	return sendJSON(w, ObjectAnswer{d.names().claims(found, false)})
}
