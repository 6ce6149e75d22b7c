package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

const (
	tokenTable  = "tokens" // id -> tokenRecord as JSON
	tokenPrefix = "tocsin_"
	tokenIDSize = 6 // bytes of the hash that make the id
	maxTokens   = 1000
	maxTokenLen = 128 // characters; ours have 50
)

// What a token may see when nothing else is asked for. A tool cleared for
// PAP:AMBER may look things up elsewhere; what must not be noticed by anybody,
// PAP:RED, is for those of whom the operator says so.
const (
	defaultClearance = protocol.Green
	defaultPAP       = protocol.PAPAmber
)

// A tokenRecord is what is kept of a token: its hash, never itself.
type tokenRecord struct {
	Token
	Hash string `json:"sha256"`
}

// readToken reads a record. Those made before tokens had a PAP level have the
// one that a new token gets.
func readToken(row []byte) (r tokenRecord, err error) {
	if err = json.Unmarshal(row, &r); err != nil {
		return r, fmt.Errorf("token record: %w", err)
	}
	r.PAP = cmp.Or(r.PAP, defaultPAP)
	return r, nil
}

func tokenID(hash [32]byte) string { return hex.EncodeToString(hash[:tokenIDSize]) }

func (d *Door) createToken(ctx context.Context, r TokenRequest) (TokenAnswer, error) {
	if r.Role == Monitor { // which reads nothing
		r.Clearance, r.PAP = cmp.Or(r.Clearance, wholeFrom), cmp.Or(r.PAP, protocol.PAPRed)
	}
	r.Clearance, r.PAP = cmp.Or(r.Clearance, defaultClearance), cmp.Or(r.PAP, defaultPAP)
	if err := r.check(); err != nil {
		return TokenAnswer{}, err
	}
	tokens, err := d.tokens()
	if err != nil {
		return TokenAnswer{}, err
	}
	if len(tokens) >= maxTokens {
		return TokenAnswer{}, fmt.Errorf("%w: there are %d tokens: delete some", node.ErrRefused, len(tokens))
	}
	var random [32]byte
	rand.Read(random[:])
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(secret))
	token := Token{
		ID: tokenID(hash), Role: r.Role, Name: r.Name, Clearance: r.Clearance, PAP: r.PAP, Person: r.Person, Path: r.Path,
		Created: time.Now().UTC().Truncate(time.Second),
	}
	row, err := json.Marshal(tokenRecord{token, hex.EncodeToString(hash[:])})
	if err != nil {
		return TokenAnswer{}, err
	}
	if err := d.node.NoteFirst(ctx, tokenMade(&token)); err != nil {
		return TokenAnswer{}, err
	}
	return TokenAnswer{token, secret}, d.node.Store().Table(tokenTable).Set(ctx, []byte(token.ID), row)
}

// check says what is wrong with a request whose defaults are filled in.
func (r *TokenRequest) check() error {
	if r.Role == "" {
		return kindUsage.errorf("role is missing (one of reader, analyst, reviewer, auditor, monitor, operator)")
	}
	if r.Person != "" && r.Clearance != protocol.Red {
		return kindUsage.problem("a person is named for what is under TLP:RED: clearance "+r.Clearance.String()+" sees none of it", "give clearance red, or leave the person out")
	}
	if r.Path && (r.Role != Reader || r.Clearance == protocol.Red) {
		return kindUsage.problem("a token for paths reads feeds and nothing else: role reader, clearance up to amber+strict", "paths end up in logs: leave --path out for any other use")
	}
	for what, name := range map[string]string{"name": r.Name, "person": r.Person} {
		if name == "" {
			continue
		}
		if err := protocol.CheckName(name); err != nil {
			return fmt.Errorf("%w: %s: %v", node.ErrUsage, what, err)
		}
	}
	return nil
}

func (d *Door) tokens() ([]Token, error) {
	list := []Token{}
	for id, row := range d.node.Store().Table(tokenTable).All() {
		record, err := readToken(row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		list = append(list, record.Token)
	}
	slices.SortFunc(list, func(a, b Token) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

func (d *Door) deleteToken(ctx context.Context, id string) error {
	table := d.node.Store().Table(tokenTable)
	if len(id) != 2*tokenIDSize {
		return fmt.Errorf("%w: no token %q", node.ErrNotFound, id)
	}
	if _, ok, err := table.Load([]byte(id)); err != nil || !ok {
		return cmp.Or(err, fmt.Errorf("%w: no token %q", node.ErrNotFound, id))
	}
	d.node.NoteDone(ctx, journal.Record{Act: journal.ActToken, Rule: "delete", Words: map[string]string{"token": id}})
	if err := table.Delete(ctx, []byte(id)); err != nil {
		return err
	}
	return d.node.Store().Table(toldTable).Delete(ctx, toldKey(id))
}
