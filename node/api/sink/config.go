package sink

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Limits.
const (
	MaxSinks   = 64
	MaxBatch   = 256     // events
	MaxBytes   = 1 << 20 // of a batch, and one event more
	MaxLetters = 1000    // of one sink
	maxURL     = 2048    // bytes
	maxAllow   = 64      // networks
)

var (
	// ErrInvalid is a configuration that cannot work.
	ErrInvalid = errors.New("not a sink")
	// ErrExists is a name that is taken.
	ErrExists = errors.New("there is a sink of that name")
	// ErrNotFound is a name that no sink has.
	ErrNotFound = errors.New("no such sink")
)

// A Kind is what a receiver speaks.
type Kind string

const (
	Webhook Kind = "webhook"
	Syslog  Kind = "syslog"
	NATS    Kind = "nats"
	Kafka   Kind = "kafka"
)

// Kinds lists all there are.
func Kinds() []Kind { return []Kind{Webhook, Syslog, NATS, Kafka} }

// A Format is how an event is written.
type Format string

const (
	JSON Format = "json"
	CEF  Format = "cef" // syslog alone
)

// A Config says where events go, and which.
type Config struct {
	Name       string         `json:"name"`
	Kind       Kind           `json:"kind"`
	URL        string         `json:"url"`
	Clearance  protocol.TLP   `json:"clearance,omitzero"` // the strictest label that goes there: amber+strict at most
	PAP        protocol.PAP   `json:"pap,omitzero"`       // the strictest level
	Tier       string         `json:"tier,omitempty"`     // observe, alert or block; "": whatever tier
	Format     Format         `json:"format"`
	Allow      []netip.Prefix `json:"allow,omitempty"`       // networks that are not for everybody, and may be dialled all the same
	User       string         `json:"user,omitempty"`        // goes with the secret, where the receiver has users
	SecretFile string         `json:"secret_file,omitempty"` // read at every connection
	CAFile     string         `json:"ca_file,omitempty"`     // PEM, instead of the system's roots
}

// scheme is what a URL's scheme means: over TLS or not.
type scheme struct {
	tls  bool
	port string // where the URL has none
}

func (k Kind) schemes() map[string]scheme {
	switch k {
	case Webhook:
		return map[string]scheme{"https": {true, "443"}, "http": {false, "80"}}
	case Syslog:
		return map[string]scheme{"tls": {true, "6514"}, "tcp": {false, "601"}}
	case NATS:
		return map[string]scheme{"tls": {true, "4222"}, "nats": {false, "4222"}}
	case Kafka:
		return map[string]scheme{"kafka+tls": {true, "9093"}, "kafka": {false, "9092"}}
	}
	return nil
}

// A target is what a URL leads to.
type target struct {
	host, port string
	tls        bool
	topic      string // the path: a subject or topic
}

func (t target) address() string { return net.JoinHostPort(t.host, t.port) }

// Plain reports whether events go out so that anybody on the way can read them.
func (c *Config) Plain() bool {
	to, err := c.target()
	return err != nil || !to.tls
}

func (c *Config) target() (target, error) {
	u, err := url.Parse(c.URL)
	if err != nil || len(c.URL) > maxURL || u.Hostname() == "" {
		return target{}, fmt.Errorf("%w: %q is not a URL with a host", ErrInvalid, c.URL)
	}
	known := c.Kind.schemes()
	s, ok := known[u.Scheme]
	if !ok {
		return target{}, fmt.Errorf("%w: the URL of a %s begins with %s", ErrInvalid, c.Kind, schemeNames(known))
	}
	if u.User != nil || u.Fragment != "" {
		return target{}, fmt.Errorf("%w: a URL holds no password and no fragment: secrets are in a file", ErrInvalid)
	}
	return target{u.Hostname(), cmp.Or(u.Port(), s.port), s.tls, strings.Trim(u.Path, "/")}, nil
}

func schemeNames(known map[string]scheme) string {
	var names []string
	for name := range known {
		names = append(names, name+"://")
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}

// Check says what cannot work, and fills in what was left out.
func (c *Config) Check() error {
	if err := protocol.CheckName(c.Name); err != nil || strings.ContainsAny(c.Name, " /") {
		return fmt.Errorf("%w: %q is not a name of one word", ErrInvalid, c.Name)
	}
	if !slices.Contains(Kinds(), c.Kind) {
		return fmt.Errorf("%w: kind %q: webhook, syslog, nats or kafka", ErrInvalid, c.Kind)
	}
	to, err := c.target()
	if err != nil {
		return err
	}
	c.Clearance, c.PAP = cmp.Or(c.Clearance, protocol.Green), cmp.Or(c.PAP, protocol.PAPAmber)
	usual := JSON
	if c.Kind == Syslog {
		usual = CEF
	}
	c.Format = cmp.Or(c.Format, usual)
	_, badTier := score.ParseTier(c.Tier)
	switch {
	case !c.Clearance.Valid() || c.Clearance > protocol.AmberStrict:
		return fmt.Errorf("%w: TLP:RED goes to persons, never to a sink", ErrInvalid)
	case c.Tier != "" && badTier != nil:
		return fmt.Errorf("%w: tier %q: observe, alert or block", ErrInvalid, c.Tier)
	case c.Format != JSON && (c.Format != CEF || c.Kind != Syslog):
		return fmt.Errorf("%w: a %s has no format %q", ErrInvalid, c.Kind, c.Format)
	case len(c.Allow) > maxAllow:
		return fmt.Errorf("%w: %d allowed networks, at most %d", ErrInvalid, len(c.Allow), maxAllow)
	case c.Kind == Webhook && (c.User != "" || c.SecretFile != ""):
		return fmt.Errorf("%w: a webhook is signed with a secret made here: it takes no user and no secret", ErrInvalid)
	case c.Kind == Syslog && (c.User != "" || c.SecretFile != ""):
		return fmt.Errorf("%w: syslog knows no users", ErrInvalid)
	case c.Kind == Kafka && (c.User == "") != (c.SecretFile == ""):
		return fmt.Errorf("%w: kafka takes a user and a secret together", ErrInvalid)
	case c.SecretFile != "" && !to.tls:
		return fmt.Errorf("%w: a secret goes over TLS only", ErrInvalid)
	case c.CAFile != "" && !to.tls:
		return fmt.Errorf("%w: a CA without TLS", ErrInvalid)
	case (c.Kind == NATS || c.Kind == Kafka) && !oneWord(to.topic):
		return fmt.Errorf("%w: the URL's path is the subject or topic, such as %s/tocsin.changes", ErrInvalid, strings.TrimSuffix(c.URL, "/"))
	}
	return nil
}

// oneWord reports whether s is a subject or topic that can be written to.
func oneWord(s string) bool {
	return s != "" && len(s) <= 249 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}
