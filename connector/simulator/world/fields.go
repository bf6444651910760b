package world

import (
	"encoding/json"
	"fmt"
	"math/bits"
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
	return append(appendEscaped(append(dst, '"'), text), '"')
}

// appendEscaped appends a text as it stands between its quotes.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	start := 0
	for i := firstSpecial(text, 0); i < len(text); i = firstSpecial(text, i+1) {
		c := text[i]
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
	return append(dst, text[start:]...)
}

// firstSpecial returns where the first byte at i or later is that may need an escape, eight at a time because most of
// what a simulator does is to look for them; the length of the text where there is none.
func firstSpecial[T string | []byte](text T, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		part := text[i : i+8]
		v := uint64(part[0]) | uint64(part[1])<<8 | uint64(part[2])<<16 | uint64(part[3])<<24 |
			uint64(part[4])<<32 | uint64(part[5])<<40 | uint64(part[6])<<48 | uint64(part[7])<<56
		quote, slash, half := v^each*'"', v^each*'\\', v^each*0xed
		// Each term has the high bit of the first byte that is below a blank, or that is zero; of later ones perhaps, too.
		found := (v-each*' ')&^v | (quote-each)&^quote | (slash-each)&^slash | (half-each)&^half
		if found &= high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c == 0xed {
			return i
		}
	}
	return i
}

// isSurrogate tells whether text begins with the three bytes that a careless encoder makes of half a
// surrogate pair; they are no UTF-8.
func isSurrogate[T string | []byte](text T) bool {
	return len(text) >= 3 && text[0] == 0xed && text[1] >= 0xa0 && text[1] <= 0xbf && !utf8.RuneStart(text[2])
}

func appendEscape(dst []byte, r rune) []byte {
	dst = append(dst, `\u`...)
	for shift := 12; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[r>>shift&15])
	}
	return dst
}
