package record

// Preview is what delivering a contact would change at the destination, as far as
// that is known without asking it.
type Preview struct {
	// Action says what kind of write it would be.
	Action Action `json:"action"`
	// Values are the values that would change, identifiers first.
	Values []ValueChange `json:"values,omitempty"`
	// Joins and Leaves are lists as the rules name them.
	Joins  []string `json:"joins,omitempty"`
	Leaves []string `json:"leaves,omitempty"`
	// Omissions are what would be left out.
	Omissions []Omission `json:"omissions,omitempty"`
}

// Action is what kind of write a contact would be.
type Action string

// The actions. A contact of which nothing is known is created, or, where the
// destination has one with its address, joined with that: which of both is only known
// once it was tried.
const (
	ActionCreate Action = "create or join"
	ActionJoin   Action = "join if it exists"
	ActionUpdate Action = "update"
	ActionNone   Action = "none"
)

// ValueChange is one value that would change.
type ValueChange struct {
	// Name is the destination's.
	Name string `json:"name"`
	// Old is what it is known to hold; nil where it holds nothing or that is not known.
	Old any `json:"old"`
	// New is what it would hold; "" clears it.
	New any `json:"new"`
	// IfEmpty says that it changes only where the destination turns out to hold
	// nothing.
	IfEmpty bool `json:"if_empty,omitempty"`
	// Rule is the place in the configuration that gave it.
	Rule string `json:"rule,omitempty"`
}

// Changes says whether anything would change.
func (p *Preview) Changes() bool { return len(p.Values)+len(p.Joins)+len(p.Leaves) > 0 }
