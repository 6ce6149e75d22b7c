package node_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// islands are two halves of one community that no link joins.
const islands = "bank -- vendor\nhospital -- university"

// export writes an archive of all that an organisation's node may give others.
func export(t *testing.T, fed *nodetest.Federation, org string, since time.Time, audience ...string) ([]byte, *node.Export) {
	t.Helper()
	var orgs []protocol.Org
	for _, name := range audience {
		orgs = append(orgs, fed.Node(name).Org())
	}
	e, err := fed.Node(org).ExportArchive(orgs, protocol.ID{}, since)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := e.Write(t.Context(), &archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes(), e
}

// unpack imports an archive and checks that its figures add up.
func unpack(t *testing.T, fed *nodetest.Federation, org string, archive []byte) node.ArchiveReport {
	t.Helper()
	report, err := fed.Node(org).ImportArchive(t.Context(), bytes.NewReader(archive))
	if err != nil {
		t.Fatalf("%s imports: %v", org, err)
	}
	sum := 0
	for _, n := range report.Reasons {
		sum += n
	}
	if report.New+report.Known+report.Refused != report.Bulletins || sum != report.Refused {
		t.Errorf("the figures do not add up: %+v", report)
	}
	return report
}

// inside reads what is in an archive.
func inside(t *testing.T, archive []byte) (h protocol.ArchiveHeader, charters [][]byte, bulletins []*protocol.Bulletin) {
	t.Helper()
	a, err := protocol.NewArchiveReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for {
		f, err := a.Next()
		if err == io.EOF && a.Intact() {
			return a.Header(), charters, bulletins
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Charter != nil {
			charters = append(charters, f.Charter)
			continue
		}
		b, err := protocol.Open(f.Bulletin)
		if err != nil {
			t.Fatal(err)
		}
		bulletins = append(bulletins, b)
	}
}

// TestArchiveLeavesNothingToSync: after an archive each way two islands hold
// the same, and when a link comes their first words show it.
func TestArchiveLeavesNothingToSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		var east, west []node.Receipt
		for i := range 20 {
			label := []protocol.TLP{protocol.Clear, protocol.Green}[i%2]
			west = append(west, fed.Submit("bank", string(rune('a'+i))+".bank.example", label), fed.Submit("vendor", string(rune('a'+i))+".vendor.example", label))
			east = append(east, fed.Submit("university", string(rune('a'+i))+".university.example", label))
		}
		fed.Settle()
		archive, e := export(t, fed, "bank", time.Time{}, "hospital")
		if len(e.Withheld) > 0 {
			t.Errorf("withheld: %v", e.Withheld)
		}
		first := unpack(t, fed, "hospital", archive)
		if !first.Whole() || first.New < len(west) || first.Refused > 0 || first.From != "bank" || !slices.Equal(first.For, []string{"hospital"}) {
			t.Errorf("%+v", first)
		}
		fed.Settle()
		for _, said := range west {
			fed.HeldBy(said, "bank", "vendor", "hospital", "university") // the university by its link
		}
		again := unpack(t, fed, "hospital", archive)
		if again.New > 0 || again.Known != first.Bulletins {
			t.Errorf("a second time: %+v", again)
		}
		back, _ := export(t, fed, "hospital", time.Time{}, "bank", "vendor")
		if r := unpack(t, fed, "bank", back); !r.Whole() || r.New < len(east) || r.Known < first.New {
			t.Errorf("the way back: %+v", r)
		}
		fed.Settle()
		if diff := cmp.Diff(fed.Node("vendor").Store().Summaries(nil), fed.Node("university").Store().Summaries(nil)); diff != "" {
			t.Fatalf("not the same heads:\n%s", diff)
		}
		fed.Heal("bank", "university")
		before := fed.Node("bank").Counts()
		time.Sleep(5 * time.Minute)
		after := fed.Node("bank").Counts()
		if after["bulletins_admitted"] != before["bulletins_admitted"] || after["sync_sessions"] == before["sync_sessions"] ||
			after["sync_equal"]-before["sync_equal"] != after["sync_sessions"]-before["sync_sessions"] {
			t.Errorf("%d sessions, %d ended with equal digests, %d bulletins came", after["sync_sessions"]-before["sync_sessions"],
				after["sync_equal"]-before["sync_equal"], after["bulletins_admitted"]-before["bulletins_admitted"])
		}
	})
}

// TestArchiveIsForItsAudience: whoever is not named takes nothing, whoever may
// not see something cannot be named, and what one of several may not see is in
// no archive for them all.
func TestArchiveIsForItsAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		said := fed.Submit("vendor", "203.0.113.7", protocol.Green)
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		bank, hospital, university := fed.Node("bank"), fed.Node("hospital").Org(), fed.Node("university").Org()
		if _, err := fed.Node("university").ImportArchive(t.Context(), bytes.NewReader(archive)); !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), "this archive is for hospital") {
			t.Errorf("the university imports: %v", err)
		}
		fed.HeldBy(said, "bank", "vendor")

		ops, err := bank.CreateCommunity(t.Context(), "ops")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name     string
			audience []protocol.Org
			in       protocol.ID
			want     error
		}{
			{"nobody", nil, protocol.ID{}, node.ErrUsage},
			{"a stranger", []protocol.Org{hospital, {1}}, protocol.ID{}, node.ErrRefused},
			{"no member of ops", []protocol.Org{hospital}, ops, node.ErrRefused},
			{"a community of others", []protocol.Org{hospital}, protocol.ID{1}, node.ErrNotFound},
		} {
			if _, err := bank.ExportArchive(c.audience, c.in, time.Time{}); !errors.Is(err, c.want) {
				t.Errorf("for %s: %v", c.name, err)
			}
		}
		both, e := export(t, fed, "bank", time.Time{}, "hospital", "university", "hospital")
		h, charters, bulletins := inside(t, both)
		if len(h.Audience) != 2 || slices.Contains(h.Communities, ops) || len(charters) != 1 || e.Withheld["not-a-member"] == 0 {
			t.Errorf("%d in the audience, communities %v, %d charters, withheld %v", len(h.Audience), h.Communities, len(charters), e.Withheld)
		}
		for _, b := range bulletins {
			if b.Header.Community != fed.Community() {
				t.Errorf("a bulletin of community %s", b.Header.Community)
			}
		}
		if err := bank.Block(t.Context(), hospital, "a test"); err != nil {
			t.Fatal(err)
		}
		if _, err := bank.ExportArchive([]protocol.Org{university, hospital}, protocol.ID{}, time.Time{}); !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), "blocked") {
			t.Errorf("for a blocked organisation: %v", err)
		}
		if err := fed.Node("hospital").Block(t.Context(), bank.Org(), "a test"); err != nil {
			t.Fatal(err)
		}
		if _, err := fed.Node("hospital").ImportArchive(t.Context(), bytes.NewReader(archive)); !errors.Is(err, node.ErrRefused) {
			t.Errorf("by a blocked organisation: %v", err)
		}
	})
}

// TestExportAsksForEveryBulletin: whoever falls or is blocked while an archive
// is being written gets nothing that was not yet written.
func TestExportAsksForEveryBulletin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		fed.Submit("bank", "203.0.113.7", protocol.Green)
		fed.Settle()
		hospital := fed.Node("hospital").Org()
		e, err := fed.Node("bank").ExportArchive([]protocol.Org{hospital}, protocol.ID{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := fed.Node("bank").Block(t.Context(), hospital, "a test"); err != nil {
			t.Fatal(err)
		}
		var archive bytes.Buffer
		if err := e.Write(t.Context(), &archive); err != nil {
			t.Fatal(err)
		}
		if _, _, bulletins := inside(t, archive.Bytes()); len(bulletins) > 0 {
			t.Errorf("%d bulletins for a blocked organisation", len(bulletins))
		}
		if fed.Node("bank").Counts()["bulletins_withheld"] == 0 {
			t.Error("nothing was counted as withheld")
		}
	})
}

// TestArchiveNeverJoins: of a community the importer has not joined nothing is
// taken, whatever its statements say; of the other one, all.
func TestArchiveNeverJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank, hospital := fed.Node("bank"), fed.Node("hospital")
		ops, err := bank.CreateCommunity(t.Context(), "ops")
		if err != nil {
			t.Fatal(err)
		}
		_, _, bulletins := inside(t, func() []byte { a, _ := export(t, fed, "hospital", time.Time{}, "bank"); return a }())
		cert := bulletins[slices.IndexFunc(bulletins, func(b *protocol.Bulletin) bool { return b.Header.Org() == hospital.Org() })].Header.Certificate
		if err := bank.Introduce(t.Context(), ops, cert, "hospital"); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		report := unpack(t, fed, "hospital", archive)
		var joined []string
		for _, c := range report.Communities {
			if c.Member {
				joined = append(joined, c.Name)
			}
		}
		if len(report.Communities) != 2 || !slices.Equal(joined, []string{"isac"}) || report.Reasons["not-a-member"] == 0 || report.Refused != report.Reasons["not-a-member"] {
			t.Errorf("%+v", report)
		}
		if len(hospital.Communities()) != 1 {
			t.Error("an archive joined a community")
		}
		for _, s := range hospital.Store().Summaries(nil) {
			if s.Stream.Community == ops {
				t.Error("a bulletin of a community not joined is held")
			}
		}
	})
}

// newcomer has an organisation join on the bank's island alone, and say something.
func newcomer(t *testing.T) (fed *nodetest.Federation, said node.Receipt) {
	t.Helper()
	fed = nodetest.New(t, islands+"\nbank -- newcomer\nstranger newcomer")
	token, err := fed.Node("bank").Invite(t.Context(), fed.Community(), "newcomer", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := fed.Node("newcomer").Join(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	said = fed.Submit("newcomer", "newcomer.example", protocol.Green)
	fed.Settle()
	return fed, said
}

// TestArchiveInAnyOrder: somebody writes the bulletins anew in the worst order
// and under a key nobody knows. They speak for themselves.
func TestArchiveInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, said := newcomer(t)
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		h, _, bulletins := inside(t, archive)
		slices.Reverse(bulletins)
		_, org, _ := ed25519.GenerateKey(nil)
		_, key, _ := ed25519.GenerateKey(nil)
		h.Certificate = protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		var turned bytes.Buffer
		w, err := protocol.NewArchiveWriter(&turned, key, h)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bulletins {
			err = errors.Join(err, w.Bulletin(b))
		}
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if report := unpack(t, fed, "hospital", turned.Bytes()); !report.Whole() || report.Refused > 0 || report.New == 0 {
			t.Errorf("%+v", report)
		}
		fed.Settle()
		fed.HeldBy(said, fed.Orgs()...)
	})
}

// TestUnknownAuthorsAreRefused: without the statements that name them.
func TestUnknownAuthorsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, said := newcomer(t)
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		h, _, bulletins := inside(t, archive)
		_, org, _ := ed25519.GenerateKey(nil)
		_, key, _ := ed25519.GenerateKey(nil)
		h.Certificate = protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		var objects bytes.Buffer
		w, err := protocol.NewArchiveWriter(&objects, key, h)
		for _, b := range bulletins {
			if err == nil && b.Header.Kind == protocol.Objects {
				err = w.Bulletin(b)
			}
		}
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if report := unpack(t, fed, "hospital", objects.Bytes()); !maps.Equal(report.Reasons, map[string]int{"unknown-author": 1}) {
			t.Errorf("%+v", report)
		}
		fed.HeldBy(said, "bank", "vendor", "newcomer")
		unpack(t, fed, "hospital", archive) // the whole one names them
		fed.Settle()
		fed.HeldBy(said, fed.Orgs()...)
	})
}

// TestDamagedArchiveBringsTheRest, and the whole one afterwards what was missing.
func TestDamagedArchiveBringsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		var said []node.Receipt
		for i := range 10 {
			said = append(said, fed.Submit("bank", string(rune('a'+i))+".example", protocol.Green))
		}
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		_, _, bulletins := inside(t, archive)
		at := bytes.Index(archive, bulletins[len(bulletins)-5].Wire())
		broken := bytes.Clone(archive)
		broken[at+200] ^= 4
		report := unpack(t, fed, "hospital", broken)
		if report.Whole() || report.Damaged != 1 || report.Missing != 1 || report.Truncated || report.Bulletins != len(bulletins)-1 || len(report.Damages) != 1 {
			t.Errorf("a flipped bit: %+v", report)
		}
		report = unpack(t, fed, "hospital", archive[:at+100])
		if !report.Truncated || report.Whole() || report.Known != len(bulletins)-5 {
			t.Errorf("cut off: %+v", report)
		}
		if report = unpack(t, fed, "hospital", archive); !report.Whole() || report.New != 1 {
			t.Errorf("the whole one: %+v", report)
		}
		fed.Settle()
		for _, s := range said {
			fed.HeldBy(s, fed.Orgs()...)
		}
	})
}

// TestArchiveSince leaves out objects that came before, never statements; what
// is missing then is known as a gap.
func TestArchiveSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		old := fed.Submit("vendor", "old.example", protocol.Green)
		time.Sleep(2 * time.Hour)
		recent := fed.Submit("vendor", "recent.example", protocol.Green)
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Now().Add(-time.Hour), "hospital")
		if _, _, bulletins := inside(t, archive); !slices.ContainsFunc(bulletins, func(b *protocol.Bulletin) bool { return b.Header.Kind == protocol.Statements }) {
			t.Error("no statements")
		}
		if report := unpack(t, fed, "hospital", archive); report.Since.IsZero() || report.New == 0 {
			t.Errorf("%+v", report)
		}
		fed.Settle()
		fed.HeldBy(recent, fed.Orgs()...)
		fed.HeldBy(old, "bank", "vendor")
		gaps := 0
		for _, s := range fed.Node("hospital").Store().Streams() {
			gaps += len(s.Gaps)
		}
		if gaps != 1 {
			t.Errorf("%d gaps, want that before the recent one", gaps)
		}
		whole, _ := export(t, fed, "bank", time.Time{}, "hospital")
		unpack(t, fed, "hospital", whole)
		fed.Settle()
		fed.HeldBy(old, fed.Orgs()...)
	})
}

// TestFallenAuthorsStayHome: objects of who is no member any more are withheld, and counted.
func TestFallenAuthorsStayHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		fed.Submit("vendor", "vendor.example", protocol.Green)
		fed.Settle()
		if _, err := fed.Node("bank").Remove(t.Context(), fed.Community(), fed.Node("vendor").Org(), "a test"); err != nil {
			t.Fatal(err)
		}
		archive, e := export(t, fed, "bank", time.Time{}, "hospital")
		if e.Withheld["author-fallen"] != 1 {
			t.Errorf("withheld: %v", e.Withheld)
		}
		_, _, bulletins := inside(t, archive)
		for _, b := range bulletins {
			if b.Header.Kind == protocol.Objects {
				t.Error("an object of who is no member")
			}
		}
	})
}

// TestStatementsCountBeforeObjects: who has fallen and comes back by the
// statements of an archive is heard from the first object behind them.
func TestStatementsCountBeforeObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank := fed.Node("bank")
		_, _, vendor := fed.Keys("vendor")
		if _, err := bank.Remove(t.Context(), fed.Community(), vendor.Org, "a test"); err != nil {
			t.Fatal(err)
		}
		without, _ := export(t, fed, "bank", time.Time{}, "hospital")
		unpack(t, fed, "hospital", without)
		if err := bank.Introduce(t.Context(), fed.Community(), vendor, "vendor"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		said := fed.Submit("vendor", "vendor.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "vendor")
		with, _ := export(t, fed, "bank", time.Time{}, "hospital")
		if r := unpack(t, fed, "hospital", with); r.Refused > 0 || !r.Whole() {
			t.Errorf("%+v", r)
		}
		fed.Settle()
		fed.HeldBy(said, fed.Orgs()...)
	})
}
