package sqlstore

import (
	"time"

	"flexbrevo/connector/rawjson"
	"flexbrevo/connector/record"
)

// Payloads are read by the thousand, so what nearly all of them are made of is read in
// place. A payload that has more, or that is not as expected, is left to encoding/json,
// which knows every field and says what is wrong.

// readEvent reads the JSON of an event, and says whether it was a usual one.
func readEvent(text string, e *record.Event) bool {
	r, usual := rawjson.Read(text), true
	r.Object(func(name string) {
		switch name {
		case "name":
			e.Name = usualText(r, &usual)
		case "id":
			e.ID = usualText(r, &usual)
		case "at":
			at, err := time.Parse(time.RFC3339, usualText(r, &usual))
			e.At, usual = at, usual && err == nil && at.Location() == time.UTC
		case "properties":
			e.Properties = usualObject(r, &usual)
		case "rule":
			e.Rule = usualText(r, &usual)
		default:
			usual = false
		}
	})
	return r.End() == nil && usual
}

// readContact is readEvent for contacts.
func readContact(text string, c *record.Contact) bool {
	r, usual := rawjson.Read(text), true
	r.Object(func(name string) {
		switch name {
		case "email":
			c.Email = usualText(r, &usual)
		case "phone":
			c.Phone = usualText(r, &usual)
		case "create":
			c.Create = r.Raw() == "true"
		case "attributes":
			r.Array(func() { c.Attributes = append(c.Attributes, usualAttribute(r, &usual)) })
		case "lists":
			r.Array(func() { c.Lists = append(c.Lists, usualText(r, &usual)) })
		default:
			usual = false
		}
	})
	return r.End() == nil && usual
}

func usualAttribute(r *rawjson.Reader, usual *bool) record.Attribute {
	var a record.Attribute
	r.Object(func(name string) {
		switch name {
		case "name":
			a.Name = usualText(r, usual)
		case "value":
			a.Value = r.Any()
		case "type":
			a.Type = usualText(r, usual)
		case "overwrite":
			a.Overwrite = record.Overwrite(r.Int())
		case "clear":
			a.Clear = r.Raw() == "true"
		case "rule":
			a.Rule = usualText(r, usual)
		case "source":
			a.Source = usualText(r, usual)
		default:
			*usual = false
		}
	})
	return a
}

// usualText reads a text; anything else is unusual.
func usualText(r *rawjson.Reader, usual *bool) string {
	s, is := r.Any().(string)
	*usual = *usual && is
	return s
}

// usualObject reads an object; anything else is unusual.
func usualObject(r *rawjson.Reader, usual *bool) map[string]any {
	m, is := r.Any().(map[string]any)
	*usual = *usual && is
	return m
}
