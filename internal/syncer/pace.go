package syncer

import (
	"context"
	"errors"
	"time"
)

// pace says whether a worker's time will do for another piece of work. Its zero value has seen none.
type pace struct {
	began   time.Time // the piece before
	longest time.Duration
}

// errTime is why work stops that another worker is to go on with.
var errTime = errors.New("out of time")

// reserve is what a worker needs to end in order.
const reserve = 10 * time.Second

// another reports whether there is time for a piece that takes twice as long as any before. The first one is always begun, or nothing
// would ever go on.
func (p *pace) another(ctx context.Context) bool {
	now := time.Now() // as deadlines go
	if p.began.IsZero() {
		p.began = now
		return true
	}
	p.longest, p.began = max(p.longest, now.Sub(p.began)), now
	deadline, ok := ctx.Deadline()
	return !ok || deadline.Sub(now) > 2*p.longest+reserve
}
