package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Limits of the never-block lists that a policy names, of all together.
const (
	maxListFiles = 1024
	maxListBytes = 128 << 20
)

// A rulefile is one file that rules were made of, as it was when it was read.
type rulefile struct {
	name string
	info fs.FileInfo // nil: it was not there
}

// A ruleset is what the files of a policy say. Files holds all that were looked
// at, also when the rules are refused.
type ruleset struct {
	rules *node.Rules
	files []rulefile
}

// readRules reads policy.toml of a directory and the lists it names. Where there
// is none, that is the empty policy. An error of [api.PolicyFaults] is all that
// is wrong with what the files say.
func (d directory) readRules() (ruleset, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return ruleset{}, err
	}
	defer root.Close()
	r := reading{root: root, left: maxListBytes}
	text, err := r.file(api.PolicyName, policy.MaxText+1) // a longer one is refused with its own words
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ruleset{files: r.files}, api.PolicyFaults{{File: api.PolicyName, Reason: reason(err)}}
	}
	rules, err := r.rules(api.PolicyName, text)
	return ruleset{rules, r.files}, err
}

// A reading is files being read, nothing outside of a directory among them.
type reading struct {
	root  *os.Root
	files []rulefile
	left  int64 // bytes that lists may still have
}

// rules makes rules of a policy's text.
func (r *reading) rules(name string, text []byte) (*node.Rules, error) {
	p, err := policy.Parse(text)
	if err != nil {
		return nil, faultsOf(name, err)
	}
	lists, faults := r.lists(name, p.NeverBlock.Lists)
	if len(faults) > 0 {
		return nil, faults
	}
	rules, err := node.NewRules(p, lists...)
	if err != nil {
		return nil, api.PolicyFaults{{File: name, Reason: err.Error()}}
	}
	return rules, nil
}

// faultsOf says in which file what [policy.Parse] found is.
func faultsOf(name string, err error) error {
	var faults policy.Faults
	if errors.As(err, &faults) {
		return api.FaultsIn(name, faults, false)
	}
	return err
}

// lists reads the warninglists at paths: files, or directories of files whose
// names end in .json.
func (r *reading) lists(policyName string, paths []string) (lists []*floor.List, faults api.PolicyFaults) {
	for _, name := range paths {
		names, err := r.listed(name)
		if err != nil {
			faults = append(faults, api.PolicyFault{File: policyName, Key: "never-block.lists", Reason: fmt.Sprintf("%q: %s", name, reason(err))})
		}
		for _, name := range names {
			l, err := r.list(name)
			if err != nil {
				faults = append(faults, api.PolicyFault{File: name, Reason: reason(err)})
			}
			if r.left < 0 {
				return nil, faults
			}
			lists = append(lists, l)
		}
	}
	return lists, faults
}

// listed returns the files at a path, in order. What was looked at counts as
// read, so that a file that comes later is noticed.
func (r *reading) listed(name string) (names []string, err error) {
	err = fs.WalkDir(r.root.FS(), name, func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if e == nil || at == name {
				r.files = append(r.files, rulefile{name: at})
			}
			return err
		case e.IsDir():
			info, err := r.root.Stat(at)
			r.files = append(r.files, rulefile{at, info})
			return err
		case at != name && path.Ext(at) != ".json":
			return nil
		case len(r.files) >= maxListFiles:
			return fmt.Errorf("more than %d files and directories", maxListFiles)
		}
		names = append(names, at)
		return nil
	})
	return names, err
}

func (r *reading) list(name string) (*floor.List, error) {
	f, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := &io.LimitedReader{R: f, N: r.left + 1}
	l, err := floor.ParseList("", in)
	if r.left = in.N - 1; r.left < 0 {
		return nil, fmt.Errorf("all lists together are longer than %d MiB", maxListBytes>>20)
	}
	return l, err
}

// open opens a file of the directory and notes it as read. Only files are:
// a pipe would never end.
func (r *reading) open(name string) (*os.File, error) {
	info, err := r.root.Stat(name)
	r.files = append(r.files, rulefile{name, info})
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	return r.root.Open(name)
}

func (r *reading) file(name string, limit int64) ([]byte, error) {
	f, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// reason is what is wrong with a file, without its name and what was tried.
func reason(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), floor.ErrInvalid.Error()+": "), `"" `)
}

// stat returns files as they are now.
func (d directory) stat(files []rulefile) []rulefile {
	now := make([]rulefile, len(files))
	root, err := os.OpenRoot(string(d))
	if err == nil {
		defer root.Close()
	}
	for i, f := range files {
		now[i].name = f.name
		if err != nil {
			continue
		}
		if info, err := root.Stat(f.name); err == nil {
			now[i].info = info
		}
	}
	return now
}

// sameFiles reports whether nothing was written to between two looks.
func sameFiles(a, b []rulefile) bool { return slices.EqualFunc(a, b, rulefile.same) }

// same compares what tells that a file was written to.
func (f rulefile) same(g rulefile) bool {
	if f.name != g.name || f.info == nil || g.info == nil {
		return f.name == g.name && f.info == nil && g.info == nil
	}
	return os.SameFile(f.info, g.info) && f.info.ModTime().Equal(g.info.ModTime()) && f.info.Size() == g.info.Size()
}
