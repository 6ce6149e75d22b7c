package nodetest

import "github.com/tocsin-exchange/tocsin/node/api"

// Doors has the configuration of every door changed, of those that are open and
// of those that later starts open.
func (f *Federation) Doors(change func(org string, c *api.Config)) {
	f.doors = change
	for _, m := range f.orgs {
		if m.running {
			f.openDoor(m)
		}
	}
}

// openDoor opens the door of a member's node.
func (f *Federation) openDoor(m *member) {
	c := api.Config{Node: m.node, Log: f.log(m.name), Audit: m.records()}
	if f.doors != nil {
		f.doors(m.name, &c)
	}
	m.door = api.New(c).Local()
	m.client = api.InProcess(m.door)
}
