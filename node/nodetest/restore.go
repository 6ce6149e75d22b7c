package nodetest

import (
	"os"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Copy copies an organisation's directory as it is at this moment, as a backup
// would. It returns where to.
func (f *Federation) Copy(org string) (dir string) {
	f.t.Helper()
	dir = f.t.TempDir()
	f.check(os.CopyFS(dir, os.DirFS(f.member(org).dir)))
	return dir
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
