package config

import (
	"fmt"
	"time"

	"flexbrevo/mapping"
)

// compileRules compiles each connector's rules and puts their problems into the file's lines and columns.
func (l *loader) compileRules() {
	for i, c := range l.root.Connectors {
		if location, err := time.LoadLocation(c.Timezone); err == nil {
			c.Location = location
		}
		namespace := fmt.Sprintf("Config.Connectors[%d]", i)
		rules, problems := mapping.Compile(l.spec(namespace, c))
		c.Rules = rules
		for _, problem := range problems {
			l.locate(problem)
		}
	}
}

// locate moves a problem to its letter in the file, and takes its words away where they could show a value of the
// environment.
func (l *loader) locate(problem Problem) {
	p := l.spots[problem.At]
	if p.hidden {
		problem.Message = "the value from the environment is no right rule"
		problem.Expected = "write it into the file to see why"
	}
	if p.exact && problem.Offset > 0 {
		problem.At.Column += p.inner + problem.Offset
	}
	if problem.Severity == mapping.Warning {
		l.warn(problem.At, problem.Message, problem.Expected)
		return
	}
	l.fail(problem.At, problem.Message, problem.Expected)
}

func (l *loader) spec(namespace string, c *Connector) mapping.Spec {
	spec := mapping.Spec{
		AbandonedWhen: c.Abandoned, AbandonedAt: l.place(namespace + ".Abandoned").at, Location: c.Location,
	}
	for i, rule := range c.FieldMapping {
		at, keys := l.ruleKeys(fmt.Sprintf("%s.FieldMapping[%d]", namespace, i), map[string]string{
			"to": "To", "type": "Type", "default": "Default", "when": "When", "shared": "Shared",
		})
		spec.Fields = append(spec.Fields, mapping.FieldSpec{
			Source: rule.Source, To: rule.To, Overwrite: rule.Overwrite, Type: rule.Type, Default: rule.Default,
			When: rule.When, Clear: rule.Clear, Shared: rule.Shared, At: at, Keys: keys,
		})
	}
	for i, rule := range c.EventMapping {
		within := fmt.Sprintf("%s.EventMapping[%d]", namespace, i)
		at, keys := l.ruleKeys(within, map[string]string{"event": "Event", "when": "When"})
		spec.Events = append(spec.Events, mapping.EventSpec{
			On: rule.On, Event: rule.Event, When: rule.When, Properties: l.properties(within, rule.Properties), At: at, Keys: keys,
		})
	}
	for i, rule := range c.Lists.Rules {
		at, keys := l.ruleKeys(fmt.Sprintf("%s.Lists.Rules[%d]", namespace, i), map[string]string{
			"list": "List", "when": "When", "remove_when": "RemoveWhen",
		})
		spec.Lists = append(spec.Lists, mapping.ListSpec{
			List: rule.List.String(), When: rule.When, RemoveWhen: rule.RemoveWhen, At: at, Keys: keys,
		})
	}
	for i, csat := range c.CSAT {
		at, keys := l.ruleKeys(fmt.Sprintf("%s.CSAT[%d]", namespace, i), map[string]string{"from": "From", "when": "When", "scale": "Scale"})
		from, when := csat.place()
		if csat.Preset != "" && csat.From != "" {
			l.fail(at, "both a preset and from", "expected one of the two")
		}
		if csat.Preset != "" && from == "" {
			continue // a preset that there is not, which is said already
		}
		spec.CSAT = append(spec.CSAT, mapping.CSATSpec{From: from, When: when, Scale: csat.Scale, At: at, Keys: keys})
	}
	spec.Cases = l.caseSpecs(namespace, c)
	return spec
}

// place is where the score is, and under which condition: those of a preset are where the
// two public implementations of surveys write it (facts/twilio.md 4.3, 4.4).
func (c CSAT) place() (from, when string) {
	survey := `attributes.conversations.kind == "Survey"`
	switch c.Preset {
	case PresetPostCall:
		from = "attributes.conversations.conversation_attribute_1"
	case PresetPostTask:
		from = "attributes.conversations.conversation_measure_1"
	default:
		return c.From, c.When
	}
	if c.When != "" {
		return from, survey + " and (" + c.When + ")"
	}
	return from, survey
}

// ruleKeys gives a rule's place and those of its values, by key.
func (l *loader) ruleKeys(namespace string, fields map[string]string) (mapping.Position, map[string]mapping.Position) {
	keys := map[string]mapping.Position{}
	for key, field := range fields {
		if p, ok := l.places[namespace+"."+field]; ok {
			keys[key] = p.at
		}
	}
	return l.place(namespace).at, keys
}

// properties keeps nil apart from an empty list, which sends no property at all.
func (l *loader) properties(namespace string, properties []Property) []mapping.PropertySpec {
	if properties == nil {
		return nil
	}
	specs := make([]mapping.PropertySpec, len(properties))
	for i, p := range properties {
		at := l.place(fmt.Sprintf("%s.Properties[%d].Value", namespace, i)).at
		specs[i] = mapping.PropertySpec{Name: p.Name, Value: p.Value, At: at}
	}
	return specs
}
