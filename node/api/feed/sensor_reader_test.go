package feed

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// sensorReaders read the files of a format as its tools do, and return the
// values they find.
func sensorReaders() map[string]func(files map[string]string) ([]string, error) {
	return map[string]func(map[string]string) ([]string, error){
		"suricata.rules":  func(files map[string]string) ([]string, error) { return readRules(files[""]) },
		"suricata.tar.gz": readArchive,
		"iprep":           readReputation,
		"zeek":            func(files map[string]string) ([]string, error) { return readIntel(files[""]) },
		"misp":            readMISP,
		"clamav":          readClamAV,
		"yara":            func(files map[string]string) ([]string, error) { return readYARA(files[""]) },
		"hashdeep":        readDeep,
		"cef":             func(files map[string]string) ([]string, error) { return readCEF(files[""]) },
		"cef.syslog":      func(files map[string]string) ([]string, error) { return readFramed(files[""]) },
		"ecs":             func(files map[string]string) ([]string, error) { return readECS(files[""]) },
		"sentinel":        func(files map[string]string) ([]string, error) { return readSentinel(files[""]) },
		"crowdstrike":     func(files map[string]string) ([]string, error) { return readIOCs(files[""]) },
	}
}

// split cuts a text into lines that each end in a line feed.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// eachMatch returns a group of a pattern that every line must match.
func eachMatch(text, pattern string) (values []string, err error) {
	expression := regexp.MustCompile(pattern)
	for _, line := range split(text) {
		m := expression.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%q is no line of %s", line, pattern)
		}
		values = append(values, m[1])
	}
	return values, nil
}

func readReputation(files map[string]string) ([]string, error) {
	if _, err := eachMatch(files["categories.txt"], `^([0-9]+),[^,]+,[^,]+$`); err != nil {
		return nil, err
	}
	return eachMatch(files["reputation.list"], `^([0-9a-f:./]+),1,(?:[1-9]|[1-9][0-9]|1[01][0-9]|12[0-7])$`)
}

func readIntel(text string) (values []string, err error) {
	lines := split(text)
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "#fields\t") {
		return nil, fmt.Errorf("%q has no head", text)
	}
	escape := regexp.MustCompile(`\\x[0-9a-f]{2}`)
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		if len(fields) != 6 || !strings.HasPrefix(fields[1], "Intel::") || fields[2] == "-" || slices.Contains(fields, "") {
			return nil, fmt.Errorf("%q is no line", line)
		}
		values = append(values, escape.ReplaceAllStringFunc(fields[0], func(s string) string {
			c, _ := hex.DecodeString(s[2:])
			return string(c)
		}))
	}
	return values, nil
}

func readMISP(files map[string]string) (values []string, err error) {
	var manifest map[string]struct {
		Timestamp int64
		Orgc      struct{ Name, UUID string }
	}
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
		return nil, err
	}
	hashes, uuids := map[string]bool{}, map[string]bool{}
	for _, line := range split(files["hashes.csv"]) {
		hashes[line] = true
	}
	for uuid, head := range manifest {
		var file struct {
			Event struct {
				UUID, Timestamp string
				Attribute       []struct{ UUID, Type, Value string }
			}
		}
		if err := json.Unmarshal([]byte(files[uuid+".json"]), &file); err != nil {
			return nil, err
		}
		if file.Event.UUID != uuid || file.Event.Timestamp != strconv.FormatInt(head.Timestamp, 10) || len(head.Orgc.UUID) != 36 {
			return nil, fmt.Errorf("event %s is not that of the manifest", uuid)
		}
		for _, a := range file.Event.Attribute {
			line := fmt.Sprintf("%x,%s", md5.Sum([]byte(a.Value)), uuid)
			if !hashes[line] || uuids[a.UUID] || len(a.UUID) != 36 {
				return nil, fmt.Errorf("%s is not in hashes.csv, or its UUID is another's", a.Value)
			}
			uuids[a.UUID] = true
			values = append(values, a.Value)
		}
	}
	if len(hashes) > len(values) {
		return nil, fmt.Errorf("%d hashes of %d values", len(hashes), len(values))
	}
	return values, nil
}

func readClamAV(files map[string]string) ([]string, error) {
	short, err := eachMatch(strings.TrimPrefix(files["tocsin.hdb"], "# hash:size:name:level\n"), `^([0-9a-f]{32}):\*:[\w.]+:73$`)
	if err != nil {
		return nil, err
	}
	long, err := eachMatch(strings.TrimPrefix(files["tocsin.hsb"], "# hash:size:name:level\n"), `^([0-9a-f]{40}|[0-9a-f]{64}):\*:[\w.]+:73$`)
	return append(short, long...), err
}

func readYARA(text string) (values []string, err error) {
	text, ok := strings.CutPrefix(text, "import \"hash\"\n")
	one := regexp.MustCompile(`^\nrule tocsin_(?:md5|sha1|sha256)_([0-9a-f]+) : tlp_\w+ tier_\w+\n\{\n\tmeta:\n\t\tscore = \d+\n` +
		`\tcondition:\n\t\thash\.(?:md5|sha1|sha256)\(0, filesize\) == "([0-9a-f]+)"\n\}\n`)
	for ok && text != "" {
		m := one.FindStringSubmatch(text)
		if m == nil || m[1] != m[2] {
			return nil, fmt.Errorf("%q is no rule", text)
		}
		values, text = append(values, m[1]), text[len(m[0]):]
	}
	return values, nil
}

func readDeep(files map[string]string) (values []string, err error) {
	for name, digits := range map[string]int{"md5.txt": 32, "sha1.txt": 40, "sha256.txt": 64} {
		of, err := eachMatch(files[name], fmt.Sprintf(`^([0-9a-f]{%d})  \w+$`, digits))
		if err != nil {
			return nil, err
		}
		values = append(values, of...)
	}
	return values, nil
}

// readCEF reads the extension: a key stands before each "=" that is not
// escaped.
func readCEF(text string) (values []string, err error) {
	key := regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`)
	bare := regexp.MustCompile(`^(?:[^\\=]|\\.)*=`)
	for _, line := range split(text) {
		parts := strings.SplitN(line, "|", 8)
		if len(parts) != 8 || parts[0] != "CEF:0" {
			return nil, fmt.Errorf("%q is no line", line)
		}
		fields := map[string]string{}
		at := key.FindAllStringSubmatchIndex(parts[7], -1)
		for i, m := range at {
			end := len(parts[7])
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			if bare.MatchString(parts[7][m[1]:end]) {
				return nil, fmt.Errorf("an equals sign that is not escaped in %q", line)
			}
			fields[parts[7][m[2]:m[3]]] = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r").Replace(parts[7][m[1]:end])
		}
		for _, typed := range []string{"dst", "c6a3", "destinationDnsDomain", "request", "fileHash"} {
			if v, ok := fields[typed]; ok && v != fields["cs1"] {
				return nil, fmt.Errorf("%s is %q in %q", typed, v, line)
			}
		}
		values = append(values, fields["cs1"])
	}
	return values, nil
}

func readFramed(text string) ([]string, error) {
	frame := regexp.MustCompile(`^<133>1 [0-9TZ:-]+ [!-~]{1,255} tocsin - indicator - `)
	var b strings.Builder
	for _, line := range split(text) {
		head := frame.FindString(line)
		if head == "" {
			return nil, fmt.Errorf("%q has no header of RFC 5424", line)
		}
		b.WriteString(line[len(head):] + "\n")
	}
	return readCEF(b.String())
}

func readECS(text string) (values []string, err error) {
	for _, line := range split(text) {
		var d struct {
			Threat struct {
				Indicator struct {
					Name string
					IP   string
					URL  struct{ Domain, Original string }
					File struct{ Hash map[string]string }
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, err
		}
		i := d.Threat.Indicator
		typed := i.IP + i.URL.Domain + i.URL.Original
		for _, hash := range i.File.Hash {
			typed += hash
		}
		if typed != "" && typed != i.Name {
			return nil, fmt.Errorf("%q is also %q", i.Name, typed)
		}
		values = append(values, i.Name)
	}
	return values, nil
}

func readSentinel(text string) (values []string, err error) {
	for _, line := range split(text) {
		var request struct {
			SourceSystem string `json:"sourcesystem"`
			Objects      []json.RawMessage
			STIXObjects  []json.RawMessage `json:"stixobjects"`
		}
		if err := json.Unmarshal([]byte(line), &request); err != nil || len(request.STIXObjects) == 0 || len(request.STIXObjects) > 100 {
			return nil, fmt.Errorf("%d objects: %w", len(request.STIXObjects), err)
		}
		for _, raw := range request.STIXObjects {
			o, err := stix.Parse(bytes.Clone(raw))
			if err != nil {
				return nil, err
			}
			var named struct{ Name string }
			if err := json.Unmarshal(raw, &named); err != nil || len(o.Claims) > 1 || len(o.Claims) == 1 && o.Claims[0].Value != named.Name {
				return nil, fmt.Errorf("%s says %v: %w", named.Name, o.Claims, err)
			}
			values = append(values, named.Name)
		}
	}
	return values, nil
}

func readIOCs(text string) (values []string, err error) {
	for _, line := range split(text) {
		var request struct {
			Indicators []struct{ Type, Value, Action string }
		}
		if err := json.Unmarshal([]byte(line), &request); err != nil || len(request.Indicators) == 0 || len(request.Indicators) > 200 {
			return nil, fmt.Errorf("%d indicators: %w", len(request.Indicators), err)
		}
		for _, i := range request.Indicators {
			values = append(values, i.Value)
		}
	}
	return values, nil
}
