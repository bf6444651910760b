package mapping

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The attribute types of Brevo that a rule may name (facts/brevo.md 2).
const (
	TypeText           = "text"
	TypeDate           = "date"
	TypeFloat          = "float"
	TypeBoolean        = "boolean"
	TypeCategory       = "category"
	TypeMultipleChoice = "multiple-choice"
)

// Types gives every value that a field rule's type takes.
func Types() []string {
	return []string{TypeText, TypeDate, TypeFloat, TypeBoolean, TypeCategory, TypeMultipleChoice}
}

// WrongTypeError means that a value cannot be had in the wanted type. Its text names the types, never the value.
type WrongTypeError struct {
	// Have is the kind of the value, Want the Brevo type.
	Have, Want string
}

// Error names both types.
func (e *WrongTypeError) Error() string {
	return fmt.Sprintf("%s where %s is wanted", e.Have, e.Want)
}

// Coerce brings a value into the form that a Brevo attribute of the type takes: text and category as string, float as
// float64, boolean as bool, date as "2006-01-02" in zone (nil means UTC), multiple-choice as []string. A type that is
// empty or unknown leaves the value as JSON has it. The error is an *WrongTypeError.
func Coerce(value any, to string, zone *time.Location) (any, error) {
	value = jsonForm(value)
	wrong := &WrongTypeError{Have: kindOf(value), Want: to}
	switch to {
	case TypeText, TypeCategory:
		if text, ok := asText(value); ok {
			return text, nil
		}
	case TypeFloat:
		if number, ok := asNumber(value); ok {
			return number, nil
		}
	case TypeBoolean:
		if truth, ok := asBool(value); ok {
			return truth, nil
		}
	case TypeDate:
		if date, ok := asDate(value, zone); ok {
			return date, nil
		}
	case TypeMultipleChoice:
		if texts, ok := asTexts(value); ok {
			return texts, nil
		}
	default:
		return value, nil
	}
	return nil, wrong
}

// jsonForm turns what an expression can give into what JSON can carry; a number that JSON lacks becomes absent.
func jsonForm(value any) any {
	switch v := plain(value).(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339)
	case time.Duration:
		return v.Seconds()
	case []byte:
		return string(v)
	case []any:
		return jsonList(v)
	case map[string]any:
		return jsonMap(v)
	case string, bool, nil, []string:
		return v
	default:
		return nil
	}
}

func jsonList(list []any) []any {
	clean := make([]any, len(list))
	for i, v := range list {
		clean[i] = jsonForm(v)
	}
	return clean
}

func jsonMap(m map[string]any) map[string]any {
	clean := make(map[string]any, len(m))
	for key, v := range m {
		clean[key] = jsonForm(v)
	}
	return clean
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any, []string:
		return "a list"
	default:
		return "an object"
	}
}

func asText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	case []string:
		return strings.Join(v, ", "), true
	case []any:
		texts, ok := asTexts(v)
		return strings.Join(texts, ", "), ok
	}
	return "", false
}

func asNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case string:
		// ParseFloat takes "Inf" and "NaN", which JSON cannot carry.
		number, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return number, err == nil && !math.IsNaN(number) && !math.IsInf(number, 0)
	}
	return 0, false
}

func asBool(value any) (truth, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "yes", "1":
			return true, true
		case "false", "no", "0":
			return false, true
		}
	case float64:
		return v == 1, v == 0 || v == 1
	}
	return false, false
}

func asDate(value any, zone *time.Location) (string, bool) {
	text, ok := value.(string)
	if !ok {
		return "", false
	}
	text = strings.TrimSpace(text)
	// A date without a time of day is that date in every zone.
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at.Format(time.DateOnly), true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if zone == nil {
			zone = time.UTC
		}
		return at.In(zone).Format(time.DateOnly), true
	}
	return "", false
}

func asTexts(value any) ([]string, bool) {
	switch v := value.(type) {
	case []string:
		return slices.Clone(v), true
	case []any:
		texts := make([]string, 0, len(v))
		for _, element := range v {
			text, ok := asText(element)
			if _, nested := element.([]any); !ok || nested {
				return nil, false
			}
			texts = append(texts, text)
		}
		return texts, true
	default:
		text, ok := asText(v)
		// Flex joins the answers of a multi-select disposition with a pipe (facts/twilio.md 4.2).
		texts := strings.Split(text, "|")
		for i := range texts {
			texts[i] = strings.TrimSpace(texts[i])
		}
		return texts, ok
	}
}
