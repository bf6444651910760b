package rawjson

import (
	"math"
	"strconv"
)

// Decode decodes one JSON value: text, bool, nil, []any, map[string]any, and numbers
// as Number gives them.
func Decode(text string) (any, error) {
	r := Read(text)
	v := r.Any()
	if err := r.End(); err != nil {
		return nil, err
	}
	return v, nil
}

// Any reads one value of any kind and decodes it as Decode does.
func (r *Reader) Any() any {
	r.space()
	switch r.peek() {
	case '"':
		return unescape(r.quoted())
	case '{':
		out := map[string]any{}
		r.Object(func(name string) { out[name] = r.Any() })
		return out
	case '[':
		out := []any{}
		r.Array(func() { out = append(out, r.Any()) })
		return out
	}
	switch word := r.Raw(); word {
	case "true":
		return true
	case "false":
		return false
	case "null", "":
		return nil
	default:
		return Number(word)
	}
}

// Number gives text that JSON would call a number its plain Go value: an int where
// nothing is lost, so that an account number of 17 digits survives, else a float64; a
// number beyond float64 stays text.
func Number(s string) any {
	if i, err := strconv.Atoi(s); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	// 5.0 and 1e17 are stored as their digits, and must read back as what they were.
	if f == math.Trunc(f) && f >= math.MinInt && f < -math.MinInt {
		return int(f)
	}
	return f
}
