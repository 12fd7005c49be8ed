// Package refresh checks the protocol by which the token broker renews a grant, and three that look right and
// are not, by visiting every interleaving of three workers that meet the same dead access token.
//
// Salesforce takes a refresh token once: it answers with the next one, and revokes the whole grant when it sees an
// old one again. It does not check anybody's fence. A grant is lost when it was revoked, or when nobody and
// nothing holds its newest refresh token any more. One window cannot be closed by any protocol: Salesforce has
// moved on, and the process dies or the answer is lost before the new token was written anywhere.
package refresh

import "slices"

const workers = 3

// Protocol is what a worker does.
type Protocol struct {
	Lease    bool // a lease is taken before the call, and the row read under it
	Expires  bool // the lease may run out under a living holder
	Fenced   bool // the write is refused if somebody else has got the lease meanwhile
	Compares bool // the write is refused if the row has got another refresh token meanwhile
	Keeps    bool // a new token that the row does not take goes to a second place, where the next holder looks first
}

// Ours is the broker's protocol: its lease lasts longer than the process that took it.
var Ours = Protocol{Lease: true, Compares: true, Keeps: true}

// Planted are the protocols that lose a grant without any fault, or with a lease that runs out too early.
var Planted = map[string]Protocol{
	"read, call, write": {},
	"the write compares versions; the harm is done before":             {Compares: true},
	"a lease that runs out under its holder, and a fence on the write": {Lease: true, Expires: true, Fenced: true},
}

// Faults is how many of each may happen on the way.
type Faults struct {
	Crashes uint8 // of workers, at any step
	Lost    uint8 // answers of Salesforce
	Ran     uint8 // leases that run out under a living holder, if the protocol allows it
	Refused uint8 // new tokens that the row does not take for as long as the worker lives
}

// Result is what was found.
type Result struct {
	States int // worlds that were visited
	Window int // of them, those in which the grant is gone in the window that no protocol can close
	Losses int // and those in which it is gone although that could be avoided
}

// step is where a worker stands.
type step uint8

const (
	looking step = iota // about to read the row, and to take the lease if there is one
	calling             // about to call the token endpoint
	waiting             // Salesforce has moved on; the answer is on its way
	writing             // holds the new refresh token
	ended               // has an access token, or gave up
	dead
)

type worker struct {
	at    step
	read  uint8 // version of the refresh token that it read
	holds uint8 // version that Salesforce answered with
	fence uint8
}

// world is everything that matters at a moment. It is comparable, so that a set of worlds is a map.
type world struct {
	workers [workers]worker
	stored  uint8 // version of the refresh token in the row
	kept    uint8 // version in the second place; 0 if there is none
	renewed bool  // the row has an access token that is newer than the dead one
	holder  uint8 // of the lease: a worker's number from 1, or 0
	over    bool  // the lease ran out
	fence   uint8
	current uint8 // version that Salesforce takes
	revoked bool
	window  bool // somebody died, or an answer was lost, while Salesforce was ahead of the row
	left    Faults
}

// next returns every world that may follow.
func (w world) next(p Protocol) []world {
	var after []world
	add := func(edit func(*world)) {
		n := w
		edit(&n)
		after = append(after, n)
	}
	for i := range w.workers {
		me := w.workers[i]
		switch me.at {
		case looking:
			switch {
			case w.renewed:
				add(func(n *world) { n.workers[i].at = ended })
			case p.Lease && w.holder != 0 && !w.over: // it waits
			case p.Keeps && w.kept > w.stored:
				add(func(n *world) {
					n.stored, n.renewed, n.holder, n.workers[i].at = w.kept, true, 0, ended
				})
			default:
				add(func(n *world) {
					n.workers[i].at, n.workers[i].read = calling, w.stored
					if p.Lease {
						n.fence++
						n.holder, n.over, n.workers[i].fence = uint8(i+1), false, n.fence
					}
				})
			}
		case calling:
			add(func(n *world) {
				if w.revoked || me.read != w.current {
					n.revoked, n.workers[i].at = true, ended
					return
				}
				n.current++
				n.workers[i].at, n.workers[i].holds = waiting, n.current
			})
		case waiting:
			add(func(n *world) { n.workers[i].at = writing })
			if w.left.Lost > 0 { // the worker cannot tell; it leaves the lease to run out
				add(func(n *world) { n.left.Lost--; n.window, n.workers[i].at = true, dead })
			}
		case writing:
			add(func(n *world) {
				n.workers[i].at = ended
				if p.Fenced && me.fence != w.fence || p.Compares && me.read != w.stored {
					return // the new token is thrown away
				}
				n.stored, n.renewed = me.holds, true
				if n.holder == uint8(i+1) {
					n.holder = 0
				}
			})
			if w.left.Refused > 0 { // here too the lease is left to run out
				add(func(n *world) {
					n.left.Refused--
					n.workers[i].at = dead
					if p.Keeps {
						n.kept = me.holds
					}
				})
			}
		}
		if w.left.Crashes > 0 && me.at < ended {
			add(func(n *world) {
				n.left.Crashes--
				n.workers[i].at = dead
				n.window = n.window || me.at == waiting || me.at == writing
			})
		}
	}
	if w.holder != 0 && !w.over {
		holder := w.workers[w.holder-1].at
		if holder == dead {
			add(func(n *world) { n.over = true })
		} else if p.Expires && w.left.Ran > 0 {
			add(func(n *world) { n.left.Ran--; n.over = true })
		}
	}
	return after
}

// gone reports whether the customer has to connect again.
func (w world) gone() bool {
	if w.revoked {
		return true
	}
	onItsWay := func(me worker) bool { return me.at == waiting || me.at == writing }
	return w.stored != w.current && w.kept != w.current && !slices.ContainsFunc(w.workers[:], onItsWay)
}

// Explore visits every world that a protocol can get into.
func Explore(p Protocol, f Faults) Result {
	first := world{current: 1, stored: 1, left: f}
	seen := map[world]bool{first: true}
	var found Result
	for queue := []world{first}; len(queue) > 0; {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		switch {
		case w.gone() && w.window:
			found.Window++
		case w.gone():
			found.Losses++
		}
		for _, n := range w.next(p) {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	found.States = len(seen)
	return found
}

// Most is everything that may befall the broker at once: two crashes, two lost answers, and two new tokens that the
// table does not take. Its lease cannot run out under it: the platform kills the process before.
var Most = Faults{Crashes: 2, Lost: 2, Refused: 2}

// Check explores our protocol with the most faults, and counts the planted protocols whose losses it finds.
func Check() (ours Result, planted int) {
	for _, p := range Planted {
		if Explore(p, Faults{Ran: 1}).Losses > 0 {
			planted++
		}
	}
	return Explore(Ours, Most), planted
}
