package crowdsec

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

const (
	forgotten = time.Hour // after which it is no longer known what a key was told
	maxTold   = 4_000_000 // values that are remembered as told, those of one moment once for all keys
)

// Keys knows what each key was told. It is safe for concurrent use; the zero value
// knows of none.
type Keys struct {
	mu   sync.Mutex
	keys map[string]*key
}

// A key is one bouncer's. All but the turn is guarded by the Keys it is of.
type key struct {
	turn  chan struct{} // held while it is answered
	users int           // who hold it or wait for it
	told  *Standing     // nil: not known
	used  time.Time
}

// take returns a key, and holds it until it is given back.
func (k *Keys) take(ctx context.Context, name string) (*key, error) {
	k.mu.Lock()
	if k.keys == nil {
		k.keys = map[string]*key{}
	}
	one := k.keys[name]
	if one == nil {
		one = &key{turn: make(chan struct{}, 1)}
		k.keys[name] = one
	}
	one.users++
	k.mu.Unlock()
	select {
	case one.turn <- struct{}{}:
		return one, nil
	case <-ctx.Done():
		k.mu.Lock()
		one.users--
		k.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (k *Keys) toldTo(one *key) *Standing {
	k.mu.Lock()
	defer k.mu.Unlock()
	return one.told
}

// tell notes what a key has been told.
func (k *Keys) tell(one *key, told *Standing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	one.told = told
}

// give gives a key back, and forgets what nobody has asked for long, or is too much.
func (k *Keys) give(one *key, now time.Time) {
	<-one.turn
	k.mu.Lock()
	defer k.mu.Unlock()
	one.users--
	one.used = now
	type named struct {
		name string
		*key
	}
	var idle []named
	for name, other := range k.keys {
		switch {
		case other.users > 0:
		case other.told == nil || now.Sub(other.used) > forgotten:
			delete(k.keys, name)
		default:
			idle = append(idle, named{name, other})
		}
	}
	slices.SortFunc(idle, func(a, b named) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.name, b.name)) })
	kept, total := map[time.Time]bool{}, 0
	for _, other := range idle {
		if at := other.told.Changed; !kept[at] {
			kept[at] = true
			total += other.told.Len
		}
		if total > maxTold && other.key != one {
			delete(k.keys, other.name)
		}
	}
}
