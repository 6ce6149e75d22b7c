//go:build unix

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	damages    = flag.Int("damages", 12, "how often TestDamagedFiles damages a file")
	damagesFor = flag.Duration("damages-for", 20*time.Second, "after which TestDamagedFiles damages no more; 0: no limit")
)

const (
	healWithin  = 90 * time.Second // the minute of the next sync, and some more
	maxStarts   = 3                // after one damage
	damageBatch = 10               // values in a bulletin
)

// TestDamagedFiles damages one file of a stopped node's store at a time. The
// daemon either comes up, never answers anything wrong, and gets from its peer
// what it lost; or it says why not and what to do. What only it had is answered
// or said to be lost.
func TestDamagedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and damages its files many times")
	}
	dice := harnessDice(t, "-damages", fmt.Sprint(*damages), "-damages-for", damagesFor.String())
	h := newHealing(t, buildBinary(t), dice)
	began, n := time.Now(), 0
	for ; n < *damages && (*damagesFor == 0 || time.Since(began) < *damagesFor); n++ {
		h.trial(n)
	}
	t.Logf("damaged %d of %d times in %s:\n%s", n, *damages, time.Since(began).Round(time.Second), h.table)
	for _, p := range []*process{h.bank, h.hospital} {
		if seen := p.status().Counts["equivocations"]; seen > 0 {
			t.Errorf("%s saw %d bulletins at places that were taken", p.dir, seen)
		}
	}
}

// A healing is two nodes, one of which is damaged.
type healing struct {
	t              *testing.T
	dice           *rand.Rand
	bank, hospital *process
	backup         directory       // of the hospital, whole
	said           map[string]word // what must be answered
	table          outcomes
}

// A word is who says a value, and how sure of it they are.
type word struct {
	org        string
	confidence int
}

// outcomes counts what became of damage, by kind of file and of damage.
type outcomes map[string]int

func (o outcomes) String() string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(o)) {
		lines = append(lines, fmt.Sprintf("%4d  %s", o[what], what))
	}
	return strings.Join(lines, "\n")
}

func newHealing(t *testing.T, binary string, dice *rand.Rand) *healing {
	t.Helper()
	h := &healing{t: t, dice: dice, said: map[string]word{}, table: outcomes{}}
	h.bank, h.hospital = newPair(t, binary)
	for i := range 200 {
		h.say(h.bank, "bank", fmt.Sprintf("b%d", i), i%101)
	}
	for i := range 20 {
		h.say(h.hospital, "hospital", fmt.Sprintf("h%d", i), i%101)
	}
	for _, p := range []*process{h.bank, h.hospital} {
		if _, err := h.heal(p, nil); err != nil {
			t.Fatalf("before any damage: %v", err)
		}
	}
	h.hospital.terminate()
	h.backup = directory(filepath.Join(t.TempDir(), "backup"))
	copyTree(t, h.hospital.dir, h.backup)
	h.hospital.start()
	return h
}

// say submits one bulletin.
func (h *healing) say(p *process, org, name string, confidence int) (values []string) {
	h.t.Helper()
	for i := range damageBatch {
		values = append(values, fmt.Sprintf("%s-%d.example", name, i))
	}
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	answer, err := client.Submit(h.t.Context(), api.SubmitRequest{TLP: protocol.Green, Values: values, Confidence: &confidence})
	if err != nil || len(answer.Receipts) != len(values) {
		h.t.Fatalf("%s: submit: %+v, %v", p.dir, answer, err)
	}
	for _, v := range values {
		h.said[v] = word{org, confidence}
	}
	return values
}

// trial has the hospital say what nobody else hears, stops it, damages a file
// and starts it again.
func (h *healing) trial(n int) {
	h.t.Helper()
	peer := h.bank.cmd.Process
	peer.Signal(syscall.SIGSTOP)
	own := h.say(h.hospital, "hospital", fmt.Sprintf("own%d", n), n%101)
	stopped := "after a kill"
	if h.dice.IntN(2) == 0 {
		stopped = "after a stop"
		h.hospital.terminate()
	} else {
		h.hospital.kill()
	}
	kind, how, detail := h.damage(stopped)
	began := time.Now()
	peer.Signal(syscall.SIGCONT)
	outcome, err := h.recover(own)
	if err != nil {
		h.t.Errorf("trial %d: %s: %v", n, detail, err)
		outcome = "FAILED"
		h.replace(own)
		h.hospital.start()
	}
	h.t.Logf("trial %d: %s: %s within %s", n, detail, outcome, time.Since(began).Round(time.Millisecond))
	h.table[fmt.Sprintf("%-12s %-10s %-13s %s", kind, how, stopped, outcome)]++
	own = slices.DeleteFunc(own, func(v string) bool { _, left := h.said[v]; return !left })
	h.bank.answers(own, "hospital")
}

// damage picks a kind of file, a file of it, and does something to it.
func (h *healing) damage(stopped string) (kind, how, detail string) {
	h.t.Helper()
	files := h.files()
	kinds := slices.Sorted(maps.Keys(files))
	kind = kinds[h.dice.IntN(len(kinds))]
	path := files[kind][h.dice.IntN(len(files[kind]))]
	content, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	used := len(bytes.TrimRight(content, "\x00")) // the rest is room to grow
	at := h.dice.IntN(max(used, 1))
	switch how = []string{"bit flip", "truncated", "deleted"}[h.dice.IntN(3)]; {
	case how == "deleted":
		err = os.Remove(path)
	case how == "bit flip" && len(content) > 0:
		err = writeAt(path, []byte{content[at] ^ 1<<h.dice.IntN(8)}, int64(at))
	default:
		how = "truncated"
		err = os.Truncate(path, int64(at))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return kind, how, fmt.Sprintf("%s %s at %d of %d (%d used), %s", filepath.Base(path), how, at, len(content), used, stopped)
}

func writeAt(path string, b []byte, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

// files lists the files of the hospital's store by kind.
func (h *healing) files() map[string][]string {
	h.t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(h.hospital.dir.store(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		kind := d.Name()
		if ext := filepath.Ext(kind); ext == ".sst" || ext == ".mem" || ext == ".vlog" {
			kind = "*" + ext
		}
		files[kind] = append(files[kind], path)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

// recover starts the hospital, does what it advises where it refuses, and waits
// until it answers all that was said; own is what its peer never heard.
func (h *healing) recover(own []string) (outcome string, err error) {
	var did []string
	for range maxStarts {
		refusal, err := h.comesUp()
		if err != nil {
			return "", err
		}
		if refusal == "" {
			lost, err := h.heal(h.hospital, own)
			if err != nil || h.hospital.cmd != nil {
				return strings.Join(append(did, lost), ", "), err
			}
			did = append(did, "ended with a reason")
			continue
		}
		done, err := h.follow(refusal, own)
		if err != nil {
			return "", err
		}
		did = append(did, "refused", done)
	}
	return "", fmt.Errorf("does not come up: %v", did)
}

// comesUp starts the hospital; one that ends before it is ready must say why.
func (h *healing) comesUp() (refusal string, err error) {
	p := h.hospital
	ready := p.launch()
	select {
	case p.ready = <-ready:
		return "", nil
	case <-p.ended:
		return h.reason()
	case <-time.After(startWithin):
		return "", fmt.Errorf("neither ready nor ended after %s", startWithin)
	}
}

// reason is what the hospital said when it ended by itself.
func (h *healing) reason() (string, error) {
	p := h.hospital
	select {
	case <-p.ended:
	case <-time.After(stopWithin + 2*time.Second):
		return "", errors.New("it runs and does not answer")
	}
	state, said := p.cmd.ProcessState, p.log.String()
	p.cmd = nil
	_, reason, told := strings.Cut(said, "tocsin: ")
	if crashed(said) || !told || state.ExitCode() != exitFailed {
		return "", fmt.Errorf("ended with %s and no reason: %s", state, said[:min(len(said), 4000)])
	}
	return reason, nil
}

func crashed(said string) bool {
	return strings.Contains(said, "panic:") || strings.Contains(said, "fatal error:") || strings.Contains(said, "goroutine ")
}

// follow does what a refusal advises: the indexes made anew, or the store
// replaced by a backup.
func (h *healing) follow(refusal string, own []string) (done string, err error) {
	if strings.Contains(refusal, "store rebuild") {
		switch code, _, stderr := h.hospital.play("store", "rebuild"); {
		case crashed(stderr):
			return "", fmt.Errorf("store rebuild: %s", stderr)
		case code == exitDone:
			return "rebuilt", nil
		}
	} else if !strings.Contains(refusal, "remove") && !strings.Contains(refusal, "restore") {
		return "", fmt.Errorf("refuses without saying what to do: %s", refusal)
	}
	h.replace(own)
	return "replaced", nil
}

// replace puts the backup in the place of the hospital's store; what its peer
// never heard is lost with the store.
func (h *healing) replace(own []string) {
	h.t.Helper()
	if h.hospital.cmd != nil {
		h.hospital.end(h.hospital.cmd)
	}
	if err := os.RemoveAll(h.hospital.dir.store()); err != nil {
		h.t.Fatal(err)
	}
	copyTree(h.t, directory(h.backup.store()), directory(h.hospital.dir.store()))
	h.forget(own)
}

func (h *healing) forget(values []string) {
	for _, v := range values {
		delete(h.said, v)
	}
}

// heal waits until a node answers all that was said. Of its own words those
// that nobody else has may be lost, if it says so. When the daemon ended with
// a reason it is no longer running.
func (h *healing) heal(p *process, own []string) (outcome string, err error) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	late, outcome := time.After(healWithin), "whole at once"
	for {
		missing, err := h.ask(p)
		if err != nil {
			return "", err
		}
		lost := slices.DeleteFunc(slices.Clone(missing), func(v string) bool { return !slices.Contains(own, v) })
		switch {
		case p.cmd == nil:
			return "", nil
		case len(missing) == 0:
			return outcome, nil
		case len(missing) == len(lost):
			h.forget(lost)
			return "healed, own words lost and told", h.toldLoss(p, lost)
		}
		outcome = "healed"
		select {
		case <-ticker.C:
		case <-late:
			return "", fmt.Errorf("%d values have no answer after %s, such as %s; %+v", len(missing), healWithin, missing[0], p.status())
		}
	}
}

// toldLoss fails unless the node says by itself that its store lost something.
func (h *healing) toldLoss(p *process, lost []string) error {
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	checks, err := client.Doctor(h.t.Context())
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	for _, c := range checks {
		if c.Check == "store" && !c.OK {
			return nil
		}
	}
	return fmt.Errorf("%d of its own values are gone, such as %s, and it does not say so: %+v", len(lost), lost[0], checks)
}

// ask looks up all that was said, and something that nobody said. It returns
// what has no answer; a wrong one is an error.
func (h *healing) ask(p *process) (missing []string, err error) {
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	for values := range slices.Chunk(append(slices.Sorted(maps.Keys(h.said)), "never-said.example"), askAtOnce) {
		answers, err := client.Lookup(h.t.Context(), api.LookupRequest{Values: values})
		var problem *api.Problem
		switch {
		case errors.As(err, &problem): // damage found just now
			missing = append(missing, values...)
			continue
		case err != nil && p == h.hospital:
			_, unexplained := h.reason()
			return nil, unexplained
		case err != nil:
			return nil, err
		}
		for _, a := range answers {
			if err := h.judge(a); err != nil {
				return nil, err
			}
			if _, said := h.said[a.Value]; said && len(a.Claims) == 0 {
				missing = append(missing, a.Value)
			}
		}
	}
	return slices.DeleteFunc(missing, func(v string) bool { _, said := h.said[v]; return !said }), nil
}

// judge compares an answer with what was said.
func (h *healing) judge(a api.Lookup) error {
	want, said := h.said[a.Value]
	for _, c := range a.Claims {
		if !said || len(a.Claims) > 1 || c.Value != a.Value || c.Org != want.org || c.Confidence == nil || *c.Confidence != want.confidence {
			return fmt.Errorf("wrong answer about %s: %+v, want %+v", a.Value, a.Claims, want)
		}
	}
	return nil
}
