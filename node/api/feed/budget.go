package feed

import "time"

// burst is for how long lists may be read anew at once, after a quiet time,
// because values may be judged otherwise.
const burst = 10 * time.Second

// A budget is the time there is to read lists anew: a tenth of what passes.
type budget struct {
	left time.Duration
	at   time.Time
}

func (b *budget) spend(d time.Duration) {
	b.refill()
	b.left -= d
}

// allows reports whether there is time left.
func (b *budget) allows() bool {
	b.refill()
	return b.left > 0
}

func (b *budget) refill() {
	now := time.Now()
	b.left, b.at = min(burst, b.left+now.Sub(b.at)/10), now
}
