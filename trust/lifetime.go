package trust

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const day = 24 * time.Hour

// Lifetime is how long a claim stands when its author gave no valid_until. An
// address changes hands within weeks, a name within a season; a file's hash
// never means another file, yet loses its use.
func Lifetime(t stix.Type) time.Duration {
	switch t {
	case "ipv4-addr", "ipv6-addr", "ip-port":
		return 30 * day
	case "domain-name", "domain-port", "url", "url-path", "email-addr":
		return 90 * day
	case "ja3", "ja3s", "ja4", "user-agent", "autonomous-system", "mac-addr":
		return 180 * day
	}
	return 365 * day
}
