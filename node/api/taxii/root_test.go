package taxii

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestIDsOfTheFormerRoot: every id of the root for TLP 1.0 leads back to its object.
func TestIDsOfTheFormerRoot(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root := former()
		id := "tool--" + formatUUID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "uuid")))
		shown := root.rename(id)
		if shown == id || !stix.IsID(shown) {
			rt.Fatalf("%s is shown as %s", id, shown)
		}
		if !slices.Contains(root.originals(shown), id) {
			rt.Fatalf("%s does not lead back to %s", shown, id)
		}
		same := newest()
		if same.rename(id) != id || !slices.Equal(same.originals(id), []string{id}) {
			rt.Fatal("the newest root has ids of its own")
		}
	})
}
