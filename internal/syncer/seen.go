package syncer

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// seen is what a run remembers across its slices: whom it has met, and the newest referral of those whom it has yet to
// meet. Ten bytes a person: the first six of the id's digits, and a time.
type seen struct {
	met    map[digits]bool
	newest map[digits]uint32 // Unix seconds, by referrer
	fresh  map[digits]bool   // referrers of whom newest is not kept yet
}

// digits are a subscriber's id without its prefix, as bytes: "sub_" and twelve hexadecimal digits. Ids of another form are
// told apart by a hash; see pack.
type digits [6]byte

func pack(id bridge.SubscriberID) digits {
	var d digits
	text := strings.TrimPrefix(string(id), "sub_")
	if len(text) == 12 {
		if _, err := hex.Decode(d[:], []byte(text)); err == nil {
			return d
		}
	}
	var sum uint64 = 14695981039346656037
	for i := range len(id) {
		sum = (sum ^ uint64(id[i])) * 1099511628211
	}
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], sum)
	return digits(wide[2:])
}

func newSeen() *seen {
	return &seen{met: map[digits]bool{}, newest: map[digits]uint32{}, fresh: map[digits]bool{}}
}

// meet notes a subscriber and returns when the newest of those signed up whom it referred, as far as they came before.
func (s *seen) meet(sub bridge.Subscriber) time.Time {
	own := pack(sub.ID)
	s.met[own] = true
	if referrer := sub.Referrer.ID; referrer != "" && sub.Verified && sub.Status != "unqualified" {
		key := pack(referrer)
		if at := uint32(sub.CreatedAt.Unix()); at > s.newest[key] {
			s.newest[key] = at
			s.fresh[key] = true
		}
	}
	at := s.newest[own]
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(int64(at), 0).UTC()
}

// entry is the length of a packed person.
const entry = 6 + 4

// mostPacked is how many people fit into one item of the table, which holds 400 KB.
const mostPacked = 35_000

// parts packs what a slice has added. Whoever is met has no use for newest any more.
func (s *seen) parts(met []digits) [][]byte {
	var (
		parts [][]byte
		part  []byte
	)
	add := func(d digits, at uint32) {
		if len(part) >= mostPacked*entry {
			parts, part = append(parts, part), nil
		}
		part = append(part, d[:]...)
		part = binary.BigEndian.AppendUint32(part, at)
	}
	for _, d := range met {
		add(d, 0)
	}
	for d := range s.fresh {
		if !s.met[d] {
			add(d, s.newest[d])
		}
	}
	return append(parts, part)
}

// load reads what earlier slices have kept.
func (w Worker) seen(ctx context.Context, run Run) (*seen, error) {
	s := newSeen()
	if run.Parts == 0 {
		return s, nil
	}
	for packed, err := range w.Rows.Seen(ctx, run) {
		if err != nil {
			return nil, err
		}
		for ; len(packed) >= entry; packed = packed[entry:] {
			d, at := digits(packed[:6]), binary.BigEndian.Uint32(packed[6:entry])
			if at == 0 {
				s.met[d] = true
			} else if at > s.newest[d] {
				s.newest[d] = at
			}
		}
	}
	return s, nil
}
