package brevosim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// attributeBody is the body of creating and changing an attribute (facts/brevo.md 2).
type attributeBody struct {
	Type        string     `json:"type"`
	Enumeration []enumBody `json:"enumeration"`
	Options     []string   `json:"multiCategoryOptions"`
	Value       string     `json:"value"`
}

type enumBody struct {
	Value *int64 `json:"value"`
	Label string `json:"label"`
}

// getAttributes is GET /contacts/attributes.
func (s *Server) getAttributes(*call) answer {
	return reply(http.StatusOK, struct {
		Attributes []Attribute `json:"attributes"`
	}{s.Attributes()})
}

// createAttribute is POST /contacts/attributes/{attributeCategory}/{attributeName}.
func (s *Server) createAttribute(c *call) answer {
	attribute, refusal, ok := readAttribute(c)
	if !ok {
		return refusal
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	if _, exists := a.attributeNames[attribute.Name]; exists || attribute.Name == "EMAIL" {
		return refuse(http.StatusBadRequest, codeDuplicate, "Attribute name already exists")
	}
	if len(a.attributes)-len(builtIn()) >= attributeQuota {
		return refuse(http.StatusBadRequest, codeOutOfRange, "Maximum number of attributes reached")
	}
	a.setAttributes(append(slices.Clone(a.attributes), attribute))
	return empty(http.StatusCreated)
}

// readAttribute checks the definition of a new attribute.
func readAttribute(c *call) (Attribute, answer, bool) {
	invalid := func(what string) (Attribute, answer, bool) {
		return Attribute{}, refuse(http.StatusBadRequest, codeInvalid, "Invalid "+what), false
	}
	body, refusal, ok := readAttributeBody(c)
	if !ok {
		return Attribute{}, refusal, false
	}
	attribute := Attribute{
		Name: c.path("attributeName"), Category: c.path("attributeCategory"), Type: body.Type, Value: body.Value,
		Options: body.Options, Enumeration: enumeration(body.Enumeration),
	}
	if !nameForm(attribute.Name) {
		return invalid("attribute name")
	}
	switch attribute.Category {
	case categoryNormal:
		if !slices.Contains([]string{typeText, typeDate, typeFloat, typeBoolean, typeMultipleChoice, typeUser}, body.Type) {
			return invalid("type")
		}
	case categoryTransactional:
		if !slices.Contains([]string{typeText, typeDate, typeFloat, typeBoolean, typeID}, body.Type) {
			return invalid("type")
		}
	case categoryCategory:
		if len(body.Enumeration) == 0 || body.Type != "" && body.Type != typeCategory {
			return invalid("enumeration")
		}
		attribute.Type = ""
	case "calculated", "global":
		if body.Value == "" {
			return invalid("value")
		}
		attribute.Type = ""
	default:
		return invalid("attribute category")
	}
	return attribute, answer{}, true
}

// readAttributeBody reads a body that must hold something (facts/brevo.md 2).
func readAttributeBody(c *call) (body attributeBody, refusal answer, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(c.body, &members) != nil || json.Unmarshal(c.body, &body) != nil {
		return body, malformed(), false
	}
	if len(members) == 0 {
		return body, refuse(http.StatusBadRequest, codeMissing, "No inputs in the body"), false
	}
	long := slices.ContainsFunc(body.Options, func(option string) bool { return option == "" || len(option) > optionLength })
	unnamed := slices.ContainsFunc(body.Enumeration, func(e enumBody) bool {
		return e.Value == nil || e.Label == "" || len(e.Label) > optionLength
	})
	if long || unnamed {
		return body, refuse(http.StatusBadRequest, codeInvalid, "Invalid option"), false
	}
	return body, answer{}, true
}

// nameForm accepts upper-case letters, digits, - and _. What Brevo accepts is not documented; this is what every
// documented name looks like.
func nameForm(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != ""
}

func enumeration(values []enumBody) []EnumValue {
	var out []EnumValue
	for _, value := range values {
		out = append(out, EnumValue{Value: *value.Value, ValueStr: strconv.FormatInt(*value.Value, 10), Label: value.Label})
	}
	return out
}

// updateAttribute is PUT of an attribute: other values, options or formula, never another type.
func (s *Server) updateAttribute(c *call) answer {
	body, refusal, ok := readAttributeBody(c)
	if !ok {
		return refusal
	}
	a, _ := s.enter()
	defer s.mu.Unlock()
	i, refusal, ok := a.attributeAt(c)
	if !ok {
		return refusal
	}
	attributes := slices.Clone(a.attributes)
	changed := &attributes[i]
	if body.Enumeration != nil {
		changed.Enumeration = enumeration(body.Enumeration)
	}
	if body.Options != nil {
		// New options are added to the old ones; taking one away is a call of its own.
		changed.Options = union(changed.Options, body.Options)
	}
	changed.Value = cmp.Or(body.Value, changed.Value)
	a.setAttributes(attributes)
	return empty(http.StatusNoContent)
}

func union(old, added []string) []string {
	out := slices.Clone(old)
	for _, option := range added {
		if !slices.Contains(out, option) {
			out = append(out, option)
		}
	}
	return out
}

// attributeAt finds the attribute that a path names.
func (a *account) attributeAt(c *call) (int, answer, bool) {
	i := slices.IndexFunc(a.attributes, func(attribute Attribute) bool {
		return attribute.Name == c.path("attributeName") && attribute.Category == c.path("attributeCategory")
	})
	if i < 0 {
		return 0, refuse(http.StatusNotFound, codeNotFound, "Attribute not found"), false
	}
	return i, answer{}, true
}

// deleteAttribute is DELETE of an attribute. Its values go with it.
func (s *Server) deleteAttribute(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	i, refusal, ok := a.attributeAt(c)
	if !ok {
		return refusal
	}
	name := a.attributes[i].Name
	if slices.ContainsFunc(builtIn(), func(attribute Attribute) bool { return attribute.Name == name }) {
		return refuse(http.StatusBadRequest, codeInvalid, "Default attributes cannot be deleted")
	}
	a.setAttributes(slices.Delete(slices.Clone(a.attributes), i, i+1))
	for _, contact := range a.contacts {
		contact.set([]attributeChange{{name: name}})
	}
	return empty(http.StatusNoContent)
}

// deleteOption is DELETE /contacts/attributes/multiple-choice/{name}/{option}.
func (s *Server) deleteOption(c *call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	i := slices.IndexFunc(a.attributes, func(attribute Attribute) bool {
		return attribute.Name == c.path("multipleChoiceAttribute") && attribute.Type == typeMultipleChoice &&
			slices.Contains(attribute.Options, c.path("multipleChoiceAttributeOption"))
	})
	if i < 0 || c.path("attributeType") != typeMultipleChoice {
		return refuse(http.StatusNotFound, codeNotFound, "Attribute not found")
	}
	attributes := slices.Clone(a.attributes)
	attributes[i].Options = slices.DeleteFunc(slices.Clone(attributes[i].Options), func(option string) bool {
		return option == c.path("multipleChoiceAttributeOption")
	})
	a.setAttributes(attributes)
	return empty(http.StatusNoContent)
}
