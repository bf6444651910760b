package rawjson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"flexbrevo/connector/rawjson"
)

// texts are JSON and what is nearly JSON.
var texts = []string{
	``, ` `, `null`, `nul`, `nulll`, `true`, `false`, `tru`, `"a"`, `"a`, `"a\"`, `"\x"`, `"\u12"`, `"\u00e9"`, "\"\n\"", "\"\x00\"",
	`0`, `-0`, `-`, `01`, `1.`, `1.0`, `.5`, `1e5`, `1e`, `1e+`, `1E-3`, `1e400`, `12345678901234567`, `123456789012345678901`, `-9223372036854775808`,
	`{}`, `{ }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1}x`, `{"a":1} `, "\t{ \"a\" :\n[ 1 , 2.5 ,null ] }\r",
	`[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[[[]]]`, `[{"a":[{}]}]`, `{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`,
	`{"\u0061\n":"\b\f\n\r\t\/\\\""}`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, "\"\xff\xfe\xc3\"", "\"\xc3\xa9 \\n\xff\"",
	`{"task_attributes":"{\"from\":\"+33612345678\",\"n\":{\"x\":[1,2]}}","task_age":"42","v":null}`,
	strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat(`{"a":`, 10001),
}

// reference decodes as encoding/json does.
func reference(text string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if !json.Valid([]byte(text)) || d.Decode(&v) != nil {
		return nil, false
	}
	return plain(v), true
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return rawjson.Number(string(v))
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

// agree compares every function with encoding/json on one text.
func agree(t *testing.T, text string) {
	t.Helper()
	want, valid := reference(text)
	got, err := rawjson.Decode(text)
	if (err == nil) != valid || valid && !reflect.DeepEqual(got, want) {
		t.Fatalf("Decode(%.200q) = %v, %v, want %v, valid %v", text, got, err, want, valid)
	}
	if valid {
		again, err := rawjson.Decode(string(rawjson.Append(nil, got)))
		if err != nil || !json.Valid(rawjson.Append(nil, got)) || !reflect.DeepEqual(again, got) {
			t.Fatalf("Append(%.200q) reads back as %v, %v", text, again, err)
		}
	}
	object, isObject := want.(map[string]any)
	if in := rawjson.ReadBytes([]byte(text)); !reflect.DeepEqual(in.Any(), want) && valid || (in.End() == nil) != valid {
		t.Fatalf("ReadBytes(%.200q) differs", text)
	}
	members, err := rawjson.Members(text, nil)
	if (err == nil) != isObject {
		t.Fatalf("Members(%.200q): %v, is an object: %v", text, err, isObject)
	}
	for _, m := range members {
		if v, err := rawjson.Decode(rawjson.Find(members, m.Name)); err != nil || !reflect.DeepEqual(v, object[m.Name]) {
			t.Fatalf("member %q of %.200q = %v, %v, want %v", m.Name, text, v, err, object[m.Name])
		}
		var strict string
		inner, isText := rawjson.Text(m.Value)
		if wasText := json.Unmarshal([]byte(m.Value), &strict) == nil && m.Value != "null"; isText != wasText || inner != strict {
			t.Fatalf("Text(%.200q) = %q, %v", m.Value, inner, isText)
		}
	}
	array, isArray := want.([]any)
	elements, err := rawjson.Elements(text, nil)
	if (err == nil) != isArray || len(elements) != len(array) {
		t.Fatalf("Elements(%.200q): %d, %v, want %d", text, len(elements), err, len(array))
	}
	for i, e := range elements {
		if v, err := rawjson.Decode(e); err != nil || !reflect.DeepEqual(v, array[i]) {
			t.Fatalf("element %d of %.200q = %v, %v", i, text, v, err)
		}
	}
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range texts {
		agree(t, text)
	}
}

func FuzzAgreesWithEncodingJSON(f *testing.F) {
	for _, text := range texts {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, string(b)) })
}

func TestPartsAreNotCopied(t *testing.T) {
	text := `{"name":"a text without escapes","list":[1,2,3],"nested":{"a":"b"}}`
	members := make([]rawjson.Member, 0, 8)
	allocs := testing.AllocsPerRun(100, func() {
		var err error
		if members, err = rawjson.Members(text, members[:0]); err != nil || len(members) != 3 {
			t.Fatal(members, err)
		}
		if _, ok := rawjson.Text(members[0].Value); !ok {
			t.Fatal("not a text")
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations to walk over an object, want none", allocs)
	}
}

// BenchmarkMembers walks over an event of ordinary size; encoding/json stands beside it.
func BenchmarkMembers(b *testing.B) {
	event := `{"sid":"EV1","event_data":{` + strings.Repeat(`"workflow_sid":"WW7b0b8e89610852fda4e01658f11cf7fa",`, 30) +
		`"task_attributes":"` + strings.Repeat(`\"name\":\"Nina Rossi\",`, 30) + `"}}`
	b.Run("rawjson", func(b *testing.B) {
		var members []rawjson.Member
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			members, _ = rawjson.Members(event, members[:0])
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(event)))
		b.ReportAllocs()
		for b.Loop() {
			var members map[string]json.RawMessage
			if err := json.NewDecoder(bytes.NewReader([]byte(event))).Decode(&members); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestEveryByteAtEveryPlace: strings are read eight bytes at a time, and what stands
// before and behind a byte must not hide it.
func TestEveryByteAtEveryPlace(t *testing.T) {
	for place := range 18 {
		for c := range 256 {
			inner := bytes.Repeat([]byte("a"), 18)
			inner[place] = byte(c)
			agree(t, `"`+string(inner)+`"`)
			for _, beside := range []byte{' ' - 1, '"', '\\', 0x80} {
				inner[(place+1)%len(inner)] = beside
				agree(t, `["`+string(inner)+`"]`)
			}
		}
	}
}
