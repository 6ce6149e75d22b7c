package stix

import (
	"encoding/json"
	"strings"
	"testing"
)

// truthTypes maps the names of the published table to ours.
var truthTypes = map[string]Type{
	"ipv4": IPv4Addr, "ipv6": IPv6Addr, "ipv4-cidr": IPv4Addr, "ipv6-cidr": IPv6Addr, "ip-port": IPPort,
	"domain": DomainName, "domain-wildcard": DomainName, "domain-port": DomainPort, "url": URL, "url-path": URLPath,
	"md5": MD5, "sha1": SHA1, "sha256": SHA256, "sha512": SHA512, "ssdeep": SSDEEP, "email": EmailAddr,
}

// elsewhere are the rows that need more than one value to judge.
var elsewhere = map[string]string{
	"D054": "only the surrounding prose tells that it is the author's address",
	"D165": "a benign host: needs a list of them",
}

func TestPublishedTruth(t *testing.T) {
	rows, skipped := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(readFile(t, testData(t, "truth", "truth.tsv")))), "\n")[1:] {
		f := strings.Split(line, "\t")
		var found string
		if err := json.Unmarshal([]byte(f[2]), &found); err != nil {
			t.Fatal(err)
		}
		if elsewhere[f[0]] != "" || f[1] == "line" && moreThanOneValue(found, f) {
			skipped++
			continue
		}
		rows++
		o, err := Detect(found)
		if why := judge(o, err, f); why != "" {
			t.Errorf("%s %s %s: got %v, %v: %s (%s)", f[0], f[1], f[2], o, err, why, f[10])
		}
	}
	t.Logf("%d rows judged, %d are lines of a format or need context", rows, skipped)
	if rows < 150 {
		t.Errorf("only %d rows judged", rows)
	}
}

// moreThanOneValue reports lines in the syntax of a list, which intake takes
// apart before it asks Detect.
func moreThanOneValue(line string, f []string) bool {
	if f[3] == "ignore" {
		return strings.HasPrefix(line, "#") // a comment
	}
	for _, mark := range []string{"\t", " ", ";", "\","} {
		if strings.Contains(strings.TrimSpace(line), mark) {
			return true
		}
	}
	return strings.Contains(line, ",") && f[4] != "url-path" || strings.HasPrefix(line, "||") || strings.HasPrefix(line, "*://")
}

// judge says what is wrong with an answer, "" when it is right.
func judge(o Observable, err error, f []string) string {
	verdict, typ, canonical, alts := f[3], f[4], f[5], strings.Split(f[6], " || ")
	refused := err != nil || o.SpecialUse() != ""
	switch verdict {
	case "ignore":
		if err == nil {
			return "must be ignored"
		}
		return ""
	case "reject":
		if !refused {
			return "must be refused"
		}
		return ""
	}
	want := truthTypes[typ]
	if err == nil && o.SpecialUse() == "" {
		value := o.Value
		if typ == "domain-wildcard" {
			value = strings.TrimPrefix(value, "*.")
		}
		if o.Type == want && value == canonical {
			return ""
		}
	}
	for _, alt := range alts {
		if alt == "reject" && refused {
			return ""
		}
		if alt == "" || err != nil {
			continue
		}
		if o.Type == want && o.Value == alt {
			return ""
		}
		if name, value, ok := strings.Cut(alt, ":"); ok && truthTypes[name] == o.Type && value == o.Value {
			return ""
		}
	}
	return "want " + typ + " " + canonical
}
