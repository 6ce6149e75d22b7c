package stix

import "strings"

// hashDigits is the number of hex digits of a hash type, 0 for other types.
func hashDigits(t Type) int {
	switch t {
	case MD5, JA3, JA3S, X509MD5:
		return 32
	case SHA1, X509SHA1:
		return 40
	case SHA256, X509SHA256:
		return 64
	case SHA512:
		return 128
	}
	return 0
}

// hashOfDigits is the file hash with so many hex digits, "" if there is none.
func hashOfDigits(n int) Type {
	switch n {
	case 32:
		return MD5
	case 40:
		return SHA1
	case 64:
		return SHA256
	case 128:
		return SHA512
	}
	return ""
}

func canonicalHash(s string, digits int) (string, error) {
	if len(s) != digits {
		return "", notObservable("wrong length for a hash of this type")
	}
	if !allHex(s) {
		return "", notObservable("not hexadecimal")
	}
	return strings.ToLower(s), nil
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return s != ""
}

// canonicalFingerprint also takes the pairs of a certificate viewer: "AB:CD".
func canonicalFingerprint(s string, digits int) (string, error) {
	if len(s) == digits/2*3-1 && (s[2] == ':' || s[2] == ' ') {
		s = strings.ReplaceAll(s, s[2:3], "")
	}
	return canonicalHash(s, digits)
}

// canonicalSSDEEP is blocksize:hash:hash. The hashes are base64, so case
// matters; a file name after a comma is dropped.
func canonicalSSDEEP(s string) (string, error) {
	s, _, _ = strings.Cut(s, ",")
	size, rest, ok := strings.Cut(s, ":")
	first, second, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || len(size) == 0 || len(size) > 10 || len(first) > 64 || len(second) > 64 || len(first)+len(second) < 6 {
		return "", notObservable("not an ssdeep hash")
	}
	for i := range len(size) {
		if !isDigit(size[i]) {
			return "", notObservable("not an ssdeep hash")
		}
	}
	for _, part := range [2]string{first, second} {
		for i := range len(part) {
			if c := part[i]; !isAlnum(c) && c != '+' && c != '/' {
				return "", notObservable("not an ssdeep hash")
			}
		}
	}
	return s, nil
}

// canonicalTLSH is 70 hex digits in capitals after the version mark T1, which
// old tools do not write.
func canonicalTLSH(s string) (string, error) {
	if len(s) == 72 && (s[0] == 'T' || s[0] == 't') && s[1] == '1' {
		s = s[2:]
	}
	if len(s) != 70 || !allHex(s) {
		return "", notObservable("not a TLSH hash")
	}
	return "T1" + strings.ToUpper(s), nil
}
