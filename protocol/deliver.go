package protocol

import (
	"crypto/ed25519"
	"fmt"
)

// DeliverProtocol is the stream on which bulletins go sealed to one node, and
// its receipts come back.
const DeliverProtocol = "/tocsin/deliver/1"

// MaxOffer bounds the bulletins offered, wanted or refused in one frame.
const MaxOffer = 64

const (
	receiptDomain = "tocsin receipt v1"
	forwardDomain = "tocsin forward v1"
)

// A DeliverFrame is one message of a deliver stream: exactly one field is set,
// but that Forward goes with Sealed.
//
// Whoever delivers offers ids. The other side answers with receipts for those
// that are settled already, then with the ids it wants. The wanted ones come
// sealed, then an empty want; each is answered with a receipt or a refusal, then
// an empty want. Between offers come receipts of others for the author's
// bulletins; the stream's end is the end.
type DeliverFrame struct {
	Offer   []ID     `cbor:"1,keyasint,omitempty"` // ascending is not asked: they go in this order
	Want    *Wanted  `cbor:"2,keyasint,omitempty"`
	Sealed  *Sealed  `cbor:"3,keyasint,omitempty"`
	Forward *Forward `cbor:"4,keyasint,omitempty"` // with Sealed: it goes to a client, outside its stream
	Receipt *Receipt `cbor:"5,keyasint,omitempty"`
	Refused string   `cbor:"6,keyasint,omitzero"` // why a sealed bulletin is not taken now
}

// Wanted are the offered bulletins to send; none ends a list.
type Wanted struct {
	IDs []ID `cbor:"1,keyasint,omitempty"` // at most 64
}

// ReceiptState says what became of a bulletin where a receipt comes from.
type ReceiptState uint8

// States of a receipt.
const (
	ReceiptHeld     ReceiptState = 1 + iota // it is durable there
	ReceiptDeclined                         // its header is held, its body not wanted
	ReceiptErased                           // an erasure: what it names is destroyed there
)

// String returns the state in lower case.
func (s ReceiptState) String() string {
	switch s {
	case ReceiptHeld:
		return "held"
	case ReceiptDeclined:
		return "declined"
	case ReceiptErased:
		return "erased"
	}
	return fmt.Sprintf("receipt state %d", uint8(s))
}

// A Receipt is a node's signed word on what became of a bulletin there. The
// certificate in it says for which organisation the node signs.
type Receipt struct {
	Bulletin    ID           `cbor:"1,keyasint"`
	Certificate Certificate  `cbor:"2,keyasint"`
	State       ReceiptState `cbor:"3,keyasint"`
	At          uint64       `cbor:"4,keyasint"` // Unix milliseconds
	Signature   Signature    `cbor:"5,keyasint"` // by the node, over fields 1, 3 and 4
}

type receiptContent struct {
	Bulletin ID           `cbor:"1,keyasint"`
	State    ReceiptState `cbor:"3,keyasint"`
	At       uint64       `cbor:"4,keyasint"`
}

func (r *Receipt) content() []byte { return encode(receiptContent{r.Bulletin, r.State, r.At}) }

// SignReceipt signs one with the node's key.
func SignReceipt(key ed25519.PrivateKey, cert Certificate, bulletin ID, state ReceiptState, at uint64) *Receipt {
	r := &Receipt{Bulletin: bulletin, Certificate: cert, State: state, At: at}
	r.Signature = sign(key, receiptDomain, r.content())
	return r
}

// Encode returns the receipt's bytes.
func (r *Receipt) Encode() []byte { return encode(r) }

// DecodeReceipt reads a receipt and verifies it.
func DecodeReceipt(b []byte) (*Receipt, error) {
	r := new(Receipt)
	if err := decode(b, 1<<10, "receipt", r); err != nil {
		return nil, err
	}
	return r, r.check()
}

func (r *Receipt) check() error {
	if r.Bulletin.IsZero() || r.State < ReceiptHeld || r.State > ReceiptErased || r.At > maxMillis {
		return fmt.Errorf("%w receipt: no bulletin, or an unknown state", ErrInvalid)
	}
	if err := r.Certificate.Check(); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	if !verify(r.Certificate.Node, receiptDomain, r.content(), r.Signature) {
		return fmt.Errorf("%w receipt: wrong signature", ErrInvalid)
	}
	return nil
}

// A Forward is a recipient's signed word that it passes an AMBER bulletin on to
// a client of its own. It names both, so that it is good for nobody else.
type Forward struct {
	Bulletin    ID          `cbor:"1,keyasint"`
	Certificate Certificate `cbor:"2,keyasint"` // of the forwarding node
	To          Org         `cbor:"3,keyasint"`
	Signature   Signature   `cbor:"4,keyasint"` // by the node, over fields 1 and 3
}

type forwardContent struct {
	Bulletin ID  `cbor:"1,keyasint"`
	To       Org `cbor:"3,keyasint"`
}

// SignForward signs one with the node's key.
func SignForward(key ed25519.PrivateKey, cert Certificate, bulletin ID, to Org) *Forward {
	f := &Forward{Bulletin: bulletin, Certificate: cert, To: to}
	f.Signature = sign(key, forwardDomain, encode(forwardContent{bulletin, to}))
	return f
}

func (f *Forward) check() error {
	if err := f.Certificate.Check(); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	if err := CheckKey(f.To); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	if f.Bulletin.IsZero() || !verify(f.Certificate.Node, forwardDomain, encode(forwardContent{f.Bulletin, f.To}), f.Signature) {
		return fmt.Errorf("%w forward: no bulletin, or a wrong signature", ErrInvalid)
	}
	return nil
}

func (f DeliverFrame) check() error {
	set := 0
	for _, is := range []bool{len(f.Offer) > 0, f.Want != nil, f.Sealed != nil, f.Receipt != nil, f.Refused != ""} {
		if is {
			set++
		}
	}
	if set != 1 || f.Forward != nil && f.Sealed == nil || len(f.Refused) > maxReason || len(f.Offer) > MaxOffer {
		return fmt.Errorf("%w deliver frame: %d messages in one, %d offered, or a long refusal", ErrInvalid, set, len(f.Offer))
	}
	switch {
	case f.Want != nil && len(f.Want.IDs) > MaxOffer:
		return fmt.Errorf("%w deliver frame: %d wanted, at most %d are allowed", ErrInvalid, len(f.Want.IDs), MaxOffer)
	case f.Receipt != nil:
		return f.Receipt.check()
	case f.Sealed != nil:
		return f.checkSealed()
	}
	return nil
}

func (f DeliverFrame) checkSealed() error {
	if err := f.Sealed.check(); err != nil {
		return err
	}
	if f.Forward == nil {
		return nil
	}
	if f.Forward.Bulletin != f.Sealed.Bulletin {
		return fmt.Errorf("%w deliver frame: it forwards another bulletin than it carries", ErrInvalid)
	}
	return f.Forward.check()
}
