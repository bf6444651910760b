package world

import (
	"math/rand/v2"
	"time"
)

// Each part of the generation draws from a stream of its own, so that a change to one leaves the
// others as they were.
const (
	streamStaff = iota + 1
	streamCustomers
	streamContacts
)

func (w *World) random(stream, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.options.Seed, mix(stream<<40^n)))
}

func randomDuration(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)+1)).Truncate(time.Millisecond)
}

// longTailed draws a duration whose mean is about a third of the longest, as waits and talks are.
func longTailed(random *rand.Rand, low, high time.Duration) time.Duration {
	part := random.Float64() * random.Float64()
	return (low + time.Duration(part*float64(high-low))).Truncate(time.Millisecond)
}

func chance(random *rand.Rand, percent int) bool { return random.IntN(100) < percent }

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }
