// Package rawjson reads JSON out of a string without copying it: names and texts
// that need no unescaping are parts of that string, and what nobody asks for is
// walked over once. It takes exactly what encoding/json takes, at a fraction of its
// cost, and like it replaces invalid UTF-8 and lone surrogates by U+FFFD.
//
// The standard library's own token reader (encoding/json/jsontext) takes its place once it can
// be had without an experiment.
//
// What it returns keeps the whole string alive. Whoever remembers a small part of it
// for long clones that part.
package rawjson

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// ErrSyntax says that a text is not one JSON value, or not one of the kind asked
// for. It quotes nothing.
var ErrSyntax = errors.New("not the JSON that was expected")

// maxDepth is how deep values may be nested, as encoding/json has it.
const maxDepth = 10000

// Member is one member of an object: its name, and its value as JSON text without
// white space around it.
type Member struct{ Name, Value string }

// Members appends the members of the one object in text to into, in their order. Of
// a name that comes twice the last counts, see Find.
func Members(text string, into []Member) ([]Member, error) {
	r := Read(text)
	r.Object(func(name string) { into = append(into, Member{name, r.Raw()}) })
	if err := r.End(); err != nil {
		return nil, err
	}
	return into, nil
}

// Find returns the value of the last member of a name, empty when there is none.
func Find(members []Member, name string) string {
	for i := len(members) - 1; i >= 0; i-- {
		if members[i].Name == name {
			return members[i].Value
		}
	}
	return ""
}

// Elements appends the elements of the one array in text to into, each as JSON text.
func Elements(text string, into []string) ([]string, error) {
	r := Read(text)
	r.Array(func() { into = append(into, r.Raw()) })
	if err := r.End(); err != nil {
		return nil, err
	}
	return into, nil
}

// Text returns what a JSON string stands for, and whether value is a JSON string.
// value must be valid, as the values of Members and Elements are.
func Text(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unescape(value[1 : len(value)-1]), true
}

// Reader reads one text from its beginning to its end. What is not as it was asked
// for ends the reading: all that is asked after it gives nothing, and End tells.
type Reader struct {
	text   string
	at     int
	depth  int
	failed bool
}

// Read begins to read a text.
func Read(text string) *Reader { return &Reader{text: text} }

// ReadBytes is Read without a copy: b must not change as long as anything lives that
// was read from it.
func ReadBytes(b []byte) *Reader { return &Reader{text: unsafe.String(unsafe.SliceData(b), len(b))} }

// End returns ErrSyntax unless all was as asked and nothing but space is left.
func (r *Reader) End() error {
	if r.space(); r.failed || r.at < len(r.text) {
		return ErrSyntax
	}
	return nil
}

// Object reads an object and calls each at each member's value, with its name. A
// value that each does not read is skipped.
func (r *Reader) Object(each func(name string)) {
	r.list('{', '}', func() {
		name := unescape(r.quoted())
		r.expect(':')
		r.space()
		from := r.at
		if each(name); r.at == from {
			r.Skip()
		}
	})
}

// Array reads an array and calls each at each element. An element that each does not
// read is skipped.
func (r *Reader) Array(each func()) {
	r.list('[', ']', func() {
		from := r.at
		if each(); r.at == from {
			r.Skip()
		}
	})
}

// Raw reads one value of any kind and returns it as JSON text, without white space
// around it.
func (r *Reader) Raw() string {
	from, to := r.Span()
	return r.text[from:to]
}

// Int reads a whole number.
func (r *Reader) Int() int64 {
	n, err := strconv.ParseInt(r.Raw(), 10, 64)
	r.failed = r.failed || err != nil
	return n
}

// Span reads one value of any kind and returns where in the text it begins and ends.
func (r *Reader) Span() (from, to int) {
	r.space()
	from = r.at
	if r.Skip(); r.failed {
		return from, from
	}
	return from, r.at
}

// IsArray says whether an array is next, and reads nothing.
func (r *Reader) IsArray() bool {
	r.space()
	return r.peek() == '['
}

// IsObject says whether an object is next, and reads nothing.
func (r *Reader) IsObject() bool {
	r.space()
	return r.peek() == '{'
}

// Skip walks over one value of any kind.
func (r *Reader) Skip() {
	r.space()
	switch r.peek() {
	case '"':
		r.quoted()
	case '{':
		r.list('{', '}', func() {
			r.quoted()
			r.expect(':')
			r.Skip()
		})
	case '[':
		r.list('[', ']', r.Skip)
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		r.number()
	}
}

// fail ends the reading.
func (r *Reader) fail() { r.failed = true }

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end; a NUL is nowhere part of JSON.
func (r *Reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// next reads one byte after space if it is c.
func (r *Reader) next(c byte) bool {
	r.space()
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

func (r *Reader) expect(c byte) {
	if !r.next(c) {
		r.fail()
	}
}

// list reads what stands between two brackets, with commas in between.
func (r *Reader) list(open, shut byte, one func()) {
	if r.depth++; r.depth > maxDepth {
		r.fail()
	}
	r.expect(open)
	for more := !r.next(shut); more && !r.failed; {
		r.space()
		if one(); r.next(shut) {
			break
		}
		r.expect(',')
	}
	r.depth--
}

func (r *Reader) word(w string) {
	if !strings.HasPrefix(r.text[r.at:], w) {
		r.fail()
		return
	}
	r.at += len(w)
}

// quoted reads a string and returns what is between its quotes, as written.
func (r *Reader) quoted() string {
	if r.peek() != '"' {
		r.fail()
		return ""
	}
	from := r.at + 1
	for i := from; ; i++ {
		if i = plainUntil(r.text, i); i >= len(r.text) {
			break
		}
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[from:i]
		case c == '\\':
			n := escapeLength(r.text[i:])
			if n == 0 {
				r.fail()
				return ""
			}
			i += n - 1
		case c < ' ':
			r.fail()
			return ""
		}
	}
	r.fail()
	return ""
}

// Each byte of these words is the same.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// plainUntil returns where, from a place on, the first byte is that may not stand in a
// string as it is: a quote, a backslash or a control character; or a place less than
// eight bytes before the end. It looks at eight bytes at a time: a byte's high bit is set
// where subtracting went below zero, and only bytes behind such a one can have it set
// without that.
func plainUntil(text string, i int) int {
	for ; i+8 <= len(text); i += 8 {
		b := text[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, slash := w^'"'*ones, w^'\\'*ones
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	return i
}

// escapeLength is how long the escape is that text begins with, 0 where it is none.
func escapeLength(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the code unit of an escape such as \u00e9.
func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number.
func (r *Reader) number() {
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.at++
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		r.digits()
	}
}

// digits reads at least one digit.
func (r *Reader) digits() {
	from := r.at
	for '0' <= r.peek() && r.peek() <= '9' {
		r.at++
	}
	if r.at == from {
		r.fail()
	}
}

// unescape returns what the inside of a valid JSON string stands for: itself, where
// nothing in it is escaped or broken.
func unescape(inner string) string {
	if strings.IndexByte(inner, '\\') < 0 && utf8.ValidString(inner) {
		return inner
	}
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); {
		switch c := inner[i]; {
		case c == '\\':
			r, size := escaped(inner[i:])
			out = utf8.AppendRune(out, r)
			i += size
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(inner[i:])
			out = utf8.AppendRune(out, r)
			i += size
		}
	}
	return string(out)
}

// escaped returns the character of the escape that text begins with, and how long
// that is: both halves of a surrogate pair are one.
func escaped(text string) (r rune, size int) {
	switch c := text[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}
	r, _ = hex4(text)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, _ := hex4(text[6:])
	if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
		return pair, 12
	}
	return utf8.RuneError, 6
}
