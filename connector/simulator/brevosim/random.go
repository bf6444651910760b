package brevosim

import (
	"sync/atomic"
	"time"
)

// random draws numbers that depend on the seed and on how many were drawn before. It needs no lock: each draw hashes a
// counter (splitmix64).
type random struct {
	seed    uint64
	counter atomic.Uint64
}

func (r *random) next() uint64 {
	x := r.seed + r.counter.Add(1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// share draws from 0 up to, but not including, 1.
func (r *random) share() float64 { return float64(r.next()>>11) / (1 << 53) }

// below draws from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// upTo draws a duration from 0 to limit.
func (r *random) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(r.next() % uint64(limit+1))
}
