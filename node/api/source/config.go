package source

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Limits.
const (
	MaxSources = 64
	MaxPage    = 64 << 20 // bytes
	MaxPages   = 10_000   // of one pull
	MaxEvents  = 100_000  // of one feed
	MaxTime    = 30 * time.Minute
	MinEvery   = time.Minute
	usualEvery = 15 * time.Minute
	maxURL     = 2048 // bytes
	maxCursor  = 4096 // of a next, in bytes
	maxAllow   = 64   // networks
)

var (
	// ErrInvalid is a configuration that cannot work.
	ErrInvalid = errors.New("not a source")
	// ErrExists is a name that is taken.
	ErrExists = errors.New("there is a source of that name")
	// ErrNotFound is a name that no source has.
	ErrNotFound = errors.New("no such source")
	// ErrBusy is a pull while another one is under way.
	ErrBusy = errors.New("a pull of this source is under way")
	// ErrAnswer is an answer that cannot be used.
	ErrAnswer = errors.New("the source")
)

// A Kind is what a source speaks.
type Kind string

const (
	TAXII Kind = "taxii"
	MISP  Kind = "misp"
)

// A Config says what is pulled, and what is said of it.
type Config struct {
	Name       string         `json:"name"`
	Kind       Kind           `json:"kind"`
	URL        string         `json:"url"`                  // of the API root, or of the feed
	Collection string         `json:"collection,omitempty"` // taxii: its id
	TLP        protocol.TLP   `json:"tlp,omitzero"`         // of all that carries no stricter label
	PAP        protocol.PAP   `json:"pap,omitzero"`
	Community  string         `json:"community,omitempty"`
	Group      string         `json:"group,omitempty"`      // amber and above: who may see it
	To         []string       `json:"to,omitempty"`         // the same
	Confidence *int           `json:"confidence,omitempty"` // of what states none
	Valid      Interval       `json:"valid,omitzero"`       // of what states none
	Every      Interval       `json:"every,omitzero"`
	Allow      []netip.Prefix `json:"allow,omitempty"` // networks that are not for everybody, and may be dialled all the same
	User       string         `json:"user,omitempty"`  // with it the secret is a password, else a bearer token
	SecretFile string         `json:"secret_file,omitempty"`
	CAFile     string         `json:"ca_file,omitempty"`
}

// Tag is on all that a source gave.
func (c *Config) Tag() string { return "source:" + c.Name }

// Check says what cannot work, and fills in what was left out.
func (c *Config) Check() error {
	if err := protocol.CheckName(c.Name); err != nil || strings.ContainsAny(c.Name, " /") {
		return fmt.Errorf("%w: %q is not a name of one word", ErrInvalid, c.Name)
	}
	u, err := url.Parse(c.URL)
	c.Every = cmp.Or(c.Every, Interval(usualEvery))
	switch {
	case c.Kind != TAXII && c.Kind != MISP:
		return fmt.Errorf("%w: kind %q: taxii or misp", ErrInvalid, c.Kind)
	case err != nil || u.Hostname() == "" || len(c.URL) > maxURL || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: %q is no URL that begins with https:// or http://", ErrInvalid, c.URL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%w: the URL holds no password, query or fragment: secrets are in a file", ErrInvalid)
	case c.Kind == TAXII && c.Collection == "":
		return fmt.Errorf("%w: which collection of it?", ErrInvalid)
	case c.Kind == MISP && c.Collection != "":
		return fmt.Errorf("%w: a MISP feed has no collections", ErrInvalid)
	case !c.TLP.Valid() || c.TLP == protocol.Red:
		return fmt.Errorf("%w: its label is clear, green, amber or amber+strict", ErrInvalid)
	case time.Duration(c.Every) < MinEvery:
		return fmt.Errorf("%w: every %s: a minute at least", ErrInvalid, time.Duration(c.Every))
	case c.Valid < 0:
		return fmt.Errorf("%w: valid for less than nothing", ErrInvalid)
	case c.User != "" && c.SecretFile == "":
		return fmt.Errorf("%w: a user without a secret", ErrInvalid)
	case u.Scheme == "http" && (c.SecretFile != "" || c.CAFile != ""):
		return fmt.Errorf("%w: a secret goes over TLS only, and a CA is for TLS", ErrInvalid)
	case len(c.Allow) > maxAllow:
		return fmt.Errorf("%w: %d allowed networks, at most %d", ErrInvalid, len(c.Allow), maxAllow)
	}
	return nil
}

// Plain reports whether it is asked so that anybody on the way can read the answer.
func (c *Config) Plain() bool { return strings.HasPrefix(c.URL, "http:") }

// An Interval is a length of time, written as 15m0s.
type Interval time.Duration

// MarshalText writes it.
func (i Interval) MarshalText() ([]byte, error) { return []byte(time.Duration(i).String()), nil }

// UnmarshalText reads lengths such as 15m or 1h30m.
func (i *Interval) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*i = Interval(d)
	return err
}
