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

// withoutText removes text at any depth of a JSON value. A value that holds none
// is returned as it is; else its members may come out in another order.
func withoutText(value []byte) []byte {
	trimmed := bytes.TrimLeft(value, " \t\r\n")
	switch {
	case bytes.HasPrefix(trimmed, []byte("{")):
		return objectWithoutText(value)
	case bytes.HasPrefix(trimmed, []byte("[")):
		return arrayWithoutText(value)
	}
	return value
}

func objectWithoutText(value []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return value
	}
	changed := false
	for name, member := range members {
		if isText(name) {
			delete(members, name)
			changed = true
			continue
		}
		if rest := withoutText(member); !bytes.Equal(rest, member) {
			members[name] = rest
			changed = true
		}
	}
	return reencode(value, members, changed)
}

func arrayWithoutText(value []byte) []byte {
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil {
		return value
	}
	changed := false
	for i, element := range elements {
		if rest := withoutText(element); !bytes.Equal(rest, element) {
			elements[i] = rest
			changed = true
		}
	}
	return reencode(value, elements, changed)
}

func reencode(value []byte, parts any, changed bool) []byte {
	if !changed {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(parts) != nil {
		return value
	}
	return bytes.TrimSpace(b.Bytes())
}
