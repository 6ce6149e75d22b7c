package intake

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
)

// An eveEvent is what is read of an event of Suricata's. Names of hosts, users,
// requests and payloads are not.
type eveEvent struct {
	Timestamp string `json:"timestamp"`
	Type      string `json:"event_type"`
	Src       string `json:"src_ip"`
	Dest      string `json:"dest_ip"`
	Alert     struct {
		SID       uint64  `json:"signature_id"`
		Signature string  `json:"signature"`
		Source    eveSide `json:"source"`
	} `json:"alert"`
}

// An eveSide is the attacking side of an alert, where its rule says which that is.
type eveSide struct {
	IP string `json:"ip"`
}

func (s *source) eve(row *Row, raw []byte) {
	var e eveEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		refuse(row, "invalid event", "")
		return
	}
	if e.Type != "alert" {
		row.Skipped = "no alert"
		return
	}
	attacker, why := e.attacker()
	if why != "" {
		row.Skipped = why
		return
	}
	d := detection{source: attacker, by: "Suricata", name: cutAt(oneLine(e.Alert.Signature), 200), first: s.stamp(e.Timestamp)}
	if e.Alert.SID > 0 {
		d.label = "suricata:" + strconv.FormatUint(e.Alert.SID, 10)
	}
	s.detected(row, d)
}

// oneLine is a text without what a terminal would act on.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// attacker is the side that attacks: the one that the rule names by its keyword
// target, else the one whose address is public. Of two public ones it is not
// guessed: the other may be the organisation itself.
func (e *eveEvent) attacker() (address, why string) {
	switch src, dest := public(e.Src), public(e.Dest); {
	case e.Alert.Source.IP != "" && public(e.Alert.Source.IP):
		return e.Alert.Source.IP, ""
	case e.Alert.Source.IP != "":
		return "", "the attacker is inside"
	case src && dest:
		return "", "both ends are public, and the rule does not name its target"
	case src:
		return e.Src, ""
	case dest:
		return e.Dest, ""
	}
	return "", "no end is public"
}
