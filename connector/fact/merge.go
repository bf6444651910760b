package fact

import (
	"bytes"
	"strings"

	"flexbrevo/connector/rawjson"
)

// Merge joins other into f. It is commutative, associative and idempotent. Both
// must have the same key. It reports whether f changed.
func (f *Fact) Merge(other *Fact) bool {
	changed := other.Undecodable && !f.Undecodable
	f.Undecodable = f.Undecodable || other.Undecodable
	for k, ms := range other.Times {
		changed = setTime(&f.Times, k, ms) || changed
	}
	for k, v := range other.Values {
		changed = setValue(&f.Values, k, v) || changed
	}
	changed = f.mergeAttributes(other) || changed
	for k, p := range other.Parts {
		mine, known := f.Parts[k]
		grew := mine.merge(p)
		if grew || !known {
			f.SetPart(k, mine)
			changed = true
		}
	}
	return changed
}

// mergeAttributes joins the other's attributes to the fact's. Where all of them are newer
// and there are no others, the fact has the other's afterwards.
func (f *Fact) mergeAttributes(other *Fact) bool {
	if len(other.Attributes) == 0 {
		return false
	}
	f.remember(other.only)
	won := 0
	for k, v := range other.Attributes {
		if setValue(&f.Attributes, k, v) {
			won++
		}
	}
	if won == len(other.Attributes) && won == len(f.Attributes) {
		f.only, f.newest = other.only, other.newest
	}
	return won > 0
}

func (p *Part) merge(other Part) bool {
	changed := false
	for k, ms := range other.Times {
		changed = setTime(&p.Times, k, ms) || changed
	}
	for k, v := range other.Values {
		changed = setValue(&p.Values, k, v) || changed
	}
	return changed
}

func setTime(times *map[string]int64, name string, ms int64) bool {
	if old, ok := (*times)[name]; ok && old <= ms {
		return false
	}
	if *times == nil {
		*times = map[string]int64{}
	}
	(*times)[name] = ms
	return true
}

func setValue(values *map[string]Value, name string, v Value) bool {
	if Empty(v.V) {
		return false
	}
	if old, ok := (*values)[name]; ok && !v.newer(old) {
		return false
	}
	if *values == nil {
		*values = map[string]Value{}
	}
	(*values)[name] = v
	return true
}

// newer orders values totally: by time, and within one millisecond by encoding,
// so that the winner does not depend on the order of arrival.
func (v Value) newer(old Value) bool {
	if v.T != old.T {
		return v.T > old.T
	}
	if s, ok := v.V.(string); ok {
		if o, ok := old.V.(string); ok {
			return s > o
		}
	}
	return bytes.Compare(rawjson.Append(nil, v.V), rawjson.Append(nil, old.V)) > 0
}

// Empty says whether a value counts as no value: nil, blank text, {} and [].
// Zero and false are values.
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// Newest returns the attributes of several facts as one map, per key (and per
// key inside conversations and customers) the newest non-empty value. The map may be
// that of other facts, too: nobody may change it.
func Newest(facts ...*Fact) map[string]any {
	if len(facts) == 1 {
		f := facts[0]
		if f.newest == nil {
			f.newest = nest(f.Attributes)
		}
		return f.newest
	}
	most := 0
	for _, f := range facts {
		most = max(most, len(f.Attributes))
	}
	newest := make(map[string]Value, most)
	for _, f := range facts {
		for k, v := range f.Attributes {
			setValue(&newest, k, v)
		}
	}
	return nest(newest)
}

// nest puts the keys of nests back into them.
func nest(newest map[string]Value) map[string]any {
	out := make(map[string]any, len(newest))
	for k, v := range newest {
		nest, key, nested := split(k)
		if !nested {
			if !isNest(k) || out[k] == nil { // a nest wins over a scalar of its name
				out[k] = v.V
			}
			continue
		}
		m, ok := out[nest].(map[string]any)
		if !ok {
			m = map[string]any{}
			out[nest] = m
		}
		m[key] = v.V
	}
	return out
}

// split takes apart what Nested put together.
func split(name string) (nest, key string, nested bool) {
	i := strings.IndexByte(name, 0)
	if i < 0 || !isNest(name[:i]) {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}
