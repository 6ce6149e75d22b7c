package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

// A vector is one case of testdata/vectors, whose README gives the format.
type vector struct {
	name   string
	expect string // accept, invalid or unsupported
	reason string // why not, for people
	fields []field
	says   string // what our own error contains; not in the file
}

type field struct{ key, value string }

func accept(name string, fields ...field) vector {
	return vector{name: name, expect: "accept", fields: fields}
}

// refuse is a vector that is invalid because of reason; our error contains says.
func refuse(name, reason, says string, fields ...field) vector {
	return vector{name: name, expect: "invalid", reason: reason, says: says, fields: fields}
}

func later(name, reason, says string, fields ...field) vector {
	return vector{name: name, expect: "unsupported", reason: reason, says: says, fields: fields}
}

func bytesField(key string, b []byte) field { return field{key, hex.EncodeToString(b)} }

// A vectorFile is a file of vectors, how it is made, and what reads a case: the
// derived fields, or why it is refused.
type vectorFile struct {
	name, title string
	make        func() []vector
	read        func(in map[string]string) (derived map[string]string, err error)
}

func vectorFiles() []vectorFile {
	return []vectorFile{
		{"bulletins.txt", "Bulletins in wire form: an array of header, signature and body or null.", bulletinVectors, readBulletin},
		{"headers.txt", "Headers and their signatures.", headerVectors, readHeader},
		{"cbor.txt", "Headers that differ from a good one in their encoding alone; all are rightly signed.", cborVectors, readHeader},
		{"bodies.txt", "Bodies, each with the header it is of.", bodyVectors, readBody},
		{"certificates.txt", "Certificates.", certificateVectors, readCertificate},
		{"keys.txt", "Ed25519 public keys.", keyVectors, readKey},
		{"charters.txt", "Signed charters.", charterVectors, readCharter},
		{"statements.txt", "Statements, as objects of a bulletin of kind statements.", statementVectors, readStatement},
		{"invites.txt", "Invite tokens.", inviteVectors, readInvite},
		{"frames.txt", "Frames of the join and sync streams, without the length before them.", frameVectors, readFrame},
		{"archives.txt", "Archives, as they stand on a medium.", archiveVectors, readArchive},
		{"labels.txt", "TLP labels as names, STIX marking ids and tags.", labelVectors, readLabel},
	}
}

func TestVectors(t *testing.T) {
	for _, f := range vectorFiles() {
		t.Run(strings.TrimSuffix(f.name, ".txt"), func(t *testing.T) {
			path := filepath.Join("testdata", "vectors", f.name)
			made := f.make()
			text := formatVectors(f.title, made)
			if *update {
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(kept, text) {
				t.Error("the file is not what this test makes: a change of the wire, or run with -update")
			}
			says := map[string]string{}
			for _, v := range made {
				says[v.name] = v.says
			}
			cases := parseVectors(t, string(kept))
			for _, c := range cases {
				t.Run(c["name"], func(t *testing.T) { runVector(t, f, c, says[c["name"]]) })
			}
		})
	}
}

func runVector(t *testing.T, f vectorFile, c map[string]string, says string) {
	derived, err := f.read(c)
	want, _, _ := strings.Cut(c["expect"], ":")
	if got := classOf(err); got != want {
		t.Fatalf("%s (%v), want %s", got, err, c["expect"])
	}
	if err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("refused because %q, want %q", err, says)
	}
	for key, value := range derived {
		if c[key] != value {
			t.Errorf("%s is %s, want %s", key, value, c[key])
		}
	}
}

func classOf(err error) string {
	switch {
	case err == nil:
		return "accept"
	case errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrInvalid):
		return "unsupported"
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrTLP):
		return "invalid"
	}
	return fmt.Sprintf("an error of no class: %v", err)
}

// formatVectors writes cases as blank-line separated records of "key: value"
// lines; a line that begins with a blank continues the value before it.
func formatVectors(title string, vectors []vector) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n# README.md tells how to read this file.\n", title)
	for _, v := range vectors {
		expect := v.expect
		if v.reason != "" {
			expect += ": " + v.reason
		}
		fmt.Fprintf(&b, "\nname: %s\nexpect: %s\n", v.name, expect)
		for _, f := range v.fields {
			fmt.Fprintf(&b, "%s:%s\n", f.key, wrapped(f.value))
		}
	}
	return b.Bytes()
}

func wrapped(value string) string {
	const width = 96
	if len(value) <= width {
		return strings.TrimRight(" "+value, " ")
	}
	var b strings.Builder
	for line := range slices.Chunk([]byte(value), width) {
		b.WriteString("\n  ")
		b.Write(line)
	}
	return b.String()
}

func parseVectors(t *testing.T, text string) []map[string]string {
	t.Helper()
	var cases []map[string]string
	seen := map[string]bool{}
	for record := range strings.SplitSeq(text, "\n\n") {
		c, last := map[string]string{}, ""
		for line := range strings.Lines(record) {
			line = strings.TrimSuffix(line, "\n")
			switch key, value, ok := strings.Cut(line, ":"); {
			case strings.HasPrefix(line, "#") || line == "":
			case strings.HasPrefix(line, "  "):
				c[last] += strings.TrimSpace(line)
			case ok && c[key] == "":
				last, c[key] = key, strings.TrimPrefix(value, " ")
			default:
				t.Fatalf("not a line of a vector: %q", line)
			}
		}
		if len(c) == 0 {
			continue
		}
		if c["name"] == "" || c["expect"] == "" || seen[c["name"]] {
			t.Fatalf("a case without name or expect, or a second one: %v", slices.Sorted(maps.Keys(c)))
		}
		seen[c["name"]] = true
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	return cases
}

// blob reads a hexadecimal field.
func blob(in map[string]string, key string) []byte { return must(hex.DecodeString(in[key])) }
