package nodetest

import (
	"os"
	"path/filepath"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Copy copies an organisation's directory as it is at this moment, as a backup
// would. It returns where to.
func (f *Federation) Copy(org string) (dir string) {
	f.t.Helper()
	dir = f.t.TempDir()
	f.check(copyStore(dir, f.member(org).dir))
	return dir
}

// copyStore copies the directory of a store that may be at work. What is copied is
// as a crash leaves it: the head file is as old as the first moment, so what was
// committed meanwhile is ahead of it and not lost.
func copyStore(to, from string) error {
	const head = "store.head"
	before, err := os.ReadFile(filepath.Join(from, head))
	if err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, head), before, 0o600)
}

// Revert puts a copy in place of the directory of a node that is down. Restart
// goes on from there; the copy itself stays as it was.
func (f *Federation) Revert(org, dir string) {
	f.t.Helper()
	m := f.member(org)
	if m.running {
		f.t.Fatalf("nodetest: %s is running: stop or kill it first", org)
	}
	m.dir = f.t.TempDir()
	f.check(os.CopyFS(m.dir, os.DirFS(dir)))
}

// Forge signs something with the key of an organisation's node, as whoever
// stole it would.
func (f *Federation) Forge(org string, h protocol.Header, objects ...string) *protocol.Bulletin {
	f.t.Helper()
	m := f.member(org)
	thief := Raw{f: f, Org: m.org, Key: m.key, Cert: m.cert}
	return thief.Bulletin(h, objects...)
}
