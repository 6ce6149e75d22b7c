package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// inviteValid is how long an invite is good when nothing else is asked for.
const inviteValid = 7 * 24 * time.Hour

func (d *Door) communities(context.Context) (CommunitiesAnswer, error) {
	return CommunitiesAnswer{d.node.Communities()}, nil
}

func (d *Door) createCommunity(ctx context.Context, r CommunityRequest) (CommunityAnswer, error) {
	id, err := d.node.CreateCommunity(ctx, r.Name)
	return CommunityAnswer{id, r.Name}, err
}

func (d *Door) invite(ctx context.Context, r InviteRequest) (InviteAnswer, error) {
	community, err := d.node.Community(r.Community)
	if err != nil {
		return InviteAnswer{}, err
	}
	valid := cmp.Or(time.Duration(r.Valid), inviteValid)
	token, err := d.node.Invite(ctx, community, r.Name, valid)
	if err != nil {
		return InviteAnswer{}, err
	}
	invite, err := protocol.ParseInvite(token)
	return InviteAnswer{token, protocol.Time(invite.Expires).UTC()}, err
}

// join tells what went wrong elsewhere from what went wrong here.
func (d *Door) join(ctx context.Context, r JoinRequest) (CommunityAnswer, error) {
	id, name, err := d.node.Join(ctx, r.Token)
	if err != nil && ctx.Err() == nil && problemOf(err).Type == problemType+string(kindInternal) {
		return CommunityAnswer{}, kindElsewhere.problem(err.Error(), "ask whoever invited you whether the node runs and can be reached")
	}
	return CommunityAnswer{id, name}, err
}

func (d *Door) serveDelivery(w *answerWriter, req *http.Request) error {
	var id protocol.ID
	if err := id.UnmarshalText([]byte(req.PathValue("id"))); err != nil {
		return fmt.Errorf("%w: bulletin %q: %v", node.ErrUsage, req.PathValue("id"), err)
	}
	if err := d.mayKnow(w.caller, id); err != nil {
		return err
	}
	delivery, err := d.node.Delivery(id)
	if err != nil {
		return err
	}
	return sendJSON(w, delivery)
}

func (d *Door) peers(context.Context) (PeersAnswer, error) { return PeersAnswer{d.node.Peers()}, nil }

func (d *Door) addPeer(ctx context.Context, r PeerRequest) (nothing, error) {
	return nothing{}, d.node.AddPeer(ctx, r.Addr)
}

// The routes about an organisation take any name it is shown by: they are how
// the operator gets to know it.

func (d *Door) namePeer(ctx context.Context, name string, r NameRequest) (nothing, error) {
	org, err := d.node.Resolve(name, true)
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, d.node.SetName(ctx, org, r.Name)
}

func (d *Door) blockPeer(ctx context.Context, name string, r BlockRequest) (nothing, error) {
	org, err := d.node.Resolve(name, true)
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, d.node.Block(ctx, org, r.Reason)
}

func (d *Door) releasePeer(ctx context.Context, name string, _ nothing) (nothing, error) {
	org, err := d.node.Resolve(name, true)
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, d.node.Release(ctx, org)
}

func (d *Door) removePeer(ctx context.Context, name string, r RemoveRequest) (RemoveAnswer, error) {
	org, err := d.node.Resolve(name, true)
	if err != nil {
		return RemoveAnswer{}, err
	}
	community, err := d.node.Community(r.Community)
	if err != nil {
		return RemoveAnswer{}, err
	}
	ended, err := d.node.Remove(ctx, community, org, r.Reason)
	return RemoveAnswer{ended}, err
}

func (d *Door) listTokens(context.Context) (TokensAnswer, error) {
	tokens, err := d.tokens()
	return TokensAnswer{tokens}, err
}

func (d *Door) status(context.Context) (StatusAnswer, error) {
	s, err := d.statusWithoutRed()
	return StatusAnswer{s, d.allAlarms()}, err
}

func (d *Door) identity(context.Context) (node.Identity, error) { return d.node.Identity(), nil }
