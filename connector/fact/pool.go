package fact

import "sync"

// Pool keeps facts whose content was joined to another fact and that nobody needs any
// more, so that the next record's are made of them. It may be used by several
// goroutines at once. The nil Pool keeps nothing.
type Pool struct{ facts sync.Pool }

// New returns a fact that tells nothing yet.
func (p *Pool) New(kind Kind, sid string) *Fact {
	if p == nil {
		return &Fact{Kind: kind, SID: sid}
	}
	f, ok := p.facts.Get().(*Fact)
	if !ok {
		f = &Fact{home: p}
	}
	f.Kind, f.SID = kind, sid
	return f
}

// Free gives a fact back to the pool that it came from, if it came from one. Nobody may
// have it any more. What Merge, Newest and Only took from it stays good.
func (f *Fact) Free() {
	if f.home == nil {
		return
	}
	for _, p := range f.Parts {
		if p.Times != nil {
			clear(p.Times)
			f.times = append(f.times, p.Times)
		}
		if p.Values != nil {
			clear(p.Values)
			f.values = append(f.values, p.Values)
		}
	}
	clear(f.Times)
	clear(f.Values)
	clear(f.Attributes)
	clear(f.Parts)
	f.forget()
	f.Kind, f.SID, f.Undecodable = "", "", false
	f.home.facts.Put(f)
}

// part returns a part to be told of, with the maps of parts that were freed.
func (f *Fact) part(name string) Part {
	p := f.Parts[name]
	if n := len(f.times); p.Times == nil && n > 0 {
		p.Times, f.times = f.times[n-1], f.times[:n-1]
	}
	if n := len(f.values); p.Values == nil && n > 0 {
		p.Values, f.values = f.values[n-1], f.values[:n-1]
	}
	return p
}
