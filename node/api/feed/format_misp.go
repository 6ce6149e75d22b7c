package feed

import (
	"bufio"
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// mispFormat is a feed of MISP events, one for the values of a type that came
// in one month and are under one label.
func mispFormat() Format {
	return Format{
		Name: "misp", About: "MISP and all that read its feeds", Media: mediaJSON, Types: listedTypes(), Files: []string{"manifest.json", "hashes.csv"},
		fits: inMISP, write: writeMISP,
	}
}

// inMISP leaves out wildcards, which MISP takes for no domain.
func inMISP(e *Entry) bool { return !isWildcard(e) }

// An event is one of the feed's, without its attributes.
type event struct {
	kind  stix.Type
	month time.Time
	tlp   protocol.TLP
	uuid  string
}

func (v *event) holds(e *Entry) bool {
	return v.kind == e.Type && v.tlp == e.TLP && v.month.Equal(monthOf(e))
}

func monthOf(e *Entry) time.Time {
	t := e.Since.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func mispValues(d *Document) func(yield func(*Entry) bool) {
	f := mispFormat()
	return func(yield func(*Entry) bool) {
		for e := range d.All {
			if f.Carries(&e) && !yield(&e) {
				return
			}
		}
	}
}

// events returns the events of a document, in order.
func events(d *Document) (all []*event) {
	for e := range mispValues(d) {
		if !slices.ContainsFunc(all, func(v *event) bool { return v.holds(e) }) {
			v := &event{kind: e.Type, month: monthOf(e), tlp: e.TLP}
			v.uuid = nameUUID("misp", d.Source, d.Tier.String(), string(v.kind), v.tlp.String(), v.month.Format("2006-01"))
			all = append(all, v)
		}
	}
	types := listedTypes()
	slices.SortFunc(all, func(a, b *event) int {
		return cmp.Or(cmp.Compare(slices.Index(types, a.kind), slices.Index(types, b.kind)), a.month.Compare(b.month), cmp.Compare(a.tlp, b.tlp))
	})
	return all
}

// nameUUID is a UUID of version 5 made of texts.
func nameUUID(texts ...string) string {
	h := sha1.New()
	h.Write([]byte{0x5b, 0x1e, 0x0f, 0x0c, 0x7d, 0x52, 0x4d, 0x0a, 0x9c, 0x11, 0x2a, 0x86, 0xe3, 0x40, 0x6f, 0x77})
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	sum := h.Sum(nil)
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func writeMISP(w io.Writer, d *Document, file string) error {
	out := bufio.NewWriterSize(w, writeBuffer) // it keeps its error for Flush
	all := events(d)
	switch file {
	case "manifest.json":
		writeManifest(out, d, all)
	case "hashes.csv":
		writeHashes(out, d, all)
	default:
		i := slices.IndexFunc(all, func(v *event) bool { return v.uuid+".json" == file })
		if i < 0 {
			return noFile("misp", file)
		}
		writeEvent(out, d, all[i])
	}
	return out.Flush()
}

func writeManifest(out *bufio.Writer, d *Document, all []*event) {
	out.WriteByte('{')
	for i, v := range all {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "\n%q:{%s,\"timestamp\":%d}", v.uuid, v.head(d), d.Changed.Unix())
	}
	out.WriteString("\n}\n")
}

// head is what the manifest and the event say of it alike.
func (v *event) head(d *Document) string {
	return fmt.Sprintf(`"Orgc":{"name":%s,"uuid":"%s"},"Tag":[%s],"info":%s,"date":"%s","analysis":"2","threat_level_id":"4"`,
		quoted(d.Source), nameUUID("org", d.Source), mispTag(v.tlp), quoted(fmt.Sprintf("Tocsin: %s of tier %s, %s", v.kind, d.Tier, v.month.Format("January 2006"))), v.month.Format(time.DateOnly))
}

// mispTag is a label as MISP's taxonomy has it.
func mispTag(t protocol.TLP) string {
	colour := "#ffffff"
	switch t {
	case protocol.Green:
		colour = "#33ff00"
	case protocol.Amber, protocol.AmberStrict:
		colour = "#ffc000"
	case protocol.Red:
		colour = "#ff2b2b"
	}
	return fmt.Sprintf(`{"name":"tlp:%s","colour":"%s","exportable":true}`, t, colour)
}

// writeHashes writes what MISP looks values up by before it takes in the events.
func writeHashes(out *bufio.Writer, d *Document, all []*event) {
	for e := range mispValues(d) {
		i := slices.IndexFunc(all, func(v *event) bool { return v.holds(e) })
		if _, err := fmt.Fprintf(out, "%x,%s\n", md5.Sum([]byte(e.Value)), all[i].uuid); err != nil {
			return
		}
	}
}

func writeEvent(out *bufio.Writer, d *Document, v *event) {
	stamp := d.Changed.Unix()
	fmt.Fprintf(out, `{"Event":{"uuid":"%s",%s,"timestamp":"%d","publish_timestamp":"%d","published":true,"Attribute":[`, v.uuid, v.head(d), stamp, stamp)
	between := "\n"
	for e := range mispValues(d) {
		if !v.holds(e) {
			continue
		}
		kind, category := mispType(e.Type)
		_, err := fmt.Fprintf(out, `%s{"uuid":"%s","type":"%s","category":"%s","value":%s,"to_ids":%t,"timestamp":"%d","deleted":false,"comment":"score %d"}`,
			between, nameUUID("attribute", v.uuid, e.Value), kind, category, quoted(e.Value), d.Tier >= score.Alert, stamp, e.Score)
		if err != nil {
			return
		}
		between = ",\n"
	}
	out.WriteString("\n]}}\n")
}

func mispType(t stix.Type) (kind, category string) {
	switch t {
	case stix.IPv4Addr, stix.IPv6Addr:
		return "ip-dst", "Network activity"
	case stix.DomainName:
		return "domain", "Network activity"
	case stix.URL:
		return "url", "Network activity"
	}
	return strings.ToLower(string(t)), "Payload delivery"
}
