package fact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// DecodeJSON decodes one JSON value the way facts keep values: whole numbers
// that fit become int, others float64, so that an account number of 17 digits
// survives; invalid UTF-8 and lone surrogates become U+FFFD.
func DecodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("decode JSON: more than one value")
	}
	return plain(v), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	}
	return v
}

// number gives text that JSON would call a number its plain Go value: an int
// where nothing is lost, else a float64; a number beyond float64 stays text.
func number(s string) any {
	if i, err := strconv.Atoi(s); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	// 5.0 and 1e17 are stored as their digits, and must read back as what they were.
	if f == math.Trunc(f) && f >= math.MinInt && f < -math.MinInt {
		return int(f)
	}
	return f
}

// UnmarshalJSON reads a fact that was stored; values are as DecodeJSON gives them.
func (f *Fact) UnmarshalJSON(b []byte) error {
	type stored Fact // without this method
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode((*stored)(f)); err != nil {
		return err
	}
	plainValues(f.Values)
	plainValues(f.Attributes)
	for _, p := range f.Parts {
		plainValues(p.Values)
	}
	return nil
}

func plainValues(values map[string]Value) {
	for k, v := range values {
		v.V = plain(v.V)
		values[k] = v
	}
}
