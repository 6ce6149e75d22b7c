package intake

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A crowdsecAlert is what is read of an alert. Its events are not: they name who
// was attacked, on which machine, with what.
type crowdsecAlert struct {
	Scenario  string         `json:"scenario"`
	StartAt   string         `json:"start_at"`
	StopAt    string         `json:"stop_at"`
	Simulated jsontext.Value `json:"simulated"`
	Source    struct {
		Scope string `json:"scope"`
		Value string `json:"value"`
	} `json:"source"`
}

func (s *source) crowdsec(row *Row, raw []byte) {
	var a crowdsecAlert
	if err := json.Unmarshal(raw, &a); err != nil {
		refuse(row, "invalid alert", "")
		return
	}
	d := detection{source: a.Source.Value, by: "CrowdSec", first: s.stamp(a.StartAt), last: s.stamp(a.StopAt)}
	if scenarioName(a.Scenario) {
		d.name, d.label = a.Scenario, "crowdsec:"+a.Scenario
	}
	switch scope := strings.ToLower(a.Source.Scope); {
	case truth(a.Simulated):
		row.Skipped = "simulated"
	case scope != "ip" && scope != "range":
		row.Skipped = "no single source: scope " + excerpt(scope)
	default:
		s.detected(row, d)
	}
}

// scenarioName tells the name of a scenario, such as crowdsecurity/ssh-bf, from
// what CrowdSec writes there for a ban by hand, which names people and machines.
func scenarioName(text string) bool {
	author, name, both := strings.Cut(text, "/")
	return both && author != "" && name != "" && len(text) <= 120 &&
		strings.Trim(strings.ToLower(author+name), "abcdefghijklmnopqrstuvwxyz0123456789_-.") == ""
}
