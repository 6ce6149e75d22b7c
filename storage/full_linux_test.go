package storage

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	fullEnv    = "TOCSIN_STORAGE_TEST_FULL" // directory of the small disk, in the child processes
	lifeEnv    = "TOCSIN_STORAGE_TEST_LIFE" // what a child of the child does, and how many bulletins there are
	smallDisk  = "size=250m"
	fullRounds = 2
	freed      = 32 << 20 // each time

	lifeLived   = 3 // exit codes of such a life
	lifeRefused = 4
)

// TestFullDisk fills a small tmpfs under a real store, again and again: badger
// would die of SIGBUS; the store reads on, refuses writes, closes, opens or
// says how much it needs, and goes on when there is space. It runs in a mount
// namespace of its own.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullEnv); dir != "" {
		fullDiskChild(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("fills disks for some seconds")
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || strings.Contains(string(out), "mount: ") {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// smallStore is the store on the small disk.
func smallStore(t *testing.T, dir string) (*Store, error) {
	t.Helper()
	return Open(filepath.Join(dir, "store"), Options{Small: true, Ballast: 16 << 20})
}

func fullDiskChild(t *testing.T, dir string) {
	if life := os.Getenv(lifeEnv); life != "" {
		fullDiskLife(t, dir, life)
		return
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, smallDisk); err != nil {
		t.Fatalf("mount: %v", err)
	}
	others := int64(2 * fullRounds * freed)
	if err := os.WriteFile(filepath.Join(dir, "others"), make([]byte, others), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, opened := 0, 0
	for round := range fullRounds {
		for _, end := range []string{"close", "kill"} {
			kept, _ = live(t, end, kept) // leaves not a byte free
			_, full := live(t, "look", kept)
			if !full {
				opened++
			}
			others -= freed
			err := errors.Join(os.Remove(filepath.Join(dir, "filler")), os.Truncate(filepath.Join(dir, "others"), others))
			if err != nil {
				t.Fatal(err)
			}
			s, err := smallStore(t, dir)
			if err != nil {
				t.Fatalf("round %d, space is back: %v", round, err)
			}
			demand(t, s, kept)
			keep(t, s, fullEntry(t, kept)) // by itself
			kept++
			if st := s.Stats(); st.ReadOnly || st.Lost != 0 || st.Damaged != 0 {
				t.Fatalf("round %d: %+v", round, st)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d bulletins kept over %d full disks; %d times a store with no byte free opened to be read", kept, 2*fullRounds, opened)
}

// live starts a process of one of the lives below. It returns how many
// bulletins were acknowledged in all, and whether the store refused to open.
func live(t *testing.T, life string, kept int) (int, bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", lifeEnv, life, kept))
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != lifeLived && code != lifeRefused {
		t.Fatalf("%s at %d: %v\n%s", life, kept, err, out)
	}
	for line := range strings.Lines(string(out)) {
		t.Logf("%s: %s", life, strings.TrimSpace(line))
		fmt.Sscanf(line, "kept %d", &kept)
	}
	return kept, cmd.ProcessState.ExitCode() == lifeRefused
}

// fullDiskLife is a process that fills the disk, and then closes the store or
// is killed; or one that opens it on the full disk.
func fullDiskLife(t *testing.T, dir, life string) {
	var end string
	var kept int
	if _, err := fmt.Sscan(life, &end, &kept); err != nil {
		t.Fatal(err)
	}
	s, err := smallStore(t, dir)
	if end == "look" && errors.Is(err, ErrReadOnly) && strings.Contains(err.Error(), "takes ") {
		fmt.Println(err)
		os.Exit(lifeRefused)
	}
	if err != nil {
		t.Fatal(err)
	}
	if end != "look" {
		kept = writeUntilFull(t, s, kept)
		settle(t, s)
		takeAll(t, dir) // somebody else takes the rest
	}
	demand(t, s, kept)
	if _, err := s.Put(t.Context(), fullEntry(t, kept)); !errors.Is(err, ErrReadOnly) || !s.Stats().ReadOnly {
		t.Fatalf("put on a full disk: %v", err)
	}
	if end != "kill" {
		if err := s.Close(); err != nil && !errors.Is(err, ErrReadOnly) {
			t.Fatal(err)
		}
	}
	fmt.Printf("kept %d\n", kept)
	os.Exit(lifeLived)
}

// fullEntry is the n-th bulletin, 60 KiB that cannot be compressed.
func fullEntry(t *testing.T, n int) Entry {
	h := green(time.Duration(n) * time.Second)
	h.Epoch, h.Seq = uint64(n+1), 1 // an epoch each: none names one before it
	return whole(newAuthor("bank").issue(t, h, noise(n)))
}

func noise(n int) []byte {
	b := make([]byte, 60<<10)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return statementBytes(base64.StdEncoding.EncodeToString(b))
}

func writeUntilFull(t *testing.T, s *Store, n int) int {
	for {
		_, err := s.Put(t.Context(), fullEntry(t, n))
		if errors.Is(err, ErrReadOnly) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20 == 0 {
			if free, _, _ := diskSpace(s.dir); free < 4<<20 {
				t.Fatal("it wrote far below its mark")
			}
		}
	}
}

// demand reads every bulletin acknowledged so far.
func demand(t *testing.T, s *Store, n int) {
	t.Helper()
	if len(s.Streams()) != 1 {
		t.Fatalf("%d streams", len(s.Streams()))
	}
	for i := range n {
		id, ok := s.At(s.Streams()[0].ID, protocol.Position{Epoch: uint64(i + 1), Seq: 1})
		if !ok {
			t.Fatalf("bulletin %d of %d has gone", i, n)
		}
		b, state, err := s.Bulletin(id)
		if err != nil || state != Held {
			t.Fatalf("bulletin %d of %d: %v, %v", i, n, state, err)
		}
		for _, raw := range b.Objects() {
			if !bytes.Equal(raw, noise(i)) {
				t.Fatalf("bulletin %d of %d says something else", i, n)
			}
		}
	}
}

// settle waits until badger has flushed and merged what it had begun to: within
// its mark it has the room, but nothing saves a process from one that takes all
// at once. A merge that is still reading shows in no file, so its goroutines are
// looked for.
func settle(t *testing.T, s *Store) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for before, same := "", 0; same < 5; {
		<-ticker.C
		tables, err := filepath.Glob(filepath.Join(s.dir, "badger", "*.sst"))
		if err != nil {
			t.Fatal(err)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		busy := bytes.Contains(stacks, []byte("runCompactDef")) || bytes.Contains(stacks, []byte("handleMemTableFlush"))
		if now := strings.Join(tables, " "); now == before && !busy {
			same++
		} else {
			before, same = now, 0
		}
	}
}

// takeAll leaves not a byte of the disk free.
func takeAll(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
