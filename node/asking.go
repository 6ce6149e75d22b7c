package node

import (
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// askedFor is for how long nobody else is asked for a body that somebody was asked for.
const askedFor = 3 * time.Second

// An asking knows which bodies are asked for at the moment, so that a fetch and
// a session do not both bring what takes half a megabyte. Its zero value is empty.
type asking struct {
	mu  sync.Mutex
	ids map[protocol.ID]time.Time
}

// claim returns those that nobody has been asked for just now. The caller asks,
// and calls end.
func (a *asking) claim(ids []protocol.ID, now time.Time) (free []protocol.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids == nil {
		a.ids = map[protocol.ID]time.Time{}
	}
	for _, id := range ids {
		if at, asked := a.ids[id]; asked && now.Sub(at) < askedFor {
			continue
		}
		a.ids[id] = now
		free = append(free, id)
	}
	return free
}

func (a *asking) end(ids []protocol.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		delete(a.ids, id)
	}
}
