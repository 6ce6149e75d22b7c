package stix

// aliasSource is the source_name of an external reference that holds another
// STIX id of the same thing.
const aliasSource = "stix"

// objectKind groups the types by the properties they share.
type objectKind int

const (
	customKind     objectKind = iota // not in the specification
	domainKind                       // domain and relationship objects
	observableKind                   // cyber-observable objects
	metaKind                         // marking-definition, the one that has no versions
)

func kindOf(t string) objectKind {
	switch t {
	case "indicator", "attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident",
		"infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data",
		"opinion", "report", "threat-actor", "tool", "vulnerability", "relationship", "sighting",
		"extension-definition", "language-content":
		return domainKind
	case "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file",
		"ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url",
		"user-account", "windows-registry-key", "x509-certificate":
		return observableKind
	case "marking-definition":
		return metaKind
	}
	return customKind
}

// required is what a kind requires, names with blanks between them.
func (k objectKind) required() string {
	switch k {
	case domainKind:
		return "spec_version created modified"
	case metaKind:
		return "spec_version created"
	}
	return ""
}

// requiredOf is what the specification requires of a type beyond its kind.
func requiredOf(t string) string {
	switch t {
	case "indicator":
		return "pattern pattern_type valid_from"
	case "attack-pattern", "campaign", "course-of-action", "identity", "incident", "infrastructure", "intrusion-set",
		"threat-actor", "tool", "vulnerability", "software", "mutex":
		return "name"
	case "malware":
		return "is_family"
	case "malware-analysis":
		return "product"
	case "report":
		return "name published object_refs"
	case "grouping":
		return "context object_refs"
	case "note":
		return "content object_refs"
	case "opinion":
		return "opinion object_refs"
	case "observed-data":
		return "first_observed last_observed number_observed"
	case "relationship":
		return "relationship_type source_ref target_ref"
	case "sighting":
		return "sighting_of_ref"
	case "extension-definition":
		return "created_by_ref name schema version extension_types"
	case "language-content":
		return "object_ref contents"
	case "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "mac-addr":
		return "value"
	case "autonomous-system":
		return "number"
	case "directory":
		return "path"
	case "network-traffic":
		return "protocols"
	case "email-message":
		return "is_multipart"
	}
	return ""
}

// validType reports small letters, digits and single hyphens, 3 to 250 bytes.
func validType(t string) bool {
	if len(t) < 3 || len(t) > 250 || t[0] == '-' || t[len(t)-1] == '-' {
		return false
	}
	for i := range len(t) {
		c := t[i]
		if !(c >= 'a' && c <= 'z' || isDigit(c) || c == '-' && t[i-1] != '-') {
			return false
		}
	}
	return true
}

// IsID reports a type, two hyphens and a UUID of any version.
func IsID(id string) bool {
	cut := len(id) - 36
	if cut < 5 || id[cut-2:cut] != "--" || !validType(id[:cut-2]) {
		return false
	}
	for i, c := range []byte(id[cut:]) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen && c != '-' || !hyphen && !isHex(c) {
			return false
		}
	}
	return true
}
