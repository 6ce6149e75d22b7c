package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var eraseKills = flag.Int("erase-kills", 8, "how often TestErasureUnderKills kills an author or a holder")

const frameMemory = 1 << 20 // no chunk of a store decodes to more

// searched returns what a directory holds, file by file without the room kept
// free at their ends, and each frame of compressed bytes in them as it was before.
func searched(t testing.TB, dir directory) map[string][]byte {
	t.Helper()
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(frameMemory))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := filesIn(t, dir)
	for path, content := range maps.Clone(all) {
		for at, frame := range frames(z, content) {
			all[fmt.Sprintf("%s, compressed at %d", path, at)] = frame
		}
	}
	return all
}

// filesIn reads every file of a directory, without the room kept free at their
// ends; all of them again where one goes meanwhile, since what it held is elsewhere.
func filesIn(t testing.TB, dir directory) (all map[string][]byte) {
	t.Helper()
	err := fs.ErrNotExist
	for try := 0; try < 100 && errors.Is(err, fs.ErrNotExist); try++ {
		all = map[string][]byte{}
		err = filepath.WalkDir(string(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			all[path] = bytes.TrimRight(content, "\x00")
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// frames decompresses whatever begins like a frame, by its place.
func frames(z *zstd.Decoder, content []byte) map[int][]byte {
	magic, plain := []byte{0x28, 0xb5, 0x2f, 0xfd}, map[int][]byte{}
	for at := 0; ; at += len(magic) {
		i := bytes.Index(content[at:], magic)
		if i < 0 {
			return plain
		}
		at += i
		if z.Reset(bytes.NewReader(content[at:])) != nil {
			continue
		}
		frame, _ := io.ReadAll(io.LimitReader(z, frameMemory)) // what follows the frame is an error
		plain[at] = frame
	}
}

// shown names what a directory shows of some secrets, in any form.
func shown(t testing.TB, dir directory, canaries map[string][]byte) (found []string) {
	t.Helper()
	for place, content := range searched(t, dir) {
		content = bytes.ReplaceAll(content, []byte("\n"), nil) // of PEM
		for name, canary := range canaries {
			if slices.ContainsFunc(append(forms(canary), jsonForms(canary)...), func(form []byte) bool { return bytes.Contains(content, form) }) {
				found = append(found, fmt.Sprintf("%s shows %s", place, name))
			}
		}
	}
	slices.Sort(found)
	return found
}

// jsonForms returns a text as JSON may write it.
func jsonForms(text []byte) (list [][]byte) {
	for _, html := range []bool{false, true} {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(html)
		if e.Encode(string(text)) == nil {
			list = append(list, bytes.Trim(bytes.TrimSpace(out.Bytes()), `"`))
		}
	}
	var each strings.Builder
	for _, r := range string(text) {
		fmt.Fprintf(&each, `\u%04x`, r)
	}
	return append(list, []byte(each.String()))
}

func showsNone(t testing.TB, dir directory, canaries map[string][]byte) {
	t.Helper()
	for _, found := range shown(t, dir, canaries) {
		t.Error(found)
	}
}

// TestErasureLeavesNothing searches every file of every member after all have
// signed that they have destroyed something. A member that was away has it until
// it comes back, and then no more.
func TestErasureLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs three processes")
	}
	bank, hospital := newPair(t, buildBinary(t))
	vendor := newProcess(t, bank.binary, "vendor", "tcp")
	vendor.joins(bank)
	all := []*process{bank, hospital, vendor}
	const value, description, other = "jane.doe.1983@victim.example", `patient <"Jane & Doe"> of the third ward`, "bystander.example"
	canaries := map[string][]byte{"the value": []byte(value), "the description": []byte(description)}
	bank.must("submit", "--tlp", "green", value, other)
	bank.must("submit", "--tlp", "green", "--confidence", "90", "--description", description, value)
	bank.must("submit", "--tlp", "amber", "--to", "hospital", "--description", description, value)
	hospital.learns(value, "bank")
	vendor.learns(value, "bank")
	bank.signed(value, "1 of 1 in ")
	vendor.terminate()
	code, stdout, stderr := bank.play("erase", "--wait", "3s", value)
	if code != exitDone || !strings.Contains(stdout, "\nreceipts: 1 of 2 in ") || !strings.Contains(stdout, ", 1 offline\n") || !strings.Contains(stdout, "\nreceipts: 1 of 1 in ") {
		t.Fatalf("erase: exit %d, %s%s", code, stdout, stderr)
	}
	by := erasedBy(stdout)
	bank.terminate()
	hospital.terminate()
	showsNone(t, bank.dir, canaries)
	showsNone(t, hospital.dir, canaries)
	if found := shown(t, vendor.dir, canaries); !namesAll(found, canaries) {
		t.Errorf("the search finds only this where nothing is erased: %q", found)
	}
	for _, p := range all {
		p.start()
	}
	for _, id := range by {
		eventually(t, "all have signed for "+id, func() (bool, string) {
			_, stdout, _ := bank.play("status", id)
			return strings.Contains(stdout, "receipts: 2 of 2 in ") || strings.Contains(stdout, "receipts: 1 of 1 in "), stdout
		})
	}
	for _, p := range all {
		p.terminate()
		showsNone(t, p.dir, canaries)
		if code, stdout, stderr := p.play("store", "check"); code != exitDone {
			t.Errorf("store check: exit %d, %s%s", code, stdout, stderr)
		}
		showsNone(t, p.dir, canaries)
		p.start()
		p.learns(other, "bank")
		p.ignores(value)
	}
	for _, p := range all {
		p.terminate()
		showsNone(t, p.dir, canaries)
	}
}

// erasedBy returns the bulletins that say erasures, from what erase printed.
func erasedBy(stdout string) (ids []string) {
	for _, m := range regexp.MustCompile(` by:([0-9a-f]{64})\n`).FindAllStringSubmatch(stdout, -1) {
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// namesAll reports whether every canary was found somewhere.
func namesAll(found []string, canaries map[string][]byte) bool {
	for name := range canaries {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasSuffix(f, " shows "+name) }) {
			return false
		}
	}
	return true
}

// TestErasureUnderKills kills the author and the holder of what is said under
// AMBER, and erased, again and again. Nothing acknowledged is lost, what was
// acknowledged as erased stays erased, and there is no receipt for what is still
// on a disk.
func TestErasureUnderKills(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and kills it many times")
	}
	dice := harnessDice(t, "-erase-kills", fmt.Sprint(*eraseKills))
	bank, hospital := newPair(t, buildBinary(t))
	work := &eraser{word: map[string]fate{}}
	for i := range *eraseKills {
		victim, other := bank, hospital
		if i%2 == 1 {
			victim, other = hospital, bank
		}
		stop := work.run(bank.dir)
		<-time.After(time.Duration(200+dice.IntN(1500)) * time.Millisecond)
		victim.kill()
		stop()
		promised := work.erasures()
		if victim == hospital {
			promised = other.signedFor(promised)
		}
		for value := range values(t, victim.dir) {
			if by, is := promised[value]; is {
				t.Errorf("life %d: %s was killed with %s on its disk, erased by %s", i, victim.dir, value, by)
			}
		}
		victim.start()
		bank.meets(1)
	}
	stands, erased := work.sums()
	t.Logf("%d values stand, %d are erased", len(stands), len(erased))
	if len(stands) == 0 || len(erased) == 0 || len(work.problems) > 0 {
		t.Errorf("%d stand, %d are erased; refused: %v", len(stands), len(erased), work.problems)
	}
	bank.answers(stands, "bank")
	hospital.answers(stands, "bank")
	eventually(t, "the holder has signed for every erasure", func() (bool, string) {
		signed := bank.signedFor(erased)
		return len(signed) == len(erased), fmt.Sprintf("%d of %d", len(signed), len(erased))
	})
	for _, p := range []*process{bank, hospital} {
		if left := p.unanswered(slices.Collect(maps.Keys(erased)), "bank"); len(left) != len(erased) {
			t.Errorf("%s answers %d values that are erased", p.dir, len(erased)-len(left))
		}
		p.terminate()
		held := values(t, p.dir)
		for value := range erased {
			if held[value] {
				t.Errorf("%s is left in %s", value, p.dir)
			}
		}
		for _, value := range stands {
			if !held[value] {
				t.Fatalf("the search does not find %s in %s, which stands", value, p.dir)
			}
		}
	}
}

// values finds the values of an [eraser] in a directory.
func values(t testing.TB, dir directory) map[string]bool {
	t.Helper()
	found, is := map[string]bool{}, regexp.MustCompile(`victim-[0-9]{6}\.example`)
	for _, content := range searched(t, dir) {
		for _, value := range is.FindAll(content, -1) {
			found[string(value)] = true
		}
	}
	return found
}

// signedFor returns the erasures that every recipient has signed for.
func (p *process) signedFor(erasures map[string]protocol.ID) map[string]protocol.ID {
	p.t.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	signed, asked := map[string]protocol.ID{}, map[protocol.ID]bool{}
	for value, by := range erasures {
		if _, is := asked[by]; !is {
			d, err := client.Delivery(p.t.Context(), by)
			if err != nil {
				p.t.Fatalf("%s: an acknowledged erasure is lost: %v", p.dir, err)
			}
			asked[by] = d.Receipts != nil && d.Receipts.Of > 0 && d.Receipts.Signed == d.Receipts.Of
		}
		if asked[by] {
			signed[value] = by
		}
	}
	return signed
}

// A fate is what an eraser was told of a value.
type fate struct {
	asked bool        // its erasure was asked for
	by    protocol.ID // and acknowledged
}

// An eraser says values to the hospital and has some of them erased again. It
// notes only what was acknowledged.
type eraser struct {
	mu       sync.Mutex
	next     int
	word     map[string]fate
	problems []string
}

// run works until it is stopped; stop waits.
func (e *eraser) run(dir directory) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			client := api.Unix(dir.socket())
			defer client.HTTP.CloseIdleConnections()
			for ctx.Err() == nil {
				e.turn(ctx, client)
				pause(ctx, loadEvery)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// turn says three values in one bulletin and has the middle one erased.
func (e *eraser) turn(ctx context.Context, client *api.Client) {
	said := e.take(3)
	answer, err := client.Submit(ctx, api.SubmitRequest{TLP: protocol.Amber, To: []string{"hospital"}, Values: said, Description: "said of a victim"})
	if err != nil || len(answer.Receipts) != len(said) {
		e.refused(err)
		return
	}
	e.mu.Lock()
	for i, value := range said {
		e.word[value] = fate{asked: i == 1}
	}
	e.mu.Unlock()
	taken, err := client.Erase(ctx, api.TakeBackRequest{Values: said[1:2]})
	if err != nil || len(taken.Taken) != 1 {
		e.refused(err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.word[said[1]] = fate{true, taken.Taken[0].By}
}

func (e *eraser) take(n int) (list []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for range n {
		e.next++
		list = append(list, fmt.Sprintf("victim-%06d.example", e.next))
	}
	return list
}

// refused notes what a living daemon refused.
func (e *eraser) refused(err error) {
	if problem, is := problemOf(err); is {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.problems = append(e.problems, problem)
	}
}

// erasures returns what was acknowledged as erased, and by which bulletin.
func (e *eraser) erasures() map[string]protocol.ID {
	e.mu.Lock()
	defer e.mu.Unlock()
	done := map[string]protocol.ID{}
	for value, f := range e.word {
		if f.by != (protocol.ID{}) {
			done[value] = f.by
		}
	}
	return done
}

// sums returns what must stand and what must be erased; of what a kill left
// open neither is known.
func (e *eraser) sums() (stands []string, erased map[string]protocol.ID) {
	erased = e.erasures()
	e.mu.Lock()
	defer e.mu.Unlock()
	for value, f := range e.word {
		if !f.asked {
			stands = append(stands, value)
		}
	}
	return stands, erased
}

// problemOf reads a refusal out of an error; there is none where nobody answered.
func problemOf(err error) (string, bool) {
	var problem *api.Problem
	if !errors.As(err, &problem) {
		return "", false
	}
	return fmt.Sprintf("%d %s: %s", problem.Status, problem.Title, problem.Detail), true
}
