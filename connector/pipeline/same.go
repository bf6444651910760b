package pipeline

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// same says whether a delivery that waits is what is owed.
func same(open *store.Delivery, change *store.EventChange) bool {
	if open.Key != change.Key || open.CustomerID != change.CustomerID || open.Event == nil {
		return false
	}
	if plainlySame(open.Event, &change.Event) {
		return true
	}
	a, errA := json.Marshal(open.Event)
	b, errB := json.Marshal(&change.Event)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// plainlySame says that two events are the same as JSON where that takes no encoding,
// as it does of most that wait: one is what another batch made, read back. False says
// nothing.
func plainlySame(a, b *record.Event) bool {
	if a.Name != b.Name || a.ID != b.ID || a.Rule != b.Rule || a.Withheld != b.Withheld ||
		!a.At.Equal(b.At) || a.At.Location() != time.UTC || b.At.Location() != time.UTC || len(a.Properties) != len(b.Properties) {
		return false
	}
	for name, v := range a.Properties {
		other, is := b.Properties[name]
		if !is || !plainlyEqual(v, other) {
			return false
		}
	}
	return true
}

func plainlyEqual(a, b any) bool {
	switch v := a.(type) {
	case string:
		other, is := b.(string)
		return is && v == other
	case bool:
		other, is := b.(bool)
		return is && v == other
	}
	x, isNumber := exact(a)
	y, areNumbers := exact(b)
	return isNumber && areNumbers && x == y
}

// exact gives a number whose JSON follows from its value alone, as a float64.
func exact(v any) (float64, bool) {
	var f float64
	switch v := v.(type) {
	case int:
		f = float64(v)
	case float64:
		f = v
	default:
		return 0, false
	}
	return f, math.Abs(f) < 1<<53 && (f != 0 || !math.Signbit(f))
}
