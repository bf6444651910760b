package brevosim

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The categories and types of attributes (facts/brevo.md 2).
const (
	categoryNormal        = "normal"
	categoryCategory      = "category"
	categoryTransactional = "transactional"

	typeText           = "text"
	typeDate           = "date"
	typeFloat          = "float"
	typeBoolean        = "boolean"
	typeID             = "id"
	typeCategory       = "category"
	typeMultipleChoice = "multiple-choice"
	typeUser           = "user"
)

// attributeQuota is the number of attributes an account may have, identifiers and built-in ones not counted
// (facts/brevo.md 2).
const attributeQuota = 200

// optionLength is the longest option of a multiple-choice attribute and the longest label of a category.
const optionLength = 200

// builtIn are the attributes every account has.
func builtIn() []Attribute {
	names := []string{"LASTNAME", "FIRSTNAME", "SMS", "EXT_ID", "WHATSAPP", "LANDLINE_NUMBER"}
	attributes := make([]Attribute, 0, len(names))
	for _, name := range names {
		attributes = append(attributes, Attribute{Name: name, Category: categoryNormal, Type: typeText})
	}
	return attributes
}

// attributeValue is one value of a contact, as JSON.
type attributeValue struct {
	name string
	json string
}

// attributeChange sets the value of a known attribute, or clears it where json is empty.
type attributeChange struct {
	name string
	json string
}

// attributeRules judges incoming attribute values.
type attributeRules struct {
	known map[string]Attribute
	clear ClearBy
}

// changes keeps what Brevo would store: unknown names, lower-case names and values of the wrong type are dropped
// without a word, and the call succeeds all the same (facts/brevo.md 2). Identifiers are not among the result.
func (r attributeRules) changes(values map[string]json.RawMessage) []attributeChange {
	out := make([]attributeChange, 0, len(values))
	for name, raw := range values {
		if _, identifier := kindOfAttribute(name); identifier {
			continue
		}
		attribute, known := r.known[name]
		if !known {
			continue
		}
		if r.clears(raw) {
			out = append(out, attributeChange{name: name})
		} else if stored, ok := attribute.accept(raw); ok {
			out = append(out, attributeChange{name: name, json: stored})
		}
	}
	slices.SortFunc(out, func(a, b attributeChange) int { return strings.Compare(a.name, b.name) })
	return out
}

// clears reports whether a value empties its attribute on this account.
func (r attributeRules) clears(raw json.RawMessage) bool {
	switch r.clear {
	case ClearByNone:
		return false
	case ClearByNull:
		return string(raw) == "null"
	case ClearByEither:
		return string(raw) == "null" || string(raw) == `""`
	}
	return string(raw) == `""`
}

// orphanTransactional reports whether the values hold a transactional attribute without the id attribute it hangs on,
// which is refused (facts/brevo.md 2).
func (r attributeRules) orphanTransactional(values map[string]json.RawMessage) bool {
	orphan := false
	for name := range values {
		attribute := r.known[name]
		if attribute.Category != categoryTransactional {
			continue
		}
		if attribute.Type == typeID {
			return false
		}
		orphan = true
	}
	return orphan
}

// accept returns the value as it is stored, or false if its type is wrong.
func (a Attribute) accept(raw json.RawMessage) (string, bool) {
	if a.Category == categoryCategory {
		return a.acceptCategory(raw)
	}
	switch a.Type {
	case typeText, typeUser, typeID:
		return string(raw), isString(raw)
	case typeDate:
		return string(raw), isDate(raw)
	case typeFloat:
		return string(raw), isNumber(raw)
	case typeBoolean:
		return string(raw), string(raw) == "true" || string(raw) == "false"
	case typeMultipleChoice:
		return a.acceptChoices(raw)
	}
	return "", false
}

// acceptCategory takes the value of a category, never its label.
func (a Attribute) acceptCategory(raw json.RawMessage) (string, bool) {
	value := string(raw)
	if isString(raw) {
		if json.Unmarshal(raw, &value) != nil {
			return "", false
		}
	}
	known := slices.ContainsFunc(a.Enumeration, func(e EnumValue) bool { return e.ValueStr == value })
	return string(raw), known
}

func (a Attribute) acceptChoices(raw json.RawMessage) (string, bool) {
	var choices []string
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &choices) != nil {
		return "", false
	}
	for _, choice := range choices {
		if !slices.Contains(a.Options, choice) {
			return "", false
		}
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return "", false
	}
	return compact.String(), true
}

func isString(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }

func isNumber(raw json.RawMessage) bool {
	_, err := strconv.ParseFloat(string(raw), 64)
	return err == nil
}

// isDate accepts yyyy-mm-dd and nothing else.
func isDate(raw json.RawMessage) bool {
	if len(raw) != len(`"2006-01-02"`) || !isString(raw) {
		return false
	}
	_, err := time.Parse(time.DateOnly, string(raw[1:len(raw)-1]))
	return err == nil
}
