package sqlstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// nameLimit is how many bytes of a name are stored, so that every name fits into
// an index of either database.
const nameLimit = 400

// name makes text from outside fit for a column: valid UTF-8 without NUL, and not
// too long for an index. What is cut keeps a digest of the whole, so that names
// that differ stay different. A name that fits is itself.
func name(s string) string {
	if len(s) <= nameLimit && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	clean := strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(clean) <= nameLimit {
		return clean
	}
	digest := sha256.Sum256([]byte(s))
	head := clean[:nameLimit-2*len(digest)-1]
	return strings.ToValidUTF8(head, "") + "~" + hex.EncodeToString(digest[:])
}

// encode is the JSON of a value that we made ourselves.
func encode(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		// The error would quote the value.
		return "", fmt.Errorf("encode %s: the value is not JSON", what)
	}
	return string(b), nil
}

// decode reads JSON that encode wrote, keeping numbers as json.Number where the
// target is any.
func decode(what string, b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decode stored %s: not the JSON it was stored as", what)
	}
	return nil
}

func decodeHeld(b []byte) (record.Held, error) {
	var h record.Held
	if string(b) == "{}" {
		return h, nil
	}
	err := decode("held", b, &h)
	plainMap(h.Attributes)
	plainMap(h.Refused)
	return h, err
}

// decodePayload fills in the Contact or the Event of a delivery.
func decodePayload(d *store.Delivery, b []byte) error {
	if d.Kind == store.EventDelivery {
		d.Event = &record.Event{}
		if readEvent(string(b), d.Event) {
			return nil
		}
		*d.Event = record.Event{}
		err := decode("event", b, d.Event)
		plainMap(d.Event.Properties)
		return err
	}
	d.Contact = &record.Contact{}
	if readContact(string(b), d.Contact) {
		return nil
	}
	*d.Contact = record.Contact{}
	err := decode("contact", b, d.Contact)
	for i := range d.Contact.Attributes {
		d.Contact.Attributes[i].Value = plain(d.Contact.Attributes[i].Value)
	}
	return err
}

func plainMap(m map[string]any) {
	for k, v := range m {
		m[k] = plain(v)
	}
}

// plain turns json.Number into what fact.DecodeJSON gives for it, so that a value
// reads back as it was stored.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := fact.DecodeJSON([]byte(v)); err == nil {
			return n
		}
		return v.String()
	case map[string]any:
		plainMap(v)
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	}
	return v
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
