package intake

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// An envelope is what an event or an object says about the attributes in it.
type envelope struct {
	info   string
	tlp    protocol.TLP
	labels []string
	refuse string // why none of them may be taken
	skip   string
}

// readEnvelope reads what an event or object says about its attributes, on top
// of what is said about it.
func readEnvelope(raw []byte, env envelope) (envelope, error) {
	err := memoryScanner(raw, 1).membersOnly(func(name string, value []byte) {
		switch {
		case name == "info":
			var info string
			if json.Unmarshal(value, &info) == nil {
				env.info = description(info)
			}
		case name == "deleted" && truth(value):
			env.skip = "deleted in MISP"
		case strings.EqualFold(name, "Tag"):
			env.tags(value)
		case strings.EqualFold(name, "distribution"):
			env.distribution(value)
		}
	})
	return env, err
}

// distribution refuses what is not to leave the organisation, or only to a
// list of others that is not in the file. It never is a label.
func (env *envelope) distribution(value jsontext.Value) {
	switch strings.Trim(string(value), `" `) {
	case "0":
		env.refuse = "distribution 0: your organisation only"
	case "4":
		env.refuse = "distribution 4: a MISP sharing group, whose members are not in the file"
	}
}

// tags reads a list of tags: labels of the TLP, or of anything else.
func (env *envelope) tags(value jsontext.Value) {
	if string(value) == "null" {
		return
	}
	env.labels = env.labels[:len(env.labels):len(env.labels)]
	sc := memoryScanner(value, 1)
	err := sc.elements(func() error {
		start := sc.pos
		if err := sc.value(); err != nil {
			return err
		}
		var tag struct {
			Name string `json:"name,case:ignore"`
		}
		if err := json.Unmarshal(value[start:sc.pos], &tag); err != nil {
			return err
		}
		env.tag(tag.Name)
		return nil
	})
	if err != nil {
		env.refuse = "unknown TLP tag: tags that cannot be read"
	}
}

func (env *envelope) tag(name string) {
	t, about, err := protocol.TagTLP(name)
	switch {
	case about && err != nil:
		env.refuse = "unknown TLP tag: " + excerpt(name)
	case about:
		env.tlp = env.tlp.Stricter(t)
	case len(env.labels) < maxLabels:
		if text := labelText(name); text != "" {
			env.labels = append(env.labels, text)
		}
	}
}

// truth reads a boolean in any of the ways MISP has written it.
func truth(value jsontext.Value) bool {
	switch strings.ToLower(strings.Trim(string(value), `" `)) {
	case "true", "1":
		return true
	}
	return false
}
