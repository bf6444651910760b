package world

import (
	"math/rand/v2"
	"time"
)

// calendar spreads contacts over the time of a world: evenly within an hour, and over the hours as
// callers do, most by day and few by night.
type calendar struct {
	start   time.Time
	hours   []float64 // hours[i] is the weight of everything before hour i
	lengths []time.Duration
}

func newCalendar(start, end time.Time) *calendar {
	c := &calendar{start: start, hours: []float64{0}}
	for at := start; at.Before(end); {
		next := at.Truncate(time.Hour).Add(time.Hour)
		if next.After(end) {
			next = end
		}
		length := next.Sub(at)
		weight := busyness(at.Hour()) * length.Hours()
		c.hours = append(c.hours, c.hours[len(c.hours)-1]+weight)
		c.lengths = append(c.lengths, length)
		at = next
	}
	return c
}

func busyness(hour int) float64 {
	switch {
	case hour >= 8 && hour < 19:
		return 10
	case hour >= 6 && hour < 22:
		return 4
	}
	return 1
}

// walk calls visit with count moments in ascending order, one from each of count equal shares of the
// weight, which keeps the generation linear: nothing is sorted.
func (c *calendar) walk(count int, random *rand.Rand, visit func(i int, at time.Time)) {
	if len(c.lengths) == 0 {
		return
	}
	total := c.hours[len(c.hours)-1]
	hour, before := 0, c.start
	for i := range count {
		wanted := (float64(i) + random.Float64()) / float64(count) * total
		for hour < len(c.lengths)-1 && c.hours[hour+1] <= wanted {
			before = before.Add(c.lengths[hour])
			hour++
		}
		part := (wanted - c.hours[hour]) / (c.hours[hour+1] - c.hours[hour])
		visit(i, before.Add(time.Duration(part*float64(c.lengths[hour]))).Truncate(time.Millisecond))
	}
}
