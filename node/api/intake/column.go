package intake

import (
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A role is what the cells of a CSV column are for.
type role int

const (
	unknown role = iota
	ignored
	valued    // values that are indicators
	contextal // values that the source itself calls context
	kind      // the type of the value: a hint, never trusted over the value
	labelled  // TLP
	from
	until
	certainty
	port
	remark
	tag
)

// A column is one column of a CSV file.
type column struct {
	role role
	name string
	hint stix.Type // of valued columns, "" for none
}

// columnOf reads a column name.
func columnOf(name string) column {
	words := columnWords(name)
	c := column{name: trim(name), role: unknown}
	if len(words) == 0 || len(words) > 8 {
		return c
	}
	all := strings.Join(words, " ")
	has := func(any ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
	}
	hint, typed := typeWord(words)
	switch {
	case strings.Contains(all, "not an ioc"), strings.Contains(all, "not an indicator"), has("allowlist", "whitelist", "benign"):
		c.role = contextal
	case has("tlp"):
		c.role = labelled
	case has("until", "expires", "expiry", "expiration", "expire"), all == "end of validity", all == "valid to":
		c.role = until
	case all == "valid from", all == "creation date", has("first") && has("seen", "observed"), has("firstseen", "dateadded"), all == "date added":
		c.role = from
	case has("confidence"):
		c.role = certainty
	case slices.Contains([]string{"type", "types", "kind", "indicator type", "ioc type", "ioctype", "entity type", "observable type", "observable types", "value type"}, all):
		c.role = kind
	case has("port", "dstport", "srcport", "dport") && !typed:
		c.role = port
	case has("size", "type", "types", "date", "time", "timestamp", "status", "use", "count", "number", "country", "age", "path", "pdb", "filename", "author", "reporter",
		"reference", "references", "link", "links", "report", "permalink", "screenshot", "virustotal", "vt", "contact", "whois", "registrar", "registrant", "victim", "target", "btc"),
		has("source") && !has("ip", "domain", "host", "address"), all == "file name":
		c.role = ignored
	case typed && has("hosting", "resolved", "resolves", "resolution", "hoster"):
		c.role, c.hint = contextal, hint
	case has("description", "notes", "note", "comment", "comments", "context", "details", "remark", "remarks"):
		c.role = remark
	case typed, has("ioc", "iocs", "indicator", "indicators", "value", "observable", "observables", "c2", "cnc"), all == "c c", all == "c c server":
		c.role, c.hint = valued, hint
	case has("tag", "tags", "malware", "family", "threat", "campaign", "category"):
		c.role = tag
	}
	return c
}

// typeWord finds the word of a column name that says what type its values are.
func typeWord(words []string) (stix.Type, bool) {
	cert := false
	for i, w := range words {
		switch w {
		case "certificate", "cert", "x509", "thumbprint", "ssl":
			cert = true
		case "ips", "ipaddress":
			w = "ip"
		case "domains", "hostnames", "hosts":
			w = "domain"
		case "urls", "uris":
			w = "url"
		case "emails", "sender":
			w = "email"
		case "sha256sum", "md5sum", "sha1sum":
			w = strings.TrimSuffix(w, "sum")
		case "sha":
			if i+1 < len(words) {
				w += words[i+1]
			}
		case "hashes":
			w = "hash"
		case "path", "link", "filename", "file-name", "network", "vulnerability", "ua", "as", "mail", "socket":
			continue // too common in names of other columns
		}
		t, err := stix.ParseType(w)
		if err != nil {
			continue
		}
		o := stix.Observable{Type: t}
		if cert {
			o = certificate(o)
		}
		return o.Type, true
	}
	return "", false
}

// headerWord recognises a line that is the name of the one column of a list.
func headerWord(line string) bool {
	return !strings.ContainsAny(line, ".:/@") && len(line) < 40 && columnOf(line).role == valued
}
