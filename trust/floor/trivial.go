package floor

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// trivialFiles lists the hashes of contents that are on every disk: whoever
// bans one quarantines half of it.
func trivialFiles() *List {
	l := &List{name: "trivial files"}
	for _, content := range trivialContents() {
		for _, o := range hashesOf([]byte(content)) {
			l.addValue(o)
		}
	}
	return l
}

func hashesOf(b []byte) []stix.Observable {
	m, s1, s2, s5 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b), sha512.Sum512(b)
	return []stix.Observable{
		{Type: stix.MD5, Value: hex.EncodeToString(m[:])}, {Type: stix.SHA1, Value: hex.EncodeToString(s1[:])},
		{Type: stix.SHA256, Value: hex.EncodeToString(s2[:])}, {Type: stix.SHA512, Value: hex.EncodeToString(s5[:])},
	}
}

// trivialContents are what touch, echo, truncate, a failed download, an empty
// answer and a tracking pixel leave behind.
func trivialContents() []string {
	contents := []string{
		"", "\n", "\r\n", "\n\n", "\r\n\r\n", " ", "\x00", "\x00\x00", "\xff\xff", "\xef\xbb\xbf", "\xff\xfe", "\xef\xbb\xbf\n", "\xef\xbb\xbf\r\n",
		"0", "1", "0\n", "1\n", "ok", "OK", "ok\n", "OK\n", "{}", "[]", "{}\n", "[]\n", "null", "true", "false",
		"<html></html>", `<?xml version="1.0" encoding="UTF-8"?>`,
		"PK\x05\x06" + strings.Repeat("\x00", 18), // a ZIP archive without files
		transparentGIF,
	}
	for _, size := range []int{512, 1 << 10, 4 << 10, 10 << 10, 64 << 10} { // sectors, and an empty tar archive
		contents = append(contents, strings.Repeat("\x00", size))
	}
	return contents
}

// transparentGIF is the pixel web servers answer with: one by one, two colours,
// the first of them transparent.
const transparentGIF = "GIF89a" +
	"\x01\x00\x01\x00\x80\x00\x00" + // screen 1x1, a colour table of two
	"\xff\xff\xff\x00\x00\x00" + // white, black
	"!\xf9\x04\x01\x00\x00\x00\x00" + // graphic control: colour 0 is transparent
	",\x00\x00\x00\x00\x01\x00\x01\x00\x00" + // image 1x1 at 0,0
	"\x02\x02D\x01\x00" + // LZW of two bits: clear, colour 0, end
	";"
