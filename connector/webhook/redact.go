package webhook

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// isText says whether a field of a message holds what a person wrote or sent,
// which is taken out before storage (design section 1).
func isText(name string) bool {
	return strings.EqualFold(name, "body") || strings.EqualFold(name, "media")
}

// withoutTextFields removes the text fields of a form and leaves all other bytes
// as they are.
func withoutTextFields(form []byte) []byte {
	fields := bytes.Split(form, []byte("&"))
	kept := fields[:0]
	for _, field := range fields {
		raw, _, _ := bytes.Cut(field, []byte("="))
		if name, err := url.QueryUnescape(string(raw)); err == nil && isText(name) {
			continue
		}
		kept = append(kept, field)
	}
	return bytes.Join(kept, []byte("&"))
}

// withoutText removes text at any depth of a JSON value. A value that holds none,
// or is no JSON, is returned as it is; else it is written anew.
func withoutText(value []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || !stripText(v) {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return value
	}
	return bytes.TrimSpace(b.Bytes())
}

// stripText says whether it removed anything.
func stripText(v any) bool {
	removed := false
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if isText(name) {
				delete(v, name)
				removed = true
			} else if stripText(member) {
				removed = true
			}
		}
	case []any:
		for _, element := range v {
			if stripText(element) {
				removed = true
			}
		}
	}
	return removed
}
