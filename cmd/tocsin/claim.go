package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
)

// claimFormat is what the help of every command that prints claims says.
const claimFormat = `  VALUE TYPE RELATION ORG tlp:green confidence:80 expires:2026-12-22 community:isac
  to:"group health-isac v1" via:cert claim:203.0.113.0/24 pap:amber
  drill:NAME tags:a,b "description"

Fields that do not apply are left out; expires is a day (UTC) or never. What
makes no claim on a value has its name for VALUE and its STIX type for TYPE.`

// endOfTime is the year in which what never expires does.
const endOfTime = 9999

// claimLine writes one claim: the value, its type, how it bears on what was
// asked, and what is said about it. The value is what was asked for where
// something was; the claim's own follows where it differs.
func claimLine(asked string, claim api.Claim) string {
	value, kind := claimSubject(claim)
	if asked == "" {
		asked = value
	}
	parts := []string{field(asked), field(kind)}
	if claim.Relation != "" {
		parts = append(parts, field(claim.Relation))
	}
	named := ""
	if asked != value {
		named = value
	}
	parts = append(parts, claimTerms(&claim, named)...)
	if len(claim.Labels) > 0 {
		parts = append(parts, "tags:"+fields(claim.Labels))
	}
	if claim.Description != "" {
		parts = append(parts, quoted(claim.Description))
	}
	return strings.Join(parts, " ")
}

// claimSubject is what a claim is about, and of which type that is.
func claimSubject(claim api.Claim) (value, kind string) {
	if claim.Type != "" {
		return claim.Value, string(claim.Type)
	}
	kind, _, _ = strings.Cut(claim.ID, "--")
	if claim.Name != "" {
		return claim.Name, kind
	}
	return claim.ID, kind
}

func expires(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Year() >= endOfTime:
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

// claimTerms are who says something and on what terms; named is the value that is
// claimed where it is not the one asked for.
func claimTerms(claim *api.Claim, named string) []string {
	parts := []string{field(claim.Org), "tlp:" + claim.TLP.String()}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+":"+field(value))
		}
	}
	if claim.Confidence != nil {
		add("confidence", strconv.Itoa(*claim.Confidence))
	}
	add("expires", expires(claim.Expires))
	add("community", claim.Community)
	add("to", claim.Audience)
	add("via", claim.Via)
	add("claim", named)
	add("pap", claim.PAP.String())
	add("drill", claim.Drill)
	return parts
}
