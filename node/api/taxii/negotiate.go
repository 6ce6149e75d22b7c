package taxii

import (
	"mime"
	"strings"
)

// Acceptable reports whether an Accept header has a place for our answers: TAXII
// or STIX JSON of version 2.1 or of none, plain JSON, or anything at all. What asks
// for another version alone gets 406, by which some clients find out which there is.
func Acceptable(fields []string) bool {
	text := strings.Join(fields, ",")
	if strings.TrimSpace(text) == "" {
		return true
	}
	for one := range strings.SplitSeq(text, ",") {
		kind, params, err := mime.ParseMediaType(one)
		if err != nil || strings.Trim(params["q"], "0.") == "" && params["q"] != "" {
			continue
		}
		switch kind {
		case "*/*", "application/*", "application/json":
			return true
		case TypeTAXII, TypeSTIX:
			if v, given := params["version"]; !given || v == "2.1" {
				return true
			}
		}
	}
	return false
}

// Content reads the Content-Type of a POST: whether the body is a bundle and no
// envelope; false where it is neither.
func Content(field string) (bundle, ok bool) {
	kind, params, err := mime.ParseMediaType(field)
	if v, given := params["version"]; err != nil || given && v != "2.1" {
		return false, false
	}
	return kind == TypeSTIX, kind == TypeSTIX || kind == TypeTAXII
}
