package feed

import (
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// proxyFormats are files of proxies and mail servers.
func proxyFormats() []Format {
	return []Format{
		newFormat("haproxy", "HAProxy, patterns of acl and map_ip", mediaText,
			sheet{name: "addresses.acl", parts: []part{addresses("", "\n")}},
			sheet{name: "names.acl", parts: []part{names("", "\n")}},
			sheet{name: "under.acl", parts: []part{wildcards(".", "\n")}},
			sheet{name: "addresses.map", parts: []part{scored()}}),
		newFormat("nginx", "nginx, include within a server, geo, or map with hostnames", mediaText,
			sheet{name: "deny.conf", parts: []part{addresses("deny ", ";\n")}},
			sheet{name: "geo.conf", parts: []part{addresses("", " 1;\n")}},
			sheet{name: "hostnames.map", parts: []part{names("", " 1;\n"), wildcards("*.", " 1;\n")}}),
		newFormat("squid", "Squid, files of acl dst, dstdomain, dstdom_regex and url_regex", mediaText,
			sheet{name: "dst.acl", parts: []part{addresses("", "\n")}},
			sheet{name: "dstdomain.acl", parts: []part{names("", "\n")}},
			sheet{name: "dstdom_regex.acl", parts: []part{squidUnder()}},
			sheet{name: "url_regex.acl", parts: []part{squidURLs()}}),
		newFormat("postfix", "Postfix, tables that reject: cidr: of clients, texthash: of senders", mediaText,
			sheet{name: "client.cidr", parts: []part{addresses("", " REJECT\n")}},
			sheet{name: "sender.access", parts: []part{{types: []stix.Type{stix.EmailAddr}, line: postfixSender}}}),
	}
}

func postfixSender(b []byte, _ *Document, e *Entry) []byte {
	return enclosed(b, "", e.Value, " REJECT\n")
}

// scored is every address with its score, which a proxy can compare.
func scored() part {
	p := addresses("", " ")
	value := p.line
	p.line = func(b []byte, d *Document, e *Entry) []byte {
		if b = value(b, d, e); len(b) > 0 {
			b = append(strconv.AppendInt(b, int64(e.Score), 10), '\n')
		}
		return b
	}
	return p
}

// squidUnder writes wildcards as expressions: ".name" would be the name as well.
func squidUnder() part {
	return part{types: []stix.Type{stix.DomainName}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !isWildcard(e) {
			return b
		}
		b = append(b, `^[a-z0-9_.-]+`...)
		return append(appendExpression(b, e.Value[len("*"):]), "$\n"...)
	}}
}

// squidURLs writes URLs as expressions for that URL alone. Without a scheme there
// is no URL in a proxy, and what stands behind "#" is never sent.
func squidURLs() part {
	return part{types: []stix.Type{stix.URL}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !strings.Contains(e.Value, "://") || strings.IndexByte(e.Value, '#') >= 0 {
			return b
		}
		return append(appendExpression(append(b, '^'), e.Value), "$\n"...)
	}}
}

// appendExpression appends a regular expression that holds for a text alone. Only
// what means something gets a mark: before anything else a mark could.
func appendExpression(b []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '.', '\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}
