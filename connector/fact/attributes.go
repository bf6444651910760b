package fact

import "time"

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

// ReadAttributes makes decoded attributes ready. The decoded must not change any more.
func ReadAttributes(decoded map[string]any) *Attributes {
	var f Fact
	f.SetAttributes(decoded, time.Time{})
	a := &Attributes{entries: make([]entry, 0, len(f.Attributes)), newest: Newest(&f)}
	for _, name := range sorted(f.Attributes) {
		a.entries = append(a.entries, entry{name, f.Attributes[name].V})
	}
	return a
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
