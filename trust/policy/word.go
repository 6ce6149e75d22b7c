package policy

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// The words that keys and conditions may have.
func labels() []string { return []string{"clear", "green", "amber", "amber+strict", "red"} }
func levels() []string { return []string{"", "clear", "green", "amber", "red"} } // of PAP
func kinds() []string  { return []string{"objects", "statements"} }
func roles() []string  { return []string{"reader", "analyst", "reviewer", "auditor", "operator"} }
func typeNames() []string {
	var names []string
	for _, t := range stix.Types() {
		names = append(names, string(t))
	}
	return names
}

func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		return "", hinted{fmt.Sprintf("%q is none of %s", s, strings.Join(words, ", ")), nearest(s, words)}
	}
}

// suggestType knows the other names that people have for a type.
func suggestType(name string) string {
	if t, err := stix.ParseType(name); err == nil && string(t) != name {
		return fmt.Sprintf("did you mean %s?", t)
	}
	return suggest(name, typeNames())
}

// checkName accepts the name of an organisation, group or community.
func checkName(name string) (string, error) {
	if err := protocol.CheckName(name); err != nil {
		return "", hinted{err.Error(), "the name as `tocsin peer list` or `tocsin group` shows it"}
	}
	return name, nil
}

// checkRuleName accepts small letters, digits and hyphens.
func checkRuleName(name string) (string, error) {
	bad := strings.IndexFunc(name, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') })
	switch {
	case name == "" || len(name) > 64 || bad >= 0:
		return "", hinted{fmt.Sprintf("%q is no name for a rule", name), "small letters, digits and hyphens, at most 64"}
	case slices.Contains([]string{ruleDefault, ruleLimit}, name):
		return "", hinted{fmt.Sprintf("the name %q is taken", name), "choose another"}
	}
	return name, nil
}

// checkSentence accepts one line that explains something.
func checkSentence(s string) (string, error) {
	if strings.TrimSpace(s) == "" || len(s) > 256 || strings.IndexFunc(s, control) >= 0 {
		return "", hinted{"it must be one line of 1 to 256 bytes", "a few words that whoever is refused will read"}
	}
	return s, nil
}

// checkNetwork accepts an address or a block, and returns the block.
func checkNetwork(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return "", hinted{fmt.Sprintf("%q is no network", s), "such as 203.0.113.0/24 or 2001:db8::/32"}
	}
	if p != p.Masked() {
		return "", hinted{s + " is an address in a network, not a network", "did you mean " + p.Masked().String() + "?"}
	}
	return p.String(), nil
}

func checkDomain(s string) (string, error) {
	o, err := stix.Canonical(stix.DomainName, strings.TrimPrefix(s, "*."))
	if err != nil {
		return "", hinted{fmt.Sprintf("%q is no domain", s), "such as bank.example; everything under it is meant too"}
	}
	return o.Value, nil
}

// checkValue accepts VALUE, or TYPE:VALUE, and returns the latter.
func checkValue(s string) (string, error) {
	if t, value, ok := strings.Cut(s, ":"); ok && slices.Contains(typeNames(), t) {
		o, err := stix.Canonical(stix.Type(t), value)
		if err != nil {
			return "", hinted{fmt.Sprintf("%q is no %s: %v", value, t, err), "correct the value, or its type"}
		}
		return o.String(), nil
	}
	o, err := stix.Detect(s)
	if err != nil {
		return "", hinted{fmt.Sprintf("%q: %v", s, err), "write TYPE:VALUE, such as mutex:Global\\\\a"}
	}
	return o.String(), nil
}

// checkList accepts a path within the directory of the node.
func checkList(path string) (string, error) {
	switch {
	case strings.HasPrefix(path, "/") || strings.Contains(path, `\`) || strings.Contains(path, ":"):
		return "", hinted{fmt.Sprintf("%q leaves the directory of the node", path), "a path relative to policy.toml, such as warninglists"}
	case !fs.ValidPath(path) || path == "." || strings.IndexFunc(path, control) >= 0:
		return "", hinted{fmt.Sprintf("%q leaves the directory of the node, or is not in its plain form", path), "without .., ., // or a slash at the end"}
	}
	return path, nil
}

// checkReviewer accepts a role that may decide.
func checkReviewer(role string) (string, error) {
	if role == "reader" || role == "auditor" {
		return "", hinted{fmt.Sprintf("%q may look, and change nothing", role), "analyst, reviewer or operator"}
	}
	return oneOf("analyst", "reviewer", "operator")(role)
}
