package api

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// stixObject is an object of a type that needs a name alone.
func stixObject(kind, id, modified, more string) string {
	return fmt.Sprintf(`{"type":"%s","spec_version":"2.1","id":"%[1]s--%s","created":"2026-01-01T00:00:00.000Z","modified":"%s","name":"x"%s}`, kind, id, modified, more)
}

const (
	tableMalware = "malware--11111111-1111-4111-8111-111111111111"
	tableAddress = "ipv4-addr--22222222-2222-4222-8222-222222222222"
	tableLink    = "relationship--33333333-3333-4333-8333-333333333333"
	tableTool    = "44444444-4444-4444-8444-444444444444"
	newYear      = "2026-01-01T00:00:00.000Z"
)

// tableBodies are the bodies that the table posts.
func tableBodies() map[string]string {
	one := stixObject("tool", tableTool, newYear, "")
	envelope := func(objects ...string) string { return `{"objects":[` + strings.Join(objects, ",") + `]}` }
	marked := func(kind, uuid, marking string) string {
		return envelope(stixObject(kind, uuid, newYear, `,"object_marking_refs":["`+marking+`"]`))
	}
	return map[string]string{
		"envelope": envelope(one),
		"bundle": `{"type":"bundle","id":"bundle--55555555-5555-4555-8555-555555555555","objects":[` +
			`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da","created":"2017-01-20T00:00:00.000Z","definition_type":"tlp","name":"TLP:GREEN","definition":{"tlp":"green"}},` +
			stixObject("tool", "55555555-5555-4555-8555-555555555555", newYear, `,"object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]`) + `]}`,
		"custom": `{"x_sender":{"n":1},"objects":[` + stixObject("tool", "77777777-7777-4777-8777-777777777777", newYear, `,"x_vendor":[1,2]`) + `]}`,
		"mixed":  envelope(one, `{"type":"tool","spec_version":"2.1","id":"tool--66666666-6666-4666-8666-666666666666","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z"}`),
		"indicator": envelope(`{"type":"indicator","spec_version":"2.1","id":"indicator--88888888-8888-4888-8888-888888888888","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",` +
			`"pattern":"[domain-name:value = 'posted.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`),
		"amber":  marked("tool", "99999999-9999-4999-8999-999999999999", protocol.MarkingID(protocol.Amber)),
		"clear":  marked("campaign", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", protocol.MarkingID(protocol.Clear)),
		"broken": `{"objects":[`, "twice": `{"objects":[{}],"objects":[{}]}`, "hollow": `{}`, "vacant": `{"objects":[]}`, "list": `[1]`,
		"large": `{"objects":["` + strings.Repeat("x", submitBody) + `"]}`,
	}
}

// A taxiiTable is a rig with what the table asks about.
type taxiiTable struct {
	*rig
	tokens map[string]string
	vars   map[string]string
	bodies map[string]string
}

func newTAXIITable(t *testing.T) *taxiiTable {
	r := member(t)
	bundle := func(objects ...string) {
		t.Helper()
		text := `{"type":"bundle","id":"bundle--55555555-5555-4555-8555-555555555555","objects":[` + strings.Join(objects, ",") + `]}`
		w := r.send(r.door.Local(), request{"POST", "/v1/bulletins?tlp=green", text, map[string]string{"Content-Type": typeSTIX}})
		if w.Code != 200 || strings.Contains(w.Body.String(), "refused") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	address := r.say(protocol.Green, "203.0.113.7", "evil.example").Receipts
	bundle(stixObject("malware", tableMalware[9:], newYear, `,"is_family":false`),
		`{"type":"ipv4-addr","spec_version":"2.1","id":"`+tableAddress+`","value":"203.0.113.9"}`,
		stixObject("relationship", tableLink[14:], newYear, `,"relationship_type":"communicates-with","source_ref":"`+tableMalware+`","target_ref":"`+tableAddress+`"`))
	bundle(stixObject("malware", tableMalware[9:], "2026-02-01T00:00:00.000Z", `,"is_family":true`))
	_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{"203.0.113.7"}, Description: "again"})
	r.check(err)
	open := r.say(protocol.Clear, "198.51.100.1").Receipts
	_, err = r.Revoke(t.Context(), TakeBackRequest{Values: []string{"evil.example"}})
	r.check(err)
	table := &taxiiTable{rig: r, bodies: tableBodies(), vars: map[string]string{
		"$I1": address[0].ID, "$I2": address[1].ID, "$I3": open[0].ID, "$M1": tableMalware, "$S1": tableAddress, "$R1": tableLink,
	}}
	table.tokens = map[string]string{"reader": r.token(Reader, protocol.Green), "analyst": r.token(Analyst, protocol.Green), "clear": r.token(Reader, protocol.Clear), "operator": r.token(Operator, protocol.Green)}
	list, err := r.Collections(t.Context())
	r.check(err)
	for _, c := range list {
		path := "/taxii2/tlp2/collections/" + c.ID + "/"
		if c.Community.IsZero() {
			table.vars["$E"] = path
			continue
		}
		table.vars["$C"], table.vars["$O"], table.vars["$M"], table.vars["$1"] = path, path+"objects/", path+"manifest/", strings.Replace(path, "tlp2", "tlp1", 1)
	}
	for i, m := range regexp.MustCompile(`"date_added":"([^"]+)"`).FindAllStringSubmatch(table.get(table.vars["$M"]), -1) {
		table.vars[fmt.Sprint("$D", i+1)] = m[1]
	}
	table.vars["$J1"] = regexp.MustCompile(`malware--[0-9a-f-]{36}`).FindString(table.get(table.vars["$1"] + "objects/?match[type]=malware"))
	return table
}

// get asks as the reader.
func (x *taxiiTable) get(target string) string {
	return asker{x.rig, x.tokens["reader"], false}.ask(request{method: "GET", target: target}).Body.String()
}

// filled puts variables in their places, the longest names first.
func (x *taxiiTable) filled(text string) string {
	names := make([]string, 0, len(x.vars))
	for name := range x.vars {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		text = strings.ReplaceAll(text, name, x.vars[name])
	}
	return text
}

// TestTAXIITable asks what testdata/taxii.txt says, in order.
func TestTAXIITable(t *testing.T) {
	x := newTAXIITable(t)
	file, err := os.ReadFile("testdata/taxii.txt")
	x.check(err)
	rows := 0
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == '=' {
			continue
		}
		columns := strings.Split(line, "|")
		if len(columns) != 5 {
			t.Fatalf("%q has %d columns", line, len(columns))
		}
		for i := range columns {
			columns[i] = x.filled(strings.TrimSpace(columns[i]))
		}
		rows++
		w := x.play(columns[1], columns[2], columns[3])
		if wrong := x.compare(w, strings.HasPrefix(columns[2], "HEAD"), columns[4]); wrong != "" {
			t.Errorf("%s\n    %s\n    got %d %v %.600s", line, wrong, w.Code, w.Header(), w.Body)
		}
	}
	if rows < 200 {
		t.Errorf("only %d rows", rows)
	}
}

// play sends a request of the table.
func (x *taxiiTable) play(who, what, headers string) *httptest.ResponseRecorder {
	what, body, _ := strings.Cut(what, " < ")
	method, target, _ := strings.Cut(what, " ")
	q := request{method: method, target: target, body: x.bodies[body], header: map[string]string{}}
	switch who {
	case "nobody":
	case "wrong":
		q.header["Authorization"] = "Bearer " + tokenPrefix + strings.Repeat("A", 43)
	case "basic":
		q.header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+x.tokens["reader"]))
	case "tokened":
		q.header["Authorization"] = "Token " + x.tokens["reader"]
	default:
		q.header["Authorization"] = "Bearer " + x.tokens[who]
	}
	for header := range strings.SplitSeq(headers, " & ") {
		if name, value, ok := strings.Cut(header, ":"); ok {
			q.header[name] = strings.TrimSpace(value)
		}
	}
	return x.send(x.door.Remote(), q)
}

// compare says how an answer is not what it should be, "" when it is.
func (x *taxiiTable) compare(w *httptest.ResponseRecorder, head bool, want string) string {
	checks := strings.Fields(want)
	if status := checks[0]; status != strconv.Itoa(w.Code) {
		return "want " + status
	}
	if got := w.Header().Get("Content-Type"); got != taxii.MediaType {
		return "Content-Type " + got
	}
	body := w.Body.String()
	if w.Code >= 400 && !head && !strings.Contains(body, fmt.Sprintf(`"http_status":"%d"`, w.Code)) || w.Code >= 400 && !head && !strings.Contains(body, `"title":"`) {
		return "no error object"
	}
	for i := 1; i < len(checks); i++ {
		check := checks[i]
		if check == "header" {
			i++
			check = "header " + checks[i]
		}
		if !x.holds(w, body, strings.ReplaceAll(check, "@", " ")) {
			return "not " + check
		}
	}
	return ""
}

// holds reports whether an answer is as one check demands.
func (x *taxiiTable) holds(w *httptest.ResponseRecorder, body, check string) bool {
	var answer struct {
		ID      string `json:"id"`
		More    bool   `json:"more"`
		Next    string `json:"next"`
		Objects []struct {
			Type string                    `json:"type"`
			Rest map[string]jsontext.Value `json:",inline"`
		} `json:"objects"`
		Versions    []string                  `json:"versions"`
		Collections []jsontext.Value          `json:"collections"`
		Rest        map[string]jsontext.Value `json:",inline"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return body == "" && check == "bare"
	}
	if len(answer.Objects)+len(answer.Versions) == 0 && (answer.More || answer.Next != "") || answer.More != (answer.Next != "") || strings.Contains(body, "[]") {
		return false
	}
	first, last := w.Header().Get("X-TAXII-Date-Added-First"), w.Header().Get("X-TAXII-Date-Added-Last")
	name, value, _ := strings.Cut(check, "=")
	switch {
	case strings.HasPrefix(check, "+"):
		return strings.Contains(body, check[1:])
	case strings.HasPrefix(check, "-"):
		return !strings.Contains(body, check[1:])
	case strings.HasPrefix(check, "header "):
		name, text, _ := strings.Cut(check[7:], "~")
		return slices.ContainsFunc(w.Header().Values(name), func(v string) bool { return strings.Contains(v, text) })
	case strings.HasPrefix(check, "next>"):
		x.vars["$"+check[5:]] = answer.Next
		return answer.Next != ""
	case strings.HasPrefix(check, "id>"):
		x.vars["$"+check[3:]] = answer.ID
		return answer.ID != ""
	case name == "n":
		return value == strconv.Itoa(len(answer.Objects)+len(answer.Versions)+len(answer.Collections))
	case name == "types":
		var types []string
		for _, o := range answer.Objects {
			types = append(types, o.Type)
		}
		return strings.Join(types, ",") == value
	case check == "more":
		return answer.More
	case check == "last":
		return !answer.More
	case check == "empty":
		return body == `{"more":false}`+"\n"
	case check == "dates":
		from, err := time.Parse("2006-01-02T15:04:05.000000Z", first)
		to, bad := time.Parse("2006-01-02T15:04:05.000000Z", last)
		return err == nil && bad == nil && !to.Before(from)
	}
	return false
}

// TestTAXIIShows: of every label everyone is shown in both roots what its clearance
// has room for, RED never; and nothing is said of the rest.
func TestTAXIIShows(t *testing.T) {
	o := newOrigin(t, matrixItems())
	r := o.world(t, func(utterance) bool { return true })
	list, err := r.Collections(t.Context())
	r.check(err)
	everything := list[slices.IndexFunc(list, func(c taxii.Collection) bool { return c.Community.IsZero() })].ID
	for name, reader := range clearedReaders() {
		for _, root := range []string{"tlp2", "tlp1"} {
			w := asker{r, o.tokens[name+" reader"], false}.ask(request{method: "GET", target: "/taxii2/" + root + "/collections/" + everything + "/objects/"})
			for i, u := range o.said {
				want := u.tlp <= reader.Clearance && u.tlp != protocol.Red && !(root == "tlp1" && u.tlp == protocol.AmberStrict)
				if got := strings.Contains(w.Body.String(), "'"+u.value+"'"); got != want || got && root == "tlp2" != strings.Contains(w.Body.String(), o.identifiers[i]) {
					t.Errorf("%s: %s of %s in %s is shown: %t", name, u.value, u.tlp, root, got)
				}
			}
		}
	}
}

// TestTAXIILabel: the operator says which label what is posted gets.
func TestTAXIILabel(t *testing.T) {
	x := newTAXIITable(t)
	id := strings.Split(x.vars["$C"], "/")[4]
	label := func(body string) int {
		return x.send(x.door.Local(), request{"POST", "/v1/collections/" + id, body, map[string]string{"Content-Type": typeJSON}}).Code
	}
	post := func() *httptest.ResponseRecorder {
		return x.play("analyst", "POST "+x.vars["$O"]+" < envelope", "Content-Type: application/taxii+json;version=2.1")
	}
	if label(`{"tlp":"clear"}`) != 200 || post().Code != 202 {
		t.Error("not under CLEAR")
	}
	if w := x.play("clear", "GET "+x.vars["$O"]+"?match[type]=tool", ""); !strings.Contains(w.Body.String(), tableTool) {
		t.Errorf("not shown to all: %s", w.Body)
	}
	if label(`{"none":true}`) != 200 || post().Code != 403 {
		t.Error("can be posted")
	}
	if label(`{"tlp":"amber"}`) != 400 || label(`{}`) != 400 {
		t.Error("under a label that names its audience")
	}
}

// TestTAXIIStatusSettles: what waits for a person is pending in the status until
// they have decided.
func TestTAXIIStatusSettles(t *testing.T) {
	x := newTAXIITable(t)
	x.rule("[[share]]\nname = \"eyes\"\nwhen = 'role == \"analyst\"'\nhold = true\n")
	const typed = "Content-Type: application/taxii+json;version=2.1"
	ask := func(id, want string) {
		t.Helper()
		if wrong := x.compare(x.play("analyst", "GET /taxii2/tlp2/status/"+id+"/", ""), false, want); wrong != "" {
			t.Errorf("%s: %s", want, wrong)
		}
	}
	for _, c := range []struct {
		body, decision, want string
	}{
		{"envelope", "accept", `200 +"status":"complete" +"success_count":1 +"pending_count":0 -said@as`},
		{"indicator", "accept", `200 +"status":"complete" +"success_count":1 +said@as@indicator--`},
		{"custom", "reject", `200 +"status":"complete" +"failure_count":1 +declined +"success_count":0`},
	} {
		w := x.play("analyst", "POST "+x.vars["$O"]+" < "+c.body, typed)
		if wrong := x.compare(w, false, `202 +"status":"pending" +"pending_count":1 id>ID`); wrong != "" {
			t.Fatalf("%s: %s %s", c.body, wrong, w.Body)
		}
		id := x.vars["$ID"]
		ask(id, `200 +"status":"pending" +"success_count":0`)
		waiting, err := x.Review(t.Context())
		x.check(err)
		if len(waiting) != 1 {
			t.Fatalf("%d wait", len(waiting))
		}
		if c.decision == "accept" {
			_, err = x.Accept(t.Context(), waiting[0].ID.String())
		} else {
			_, err = x.Reject(t.Context(), waiting[0].ID.String(), "not ours to say")
		}
		x.check(err)
		ask(id, c.want)
		ask(id, c.want)
	}
}
