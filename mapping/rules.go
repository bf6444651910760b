package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Rules are the compiled rules of one connector. They are never changed and safe for use from several goroutines.
type Rules struct {
	// Fields are in file order; when two with the same target give a value, the later one counts.
	Fields []*Field
	// Events are by source event type.
	Events map[string]*Event
	// Abandoned is the condition of a task.abandoned, evaluated with the canceled task's Env.
	Abandoned *Condition
	// Lists are in file order.
	Lists []*List
	// CSAT are the configured places of scores in the order they are tried; empty where none is configured.
	CSAT []*CSAT
	// Cases are in file order.
	Cases []*Case
}

// Compile checks and compiles all rules. All problems are returned at once, in the order of the rules; the Rules are
// nil when one of them is an error.
func Compile(spec Spec) (*Rules, Problems) {
	c := &ruleCompiler{spec: spec, rules: &Rules{Events: map[string]*Event{}}}
	for _, field := range spec.Fields {
		c.field(field)
	}
	c.sameTargets()
	for _, event := range spec.Events {
		c.event(event)
	}
	for _, list := range spec.Lists {
		c.list(list)
	}
	c.abandoned()
	for _, csat := range spec.CSAT {
		c.csat(csat)
	}
	for _, one := range spec.Cases {
		c.crmCase(one)
	}
	if c.problems.Failed() {
		return nil, c.problems
	}
	return c.rules, c.problems
}

// IdentifierFields gives the field rules that write one of the targets, or any identifier of a contact when none is
// named, in file order.
func (r *Rules) IdentifierFields(targets ...string) []*Field {
	var fields []*Field
	for _, field := range r.Fields {
		if field.IsIdentifier() && (len(targets) == 0 || slices.Contains(targets, field.To)) {
			fields = append(fields, field)
		}
	}
	return fields
}

// Paths gives every name and path that any rule reads, as written and sorted, so that what no rule reads need not be
// kept. A path stands for all that is below it.
func (r *Rules) Paths() []string {
	var expressions []*Expression
	addCondition := func(c *Condition) {
		if c != nil {
			expressions = append(expressions, c.expression)
		}
	}
	for _, field := range r.Fields {
		expressions = append(expressions, field.source)
		addCondition(field.when)
	}
	for _, event := range r.Events {
		addCondition(event.when)
		for _, property := range event.properties {
			expressions = append(expressions, property.value)
		}
	}
	for _, list := range r.Lists {
		addCondition(list.when)
		addCondition(list.removeWhen)
	}
	addCondition(r.Abandoned)
	for _, csat := range r.CSAT {
		expressions = append(expressions, csat.from)
		addCondition(csat.when)
	}
	for _, one := range r.Cases {
		addCondition(one.when)
		for _, template := range [...]*Template{one.note, one.task} {
			if template == nil {
				continue
			}
			for _, part := range template.parts {
				if part.value != nil {
					expressions = append(expressions, part.value)
				}
			}
		}
	}
	var paths []string
	for _, expression := range expressions {
		for _, p := range expression.paths {
			paths = append(paths, p.text)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// ruleCompiler collects rules and problems on the way through a Spec.
type ruleCompiler struct {
	spec     Spec
	rules    *Rules
	problems Problems
}

func (c *ruleCompiler) report(at Position, message, expected string) {
	c.problems = append(c.problems, Problem{At: at, Message: message, Expected: expected})
}

func (c *ruleCompiler) warn(at Position, message, expected string) {
	c.problems = append(c.problems, Problem{At: at, Message: message, Expected: expected, Severity: Warning})
}

func (c *ruleCompiler) value(text string, scope Scope, at Position) *Expression {
	expression, problems := CompileValue(text, scope, at)
	c.problems = append(c.problems, problems...)
	return expression
}

// condition gives nil for an empty text, which means always.
func (c *ruleCompiler) condition(text string, scope Scope, at Position) *Condition {
	if text == "" {
		return nil
	}
	condition, problems := CompileCondition(text, scope, at)
	c.problems = append(c.problems, problems...)
	return condition
}

func (c *ruleCompiler) field(spec FieldSpec) {
	field := &Field{
		Source: spec.Source, To: c.target(spec), At: spec.At, Type: c.attributeType(spec),
		Shared: c.shared(spec), Clear: spec.Clear, zone: c.spec.Location,
		source: c.value(spec.Source, FieldScope, spec.At),
		when:   c.condition(spec.When, FieldScope, place(spec.At, spec.Keys, "when")),
	}
	field.Overwrite = overwrite(spec.Overwrite, field.To)
	c.identifierType(spec, field)
	field.inferred = field.Type
	if field.inferred == "" && field.source != nil {
		field.inferred = inferType(field.source)
	}
	field.standIn = c.standIn(spec, field.Type)
	c.rules.Fields = append(c.rules.Fields, field)
}

func overwrite(wish *bool, target string) Overwrite {
	replace := !IsIdentifier(target)
	if wish != nil {
		replace = *wish
	}
	if replace {
		return OverwriteAlways
	}
	return OverwriteEmpty
}

var attributePattern = regexp.MustCompile(`^[A-Z0-9_][A-Z0-9_-]*$`)

// target gives the attribute's name in the form the rest of the program uses: the two that are no attributes in lower
// case, whichever way they were written.
func (c *ruleCompiler) target(spec FieldSpec) string {
	at := place(spec.At, spec.Keys, "to")
	switch upper := strings.ToUpper(spec.To); {
	case upper == "EMAIL":
		return TargetEmail
	case upper == "EXT_ID":
		return TargetExtID
	case spec.To == "":
		c.report(at, "no target", "expected a Brevo attribute such as VIP_TIER, or email, or ext_id")
	case attributePattern.MatchString(spec.To):
	case attributePattern.MatchString(upper):
		c.report(at, "Brevo attributes are written in upper case", "expected "+upper)
	default:
		c.report(at, "not a name of a Brevo attribute", "expected capital letters, digits, _ and -")
	}
	return spec.To
}

func (c *ruleCompiler) attributeType(spec FieldSpec) string {
	if spec.Type == "" || slices.Contains(Types(), spec.Type) {
		return spec.Type
	}
	expected := "expected one of " + strings.Join(Types(), ", ")
	if near := Nearest(spec.Type, Types()); near != "" {
		expected = "expected " + near + "?"
	}
	c.report(place(spec.At, spec.Keys, "type"), "unknown attribute type", expected)
	return ""
}

// identifierType makes every identifier a text: a phone number that arrives as a JSON number must not become 3.3e10.
func (c *ruleCompiler) identifierType(spec FieldSpec, field *Field) {
	if !field.IsIdentifier() {
		return
	}
	if field.Type != "" && field.Type != TypeText {
		c.report(place(spec.At, spec.Keys, "type"), field.To+" is a text in Brevo", "expected no type, or text")
	}
	field.Type = TypeText
}

func (c *ruleCompiler) shared(spec FieldSpec) bool {
	if spec.Shared != "" && spec.Shared != "newest" {
		c.report(place(spec.At, spec.Keys, "shared"), "unknown way of sharing", "expected newest, or leave it out")
	}
	return spec.Shared == "newest"
}

func (c *ruleCompiler) standIn(spec FieldSpec, wanted string) any {
	if spec.Default == nil {
		return nil
	}
	value, err := Coerce(spec.Default, wanted, c.spec.Location)
	if err != nil {
		c.report(place(spec.At, spec.Keys, "default"), err.Error(), "expected a default of the attribute's type")
	}
	return value
}

func (c *ruleCompiler) sameTargets() {
	seen := map[string]Position{}
	for _, field := range c.rules.Fields {
		if first, ok := seen[field.To]; ok && field.To != "" {
			c.warn(field.At, field.To+" has two rules", fmt.Sprintf(
				"the later one counts when both give a value (the other is on line %d)", first.Line))
		}
		seen[field.To] = field.At
	}
}

// brevoNamePattern is what Brevo takes as name of an event or property (facts/brevo.md 4.1).
var brevoNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func (c *ruleCompiler) event(spec EventSpec) {
	types := EventTypes()
	if !slices.Contains(types, spec.On) {
		expected := "expected a type such as task.completed, or a TaskRouter type such as reservation.rejected"
		if near := Nearest(spec.On, types); near != "" {
			expected = "is " + near + " meant?"
		}
		c.report(spec.At, "unknown event type "+spec.On, expected)
	}
	if !brevoNamePattern.MatchString(spec.Event) {
		c.report(place(spec.At, spec.Keys, "event"), "not a name of a Brevo event",
			"expected 1 to 255 letters, digits, _ and -")
	}
	if _, ok := c.rules.Events[spec.On]; ok {
		c.report(spec.At, spec.On+" has two rules", "expected one")
	}
	c.rules.Events[spec.On] = &Event{
		On: spec.On, Name: spec.Event, At: spec.At,
		when:       c.condition(spec.When, EventScope, place(spec.At, spec.Keys, "when")),
		properties: c.properties(spec.Properties),
		own:        spec.Properties != nil,
	}
}

func (c *ruleCompiler) properties(specs []PropertySpec) []property {
	var properties []property
	for _, spec := range specs {
		if !brevoNamePattern.MatchString(spec.Name) {
			c.report(spec.At, "not a name of a property", "expected 1 to 255 letters, digits, _ and -")
		}
		if spec.Name == "source_event_id" {
			c.report(spec.At, "source_event_id is set by the connector", "choose another name")
		}
		properties = append(properties, property{spec.Name, c.value(spec.Value, EventScope, spec.At)})
	}
	return properties
}

func (c *ruleCompiler) abandoned() {
	text := c.spec.AbandonedWhen
	if text == "" {
		text = DefaultAbandonedWhen
	}
	c.rules.Abandoned = c.condition(text, EventScope, c.spec.AbandonedAt)
}

func (c *ruleCompiler) csat(spec CSATSpec) {
	if spec.Scale < 0 {
		c.report(place(spec.At, spec.Keys, "scale"), "a scale below 0", "expected the highest score, such as 5")
	}
	c.rules.CSAT = append(c.rules.CSAT, &CSAT{
		Scale: spec.Scale, At: spec.At,
		from: c.value(spec.From, EventScope, place(spec.At, spec.Keys, "from")),
		when: c.condition(spec.When, EventScope, place(spec.At, spec.Keys, "when")),
	})
}
