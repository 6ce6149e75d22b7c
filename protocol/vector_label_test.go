package protocol

import "fmt"

// readLabel reads the field spelling, marking or tag, whichever is there.
func readLabel(in map[string]string) (map[string]string, error) {
	label, err := Unlabelled, error(nil)
	if id := in["marking"]; id != "" {
		known := false
		if label, known = MarkingTLP(id); !known {
			err = fmt.Errorf("%w: an unknown marking", ErrTLP)
		}
	} else if tag := in["tag"]; tag != "" {
		about := false
		if label, about, err = TagTLP(tag); !about {
			return map[string]string{"label": "none"}, nil
		}
	} else {
		label, err = ParseTLP(in["spelling"])
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"label": label.Label()}, nil
}

func labelVectors() []vector {
	var list []vector
	add := func(key, label string, spellings ...string) {
		for _, s := range spellings {
			list = append(list, accept(key+" "+s, field{key, s}, field{"label", label}))
		}
	}
	refused := func(key, reason string, spellings ...string) {
		for _, s := range spellings {
			list = append(list, refuse(fmt.Sprintf("%s %q", key, s), reason, "not a TLP 2.0 label", field{key, s}))
		}
	}
	add("spelling", "TLP:CLEAR", "clear", "CLEAR", "TLP:CLEAR", "tlp:clear", "Tlp:Clear", "white", "TLP:WHITE")
	add("spelling", "TLP:GREEN", "green", "TLP:GREEN")
	add("spelling", "TLP:AMBER", "amber", "TLP:AMBER")
	add("spelling", "TLP:AMBER+STRICT", "amber+strict", "TLP:AMBER+STRICT", "tlp:Amber+Strict")
	add("spelling", "TLP:RED", "red", "TLP:RED")
	refused("spelling", "not one of the five labels", "", "tlp:", "tlp:tlp:red", "TLP:UNCLEAR", "unclear", "tlp:ex:chr", "yellow", "amber strict",
		"amber-strict", "amber+", " green", "tlp: green", "tlp green", "grеen", "1", "public")
	add("marking", "TLP:CLEAR", "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9")
	add("marking", "TLP:GREEN", "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da")
	add("marking", "TLP:AMBER", "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82")
	add("marking", "TLP:AMBER+STRICT", "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37")
	add("marking", "TLP:RED", "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed")
	refused("marking", "not an id of a label: fail closed", "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ec", "94868c89-83c2-464b-929b-a1a8aa3c8487",
		"MARKING-DEFINITION--94868C89-83C2-464B-929B-A1A8AA3C8487")
	add("tag", "TLP:CLEAR", "tlp:white", "tlp:clear", "TLP:WHITE")
	add("tag", "TLP:GREEN", "tlp:green", "Tlp:Green")
	add("tag", "TLP:AMBER", "tlp:amber")
	add("tag", "TLP:AMBER+STRICT", "tlp:amber+strict")
	add("tag", "TLP:RED", "tlp:red")
	add("tag", "none", "tlp:ex:chr", "PAP:RED", "osint", "tlpwhite", "misp:tlp:green")
	refused("tag", "about TLP and no label: treat as RED", "tlp:unclear", "tlp:", "tlp:amber+", "tlp:purple", "tlp: green")
	return list
}
