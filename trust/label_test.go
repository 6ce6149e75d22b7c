package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A question is one block of the table: every row of it is asked under every
// label.
type question struct {
	verb, kind, author, to, at, by, client string
	moved                                  time.Duration // of issued, from now
	labels                                 []protocol.TLP
}

func parseQuestion(t *testing.T, f []string) (q question) {
	q.verb, q.kind = f[0], "objects"
	for i := 1; i < len(f); i++ {
		switch f[i] {
		case "objects", "statements":
			q.kind = f[i]
			continue
		}
		word, value := f[i], f[i+1]
		i++
		switch word {
		case "of":
			q.author = value
		case "to":
			q.to = value
		case "at":
			q.at = value
		case "by":
			q.by = value
		case "for":
			q.client = value
		case "dated":
			moved, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			q.moved = moved
		default:
			t.Fatalf("what is %q in %q?", word, f)
		}
	}
	return q
}

func (w *labelWorld) header(q question, label protocol.TLP) *protocol.Header {
	h := &protocol.Header{
		Version: protocol.Version, Epoch: 1, Seq: 1, Kind: protocol.Objects, TLP: label, Certificate: w.certificate(q.author),
		Issued: protocol.Millis(worldNow.Add(q.moved)),
	}
	if q.kind == "statements" {
		h.Kind = protocol.Statements
	}
	if label <= protocol.Green {
		h.Community = communityNamed("isac")
	} else {
		h.Audience = w.audience(label, q.to)
	}
	return h
}

// look is view, kept.
func (w *labelWorld) look(who string) *View {
	if w.views[who] == nil {
		w.views[who] = w.view(who)
	}
	return w.views[who]
}

// answer asks one cell.
func (w *labelWorld) answer(t *testing.T, q question, label protocol.TLP, row string) string {
	h := &protocol.Header{}
	if q.author != "" {
		h = w.header(q, label)
	}
	switch q.verb {
	case "see":
		return spellOf(label, w.look(q.at).MaySee(h.Stream(), h.Org(), nodeNamed(row), worldNow))
	case "receive":
		return spellOf(label, w.look(q.at).MayReceive(h, nodeNamed(row), worldNow))
	case "carry":
		var orgs []protocol.Org
		if row != "nobody" {
			orgs = w.orgs(strings.Split(row, "+"))
		}
		return spellOf(label, w.look(q.at).MayCarry(h, orgs))
	case "forward":
		return spellOf(label, w.look(q.at).MayForward(h.Stream(), h.Org(), w.org(row)))
	case "submit":
		return spellOf(label, w.look(q.at).MaySubmitTo(label, w.audience(label, row)))
	case "answer":
		return spellOf(label, Verdict{w.look(row).MayAnswer(h), "", ""})
	case "admit":
		return spellAdmission(w.look(row).MayAdmit(h, worldNow))
	case "unpack":
		return spellAdmission(w.look(row).MayUnpack(h, worldNow))
	case "forwarded":
		client := q.client
		if client == "" {
			client = row
		}
		f := &protocol.Forward{Certificate: w.certificate(q.by), To: w.org(client)}
		return spellAdmission(w.look(row).AdmitForwarded(h, f, worldNow))
	case "rosters":
		return spellAdmission(w.look(row).AdmitRoster(w.rosterBulletin(t, q, h), worldNow))
	}
	t.Fatalf("what is asked by %q?", q.verb)
	return ""
}

// rosterBulletin signs the rosters that q.by names into one bulletin, beside a
// statement that is none and an object that is no statement.
func (w *labelWorld) rosterBulletin(t *testing.T, q question, h *protocol.Header) *protocol.Bulletin {
	objects := [][]byte{[]byte("no statement"), protocol.Statement{Erasure: &protocol.Erasure{Bulletin: refNumbered("any"), Objects: []uint64{0}}}.Encode()}
	for name := range strings.SplitSeq(q.by, "+") {
		i := slices.IndexFunc(w.rosters, func(r drawnRoster) bool {
			return r.group+"."+strconv.FormatUint(r.version, 10) == name
		})
		r := w.rosters[i]
		id, salt := w.group(r.group)
		objects = append(objects, protocol.Statement{Roster: &protocol.Roster{
			Group: id, Version: r.version, Name: r.Name, Members: r.Members, History: r.History, Owner: w.org(r.owner), Salt: salt,
		}}.Encode())
	}
	seed := sha256.Sum256([]byte("node of " + q.author))
	node := ed25519.NewKeyFromSeed(seed[:])
	cert := protocol.Certify(w.key(q.author), protocol.NodeOf(node), worldNow.Add(-day), worldNow.Add(day))
	b, err := protocol.Sign(node, cert, *h, objects)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spellOf writes a verdict as the table does: + or - and the rule, where "tlp"
// is the rule of the label itself.
func spellOf(label protocol.TLP, v Verdict) string {
	rule := v.Rule
	if rule == "tlp-"+label.String() {
		rule = "tlp"
	}
	if v.Allowed {
		return "+" + rule
	}
	return "-" + rule
}

func spellAdmission(a Admission) string {
	return []string{"refuse:", "unknown:", "later:", "decline:", "admit:"}[a.Outcome] + a.Rule
}

// TestLabels asks every cell of testdata/labels.txt. "." is a cell not asked; a
// last cell stands for the columns to its right too.
func TestLabels(t *testing.T) {
	text, err := os.ReadFile("testdata/labels.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := newLabelWorld(map[string]ed25519.PrivateKey{})
	w.views = map[string]*View{}
	var q question
	asked := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || strings.HasPrefix(line, "#") || !strings.HasPrefix(line, " ") && w.draw(f):
		case !strings.HasPrefix(line, " "):
			q = parseQuestion(t, f)
		case q.labels == nil:
			for _, label := range f {
				q.labels = append(q.labels, labelNamed(t, label))
			}
		default:
			for i, label := range q.labels {
				want := f[min(i+1, len(f)-1)]
				if want == "." {
					continue
				}
				asked++
				if got := w.answer(t, q, label, f[0]); got != want {
					t.Errorf("%s %s of %s to %s at %s by %s, %s, %s: %s, want %s", q.verb, q.kind, q.author, q.to, q.at, q.by, label.Label(), f[0], got, want)
				}
			}
		}
	}
	if asked < 1000 {
		t.Errorf("only %d cells", asked)
	}
}
