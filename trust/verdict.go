package trust

// A Verdict answers one question and says by which rule. The zero value denies.
type Verdict struct {
	Allowed bool
	Rule    string // short and stable, such as "peer-blocked"
	Reason  string // a sentence for people
}

func allow(rule, reason string) Verdict { return Verdict{true, rule, reason} }
func deny(rule, reason string) Verdict  { return Verdict{false, rule, reason} }

// An Outcome is what becomes of a bulletin that arrived.
type Outcome uint8

const (
	Refuse  Outcome = iota // not stored, not passed on
	Unknown                // its author is not known: remembered, asked for again when it is
	Later                  // not yet: it is dated in the future
	Decline                // the header is held, the body is not wanted
	Admit                  // header and body are wanted
)

// An Admission is the verdict on a bulletin that arrived.
type Admission struct {
	Outcome Outcome
	Rule    string
	Reason  string
}
