package crowdsec

import (
	"iter"
	"time"
)

// slack is by how much the end of a ban must move out before a bouncer is told.
const slack = time.Minute

// delta calls on for what has changed between what a bouncer was told and what
// stands: gone, new, or both where a ban is to last for longer. It walks both once,
// in their order, and ends when on says so.
func delta(told, now iter.Seq[Entry], on func(e Entry, gone, come bool) bool) {
	nextOld, stopOld := iter.Pull(told)
	defer stopOld()
	nextNew, stopNew := iter.Pull(now)
	defer stopNew()
	old, isOld := nextOld()
	young, isNew := nextNew()
	for more := true; more && (isOld || isNew); {
		order := 0
		switch {
		case !isNew:
			order = -1
		case !isOld:
			order = 1
		default:
			order = compare(old.Value, young.Value)
		}
		switch {
		case order < 0:
			more = on(old, true, false)
			old, isOld = nextOld()
		case order > 0:
			more = on(young, false, true)
			young, isNew = nextNew()
		default:
			if later(young.Until, old.Until) {
				more = on(young, true, true)
			}
			old, isOld = nextOld()
			young, isNew = nextNew()
		}
	}
}

// later reports whether a ban ends later than was told, and so much that it counts.
func later(end, told time.Time) bool {
	return !told.IsZero() && (end.IsZero() || end.After(told.Add(slack)))
}

// none is what a bouncer has been told that was told nothing.
func none(func(Entry) bool) {}
