package protocol

import (
	"fmt"
	"strings"
)

// A marking is how a label looks as a STIX marking-definition id.
var markings = map[string]TLP{
	// TLP 2.0, OASIS extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d.
	"marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": Clear,
	"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Green,
	"marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": Amber,
	"marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": AmberStrict,
	"marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": Red,
	// TLP 1.0, STIX 2.1 section 7.2.1.4.
	"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Clear,
	"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Green,
	"marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Amber,
	"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Red,
	// AMBER+STRICT as OpenCTI wrote it before OASIS gave it an id.
	"marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": AmberStrict,
}

// MarkingTLP returns the label a marking-definition id stands for, by exact
// match. An id it does not know is not a label; whoever reads such an object
// must look at the definition that travels with it, and fail closed without.
func MarkingTLP(id string) (TLP, bool) {
	t, ok := markings[id]
	return t, ok
}

// MarkingID returns the TLP 2.0 marking-definition id of the label, or "".
func MarkingID(t TLP) string {
	switch t {
	case Clear:
		return "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
	case Green:
		return "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
	case Amber:
		return "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
	case AmberStrict:
		return "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
	case Red:
		return "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
	}
	return ""
}

// CheckMarkings reports an error when one of an object's marking references is
// a TLP marking other than label: the label lives in the header alone, and an
// object must not contradict it.
func CheckMarkings(label TLP, refs []string) error {
	for _, ref := range refs {
		if t, ok := MarkingTLP(ref); ok && t != label {
			return fmt.Errorf("%w: the object is marked %s and is to be sent as %s", ErrTLP, t.Label(), label.Label())
		}
	}
	return nil
}

// TagTLP reads a tag such as MISP's "tlp:amber". It reports whether the tag is
// about TLP at all; one that is but is no level (a taxonomy joke, a spelling
// mistake) is returned as [Red] with an error, so that it fails closed.
// "tlp:ex:chr" hides a source and is no level.
func TagTLP(tag string) (t TLP, about bool, err error) {
	lower := strings.ToLower(strings.TrimSpace(tag))
	if !strings.HasPrefix(lower, "tlp:") || lower == "tlp:ex:chr" {
		return Unlabelled, false, nil
	}
	t, err = ParseTLP(lower)
	if err != nil {
		return Red, true, err
	}
	return t, true, nil
}
