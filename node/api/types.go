package api

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A SubmitRequest is what POST /v1/bulletins takes: values or STIX objects,
// not both, all under one label. An object that carries a stricter TLP marking
// of its own is refused, or goes under that one where it may be shared.
type SubmitRequest struct {
	Community   string           `json:"community,omitempty"` // name or id; empty: the only one
	TLP         protocol.TLP     `json:"tlp,omitzero"`
	Group       string           `json:"group,omitempty"` // amber and above: the sharing group that may see it
	To          []string         `json:"to,omitempty"`    // amber and above: organisations; red: ORG/PERSON
	PAP         protocol.PAP     `json:"pap,omitzero"`
	Values      []string         `json:"values,omitempty"`     // at most 10,000
	Type        string           `json:"type,omitempty"`       // of every value; empty: guessed for each
	Objects     []jsontext.Value `json:"objects,omitempty"`    // STIX 2.1, or 2.0 which is upgraded
	Confidence  *int             `json:"confidence,omitempty"` // 0 to 100
	Valid       Duration         `json:"valid,omitzero"`       // from now on; zero: the default lifetime of the type
	Tags        []string         `json:"tags,omitempty"`
	Description string           `json:"description,omitempty"`
	Force       bool             `json:"force,omitzero"` // say what nothing may ever act on too: to our own organisation only
}

// A SubmitAnswer says what became of each value or object. All receipts are
// durable.
type SubmitAnswer struct {
	Receipts []node.Receipt    `json:"receipts"`
	Refused  []Refusal         `json:"refused,omitempty"`
	Held     []node.HeldDrafts `json:"held,omitempty"` // what waits for a person, by index in Values or Objects
}

// A Refusal is one value or object that was not said, and why.
type Refusal struct {
	Index  int    `json:"index"` // in Values or Objects
	Value  string `json:"value,omitempty"`
	Reason string `json:"reason"`
}

// ImportOptions are the query parameters of POST /v1/import.
type ImportOptions struct {
	Name        string        // of the file, for reports
	Format      intake.Format // empty: guessed
	TLP         protocol.TLP  // of rows without a label of their own; without it they are refused
	PAP         protocol.PAP
	Community   string
	Group       string   // of rows labelled amber or above: the sharing group that may see them
	To          []string // the same, organisations, for red ORG/PERSON
	Context     bool     // also take what the source marks as context
	Column      string   // CSV: name or number of the value column
	Confidence  *int
	Valid       Duration
	Tags        []string
	Description string
}

// An ImportEvent is one line of an import's answer; one field is set. The
// guess comes first, then progress at most five times a second, at the end the
// rows to report, the first [MaxReported] of them, and the tally. A problem
// ends an import early; the tally that follows it counts what was done.
type ImportEvent struct {
	Guess    *ImportGuess `json:"guess,omitempty"`
	Progress *Progress    `json:"progress,omitempty"`
	Row      *ImportRow   `json:"row,omitempty"`
	Problem  *Problem     `json:"problem,omitempty"`
	Tally    *Tally       `json:"tally,omitempty"`
}

// MaxReported is how many rows an import reports one by one; of the rest the
// tally counts the reasons.
const MaxReported = 1000

// An ImportGuess is what a file was taken for.
type ImportGuess struct {
	Format intake.Format `json:"format"`
	Detail string        `json:"detail,omitempty"`
}

// Progress is how far an import has come. What it counts is durable.
type Progress struct {
	Rows     int `json:"rows"`
	Accepted int `json:"accepted"`
	Skipped  int `json:"skipped"`
	Refused  int `json:"refused"`
}

// An ImportRow is a row worth a report: refused, or accepted in part.
type ImportRow struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Place  string `json:"place,omitempty"`
	Status string `json:"status"` // "refused" or "partial"
	Reason string `json:"reason"`
	Text   string `json:"text,omitempty"`
}

// A Tally counts the rows of an import: Accepted + Skipped + Refused == Rows.
// A row is accepted when at least one thing it says was.
type Tally struct {
	Rows     int            `json:"rows"`
	Accepted int            `json:"accepted"`
	Skipped  int            `json:"skipped"`
	Refused  int            `json:"refused"`
	Objects  int            `json:"objects"`           // said: a row may say several
	Reasons  map[string]int `json:"reasons,omitempty"` // of skipped and refused rows
	Unlisted int            `json:"unlisted,omitzero"` // rows beyond those reported one by one
}

// A Claim is one organisation's word, as this node holds it. It has no type
// and value when its object is no indicator, or one whose pattern is no list
// of values.
type Claim struct {
	Org         string            `json:"org"` // how it is called here
	OrgKey      protocol.Org      `json:"org_key"`
	Fingerprint string            `json:"fingerprint"`
	Relation    string            `json:"relation,omitempty"` // to what was asked: exact, cidr, parent-domain
	Type        stix.Type         `json:"type,omitempty"`
	Value       string            `json:"value,omitempty"`
	Values      []stix.Observable `json:"values,omitempty"` // all it names, where there are several
	TLP         protocol.TLP      `json:"tlp"`
	PAP         protocol.PAP      `json:"pap,omitzero"`
	Community   string            `json:"community,omitempty"` // up to green
	Audience    string            `json:"audience,omitempty"`  // above it, as names
	Via         string            `json:"via,omitempty"`       // who passed it on to us as its client
	Drill       string            `json:"drill,omitempty"`
	Confidence  *int              `json:"confidence,omitempty"`
	Issued      time.Time         `json:"issued"`
	Received    time.Time         `json:"received"`
	Expires     time.Time         `json:"expires,omitzero"` // zero: never
	Bulletin    protocol.ID       `json:"bulletin"`
	Index       int               `json:"index,omitzero"` // of the object in it
	Node        protocol.Node     `json:"node"`
	ID          string            `json:"id"` // of the STIX object
	Aliases     []string          `json:"aliases,omitempty"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      []string          `json:"labels,omitempty"`
	Reason      string            `json:"reason"` // the rule by which it was admitted
	Object      jsontext.Value    `json:"object"` // the STIX object as it was signed, blanks between its parts aside
}

// A LookupRequest is what POST /v1/lookup takes: at most [MaxLookup] values.
type LookupRequest struct {
	Values []string `json:"values"`
	Type   string   `json:"type,omitempty"` // of every value; empty: guessed for each
	Tier   string   `json:"tier,omitempty"` // observe, alert or block: claims are answered only of values in it; empty: of all
}

// MaxLookup is how many values one request may ask about.
const MaxLookup = 10_000

// A Lookup is the answer about one value. Nothing known is an empty list.
type Lookup struct {
	Value      string           `json:"value"` // as asked
	Observable *stix.Observable `json:"observable,omitempty"`
	Claims     []Claim          `json:"claims"`
	Score      *int             `json:"score,omitempty"`       // 0 to 100, how far it is believed: the most of what bears on it; absent for a STIX id
	Tier       string           `json:"tier,omitempty"`        // none, observe, alert or block: the narrowest of the same; no more than observe where never_block is
	Until      time.Time        `json:"until,omitzero"`        // when it leaves the tier if nothing new is said; absent: never, or it is in none
	NeverBlock string           `json:"never_block,omitempty"` // why nothing may ever act on it
	Judged     []Judged         `json:"judged,omitempty"`      // the values that the claims name, each judged as itself
	Problem    string           `json:"problem,omitempty"`     // why the value cannot be looked up; of many values only
}

// A Judged is how far a value is believed and what may act on it, from what the
// asker may see. It bears on the value asked for where its relation is exact or
// cidr, or it is a wildcard above it; a name above it does not.
type Judged struct {
	Type       stix.Type `json:"type"`
	Value      string    `json:"value"`
	Relation   string    `json:"relation"` // to what was asked
	Score      int       `json:"score"`
	Tier       string    `json:"tier"`
	Until      time.Time `json:"until,omitzero"` // when it leaves the tier if nothing new is said; absent: never, or it is in none
	NeverBlock string    `json:"never_block,omitempty"`

	tiers score.Tiers
}

// A LookupAnswer answers in the order of the values.
type LookupAnswer struct {
	Answers []Lookup `json:"answers"`
}

// SearchOptions are the query parameters of GET /v1/search. Empty ones match
// everything.
type SearchOptions struct {
	Type  string // observable type, or STIX type of what is no indicator
	Org   string // name or key
	Tag   string
	Text  string // in value, name, description or labels; case does not matter
	After string // cursor
	Limit int    // 1 to 1,000; 0: 100
}

// A SearchAnswer is one page, oldest arrival first. More says that Cursor
// leads to another page, which may turn out empty.
type SearchAnswer struct {
	Claims []Claim `json:"claims"`
	Cursor string  `json:"cursor"`
	More   bool    `json:"more"`
}

// ChangesOptions are the query parameters of GET /v1/changes and /v1/watch.
type ChangesOptions struct {
	After string   // cursor; "": from the beginning; "now": what comes from now on
	Limit int      // 0: all there is
	Wait  Duration // how long to wait when there is nothing new, at most a minute
}

// A Change is one line of /v1/changes or one event of /v1/watch. The last line
// of /v1/changes has neither operation nor claim: only the cursor to go on
// with.
type Change struct {
	Op     string `json:"op,omitempty"` // "add" or "remove"; of what was erased nothing is kept but bulletin and index
	Cursor string `json:"cursor"`
	*Claim `json:",inline"`
}

// Operations of a [Change].
const (
	OpAdd    = "add"    // said, or said anew
	OpRemove = "remove" // revoked by who said it
)

// A Check is one thing `doctor` looked at.
type Check struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do
}

// A DoctorAnswer lists what was looked at.
type DoctorAnswer struct {
	Checks []Check `json:"checks"`
}

// CommunitiesAnswer lists the communities this node is in.
type CommunitiesAnswer struct {
	Communities []node.Community `json:"communities"`
}

// A CommunityRequest founds a community.
type CommunityRequest struct {
	Name string `json:"name"`
}

// A CommunityAnswer names a community founded or joined.
type CommunityAnswer struct {
	ID   protocol.ID `json:"id"`
	Name string      `json:"name"`
}

// An InviteRequest asks for a token that lets one organisation in.
type InviteRequest struct {
	Community string   `json:"community,omitempty"`
	Name      string   `json:"name,omitempty"` // what to call the joiner
	Valid     Duration `json:"valid,omitzero"` // zero: 7d
}

// An InviteAnswer is the token to hand over.
type InviteAnswer struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// A JoinRequest redeems an invite.
type JoinRequest struct {
	Token string `json:"token"`
}

// A CertificateRequest is a certificate that the organisation's key signed
// elsewhere. For this node's own, the communities to come into and where nodes
// of the organisation listen go with it, at most 64 of each.
type CertificateRequest struct {
	Certificate []byte        `json:"certificate"` // in its encoding (CBOR)
	Communities []protocol.ID `json:"communities,omitempty"`
	Peers       []string      `json:"peers,omitempty"` // multiaddrs that end in /p2p/ID
}

// A CertificateAnswer says which node was certified, and until when.
type CertificateAnswer struct {
	Node  string    `json:"node"`
	Until time.Time `json:"until"`
}

// PeersAnswer lists the nodes this node knows.
type PeersAnswer struct {
	Peers []node.Peer `json:"peers"`
}

// A PeerRequest tells an address, a multiaddr that ends in /p2p/ID.
type PeerRequest struct {
	Addr string `json:"addr"`
}

// A NameRequest gives an organisation a petname.
type NameRequest struct {
	Name string `json:"name"`
}

// A BlockRequest says why an organisation is blocked.
type BlockRequest struct {
	Reason string `json:"reason,omitempty"`
}

// A RemoveRequest ends an organisation's membership.
type RemoveRequest struct {
	Community string `json:"community,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// A RemoveAnswer says whether the removal counts already; else founders must
// sign it, too.
type RemoveAnswer struct {
	Ended bool `json:"ended"`
}

// A TokenRequest asks for a bearer token.
type TokenRequest struct {
	Role      Role         `json:"role"`
	Name      string       `json:"name,omitempty"`
	Clearance protocol.TLP `json:"clearance,omitzero"` // zero: green
	PAP       protocol.PAP `json:"pap,omitzero"`       // zero: amber
	Person    string       `json:"person,omitempty"`   // whose RED it shows; needs clearance red
	Path      bool         `json:"path,omitzero"`      // for the paths of feeds, and good for nothing else
}

// A Token is what is known of a bearer token after it was made.
type Token struct {
	ID        string       `json:"id"`
	Role      Role         `json:"role"`
	Name      string       `json:"name,omitempty"`
	Clearance protocol.TLP `json:"clearance"`        // the strictest label it may see
	PAP       protocol.PAP `json:"pap"`              // the strictest level it may see
	Person    string       `json:"person,omitempty"` // whose RED it shows; "": none
	Path      bool         `json:"path,omitzero"`    // good in the paths of feeds alone
	Created   time.Time    `json:"created"`
}

// A TokenAnswer is a new token. Its secret is shown here and never again.
type TokenAnswer struct {
	Token
	Secret string `json:"token"`
}

// TokensAnswer lists the tokens in force.
type TokensAnswer struct {
	Tokens []Token `json:"tokens"`
}

// An ObjectAnswer lists everybody's newest version of a STIX object.
type ObjectAnswer struct {
	Claims []Claim `json:"claims"`
}
