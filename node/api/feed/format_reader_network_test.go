package feed

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func readNftables(files map[string]string) (values []string, err error) {
	rest, ok := strings.CutPrefix(files[""], nftHead)
	if !ok {
		return nil, fmt.Errorf("not the head: %q", files[""])
	}
	set := regexp.MustCompile(`^add element inet tocsin (ipv4|ipv6) \{\n((?:\t[^\n]*\n)+)\}\n`)
	for rest != "" {
		m := set.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("no set: %q", rest)
		}
		for element := range strings.SplitSeq(strings.TrimSuffix(m[2], "\n"), ",\n") {
			a, err := between(element, "\t", "")
			if err == nil {
				err = isAddress(a, m[1])
			}
			if err != nil {
				return nil, err
			}
			values = append(values, a)
		}
		rest = rest[len(m[0]):]
	}
	return values, nil
}

func isAddress(s, family string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return err
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4() != (family == "ipv4") || p.Bits() == 0 {
		return fmt.Errorf("%s in a set of %s", s, family)
	}
	return nil
}

func readIPSet(files map[string]string) (values []string, err error) {
	for line := range strings.Lines(files[""]) {
		f := strings.Fields(line)
		switch {
		case f[0] != "add":
			if !regexp.MustCompile(`^((create|flush|destroy) tocsin[46]|swap tocsin[46]-new )`).MatchString(line) {
				return nil, fmt.Errorf("what is %q", line)
			}
		case len(f) != 3 || f[1] != "tocsin4-new" && f[1] != "tocsin6-new":
			return nil, fmt.Errorf("not an element: %q", line)
		default:
			if err := isAddress(f[2], map[string]string{"tocsin4-new": "ipv4", "tocsin6-new": "ipv6"}[f[1]]); err != nil {
				return nil, err
			}
			values = append(values, f[2])
		}
	}
	return values, nil
}

func hostsLine(line string) (string, error) { return between(line, "0.0.0.0 ", "") }

// adblockLine also asks the expression itself what it holds for.
func adblockLine(line string) (string, error) {
	if !strings.HasPrefix(line, "/") {
		return hostsLine(line)
	}
	v, err := between(line, `/^[a-z0-9_.-]+\.`, "$/")
	return wildcardOf(strings.Trim(line, "/"), unescaped(v), err)
}

func wildcardOf(expression, name string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	re, err := regexp.CompilePOSIX(expression)
	if err != nil {
		return "", err
	}
	for s, want := range map[string]bool{"a." + name: true, "a.b." + name: true, name: false, "x" + name: false, "a." + name + ".com": false, "http://a." + name: false} {
		if re.MatchString(s) != want {
			return "", fmt.Errorf("%s says %v of %s", expression, !want, s)
		}
	}
	return "*." + name, nil
}

func unescaped(s string) string { return regexp.MustCompile(`\\(.)`).ReplaceAllString(s, "$1") }

func dnsmasqLine(line string) (string, error) {
	if v, err := between(line, "host-record=", ",0.0.0.0,::"); err == nil {
		return v, nil
	}
	v, err := between(line, "address=/*.", "/")
	return "*." + v, err
}

func readRPZ(files map[string]string) (values []string, err error) {
	head := regexp.MustCompile(`^\$TTL 60\n@ IN SOA localhost\. root\.localhost\. [0-9]+ 60 30 604800 60\n@ IN NS localhost\.\n`).FindString(files[""])
	if head == "" {
		return nil, fmt.Errorf("not the head: %q", files[""])
	}
	for line := range strings.Lines(files[""][len(head):]) {
		owner, err := between(line, "", " CNAME .\n")
		if err != nil {
			return nil, err
		}
		address, ok := strings.CutSuffix(owner, ".rpz-ip")
		if !ok {
			values = append(values, owner)
			continue
		}
		labels := strings.Split(address, ".")
		bits, err := strconv.Atoi(labels[0])
		if err != nil {
			return nil, err
		}
		slices.Reverse(labels[1:])
		s := strings.Join(labels[1:], ".")
		if len(labels) != 5 || slices.Contains(labels, "zz") {
			s = strings.Join(labels[1:], ":")
			for _, zeros := range []string{":zz:", "zz:", ":zz", "zz"} {
				s = strings.Replace(s, zeros, "::", 1)
			}
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		values = append(values, prefixText(netip.PrefixFrom(a, bits)))
	}
	return values, nil
}

// prefixText is a block as values are: a single address without its length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// sameIn returns the values of two files that must hold the same.
func sameIn(a []string, err error) func(b []string, err error) ([]string, error) {
	return func(b []string, other error) ([]string, error) {
		if err != nil || other != nil || !slices.Equal(a, b) {
			return nil, fmt.Errorf("not the same: %q and %q, %v, %v", a, b, err, other)
		}
		return a, nil
	}
}

// joined joins what several files hold.
func joined(parts ...func() ([]string, error)) (values []string, err error) {
	for _, part := range parts {
		some, err := part()
		if err != nil {
			return nil, err
		}
		values = append(values, some...)
	}
	return values, nil
}

func readHAProxy(files map[string]string) ([]string, error) {
	return joined(
		func() ([]string, error) {
			return sameIn(fromFile("addresses.acl", files, plainLine))(fromFile("addresses.map", files, func(line string) (string, error) {
				a, score, _ := strings.Cut(line, " ")
				_, err := strconv.Atoi(score)
				return a, err
			}))
		},
		func() ([]string, error) { return fromFile("names.acl", files, plainLine) },
		func() ([]string, error) {
			return fromFile("under.acl", files, func(line string) (string, error) {
				v, err := between(line, ".", "")
				return "*." + v, err
			})
		})
}

func readNginx(files map[string]string) ([]string, error) {
	flagged := func(line string) (string, error) { return between(line, "", " 1;") }
	return joined(
		func() ([]string, error) {
			return sameIn(fromFile("deny.conf", files, func(line string) (string, error) { return between(line, "deny ", ";") }))(fromFile("geo.conf", files, flagged))
		},
		func() ([]string, error) { return fromFile("hostnames.map", files, flagged) })
}

func readSquid(files map[string]string) ([]string, error) {
	return joined(
		func() ([]string, error) { return fromFile("dst.acl", files, plainLine) },
		func() ([]string, error) { return fromFile("dstdomain.acl", files, plainLine) },
		func() ([]string, error) {
			return fromFile("dstdom_regex.acl", files, func(line string) (string, error) {
				v, err := between(line, `^[a-z0-9_.-]+\.`, "$")
				return wildcardOf(line, unescaped(v), err)
			})
		},
		func() ([]string, error) {
			return fromFile("url_regex.acl", files, func(line string) (string, error) {
				v, err := between(line, "^", "$")
				if err != nil {
					return "", err
				}
				v = unescaped(v)
				re, err := regexp.CompilePOSIX(line)
				if err == nil && (!re.MatchString(v) || re.MatchString(v+"/") || re.MatchString("a"+v)) {
					err = fmt.Errorf("%s is not %s alone", line, v)
				}
				return v, err
			})
		})
}
