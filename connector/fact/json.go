package fact

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"flexbrevo/connector/rawjson"
)

// DecodeJSON decodes one JSON value the way facts keep values: whole numbers
// that fit become int, others float64, so that an account number of 17 digits
// survives; invalid UTF-8 and lone surrogates become U+FFFD.
func DecodeJSON(b []byte) (any, error) {
	v, err := rawjson.Decode(string(b))
	if err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	return v, nil
}

// AppendJSON appends the fact as it is stored, without its key. Equal facts give
// equal bytes.
func (f *Fact) AppendJSON(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.times(f.Times)
	o.values("values", f.Values)
	o.values("attrs", f.Attributes)
	if len(f.Parts) > 0 {
		o.name("parts")
		o.b = appendParts(o.b, f.Parts)
	}
	if f.Undecodable {
		o.name("undecodable")
		o.b = append(o.b, "true"...)
	}
	return append(o.b, '}')
}

// MarshalJSON implements json.Marshaler.
func (f *Fact) MarshalJSON() ([]byte, error) { return f.AppendJSON(nil), nil }

func appendParts(b []byte, parts map[string]Part) []byte {
	all := object{b: append(b, '{')}
	for _, name := range sorted(parts) {
		all.name(name)
		part := object{b: append(all.b, '{')}
		part.times(parts[name].Times)
		part.values("values", parts[name].Values)
		all.b = append(part.b, '}')
	}
	return append(all.b, '}')
}

// object is a JSON object that is being written.
type object struct {
	b       []byte
	started bool
}

func (o *object) name(name string) {
	if o.started {
		o.b = append(o.b, ',')
	}
	o.started = true
	o.b = append(rawjson.AppendText(o.b, name), ':')
}

func (o *object) times(times map[string]int64) {
	if len(times) == 0 {
		return
	}
	o.name("times")
	inner := object{b: append(o.b, '{')}
	for _, name := range sorted(times) {
		inner.name(name)
		inner.b = strconv.AppendInt(inner.b, times[name], 10)
	}
	o.b = append(inner.b, '}')
}

func (o *object) values(name string, values map[string]Value) {
	if len(values) == 0 {
		return
	}
	o.name(name)
	inner := object{b: append(o.b, '{')}
	for _, name := range sorted(values) {
		inner.name(name)
		inner.b = values[name].appendJSON(inner.b)
	}
	o.b = append(inner.b, '}')
}

func (v Value) appendJSON(b []byte) []byte {
	b = rawjson.Append(append(b, `{"v":`...), v.V)
	b = strconv.AppendInt(append(b, `,"t":`...), v.T, 10)
	return append(b, '}')
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	names = slices.AppendSeq(names, maps.Keys(m))
	slices.Sort(names)
	return names
}

// Parse reads what AppendJSON wrote into a fact whose key is set. Its texts are
// parts of text, which lives as long as they do.
func (f *Fact) Parse(text string) error {
	f.forget()
	r := rawjson.Read(text)
	r.Object(func(name string) {
		switch name {
		case "times":
			f.Times = readTimes(r)
		case "values":
			f.Values = readValues(r, 12)
		case "attrs":
			f.Attributes = readValues(r, 24)
		case "parts":
			f.Parts = readParts(r)
		case "undecodable":
			f.Undecodable = r.Raw() == "true"
		}
	})
	return r.End()
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Fact) UnmarshalJSON(b []byte) error { return f.Parse(string(b)) }

func readParts(r *rawjson.Reader) map[string]Part {
	parts := map[string]Part{}
	r.Object(func(name string) {
		var p Part
		r.Object(func(name string) {
			switch name {
			case "times":
				p.Times = readTimes(r)
			case "values":
				p.Values = readValues(r, 0)
			}
		})
		parts[name] = p
	})
	return parts
}

func readTimes(r *rawjson.Reader) map[string]int64 {
	times := map[string]int64{}
	r.Object(func(name string) { times[name] = r.Int() })
	return times
}

// readValues reads values, of which there are about as many as usual.
func readValues(r *rawjson.Reader, usual int) map[string]Value {
	values := make(map[string]Value, usual)
	r.Object(func(name string) {
		var v Value
		r.Object(func(part string) {
			switch part {
			case "v":
				v.V = r.Any()
			case "t":
				v.T = r.Int()
			}
		})
		values[name] = v
	})
	return values
}
