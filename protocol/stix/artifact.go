package stix

import (
	"net"
	"strconv"
	"strings"
)

// canonicalHostValue reads what is found on a host rather than on the network.
func canonicalHostValue(t Type, v string) (string, error) {
	switch t {
	case FileName, Mutex, UserAgent:
		return v, nil // as written: brackets, case and blanks are part of it
	case MACAddr:
		return canonicalMAC(v)
	case AutonomousSystem:
		return canonicalAS(v)
	case WindowsRegistryKey:
		return canonicalRegistryKey(v)
	case CVE:
		return canonicalCVE(v)
	case JA4:
		return canonicalJA4(v)
	}
	return "", notObservable("unknown type " + quoted(string(t)))
}

// canonicalMAC is six pairs of small hex digits with colons.
func canonicalMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return "", notObservable("not a MAC address")
	}
	return mac.String(), nil
}

// canonicalAS is "AS" and the number.
func canonicalAS(s string) (string, error) {
	n := len(s)
	digits := s
	switch {
	case n > 3 && strings.EqualFold(s[:3], "asn"):
		digits = s[3:]
	case n > 2 && strings.EqualFold(s[:2], "as"):
		digits = s[2:]
	}
	number, err := strconv.ParseUint(strings.TrimLeft(digits, " "), 10, 32)
	if err != nil {
		return "", notObservable("not an AS number")
	}
	return "AS" + strconv.FormatUint(number, 10), nil
}

// canonicalCVE is CVE-year-number in capitals.
func canonicalCVE(s string) (string, error) {
	if len(s) < 13 || len(s) > 21 || !strings.EqualFold(s[:4], "cve-") || s[8] != '-' {
		return "", notObservable("not a CVE name")
	}
	for i := 4; i < len(s); i++ {
		if i != 8 && !isDigit(s[i]) {
			return "", notObservable("not a CVE name")
		}
	}
	if s[0] == 'C' && s[1] == 'V' && s[2] == 'E' {
		return s, nil
	}
	return "CVE-" + s[4:], nil
}

// canonicalRegistryKey spells the hive out in capitals and the rest in small
// letters, because the registry ignores case. Doubled backslashes, the mark of
// a value copied out of source code, become single.
func canonicalRegistryKey(s string) (string, error) {
	for strings.Contains(s, `\\`) {
		s = strings.ReplaceAll(s, `\\`, `\`)
	}
	end := func(r rune) bool { return r == '\\' || invisible(r) }
	s = strings.TrimLeft(strings.TrimRightFunc(s, end), `\`)
	if len(s) > 17 && strings.EqualFold(s[:17], `registry\machine\`) {
		s = `HKLM\` + s[17:]
	}
	hive, key, _ := strings.Cut(s, `\`)
	full := ""
	switch strings.ToUpper(hive) {
	case "HKLM", "HKEY_LOCAL_MACHINE":
		full = "HKEY_LOCAL_MACHINE"
	case "HKCU", "HKEY_CURRENT_USER":
		full = "HKEY_CURRENT_USER"
	case "HKCR", "HKEY_CLASSES_ROOT":
		full = "HKEY_CLASSES_ROOT"
	case "HKU", "HKEY_USERS":
		full = "HKEY_USERS"
	case "HKCC", "HKEY_CURRENT_CONFIG":
		full = "HKEY_CURRENT_CONFIG"
	}
	if full == "" || key == "" {
		return "", notObservable("not a registry key")
	}
	return full + `\` + strings.ToLower(key), nil
}

// canonicalJA4 is the fingerprint of a TLS client: t13d1516h2_8daaf6152771_b186095e22b6.
func canonicalJA4(s string) (string, error) {
	s = strings.ToLower(s)
	if len(s) != 36 || s[10] != '_' || s[23] != '_' || !allHex(s[11:23]) || !allHex(s[24:]) ||
		!strings.Contains("tqd", s[:1]) || !strings.Contains("di", s[3:4]) {
		return "", notObservable("not a JA4 fingerprint")
	}
	for i, c := range []byte(s[:10]) {
		count := i >= 4 && i < 8 // of ciphers and of extensions
		if !isAlnum(c) || count && !isDigit(c) {
			return "", notObservable("not a JA4 fingerprint")
		}
	}
	return s, nil
}
