package nodetest

import "github.com/tocsin-exchange/tocsin/protocol"

// Found makes another community of organisations that know each other already.
func (f *Federation) Found(name, founder string, members ...string) protocol.ID {
	f.t.Helper()
	ctx, m := f.t.Context(), f.member(founder)
	id, err := m.node.CreateCommunity(ctx, name)
	f.check(err)
	for _, other := range members {
		f.check(m.node.Introduce(ctx, id, f.member(other).cert, other))
	}
	charter, err := m.node.Charter(id)
	f.check(err)
	var statements []*protocol.Bulletin
	for b, err := range m.store.Statements(id) {
		f.check(err)
		statements = append(statements, b)
	}
	for _, other := range members {
		f.check(f.member(other).node.Adopt(ctx, charter, statements))
	}
	f.Settle()
	return id
}
