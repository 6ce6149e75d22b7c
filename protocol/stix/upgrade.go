package stix

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Upgrade turns a STIX 2.0 object into STIX 2.1; an object that says it is 2.1
// is returned as it is. It does what the two specifications differ in, see the
// package comment; an embedded observed-data map stays, deprecated but legal.
// It does not make a broken object valid: [Parse] is to follow. An error is a
// [*Fault].
func Upgrade(raw []byte) ([]byte, error) {
	m, err := readMembers(raw)
	if err != nil {
		return nil, err
	}
	if m.text("spec_version") == "2.1" {
		return raw, nil
	}
	m.setVersion()
	if m.text("type") != "marking-definition" {
		m.fillModified()
	}
	m.list = slices.DeleteFunc(m.list, func(e member) bool {
		return e.value.Kind() == 'n' || e.value.Kind() == '[' && len(e.value) == 2
	})
	m.moveLabels()
	switch m.text("type") {
	case "indicator":
		m.upgradeIndicator()
	case "malware":
		if !m.has("is_family") {
			m.set("is_family", jsontext.Value("true")) // 2.0 knew families; a name was required
		}
	}
	return m.appendJSON(make([]byte, 0, len(raw)+128)), nil
}

// setVersion puts spec_version behind the type.
func (m *members) setVersion() {
	m.drop("spec_version")
	m.list = slices.Insert(m.list, m.find("type")+1, member{"spec_version", jsontext.Value(`"2.1"`)})
}

func (m *members) upgradeIndicator() {
	if !m.has("pattern_type") {
		m.setText("pattern_type", "stix")
	}
	if !m.has("valid_from") && m.has("created") {
		m.set("valid_from", m.value("created"))
	}
	if m.text("pattern_type") != "stix" {
		return
	}
	if text := m.text("pattern"); text != "" {
		if fixed := upgradePattern(text); fixed != text {
			m.setText("pattern", fixed)
		}
	}
}

// upgradePattern writes the times of START and STOP, strings in early 2.0
// drafts, as timestamps.
func upgradePattern(s string) string {
	if _, err := ParsePattern(s); err == nil || len(s) > MaxPattern {
		return s
	}
	var b []byte
	l, copied, wants := lexer{text: s}, 0, false
	for l.next(); l.tok.kind != tokEnd; l.next() {
		if wants && l.tok.kind == tokString && patternTime(l.tok.text) {
			b = append(append(b, s[copied:l.tok.offset]...), 't')
			copied = l.tok.offset
		}
		wants = l.tok.kind == tokWord && (l.tok.text == "START" || l.tok.text == "STOP")
	}
	return string(append(b, s[copied:]...))
}

// moveLabels moves the labels of 2.0 that were types to the property 2.1 made
// for them. A label outside the vocabulary stays a label as well.
func (m *members) moveLabels() {
	property, vocabulary := typesOf(m.text("type"))
	labels := elements(m.value("labels"))
	if property == "" || len(labels) == 0 || m.has(property) {
		return
	}
	var types, rest []jsontext.Value
	for _, l := range labels {
		if l.Kind() == '"' && slices.Contains(vocabulary, string(unquote(l))) {
			types = append(types, l)
		} else {
			rest = append(rest, l)
		}
	}
	if len(types) > 0 {
		m.setElements(property, types)
		m.setElements("labels", rest)
	}
}

// typesOf is the property that took over from labels and its open vocabulary
// in 2.0.
func typesOf(t string) (property string, vocabulary []string) {
	switch t {
	case "indicator":
		return "indicator_types", []string{"anomalous-activity", "anonymization", "benign", "compromised", "malicious-activity", "attribution"}
	case "malware":
		return "malware_types", []string{"adware", "backdoor", "bot", "ddos", "dropper", "exploit-kit", "keylogger", "ransomware",
			"remote-access-trojan", "resource-exploitation", "rogue-security-software", "rootkit", "screen-capture", "spyware", "trojan", "virus", "worm"}
	case "report":
		return "report_types", []string{"threat-report", "attack-pattern", "campaign", "identity", "indicator", "intrusion-set", "malware",
			"observed-data", "threat-actor", "tool", "vulnerability"}
	case "threat-actor":
		return "threat_actor_types", []string{"activist", "competitor", "crime-syndicate", "criminal", "hacker", "insider-accidental",
			"insider-disgruntled", "nation-state", "sensationalist", "spy", "terrorist"}
	case "tool":
		return "tool_types", []string{"denial-of-service", "exploitation", "information-gathering", "network-capture", "credential-exploitation",
			"remote-access", "vulnerability-scanning"}
	}
	return "", nil
}
