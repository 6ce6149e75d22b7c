package node_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// frames reads the frames of an archive that hold bulletins.
func frames(t *testing.T, archive []byte) (h protocol.ArchiveHeader, frames []protocol.ArchiveFrame) {
	t.Helper()
	a, err := protocol.NewArchiveReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for {
		f, err := a.Next()
		switch {
		case err == io.EOF && a.Intact():
			return a.Header(), frames
		case err != nil:
			t.Fatal(err)
		case f.Charter == nil:
			frames = append(frames, f)
		}
	}
}

// sealedTo counts the sealed frames of an archive by the organisation that can
// open them.
func sealedTo(t *testing.T, fed *nodetest.Federation, archive []byte) map[string]int {
	t.Helper()
	count := map[string]int{}
	_, list := frames(t, archive)
	for _, f := range list {
		if f.Sealed == nil {
			continue
		}
		s, err := protocol.DecodeArchiveSealed(f.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		for _, org := range fed.Orgs() {
			if _, _, cert := fed.Keys(org); cert.Node == s.To {
				count[org]++
			}
		}
	}
	return count
}

// rewritten is an archive that a stranger wrote anew, of other frames.
func rewritten(t *testing.T, h protocol.ArchiveHeader, list []protocol.ArchiveFrame) []byte {
	t.Helper()
	_, org, _ := ed25519.GenerateKey(nil)
	_, key, _ := ed25519.GenerateKey(nil)
	h.Certificate = protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	var archive bytes.Buffer
	w, err := protocol.NewArchiveWriter(&archive, key, h)
	for _, f := range list {
		if err == nil && f.Sealed != nil {
			var s *protocol.ArchiveSealed
			if s, err = protocol.DecodeArchiveSealed(f.Sealed); err == nil {
				err = w.Sealed(s.To, &s.Sealed)
			}
			continue
		}
		var b *protocol.Bulletin
		if err == nil {
			b, err = protocol.Open(f.Bulletin)
		}
		if err == nil {
			err = w.Bulletin(b)
		}
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func holds(fed *nodetest.Federation, org string, r node.Receipt) bool {
	_, body := fed.Node(org).Store().Has(r.Bulletin)
	return body == storage.Held
}

// holders checks who, of all, has a bulletin with its body.
func holders(t *testing.T, fed *nodetest.Federation, r node.Receipt, want ...string) {
	t.Helper()
	var got []string
	for _, org := range fed.Orgs() {
		if holds(fed, org, r) {
			got = append(got, org)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v is held by %v, want %v", r.Claims, got, want)
	}
}

// TestAirGapAmber: what is said above GREEN crosses an air gap, sealed to each
// node that may have it. When a line comes, the receipts do, and nothing has to
// be delivered any more.
func TestAirGapAmber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank, hospital := fed.Node("bank"), fed.Node("hospital")
		if _, err := bank.CreateGroup(t.Context(), "health", []protocol.Org{hospital.Org()}); err != nil {
			t.Fatal(err)
		}
		amber := named(t, fed, "bank", "amber.example", protocol.Amber, "health")
		strict := named(t, fed, "bank", "strict.example", protocol.AmberStrict, "", "hospital")
		red := named(t, fed, "bank", "red.example", protocol.Red, "", "hospital/anna")
		others := named(t, fed, "bank", "others.example", protocol.AmberStrict, "", "vendor")
		fed.Settle()

		archive, e := export(t, fed, "bank", time.Time{}, "hospital")
		if want := map[string]int{"not-named": 1}; !maps.Equal(e.Withheld, want) {
			t.Errorf("withheld: %v, want %v", e.Withheld, want)
		}
		if got, want := sealedTo(t, fed, archive), map[string]int{"hospital": 4}; !maps.Equal(got, want) { // and the roster
			t.Errorf("sealed: %v, want %v", got, want)
		}
		if _, list := frames(t, archive); twice(list) {
			t.Error("something is in it twice")
		}
		report := unpack(t, fed, "hospital", archive)
		if !report.Whole() || report.Refused > 0 || report.ForOthers > 0 || report.New != 4 {
			t.Errorf("%+v", report)
		}
		if again := unpack(t, fed, "hospital", archive); again.New > 0 || again.Known != again.Bulletins || !again.Whole() {
			t.Errorf("a second time: %+v", again)
		}
		fed.Settle()
		for _, said := range []node.Receipt{amber, strict, red} {
			holders(t, fed, said, "bank", "hospital")
			signed(t, fed, "bank", said)
		}
		holders(t, fed, others, "bank", "vendor")

		fed.Heal("bank", "hospital")
		time.Sleep(5 * time.Minute)
		for _, said := range []node.Receipt{amber, strict, red} {
			signed(t, fed, "bank", said, "hospital")
		}
		if n := bank.Counts()["delivered"]; n != 1 { // to the vendor
			t.Errorf("%d bulletins were delivered, want that for the vendor alone", n)
		}
	})
}

// twice reports whether a bulletin that is not sealed is there more than once.
func twice(list []protocol.ArchiveFrame) bool {
	seen := map[string]bool{}
	return slices.ContainsFunc(list, func(f protocol.ArchiveFrame) bool {
		again := f.Bulletin != nil && seen[string(f.Bulletin)]
		seen[string(f.Bulletin)] = true
		return again
	})
}

// TestRedGoesByItsAuthorAlone: a recipient carries AMBER to others whom its
// author names, and nobody's RED; back to its author nothing of it goes, either.
func TestRedGoesByItsAuthorAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nvendor -- university")
		amber := named(t, fed, "bank", "amber.example", protocol.Amber, "", "hospital", "vendor")
		red := named(t, fed, "bank", "red.example", protocol.Red, "", "hospital/anna", "vendor/bob")
		fed.Settle()
		archive, e := export(t, fed, "hospital", time.Time{}, "vendor", "bank")
		if got, want := sealedTo(t, fed, archive), map[string]int{"vendor": 1, "bank": 1}; !maps.Equal(got, want) || e.Withheld["not-ours"] != 1 {
			t.Errorf("sealed: %v, want %v; withheld %v", got, want, e.Withheld)
		}
		unpack(t, fed, "vendor", archive)
		holders(t, fed, amber, "bank", "hospital", "vendor")
		holders(t, fed, red, "bank", "hospital")
		archive, _ = export(t, fed, "bank", time.Time{}, "vendor")
		unpack(t, fed, "vendor", archive)
		holders(t, fed, red, "bank", "hospital", "vendor")
	})
}

// TestMediumOfTwo: on a medium for two, each opens its own, and whoever finds it
// reads nothing above GREEN: no 16 bytes of it are there in any form.
func TestMediumOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		canaries := map[protocol.TLP]string{}
		said := map[protocol.TLP]node.Receipt{}
		for label, to := range map[protocol.TLP][]string{protocol.Green: nil, protocol.Amber: {"hospital"}, protocol.AmberStrict: {"hospital"}, protocol.Red: {"hospital/anna"}} {
			canaries[label] = rand.Text() + `<">` + rand.Text()
			r := api.SubmitRequest{TLP: label, To: to, Values: []string{"203.0.113." + string('1'+rune(label))}, Description: canaries[label]}
			a, err := fed.Client("bank").Submit(t.Context(), r)
			if err != nil || len(a.Receipts) != 1 {
				t.Fatal(a, err)
			}
			said[label] = a.Receipts[0]
		}
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital", "university")
		for label, canary := range canaries {
			if shows(archive, canary) != (label == protocol.Green) {
				t.Errorf("%s: the archive shows it: %v", label.Label(), label != protocol.Green)
			}
		}
		if got, want := sealedTo(t, fed, archive), map[string]int{"hospital": 3}; !maps.Equal(got, want) {
			t.Errorf("sealed: %v, want %v", got, want)
		}
		fed.Cut("hospital", "university")
		if r := unpack(t, fed, "university", archive); r.ForOthers != 3 || r.Refused > 0 || !r.Whole() {
			t.Errorf("the university: %+v", r)
		}
		if r := unpack(t, fed, "university", forNode(t, fed, archive, "university")); r.Reasons["other-key"] != 3 || r.New > 0 || !r.Whole() {
			t.Errorf("the university, of what was sealed to others: %+v", r)
		}
		if r := unpack(t, fed, "hospital", archive); r.ForOthers > 0 || r.Refused > 0 || !r.Whole() {
			t.Errorf("the hospital: %+v", r)
		}
		for label, r := range said {
			if label == protocol.Green {
				holders(t, fed, r, "bank", "vendor", "hospital", "university")
			} else {
				holders(t, fed, r, "bank", "hospital")
			}
		}
	})
}

// shows reports whether any 16 bytes of a text are in b: raw, in hex, in base64
// or escaped as in JSON.
func shows(b []byte, text string) bool {
	for i := range len(text) - 15 {
		part := text[i : i+16]
		escaped, _ := json.Marshal(part)
		forms := []string{
			part, hex.EncodeToString([]byte(part)), string(bytes.ToUpper([]byte(hex.EncodeToString([]byte(part))))),
			base64.RawStdEncoding.EncodeToString([]byte(part[:15])), base64.RawURLEncoding.EncodeToString([]byte(part[:15])), string(escaped[1 : len(escaped)-1]),
		}
		if slices.ContainsFunc(forms, func(form string) bool { return bytes.Contains(b, []byte(form)) }) {
			return true
		}
	}
	return false
}

// forNode is an archive whose sealed frames name another node than the one they
// are sealed to.
func forNode(t *testing.T, fed *nodetest.Federation, archive []byte, org string) []byte {
	t.Helper()
	h, list := frames(t, archive)
	_, _, cert := fed.Keys(org)
	for i, f := range list {
		if f.Sealed == nil {
			continue
		}
		s, err := protocol.DecodeArchiveSealed(f.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		list[i].Sealed = bytes.Replace(f.Sealed, s.To[:], cert.Node[:], 1)
	}
	return rewritten(t, h, list)
}

// TestHistoryByArchive: whoever comes into a group with its history gets it on a
// medium, whatever the order: rosters behind what was said, the first behind the
// last.
func TestHistoryByArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank := fed.Node("bank")
		group, err := bank.CreateGroup(t.Context(), "health", []protocol.Org{fed.Node("vendor").Org()})
		if err != nil {
			t.Fatal(err)
		}
		before := named(t, fed, "bank", "before.example", protocol.Amber, "health")
		archive, e := export(t, fed, "bank", time.Time{}, "hospital")
		if got := sealedTo(t, fed, archive); len(got) > 0 || e.Withheld["not-in-group"] != 2 {
			t.Errorf("before it came in: sealed %v, withheld %v", got, e.Withheld)
		}
		if _, err := bank.ChangeGroup(t.Context(), group, []protocol.Org{fed.Node("hospital").Org()}, nil, 1); err != nil {
			t.Fatal(err)
		}
		after := named(t, fed, "bank", "after.example", protocol.Amber, "health")
		fed.Settle()
		archive, _ = export(t, fed, "bank", time.Time{}, "hospital")
		h, list := frames(t, archive)
		turned := slices.Clone(list)
		slices.Reverse(turned)
		for name, order := range map[string][]protocol.ArchiveFrame{"as exported": list, "turned": turned} {
			fed.Stop("hospital")
			copied := fed.Copy("hospital")
			fed.Restart("hospital")
			if r := unpack(t, fed, "hospital", rewritten(t, h, order)); r.New != 4 || r.Refused > 0 || !r.Whole() {
				t.Errorf("%s: %+v", name, r)
			}
			holders(t, fed, before, "bank", "vendor", "hospital")
			holders(t, fed, after, "bank", "vendor", "hospital")
			fed.Stop("hospital")
			fed.Revert("hospital", copied)
			fed.Restart("hospital")
			holders(t, fed, after, "bank", "vendor")
		}
		var objects []protocol.ArchiveFrame // without the rosters nobody can tell for whom they are
		for _, f := range turned[:2] {
			objects = append(objects, f)
		}
		if r := unpack(t, fed, "hospital", rewritten(t, h, objects)); !maps.Equal(r.Reasons, map[string]int{"unknown-roster": 2}) {
			t.Errorf("without rosters: %+v", r)
		}
	})
}

// TestDamagedSealedFrame costs itself alone; the whole archive brings it afterwards.
func TestDamagedSealedFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		var said []node.Receipt
		for _, value := range []string{"a.example", "b.example", "c.example"} {
			said = append(said, named(t, fed, "bank", value, protocol.Amber, "", "hospital"))
		}
		fed.Settle()
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		_, list := frames(t, archive)
		middle := list[len(list)-2].Sealed
		broken := bytes.Clone(archive)
		broken[bytes.Index(archive, middle)+len(middle)-100] ^= 4
		r := unpack(t, fed, "hospital", broken)
		if r.Damaged != 1 || r.Missing != 1 || len(r.Damages) != 1 || r.New != 2 || r.Truncated || r.Refused > 0 {
			t.Errorf("a flipped bit: %+v", r)
		}
		holders(t, fed, said[0], "bank", "hospital")
		holders(t, fed, said[1], "bank")
		holders(t, fed, said[2], "bank", "hospital")
		broken = broken[:len(broken)-20]
		if r := unpack(t, fed, "hospital", broken); !r.Truncated || r.Damaged < 1 || r.New > 0 {
			t.Errorf("and cut off: %+v", r)
		}
		if r := unpack(t, fed, "hospital", archive); !r.Whole() || r.New != 1 {
			t.Errorf("the whole one: %+v", r)
		}
		holders(t, fed, said[1], "bank", "hospital")
	})
}

// TestNothingAboveGreenInTheClear: who exports cannot write it, and who imports
// does not take it.
func TestNothingAboveGreenInTheClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		said := named(t, fed, "bank", "amber.example", protocol.Amber, "", "hospital")
		b, _, err := fed.Node("bank").Store().Bulletin(said.Bulletin)
		if err != nil {
			t.Fatal(err)
		}
		archive, _ := export(t, fed, "bank", time.Time{}, "hospital")
		h, _ := frames(t, archive)
		_, key, _ := fed.Keys("bank")
		w, err := protocol.NewArchiveWriter(io.Discard, key, h)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Bulletin(b); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("written: %v", err)
		}
		wire := b.Wire()
		var frame bytes.Buffer
		frame.Write(archive[:4+int(archive[2])<<8+int(archive[3])]) // its header
		if err := protocol.WriteBytes(&frame, append([]byte{0xa1, 3, 0x59, byte(len(wire) >> 8), byte(len(wire))}, wire...)); err != nil {
			t.Fatal(err)
		}
		if r := unpack(t, fed, "hospital", frame.Bytes()); !maps.Equal(r.Reasons, map[string]int{"not-sealed": 1}) || r.Damaged > 0 {
			t.Errorf("%+v", r)
		}
		holders(t, fed, said, "bank")
	})
}

// TestSealedExportAsksForEachNode: whoever is blocked while an archive is being
// written gets nothing more; of an organisation no node of which has said where
// to seal for it, the exporter is told; what came before --since is left out.
func TestSealedExportAsksForEachNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank, hospital := fed.Node("bank"), fed.Node("hospital").Org()
		named(t, fed, "bank", "old.example", protocol.Amber, "", "hospital")
		time.Sleep(2 * time.Hour)
		named(t, fed, "bank", "recent.example", protocol.Amber, "", "hospital")
		archive, _ := export(t, fed, "bank", time.Now().Add(-time.Hour), "hospital")
		if got := sealedTo(t, fed, archive); got["hospital"] != 1 {
			t.Errorf("since an hour: %v", got)
		}
		if e, err := bank.ExportArchive([]protocol.Org{hospital}, fed.Community(), time.Time{}); err != nil || len(e.Withheld) > 0 {
			t.Errorf("of one community: %+v, %v", e, err)
		} else {
			var one bytes.Buffer
			if err := e.Write(t.Context(), &one); err != nil || len(sealedTo(t, fed, one.Bytes())) > 0 {
				t.Errorf("of one community: %v, %v", sealedTo(t, fed, one.Bytes()), err)
			}
		}

		_, org, _ := ed25519.GenerateKey(nil)
		_, key, _ := ed25519.GenerateKey(nil)
		silent := protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
		if err := bank.Introduce(t.Context(), fed.Community(), silent, "silent"); err != nil {
			t.Fatal(err)
		}
		named(t, fed, "bank", "silent.example", protocol.Amber, "", "hospital", silent.Org.String())
		e, err := bank.ExportArchive([]protocol.Org{hospital, silent.Org}, protocol.ID{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"no-encryption-key": 1}; !maps.Equal(e.Withheld, want) {
			t.Errorf("withheld: %v, want %v", e.Withheld, want)
		}
		own, ours := export(t, fed, "bank", time.Time{}, "bank")
		if got := sealedTo(t, fed, own); len(got) > 0 || ours.Withheld["no-encryption-key"] == 0 {
			t.Errorf("for our other nodes, of which there is none: sealed %v, withheld %v", got, ours.Withheld)
		}
		if err := bank.Block(t.Context(), hospital, "a test"); err != nil {
			t.Fatal(err)
		}
		var after bytes.Buffer
		if err := e.Write(t.Context(), &after); err != nil {
			t.Fatal(err)
		}
		if got := sealedTo(t, fed, after.Bytes()); len(got) > 0 {
			t.Errorf("for a blocked organisation: %v", got)
		}
	})
}

// TestKeysCostTheirOwnNodesAlone: a key that cannot be sealed to, and a
// certificate that has ended since, cost those whose they are.
func TestKeysCostTheirOwnNodesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, islands)
		bank := fed.Node("bank")
		good, err := protocol.NewSealKey(protocol.SuiteX25519)
		if err != nil {
			t.Fatal(err)
		}
		_, guest, _ := ed25519.GenerateKey(nil)
		_, odd, _ := ed25519.GenerateKey(nil)
		shortly := equip(t, bank, fed.Community(), guest, good.Public(protocol.NodeOf(guest)), "guest")
		oddly := equip(t, bank, fed.Community(), odd, &protocol.EncryptionKey{Node: protocol.NodeOf(odd), Suite: uint64(protocol.SuiteX25519), Key: make([]byte, 32)}, "odd")
		named(t, fed, "bank", "amber.example", protocol.Amber, "", "hospital", shortly.String(), oddly.String())
		e, err := bank.ExportArchive([]protocol.Org{fed.Node("hospital").Org(), shortly, oddly}, protocol.ID{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ wait, sealed int }{{0, 2}, {3, 1}} {
			time.Sleep(time.Duration(c.wait) * time.Hour)
			var archive bytes.Buffer
			if err := e.Write(t.Context(), &archive); err != nil {
				t.Fatal(err)
			}
			_, list := frames(t, archive.Bytes())
			list = slices.DeleteFunc(list, func(f protocol.ArchiveFrame) bool { return f.Sealed == nil })
			if len(list) != c.sealed || sealedTo(t, fed, archive.Bytes())["hospital"] != 1 {
				t.Errorf("after %d h: %d frames, for the hospital %d", c.wait, len(list), sealedTo(t, fed, archive.Bytes())["hospital"])
			}
		}
	})
}

// equip introduces an organisation with a node for two hours, which has said
// where to seal for it.
func equip(t *testing.T, at *node.Node, community protocol.ID, key ed25519.PrivateKey, sealing *protocol.EncryptionKey, name string) protocol.Org {
	t.Helper()
	_, org, _ := ed25519.GenerateKey(nil)
	cert := protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(2*time.Hour))
	h := protocol.Header{Kind: protocol.Statements, Community: community, TLP: protocol.Green, Epoch: 1, Seq: 1, Issued: protocol.Millis(time.Now())}
	statement := protocol.Statement{EncryptionKey: sealing}
	said, err := protocol.Sign(key, cert, h, [][]byte{statement.Encode()})
	if err != nil {
		t.Fatal(err)
	}
	charter, err := at.Charter(community)
	if err := errors.Join(err, at.Introduce(t.Context(), community, cert, name)); err != nil {
		t.Fatal(err)
	}
	if err := at.Adopt(t.Context(), charter, []*protocol.Bulletin{said}); err != nil {
		t.Fatal(err)
	}
	return cert.Org
}
