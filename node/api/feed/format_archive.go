package feed

import (
	"archive/tar"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A member is a file of the archive for suricata-update.
type member struct {
	name  string // below rules/
	part  func() part
	rules func(lines int) string // of a set: those that look it up

	lines int
	size  int64
}

func archiveTypes() []stix.Type { return slices.Concat(networkTypes(), digestTypes()) }

func inArchive(e *Entry) bool {
	return slices.Contains(digestTypes(), e.Type) || inRules(e)
}

// inSets reports what is looked up; all else has rules of its own.
func inSets(e *Entry) bool { return e.Type != stix.URL && single(e) }

// members are the files in their order: the rules come last, since they say how
// large the sets are.
func members() []*member {
	set := func(name string, rules func(int) string, types ...stix.Type) *member {
		p := part{types: types, line: appendDatum}
		return &member{name: "datasets/" + name + ".lst", part: func() part { return p }, rules: rules}
	}
	all := []*member{
		set("ip", addressRules, stix.IPv4Addr, stix.IPv6Addr),
		set("domain", nameRules, stix.DomainName),
	}
	for i, t := range digestTypes() {
		all = append(all, set(string(t), func(int) string { return fileRules(t, sidSets+10*(i+1)) }, t))
	}
	return append(all, &member{name: "tocsin.rules", part: func() part {
		s := newSIDs() // counted from the start each time
		return part{types: networkTypes(), line: func(b []byte, d *Document, e *Entry) []byte {
			if inSets(e) {
				return b
			}
			return s.appendRules(b, d, e)
		}}
	}})
}

// appendDatum appends a line of a set; names are strings, which go as base64.
func appendDatum(b []byte, _ *Document, e *Entry) []byte {
	if !inSets(e) {
		return b
	}
	if e.Type == stix.DomainName {
		return append(base64.StdEncoding.AppendEncode(b, []byte(e.Value)), '\n')
	}
	return append(append(b, e.Value...), '\n')
}

func addressRules(lines int) (rules string) {
	for n, side := range []string{"src", "dst"} {
		rules += fmt.Sprintf("alert ip any any -> any any (msg:\"Tocsin: traffic with a listed address\"; ip.%s; dataset:isset,tocsin-ip,type ip,load datasets/ip.lst%s; sid:%d; rev:1;)\n",
			side, room(lines), sidSets+1+n)
	}
	return rules
}

func nameRules(lines int) (rules string) {
	for n, p := range namePlaces() {
		rules += fmt.Sprintf("alert %s any any -> any any (msg:\"%s\";%s %s%s dataset:isset,tocsin-domain,type string,load datasets/domain.lst%s; sid:%d; rev:1;)\n",
			p.proto, p.msg, p.flow, p.buffer, p.fold, room(lines), sidSets+3+n)
	}
	return rules
}

// fileRules look up a hash of files wherever Suricata takes files out of the
// traffic. It keeps such a list once a rule.
func fileRules(t stix.Type, sid int) (rules string) {
	for n, proto := range []string{"http", "smtp", "ftp-data", "smb", "nfs"} {
		rules += fmt.Sprintf("alert %s any any -> any any (msg:\"Tocsin: listed file\"; file%s:datasets/%s.lst; sid:%d; rev:1;)\n", proto, t, t, sid+n)
	}
	return rules
}

// maxHash is the largest hash table that Suricata makes for a rule.
const maxHash = 65536

// room are the options that let a set hold its lines, at 512 bytes each.
func room(lines int) string {
	hash := 1024
	for hash < lines && hash < maxHash {
		hash *= 2
	}
	return fmt.Sprintf(",memcap %dmb,hashsize %d", 16+lines/2048, hash)
}

// writeArchive writes what suricata-update takes apart. A tar file says how long
// a member is before it comes, so the entries are gone through once for that.
func writeArchive(w io.Writer, d *Document, file string) error {
	if file != "" {
		return noFile("suricata.tar.gz", file)
	}
	all := measure(d)
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, m := range all {
		if m.size == 0 && m.rules != nil {
			continue // no rule speaks of it
		}
		h := tar.Header{Typeflag: tar.TypeReg, Name: "rules/" + m.name, Mode: 0o644, Size: m.size, ModTime: d.Changed.UTC(), Format: tar.FormatUSTAR}
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		if err := m.write(t, d, all); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

// measure returns the members of an archive with how long each is.
func measure(d *Document) []*member {
	all := members()
	parts := make([]part, len(all))
	for i, m := range all {
		parts[i] = m.part()
	}
	var e Entry
	var b []byte
	for e = range d.All {
		for i, m := range all {
			if b = parts[i].lineOf(b[:0], d, &e); len(b) > 0 {
				m.lines, m.size = m.lines+1, m.size+int64(len(b))
			}
		}
	}
	all[len(all)-1].size += int64(len(setRules(all)))
	return all
}

// setRules are the rules that look up the sets there are.
func setRules(all []*member) (rules string) {
	for _, m := range all {
		if m.rules != nil && m.lines > 0 {
			rules += m.rules(m.lines)
		}
	}
	return rules
}

func (m *member) write(w io.Writer, d *Document, all []*member) error {
	s := sheet{parts: []part{m.part()}}
	if m.rules == nil {
		s.head = text(setRules(all))
	}
	return s.write(w, d)
}

// writeArchiveSum writes the MD5 by which suricata-update knows a file again.
func writeArchiveSum(w io.Writer, d *Document, file string) error {
	if file != "" {
		return noFile("suricata.tar.gz.md5", file)
	}
	sum := md5.New()
	if err := writeArchive(sum, d, ""); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%x\n", sum.Sum(nil))
	return err
}
