package feed

import (
	"fmt"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// scannerFormats are those of programs that look at files.
func scannerFormats() []Format {
	return []Format{
		newFormat("clamav", "ClamAV signatures of whole files", mediaText,
			clamav("tocsin.hdb", stix.MD5), clamav("tocsin.hsb", stix.SHA1, stix.SHA256)),
		newFormat("yara", "YARA with the hash module: a rule a hash, the label as its tag", mediaText, sheet{
			head: text("import \"hash\"\n"), parts: []part{{types: digestTypes(), line: appendYARA}},
		}),
		newFormat("hashdeep", "md5deep, sha1deep, sha256deep: a hash and the label", mediaText,
			deep(stix.MD5), deep(stix.SHA1), deep(stix.SHA256)),
	}
}

// labelName is a label as names of signatures and rules can hold it.
func labelName(t protocol.TLP) string { return "tlp_" + strings.ReplaceAll(t.String(), "+", "_") }

// clamav is a database of hashes of any file size, which engines since level 73
// read. Without its first line ClamAV calls an empty one broken.
func clamav(name string, types ...stix.Type) sheet {
	return sheet{name: name, head: text("# hash:size:name:level\n"), parts: []part{{types: types, line: func(b []byte, _ *Document, e *Entry) []byte {
		return fmt.Appendf(b, "%s:*:Tocsin.%s.%s:73\n", e.Value, labelName(e.TLP), e.Value[:16])
	}}}}
}

func appendYARA(b []byte, d *Document, e *Entry) []byte {
	return fmt.Appendf(b, "\nrule tocsin_%s_%s : %s tier_%s\n{\n\tmeta:\n\t\tscore = %d\n\tcondition:\n\t\thash.%s(0, filesize) == \"%s\"\n}\n",
		e.Type, e.Value, labelName(e.TLP), d.Tier, e.Score, e.Type, e.Value)
}

func deep(t stix.Type) sheet {
	return sheet{name: string(t) + ".txt", parts: []part{{types: []stix.Type{t}, line: func(b []byte, _ *Document, e *Entry) []byte {
		return fmt.Appendf(b, "%s  %s\n", e.Value, labelName(e.TLP))
	}}}}
}
