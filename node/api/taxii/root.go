package taxii

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A Root is an API root: one way to show the same collections.
type Root struct {
	Name        string // in its path
	Title       string
	Description string

	old   bool         // TLP 1.0
	block cipher.Block // that makes its ids of those signed; nil: they are the same
}

// Roots lists the API roots, the default first.
func Roots() []Root { return []Root{newest(), former()} }

// FindRoot finds a root by its name.
func FindRoot(name string) (Root, bool) {
	for _, r := range Roots() {
		if r.Name == name {
			return r, true
		}
	}
	return Root{}, false
}

func newest() Root {
	return Root{Name: "tlp2", Title: "Objects marked with TLP 2.0", Description: "Every object as it was signed, with its author and the TLP 2.0 marking of its label."}
}

// idKey is public: anybody may know which object of one root is which of the
// other, and every node makes the same ids.
const idKey = "tocsin tlp1 ids."

func former() Root {
	block, err := aes.NewCipher([]byte(idKey))
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	return Root{
		Name: "tlp1", Title: "Objects marked with TLP 1.0", old: true, block: block,
		Description: "For tools that know no TLP 2.0: the same objects under ids of their own. TLP:AMBER+STRICT is left out. For reading only.",
	}
}

// shows reports whether what is under a label can be marked here. TLP 1.0 has
// nothing as strict as AMBER+STRICT but RED, which is for persons.
func (r *Root) shows(label protocol.TLP) bool {
	return label != protocol.Red && !(r.old && label == protocol.AmberStrict)
}

// marking is the id and the definition of a label's marking.
func (r *Root) marking(label protocol.TLP) (id, definition string) {
	if !r.old {
		id = protocol.MarkingID(label)
		return id, `{"type":"marking-definition","spec_version":"2.1","id":"` + id + `","created":"` + markingCreated + `","name":"` + label.Label() +
			`","extensions":{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{"extension_type":"property-extension","tlp_2_0":"` + label.String() + `"}}}`
	}
	name := label.String()
	switch label {
	case protocol.Clear:
		id, name = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "white"
	case protocol.Green:
		id = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
	default:
		id = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
	}
	return id, `{"type":"marking-definition","spec_version":"2.1","id":"` + id + `","created":"` + formerCreated + `","definition_type":"tlp","name":"TLP:` +
		strings.ToUpper(name) + `","definition":{"tlp":"` + name + `"}}`
}

// When the markings of TLP 2.0 and 1.0 were made, which the standard fixes.
const (
	markingCreated = "2022-10-01T00:00:00.000Z"
	formerCreated  = "2017-01-20T00:00:00.000Z"
)

// markingVersion is the version of every marking of the root.
func (r *Root) markingVersion() string {
	if r.old {
		return formerCreated
	}
	return markingCreated
}

// rename is an object's id in this root. Markings of the TLP become its own, and
// definitions of extensions, whose ids are names, stay.
func (r *Root) rename(id string) string {
	if r.block == nil || strings.HasPrefix(id, "extension-definition--") {
		return id
	}
	if label, is := protocol.MarkingTLP(id); is {
		id, _ = r.marking(label)
		return id
	}
	uuid, ok := parseUUID(strings.ToLower(id[len(id)-uuidSize:]))
	if !ok {
		return id
	}
	r.block.Encrypt(uuid[:], uuid[:])
	return id[:len(id)-uuidSize] + formatUUID(versionFour(uuid))
}

// originals lists the ids that may have become an id of this root: encryption is
// undone for each of the 64 values of the bits that say which kind of UUID it is.
func (r *Root) originals(id string) []string {
	if r.block == nil || strings.HasPrefix(id, "extension-definition--") {
		return []string{id}
	}
	if !stix.IsID(id) {
		return nil
	}
	shown, ok := parseUUID(id[len(id)-uuidSize:])
	if !ok || shown != versionFour(shown) {
		return nil
	}
	list := make([]string, 0, 64)
	for version := range byte(16) {
		for variant := range byte(4) {
			uuid := shown
			uuid[6] = uuid[6]&0x0f | version<<4
			uuid[8] = uuid[8]&0x3f | variant<<6
			r.block.Decrypt(uuid[:], uuid[:])
			list = append(list, id[:len(id)-uuidSize]+formatUUID(uuid))
		}
	}
	return list
}

const uuidSize = 36

// parseUUID reads a UUID in small letters.
func parseUUID(text string) (uuid [16]byte, ok bool) {
	if len(text) != uuidSize || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' || strings.ToLower(text) != text {
		return uuid, false
	}
	n, err := hex.Decode(uuid[:], []byte(strings.ReplaceAll(text, "-", "")))
	return uuid, err == nil && n == len(uuid)
}

// versionFour makes 16 bytes a UUID of version 4.
func versionFour(uuid [16]byte) [16]byte {
	uuid[6] = uuid[6]&0x0f | 0x40
	uuid[8] = uuid[8]&0x3f | 0x80
	return uuid
}

func formatUUID(uuid [16]byte) string {
	h := hex.EncodeToString(uuid[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
