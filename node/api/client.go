package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Client speaks to a node's door. Its methods return a [*Problem] for what
// the node refused, and other errors where it could not be reached.
type Client struct {
	URL   string // without a slash at the end, such as "http://127.0.0.1:7801"
	HTTP  *http.Client
	Token string // empty on the local socket
}

// maxAnswer bounds what the client reads of one answer that is not a stream.
const maxAnswer = 256 << 20

// Unix returns a client for the local socket of a node.
func Unix(path string) *Client {
	var dialer net.Dialer
	return &Client{URL: "http://localhost", HTTP: &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) },
		DisableCompression: true,
	}}}
}

// InProcess returns a client that calls a handler directly. Answers stream as
// they do over a socket. It works inside testing/synctest.
func InProcess(h http.Handler) *Client {
	return &Client{URL: "http://localhost", HTTP: &http.Client{Transport: inProcess{h}}}
}

// Submit says values or STIX objects. Those that cannot be said are listed in
// the answer and the rest goes through.
func (c *Client) Submit(ctx context.Context, r SubmitRequest) (SubmitAnswer, error) {
	return call[SubmitAnswer](ctx, c, "POST", "/v1/bulletins", r)
}

// Lookup asks who says what about each of the values, at most [MaxLookup]. The
// answers come in the order of the values.
func (c *Client) Lookup(ctx context.Context, r LookupRequest) ([]Lookup, error) {
	answer, err := call[LookupAnswer](ctx, c, "POST", "/v1/lookup", r)
	return answer.Answers, err
}

// Search returns one page of what is held.
func (c *Client) Search(ctx context.Context, o SearchOptions) (SearchAnswer, error) {
	q := url.Values{}
	set(q, "type", o.Type)
	set(q, "org", o.Org)
	set(q, "tag", o.Tag)
	set(q, "text", o.Text)
	set(q, "after", o.After)
	setInt(q, "limit", o.Limit)
	return call[SearchAnswer](ctx, c, "GET", "/v1/search?"+q.Encode(), nil)
}

// Object returns everybody's newest version of a STIX object, by its id or a
// foreign alias. Nothing known is an empty list.
func (c *Client) Object(ctx context.Context, stixID string) ([]Claim, error) {
	answer, err := call[ObjectAnswer](ctx, c, "GET", "/v1/objects/"+url.PathEscape(stixID), nil)
	return answer.Claims, err
}

// Delivery returns where one of our organisation's bulletins is held.
func (c *Client) Delivery(ctx context.Context, bulletin protocol.ID) (node.Delivery, error) {
	return call[node.Delivery](ctx, c, "GET", "/v1/bulletins/"+bulletin.String(), nil)
}

// Status returns the state of the node at a glance.
func (c *Client) Status(ctx context.Context) (StatusAnswer, error) {
	return call[StatusAnswer](ctx, c, "GET", "/v1/status", nil)
}

// Identity returns who the node is.
func (c *Client) Identity(ctx context.Context) (node.Identity, error) {
	return call[node.Identity](ctx, c, "GET", "/v1/identity", nil)
}

// Doctor returns what the node finds right and wrong with itself.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	answer, err := call[DoctorAnswer](ctx, c, "GET", "/v1/doctor", nil)
	return answer.Checks, err
}

// Ready returns nil when the node serves and its store works.
func (c *Client) Ready(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, "GET", "/readyz", nil)
	return err
}

// Communities returns the communities the node is in.
func (c *Client) Communities(ctx context.Context) ([]node.Community, error) {
	answer, err := call[CommunitiesAnswer](ctx, c, "GET", "/v1/communities", nil)
	return answer.Communities, err
}

// CreateCommunity founds a community.
func (c *Client) CreateCommunity(ctx context.Context, name string) (CommunityAnswer, error) {
	return call[CommunityAnswer](ctx, c, "POST", "/v1/communities", CommunityRequest{name})
}

// Invite makes a token that lets one organisation in.
func (c *Client) Invite(ctx context.Context, r InviteRequest) (InviteAnswer, error) {
	return call[InviteAnswer](ctx, c, "POST", "/v1/invites", r)
}

// Join redeems an invite.
func (c *Client) Join(ctx context.Context, token string) (CommunityAnswer, error) {
	return call[CommunityAnswer](ctx, c, "POST", "/v1/join", JoinRequest{token})
}

// LoadCertificate loads a certificate of the node's organisation.
func (c *Client) LoadCertificate(ctx context.Context, r CertificateRequest) (CertificateAnswer, error) {
	return call[CertificateAnswer](ctx, c, "POST", "/v1/certificates", r)
}

// Peers returns the nodes the node knows.
func (c *Client) Peers(ctx context.Context) ([]node.Peer, error) {
	answer, err := call[PeersAnswer](ctx, c, "GET", "/v1/peers", nil)
	return answer.Peers, err
}

// AddPeer tells the node an address to dial, a multiaddr that ends in /p2p/ID.
func (c *Client) AddPeer(ctx context.Context, addr string) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/peers", PeerRequest{addr})
	return err
}

// NamePeer gives an organisation a petname. Here and below org is a name, a
// key or a fingerprint.
func (c *Client) NamePeer(ctx context.Context, org, name string) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/peers/"+url.PathEscape(org)+"/name", NameRequest{name})
	return err
}

// BlockPeer cuts an organisation off, here and at once.
func (c *Client) BlockPeer(ctx context.Context, org, reason string) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/peers/"+url.PathEscape(org)+"/block", BlockRequest{reason})
	return err
}

// ReleasePeer undoes BlockPeer.
func (c *Client) ReleasePeer(ctx context.Context, org string) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/peers/"+url.PathEscape(org)+"/release", struct{}{})
	return err
}

// RemovePeer ends an organisation's membership in a community, or asks for it:
// the answer says whether more founders must sign.
func (c *Client) RemovePeer(ctx context.Context, org string, r RemoveRequest) (RemoveAnswer, error) {
	return call[RemoveAnswer](ctx, c, "POST", "/v1/peers/"+url.PathEscape(org)+"/remove", r)
}

// RevokeNode ends the key of a node of our organisation.
func (c *Client) RevokeNode(ctx context.Context, r RevokeRequest) (RevokeAnswer, error) {
	return call[RevokeAnswer](ctx, c, "POST", "/v1/revocations", r)
}

// Groups returns the sharing groups the node knows.
func (c *Client) Groups(ctx context.Context) ([]node.Group, error) {
	return call[[]node.Group](ctx, c, "GET", "/v1/groups", nil)
}

// CreateGroup founds a sharing group.
func (c *Client) CreateGroup(ctx context.Context, r GroupRequest) (node.Group, error) {
	return call[node.Group](ctx, c, "POST", "/v1/groups", r)
}

// ChangeGroup says the next version of a sharing group of ours.
func (c *Client) ChangeGroup(ctx context.Context, r RosterRequest) (node.Group, error) {
	return call[node.Group](ctx, c, "POST", "/v1/rosters", r)
}

// Clients returns the names of our clients.
func (c *Client) Clients(ctx context.Context) ([]string, error) {
	return call[[]string](ctx, c, "GET", "/v1/clients", nil)
}

// ChangeClient declares a client, or ends that.
func (c *Client) ChangeClient(ctx context.Context, r ClientRequest) error {
	_, err := call[nothing](ctx, c, "POST", "/v1/clients", r)
	return err
}

// Who says who would get something; the query is that of GET /v1/who.
func (c *Client) Who(ctx context.Context, q url.Values) (WhoAnswer, error) {
	return call[WhoAnswer](ctx, c, "GET", "/v1/who?"+q.Encode(), nil)
}

// Revoke takes back what we said.
func (c *Client) Revoke(ctx context.Context, r TakeBackRequest) (TakeBackAnswer, error) {
	return call[TakeBackAnswer](ctx, c, "POST", "/v1/revoke", r)
}

// Erase has every holder destroy what we said.
func (c *Client) Erase(ctx context.Context, r TakeBackRequest) (TakeBackAnswer, error) {
	return call[TakeBackAnswer](ctx, c, "POST", "/v1/erase", r)
}

// CreateToken makes a bearer token; local socket only, as the two below.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest) (TokenAnswer, error) {
	return call[TokenAnswer](ctx, c, "POST", "/v1/tokens", r)
}

// ListTokens returns the tokens in force, never their secrets.
func (c *Client) ListTokens(ctx context.Context) ([]Token, error) {
	answer, err := call[TokensAnswer](ctx, c, "GET", "/v1/tokens", nil)
	return answer.Tokens, err
}

// DeleteToken ends a token, at once.
func (c *Client) DeleteToken(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, "DELETE", "/v1/tokens/"+url.PathEscape(id), nil)
	return err
}

// call sends a request whose body, if any, is JSON, and reads the answer.
func call[A any](ctx context.Context, c *Client, method, path string, body any) (answer A, err error) {
	var r io.Reader
	if body != nil {
		b, err := encode(body)
		if err != nil {
			return answer, fmt.Errorf("%w: %s: %v", node.ErrUsage, path, err)
		}
		r = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, "application/json", r)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.UnmarshalRead(io.LimitReader(resp.Body, maxAnswer), &answer); err != nil {
		return answer, fmt.Errorf("answer to %s %s: %w", method, pathOf(path), err)
	}
	return answer, nil
}

// send sends a request and returns the answer of one that went well.
func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, fmt.Errorf("request to %s: %w", c.URL, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

func readProblem(resp *http.Response) error {
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		if err := json.UnmarshalRead(io.LimitReader(resp.Body, 1<<20), p); err != nil {
			return fmt.Errorf("answer of status %d: %w", resp.StatusCode, err)
		}
		p.Status = resp.StatusCode
		return p
	}
	p.Detail = fmt.Sprintf("answer of status %d from something that is no node", resp.StatusCode)
	return p
}

func pathOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setInt(q url.Values, name string, value int) {
	if value != 0 {
		q.Set(name, strconv.Itoa(value))
	}
}
