package fact

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Attributes are decoded attributes made ready for facts: most records about a task
// repeat those of the one before. They never change, and may be used by several
// goroutines.
type Attributes struct {
	entries []entry // in the order of their names
	// newest is what Newest gives of a fact that has these and no others.
	newest map[string]any
}

// entry is one attribute under the name that Fact.Attributes has for it.
type entry struct {
	name string
	v    any
}

// ReadAttributes makes decoded attributes ready and takes them over: nobody else may use
// them any more.
func ReadAttributes(decoded map[string]any) *Attributes {
	if !distinct(decoded) {
		return readIndistinct(decoded)
	}
	if decoded == nil {
		decoded = map[string]any{} // nil would say that newest is to be made
	}
	dropEmpty(decoded)
	return &Attributes{entries: entries(decoded), newest: decoded}
}

// readIndistinct is ReadAttributes where attributes are not what a fact tells of them.
func readIndistinct(decoded map[string]any) *Attributes {
	var f Fact
	f.SetAttributes(decoded, time.Time{})
	a := &Attributes{newest: Newest(&f)}
	for _, name := range sorted(f.Attributes) {
		a.entries = append(a.entries, entry{name, f.Attributes[name].V})
	}
	return a
}

// distinct says whether no attribute has the name of another inside a nest.
func distinct(decoded map[string]any) bool {
	for name := range decoded {
		if _, _, nested := split(name); nested {
			return false
		}
	}
	return true
}

// dropEmpty leaves of attributes what facts keep of them, which is what Newest gives.
func dropEmpty(decoded map[string]any) {
	for name, v := range decoded {
		if inner, ok := v.(map[string]any); ok && isNest(name) {
			maps.DeleteFunc(inner, func(_ string, v any) bool { return Empty(v) })
		}
		if Empty(v) {
			delete(decoded, name)
		}
	}
}

// entries are attributes under the names that facts have for them, in their order.
func entries(decoded map[string]any) []entry {
	out := make([]entry, 0, len(decoded)+8) // nests count more than once
	for name, v := range decoded {
		inner, ok := v.(map[string]any)
		if !ok || !isNest(name) {
			out = append(out, entry{name, v})
			continue
		}
		for key, v := range inner {
			out = append(out, entry{Nested(name, key), v})
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out
}

// AddAttributes is SetAttributes for what was made ready.
func (f *Fact) AddAttributes(a *Attributes, t time.Time) {
	f.remember(a)
	at := t.UnixMilli()
	if f.Attributes == nil && len(a.entries) > 0 {
		f.Attributes = make(map[string]Value, len(a.entries))
	}
	for _, e := range a.entries {
		setValue(&f.Attributes, e.name, Value{e.v, at})
	}
}

// remember takes note that attributes are about to be joined to the fact's: where they
// are its first ones, or the same again, it has them and no others.
func (f *Fact) remember(a *Attributes) {
	switch {
	case a != nil && len(f.Attributes) == 0:
		f.only, f.newest = a, a.newest
	case a == nil || f.only != a:
		f.forget()
	}
}

// forget says that the attributes are not those that were remembered.
func (f *Fact) forget() { f.only, f.newest = nil, nil }

// Only returns the attributes of a fact that has these and no others, nil where that is
// not known. Two facts of which it gives the same have the same attributes, whenever
// they were told.
func (f *Fact) Only() *Attributes { return f.only }
