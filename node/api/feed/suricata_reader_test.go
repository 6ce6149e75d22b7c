package feed

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

func untar(tb testing.TB, archive string) map[string]string {
	tb.Helper()
	z, err := gzip.NewReader(strings.NewReader(archive))
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			tb.Fatal(err)
		}
		content, err := io.ReadAll(t)
		if err != nil {
			tb.Fatal(err)
		}
		files[h.Name] = string(content)
	}
}

// A rule is one of Suricata's, taken apart.
type rule struct {
	header  string
	options [][2]string
}

// option returns the values of an option of a rule.
func (r *rule) option(name string) (values []string) {
	for _, o := range r.options {
		if o[0] == name {
			values = append(values, o[1])
		}
	}
	return values
}

// parseRule takes a rule apart: options end in a semicolon outside of quotes.
func parseRule(line string) (r rule, err error) {
	header, rest, ok := strings.Cut(line, " (")
	if !ok || !strings.HasSuffix(rest, ";)") || !strings.HasPrefix(header, "alert ") {
		return r, fmt.Errorf("%q is no rule", line)
	}
	r.header = header
	for rest = strings.TrimSuffix(rest, ")"); rest != ""; {
		end, inside := -1, false
		for i := 0; i < len(rest) && end < 0; i++ {
			switch {
			case rest[i] == '"':
				inside = !inside
			case rest[i] == ';' && !inside:
				end = i
			}
		}
		if end < 0 {
			return r, fmt.Errorf("no end of an option in %q", line)
		}
		name, value, _ := strings.Cut(strings.TrimSpace(rest[:end]), ":")
		r.options = append(r.options, [2]string{name, value})
		rest = rest[end+1:]
	}
	return r, nil
}

// content undoes what stands in quotes: bars enclose hexadecimal.
func content(quoted string) (string, error) {
	text, ok := strings.CutPrefix(quoted, `"`)
	text, ok2 := strings.CutSuffix(text, `"`)
	if !ok || !ok2 {
		return "", fmt.Errorf("%q is not quoted", quoted)
	}
	var b strings.Builder
	for i, piece := range strings.Split(text, "|") {
		if i%2 == 0 {
			b.WriteString(piece)
			continue
		}
		bytes, err := hex.DecodeString(strings.ReplaceAll(piece, " ", ""))
		if err != nil {
			return "", err
		}
		b.Write(bytes)
	}
	return b.String(), nil
}

func readRules(text string) (values []string, err error) {
	names := map[string]int{}
	sids := map[string]bool{}
	for _, line := range split(text) {
		r, err := parseRule(line)
		if err != nil {
			return nil, err
		}
		sid := r.option("sid")
		if len(sid) != 1 || sids[sid[0]] {
			return nil, fmt.Errorf("the number of %q is not its own", line)
		}
		sids[sid[0]] = true
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		if len(r.option("dns.query"))+len(r.option("tls.sni"))+len(r.option("http.host")) > 0 {
			if names[value]++; names[value]%3 != 0 {
				continue
			}
		}
		values = append(values, value)
	}
	for name, rules := range names {
		if rules%3 != 0 {
			return nil, fmt.Errorf("%d rules on %q", rules, name)
		}
	}
	return values, nil
}

// value is what a rule looks for.
func (r *rule) value() (string, error) {
	if fields := strings.Fields(r.header); fields[1] == "ip" {
		return fields[5], nil
	}
	var value string
	sizes := r.option("bsize")
	for i, quoted := range r.option("content") {
		text, err := content(quoted)
		if err != nil {
			return "", err
		}
		if len(r.option("endswith")) > 0 {
			return "*" + text, nil
		}
		if i >= len(sizes) || sizes[i] != strconv.Itoa(len(text)) {
			return "", fmt.Errorf("%q may stand for more than %q", r.options, text)
		}
		value += text
	}
	return value, nil
}

func readArchive(files map[string]string) (values []string, err error) {
	var own strings.Builder
	loaded := map[string]bool{}
	for _, line := range split(files["rules/tocsin.rules"]) {
		r, err := parseRule(line)
		if err != nil {
			return nil, err
		}
		set := ""
		for _, o := range r.options {
			switch {
			case o[0] == "dataset":
				_, set, _ = strings.Cut(o[1], "load ")
				set, _, _ = strings.Cut(set, ",")
			case strings.HasPrefix(o[0], "file"):
				set = o[1]
			}
		}
		if set == "" {
			own.WriteString(line + "\n")
		}
		loaded["rules/"+set] = true
	}
	for name, text := range files {
		if !loaded[name] && name != "rules/tocsin.rules" {
			return nil, fmt.Errorf("no rule looks up %s", name)
		}
		if name == "rules/tocsin.rules" {
			continue
		}
		for _, line := range split(text) {
			if name == "rules/datasets/domain.lst" {
				raw, err := base64.StdEncoding.DecodeString(line)
				if err != nil {
					return nil, err
				}
				line = string(raw)
			}
			if strings.ContainsAny(line, "*/") {
				return nil, fmt.Errorf("%s is in %s, where it stands for itself only", line, name)
			}
			values = append(values, line)
		}
	}
	rest, err := readRules(own.String())
	return append(values, rest...), err
}
