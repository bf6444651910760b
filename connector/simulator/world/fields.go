package world

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Field is one named value of a payload. A value is a string, an int, an int64, a float64, a bool, a
// Fields, a []any of these, a json.RawMessage, a time.Time where only the rendering knows the form, or nil.
type Field struct {
	Name  string
	Value any
}

// Fields is a JSON object that keeps its order, so that the same seed gives the same bytes.
type Fields []Field

// Get returns the value of the first field of that name, or nil.
func (f Fields) Get(name string) any {
	for _, field := range f {
		if field.Name == name {
			return field.Value
		}
	}
	return nil
}

// Text returns a string field, or "" where the field is absent or no string.
func (f Fields) Text(name string) string {
	text, _ := f.Get(name).(string)
	return text
}

// AppendJSON appends the object as JSON. Times are written in RFC 3339 with milliseconds. Strings are
// not repaired: bytes that are not UTF-8 pass through as they are, and an encoded surrogate becomes a lone
// \ud8xx escape, because a sender that does not check would put exactly that on the wire.
func (f Fields) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, field := range f {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, field.Name)
		dst = append(dst, ':')
		dst = appendValue(dst, field.Value)
	}
	return append(dst, '}')
}

// MarshalJSON makes Fields usable with encoding/json.
func (f Fields) MarshalJSON() ([]byte, error) { return f.AppendJSON(nil), nil }

// StampLayout is how Twilio writes a moment where it writes milliseconds.
const StampLayout = "2006-01-02T15:04:05.000Z"

func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendText(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	case Fields:
		return v.AppendJSON(dst)
	case []any:
		return appendList(dst, v)
	case json.RawMessage:
		return append(dst, v...)
	case time.Time:
		return appendText(dst, v.UTC().Format(StampLayout))
	}
	panic(fmt.Sprintf("world: no JSON form for %T", value))
}

func appendList(dst []byte, list []any) []byte {
	dst = append(dst, '[')
	for i, item := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, item)
	}
	return append(dst, ']')
}

func appendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xed {
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(append(dst, text[start:i]...), '\\', c)
		case c < ' ':
			dst = appendEscape(append(dst, text[start:i]...), rune(c))
		case isSurrogate(text[i:]):
			dst = appendEscape(append(dst, text[start:i]...), 0xd000|rune(text[i+1]&0x3f)<<6|rune(text[i+2]&0x3f))
			i += 2
		default:
			continue
		}
		start = i + 1
	}
	return append(append(dst, text[start:]...), '"')
}

// isSurrogate tells whether text begins with the three bytes that a careless encoder makes of half a
// surrogate pair; they are no UTF-8.
func isSurrogate(text string) bool {
	return len(text) >= 3 && text[0] == 0xed && text[1] >= 0xa0 && text[1] <= 0xbf && !utf8.RuneStart(text[2])
}

func appendEscape(dst []byte, r rune) []byte {
	dst = append(dst, `\u`...)
	for shift := 12; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[r>>shift&15])
	}
	return dst
}
