package twilio

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"flexbrevo/connector/record"
)

// Redactor takes out of a record what must not be stored: message texts and media
// unless they are wanted, and the paths of capture.redact. A record that holds
// nothing of the kind keeps its bytes. It is safe for use by several goroutines.
type Redactor struct {
	paths    [][]string
	keepText bool
}

// NewRedactor compiles paths such as `attributes.customers.email` or
// `attributes["Customer-Tier"]`. A path is looked for in the record as it is, and,
// with or without its leading "attributes", in every attributes object in it, also
// where the attributes are a string of JSON.
func NewRedactor(paths []string, keepText bool) *Redactor {
	r := &Redactor{keepText: keepText}
	for _, p := range paths {
		if parts := splitPath(p); len(parts) > 0 {
			r.paths = append(r.paths, parts)
		}
	}
	return r
}

// splitPath cuts a path at its dots and brackets.
func splitPath(path string) []string {
	path = strings.NewReplacer(`["`, ".", `"]`, "", "['", ".", "']", "").Replace(path)
	return slices.DeleteFunc(strings.Split(path, "."), func(s string) bool { return strings.TrimSpace(s) == "" })
}

// Redact returns the record without what must not be stored.
func (r *Redactor) Redact(rec record.Record) record.Record {
	text := !r.keepText && mayHoldText(rec)
	if len(r.paths) == 0 && !text {
		return rec
	}
	if rec.Via == record.Callback {
		rec.Body = r.form(rec.Body, text)
	} else {
		rec.Body = r.json(rec.Body, text)
	}
	return rec
}

// mayHoldText says whether a record can carry a message: only those of the
// Conversations API do.
func mayHoldText(rec record.Record) bool {
	return strings.Contains(strings.ToLower(rec.Type), "message")
}

func (r *Redactor) form(body []byte, text bool) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return body // a body that cannot be parsed is refused before it gets here
	}
	for name, all := range values {
		switch {
		case text && isText(name):
			delete(values, name)
		case isAttributes(name):
			for i, v := range all {
				all[i] = r.attributes(v)
			}
		}
	}
	for _, p := range r.paths {
		if len(p) == 1 {
			values.Del(p[0])
		}
	}
	return []byte(values.Encode())
}

func (r *Redactor) json(body []byte, text bool) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return []byte("{}") // what cannot be read cannot be shown to be free of it
	}
	for _, p := range r.paths {
		remove(v, p)
	}
	r.walk(v, text)
	b, err := marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// walk goes through every object of a value.
func (r *Redactor) walk(v any, text bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			switch {
			case text && isText(name):
				delete(v, name)
			case isAttributes(name):
				v[name] = r.attributesValue(inner)
			default:
				r.walk(inner, text)
			}
		}
	case []any:
		for _, inner := range v {
			r.walk(inner, text)
		}
	}
}

func (r *Redactor) attributesValue(v any) any {
	switch v := v.(type) {
	case string:
		return r.attributes(v)
	case map[string]any:
		r.strip(v)
	}
	return v
}

// attributes redacts a string of JSON. Where paths are to be taken out and the
// string is not readable, nothing of it is kept.
func (r *Redactor) attributes(s string) string {
	if len(r.paths) == 0 || strings.TrimSpace(s) == "" {
		return s
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return ""
	}
	if !r.strip(v) {
		return s
	}
	b, err := marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func (r *Redactor) strip(v any) (changed bool) {
	for _, p := range r.paths {
		if p[0] == "attributes" && len(p) > 1 {
			p = p[1:]
		}
		changed = remove(v, p) || changed
	}
	return changed
}

// remove deletes what a path leads to, and says whether there was something.
func remove(v any, path []string) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	inner, ok := m[path[0]]
	if !ok {
		return false
	}
	if len(path) == 1 {
		delete(m, path[0])
		return true
	}
	return remove(inner, path[1:])
}

func isText(name string) bool {
	return strings.EqualFold(name, "body") || strings.EqualFold(name, "media")
}

func isAttributes(name string) bool {
	return strings.EqualFold(name, "attributes") ||
		strings.HasSuffix(name, "_attributes") || strings.HasSuffix(name, "Attributes")
}
