package protocol

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLabels(t *testing.T) {
	ordered := []TLP{Clear, Green, Amber, AmberStrict, Red}
	for i, a := range ordered {
		for _, spelling := range []string{a.String(), a.Label(), strings.ToLower(a.Label()), strings.ToUpper(a.String())} {
			if got, err := ParseTLP(spelling); err != nil || got != a {
				t.Errorf("%q is read as %s: %v", spelling, got.Label(), err)
			}
		}
		if got, ok := MarkingTLP(MarkingID(a)); !ok || got != a {
			t.Errorf("%s and its marking differ", a.Label())
		}
		for j, b := range ordered {
			if a.Stricter(b) != ordered[max(i, j)] {
				t.Errorf("the stricter of %s and %s is %s", a.Label(), b.Label(), a.Stricter(b).Label())
			}
		}
	}
	if Unlabelled.Valid() || TLP(6).Valid() || MarkingID(Unlabelled) != "" {
		t.Error("something that is no label passes for one")
	}
}

func TestLabelsInJSON(t *testing.T) {
	var v struct {
		TLP TLP
		PAP PAP
	}
	if err := json.Unmarshal([]byte(`{"TLP":"TLP:AMBER+STRICT","PAP":"PAP:WHITE"}`), &v); err != nil || v.TLP != AmberStrict || v.PAP != PAPClear {
		t.Errorf("%+v, %v", v, err)
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) != `{"TLP":"amber+strict","PAP":"clear"}` {
		t.Errorf("%s, %v", b, err)
	}
	for _, bad := range []string{`{"TLP":""}`, `{"TLP":"blue"}`, `{"PAP":"amber+strict"}`} {
		if err := json.Unmarshal([]byte(bad), &v); !errors.Is(err, ErrTLP) && !errors.Is(err, ErrPAP) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if v.TLP != AmberStrict {
		t.Error("a label that cannot be read changes the one before")
	}
	v.TLP = Unlabelled
	if b, err := json.Marshal(v); !errors.Is(err, ErrTLP) {
		t.Errorf("no label is written as %s, %v", b, err)
	}
}

func TestPAP(t *testing.T) {
	for _, p := range []PAP{PAPClear, PAPGreen, PAPAmber, PAPRed} {
		for _, spelling := range []string{p.String(), "PAP:" + strings.ToUpper(p.String())} {
			if got, err := ParsePAP(spelling); err != nil || got != p {
				t.Errorf("%q is read as %s: %v", spelling, got, err)
			}
		}
	}
	for _, bad := range []string{"", "pap:", "blue", "tlp:red", "pap:pap:red"} {
		if p, err := ParsePAP(bad); !errors.Is(err, ErrPAP) || p != PAPNone {
			t.Errorf("%q is read as %s: %v", bad, p, err)
		}
	}
}

func TestMarkingsMustAgree(t *testing.T) {
	red, statement := MarkingID(Red), "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
	if err := CheckMarkings(Red, []string{statement, red}); err != nil {
		t.Error(err)
	}
	if err := CheckMarkings(Green, nil); err != nil {
		t.Error(err)
	}
	for _, label := range []TLP{Unlabelled, Clear, Green, Amber, AmberStrict} {
		if err := CheckMarkings(label, []string{statement, red}); !errors.Is(err, ErrTLP) {
			t.Errorf("an object marked TLP:RED as %s: %v", label.Label(), err)
		}
	}
}

func TestTagsFailClosed(t *testing.T) {
	for _, tag := range []string{"tlp:unclear", "TLP:PURPLE", "tlp:", "tlp:ex:chr2", " tlp:amber+"} {
		if label, about, err := TagTLP(tag); label != Red || !about || !errors.Is(err, ErrTLP) {
			t.Errorf("%q is read as %s, about %v: %v", tag, label.Label(), about, err)
		}
	}
	for _, tag := range []string{"", "tlp:ex:chr", "osint", "pap:red"} {
		if label, about, err := TagTLP(tag); label != Unlabelled || about || err != nil {
			t.Errorf("%q is read as %s, about %v: %v", tag, label.Label(), about, err)
		}
	}
}

// TestLabelsOfPublishedFiles reads truth/tlp.tsv: spellings and marking ids
// found in published files, with the level they stand for.
func TestLabelsOfPublishedFiles(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set: truth/tlp.tsv is not read")
	}
	f, err := os.Open(filepath.Join(dir, "truth", "tlp.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, lines := 0, bufio.NewScanner(f)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		var found string
		if len(cells) < 4 || json.Unmarshal([]byte(cells[1]), &found) != nil {
			continue // the first line
		}
		if checkPublished(t, cells[0], found, cells[2], cells[3]) {
			rows++
		}
	}
	if lines.Err() != nil || rows < 20 {
		t.Errorf("%d rows, %v", rows, lines.Err())
	}
}

func checkPublished(t *testing.T, where, found, level, status string) bool {
	switch {
	case where == "marking id":
		got, known := MarkingTLP(found)
		if known != (status == "known") || known && got.Label() != "TLP:"+level {
			t.Errorf("%s %s is read as %s", where, found, got.Label())
		}
	case strings.HasPrefix(where, "CSV column"), strings.HasPrefix(where, "IEP"):
		if got, err := ParseTLP(found); err != nil || got.Label() != "TLP:"+level {
			t.Errorf("%s %s is read as %s: %v", where, found, got.Label(), err)
		}
	case where == "MISP tag", where == "MISP taxonomy":
		got, about, err := TagTLP(found)
		if about != (level != "NONE") || about && got.Label() != "TLP:"+level || (err != nil) != (status == "unknown") {
			t.Errorf("%s %s is read as %s, about %v: %v", where, found, got.Label(), about, err)
		}
	default:
		return false // of several markings, or of distribution: not decided here
	}
	return true
}
