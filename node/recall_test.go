package node_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestErasureWaitsForReaders: a holder whose files are read by a backup signs for
// an erasure once that has ended, and not before.
func TestErasureWaitsForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, "bank -- hospital\nbank -- vendor")
		f.Submit("bank", "jane.example", protocol.Green)
		f.Settle()
		r, w := io.Pipe()
		copied := make(chan error, 1)
		go func() {
			_, err := f.Node("hospital").Store().Backup(t.Context(), w)
			w.Close()
			copied <- err
		}()
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		a, err := f.Client("bank").Erase(t.Context(), api.TakeBackRequest{Values: []string{"jane.example"}})
		if err != nil || len(a.Taken) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		by := node.Receipt{Bulletin: a.Taken[0].By}
		time.Sleep(time.Minute)
		signed(t, f, "bank", by, "vendor")
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if err := <-copied; err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute) // the bank asks again after five at the most
		signed(t, f, "bank", by, "vendor", "hospital")
	})
}

// TestErasureOfNothing: an organisation that asks for the erasure of what is not
// in its own bulletin keeps nobody from signing for the erasures of others.
func TestErasureOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, "hospital -- bank\nhospital -- vendor")
		said := f.Submit("bank", "none.example", protocol.Green)
		f.Submit("hospital", "jane.example", protocol.Green)
		th := newThief(t, f, "hospital")
		wrong := th.statement(1, 1, nil, protocol.Statement{Erasure: &protocol.Erasure{Bulletin: said.Bulletin, Objects: []uint64{7}}})
		time.Sleep(2 * time.Minute)
		if header, _ := f.Node("vendor").Store().Has(wrong.ID()); !header {
			t.Fatal("the wrong erasure has not arrived")
		}
		a, err := f.Client("hospital").Erase(t.Context(), api.TakeBackRequest{Values: []string{"jane.example"}})
		if err != nil || len(a.Taken) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		f.Settle()
		signed(t, f, "hospital", node.Receipt{Bulletin: a.Taken[0].By}, "bank", "vendor")
	})
}
