package mapping

import (
	"reflect"
	"time"
)

// Overwrite says when a value may replace what Brevo holds.
type Overwrite int

const (
	// OverwriteAlways replaces whatever Brevo holds. For an identifier it is only ever an operator's explicit wish.
	OverwriteAlways Overwrite = iota
	// OverwriteEmpty writes only where Brevo holds nothing.
	OverwriteEmpty
)

// Why says how a Value came about.
type Why string

// The reasons of a Value.
const (
	WhyValue     Why = "value"           // the source gave it
	WhyDefault   Why = "default"         // the rule's default stands in
	WhyEmpty     Why = "empty"           // the source has no value
	WhyCondition Why = "condition false" // the rule's condition does not hold
	WhyFailed    Why = "failed"          // the rule could not be evaluated, or its value has the wrong type
)

// Value is what one field rule gives for one customer.
type Value struct {
	// To is the Brevo attribute, or "email" or "ext_id".
	To string
	// Data is a string, float64, bool, []string, or other JSON for a rule without a type; nil when Empty.
	Data any
	// Source is the rule's expression and Rule its place in the file.
	Source string
	Rule   Position
	// Overwrite says when Data may replace what Brevo holds.
	Overwrite Overwrite
	// Type is Field.InferredType.
	Type string
	// Empty is true when the rule gives nothing; Clear then asks to empty the attribute in Brevo.
	Empty, Clear bool
	// Why is the reason; Note adds which value was absent, where that is the cause, and never holds a value.
	Why  Why
	Note string
}

// Field is one compiled field rule. It is safe for use from several goroutines.
type Field struct {
	// Source is the rule's expression, To its target, At its place in the file.
	Source, To string
	At         Position
	// Overwrite is resolved: by default attributes are replaced and identifiers are not.
	Overwrite Overwrite
	// Type is what the rule says, or "" for InferredType.
	Type string
	// Shared is true where several connectors may write the attribute and the newest value counts.
	Shared bool
	// Clear asks to empty the attribute in Brevo when the rule gives nothing.
	Clear bool

	source   *Expression
	when     *Condition
	standIn  any // the default in the rule's type, nil for none
	zone     *time.Location
	inferred string
}

// InferredType gives the Brevo type of the attribute: the rule's own, or what the source can give, or text.
func (f *Field) InferredType() string { return f.inferred }

// IsIdentifier tells whether the rule's target identifies the contact.
func (f *Field) IsIdentifier() bool { return IsIdentifier(f.To) }

// AttributeKey gives the key of the task attribute that the source reads, without what it stands in; false where the
// source is a metric, an identifier or an expression.
func (f *Field) AttributeKey() (string, bool) {
	p := f.source.direct
	if p == nil || metricKinds[p.root] != "" || isOwnRoot(p.root) {
		return "", false
	}
	if p.root != rootAttributes {
		return p.root, true
	}
	for i, key := range p.keys {
		name, isText := key.(string)
		if isText && (i > 0 || len(p.keys) == 1 || name != "customers" && name != "conversations") {
			return name, true
		}
	}
	return "", false
}

// isOwnRoot tells whether a root is neither the attributes nor a name that is looked up in them.
func isOwnRoot(root string) bool {
	switch root {
	case rootIdentity, rootFriendlyName, rootEmail, rootPhone, rootTask, rootConversation, rootSurvey, rootWorker, rootQueue, rootEvent:
		return true
	}
	return false
}

// SourceValue gives the bare value of the rule's source, without condition, default and type; nil when it has none.
func (f *Field) SourceValue(env *Env) (any, error) { return f.source.Eval(env) }

// Apply gives what the rule wants Brevo to hold. The default stands in when the source is empty and when the condition
// does not hold. An error is an *EvalError or an *WrongTypeError, says nothing of the value itself, and comes with a
// usable Value: the default, or an empty one.
func (f *Field) Apply(env *Env) (Value, error) {
	value := Value{
		To: f.To, Source: f.Source, Rule: f.At, Overwrite: f.Overwrite, Type: f.inferred, Clear: f.Clear,
	}
	data, why, err := f.evaluate(env)
	if note, ok := err.(*AbsentError); ok {
		value.Note, err = note.Error(), nil
	}
	if err != nil {
		value.Note = err.Error()
	}
	switch {
	case why == WhyValue:
		value.Data = data
	case f.standIn != nil:
		value.Data, why = f.standIn, WhyDefault
	default:
		value.Empty = true
	}
	value.Why = why
	return value, err
}

func (f *Field) evaluate(env *Env) (any, Why, error) {
	if f.when != nil {
		holds, err := f.when.Eval(env)
		if !holds {
			return nil, conditionWhy(err), err
		}
	}
	data, err := f.source.Eval(env)
	if err != nil {
		return nil, emptyWhy(err), err
	}
	if isEmpty(data) {
		return nil, WhyEmpty, nil
	}
	if data, err = Coerce(data, f.Type, f.zone); err != nil {
		return nil, WhyFailed, err
	}
	if isEmpty(data) {
		return nil, WhyEmpty, nil
	}
	return data, WhyValue, nil
}

func conditionWhy(err error) Why {
	if _, failed := err.(*EvalError); failed {
		return WhyFailed
	}
	return WhyCondition
}

func emptyWhy(err error) Why {
	if _, failed := err.(*EvalError); failed {
		return WhyFailed
	}
	return WhyEmpty
}

// inferType gives the Brevo type that suits what the source gives.
func inferType(e *Expression) string {
	if e.direct != nil && len(e.direct.keys) == 0 && metricKinds[e.direct.root] != "" {
		return metricKinds[e.direct.root]
	}
	if e.gives == nil {
		return TypeText
	}
	if e.gives == reflect.TypeFor[time.Time]() {
		return TypeDate
	}
	switch e.gives.Kind() {
	case reflect.Bool:
		return TypeBoolean
	case reflect.Slice, reflect.Array:
		return TypeMultipleChoice
	case reflect.String, reflect.Map:
		return TypeText
	default:
		return TypeFloat
	}
}
