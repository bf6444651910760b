package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Schema gives the JSON Schema (2020-12) of connector.yaml, made from the same structs that Load fills. Editors use it
// to complete keys; Load itself checks more.
func Schema() ([]byte, error) {
	root := objectSchema(reflect.TypeFor[Config]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "connector.yaml of flexbrevo"
	return json.MarshalIndent(root, "", "  ")
}

type schema = map[string]any

// reference is a text that the environment replaces, which any plain value may be.
func reference() schema { return schema{"type": "string", "pattern": `\$\{`} }

func objectSchema(t reflect.Type) schema {
	properties := schema{}
	for _, f := range reflect.VisibleFields(t) {
		key := f.Tag.Get("yaml")
		if key == "-" || key == "" {
			continue
		}
		property := fieldSchema(f)
		if desc := f.Tag.Get("desc"); desc != "" {
			property["description"] = desc
		}
		properties[key] = property
		if isSecret(f.Type) {
			properties[key+fileSuffix] = schema{"type": []string{"string", "null"}, "description": "file that holds " + key}
		}
	}
	return schema{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

func fieldSchema(f reflect.StructField) schema {
	if choices := choicesOf(f); choices != nil {
		return schema{"anyOf": []any{schema{"enum": choices}, reference()}}
	}
	if f.Tag.Get("keyed") != "" {
		return schema{"type": []string{"object", "null"}, "additionalProperties": typeSchema(f.Type.Elem())}
	}
	return typeSchema(f.Type)
}

// choicesOf gives the values of a oneof check, and "" and null, which mean the default.
func choicesOf(f reflect.StructField) []any {
	for check := range strings.SplitSeq(f.Tag.Get("validate"), ",") {
		if list, ok := strings.CutPrefix(check, "oneof="); ok {
			choices := []any{"", nil}
			for _, choice := range strings.Fields(list) {
				choices = append(choices, choice)
			}
			return choices
		}
	}
	return nil
}

func typeSchema(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[Secret](), reflect.TypeFor[List]():
		return schema{"type": []string{"string", "number", "null"}}
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[Age]():
		return schema{"type": []string{"string", "null"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		return schema{"type": []string{"array", "null"}, "items": typeSchema(t.Elem())}
	case reflect.Bool:
		return schema{"anyOf": []any{schema{"type": []string{"boolean", "null"}}, reference()}}
	case reflect.Float64:
		return schema{"anyOf": []any{schema{"type": []string{"number", "null"}}, reference()}}
	case reflect.Int:
		return schema{"anyOf": []any{schema{"type": []string{"integer", "null"}}, reference()}}
	case reflect.Interface:
		return schema{}
	default:
		return schema{"type": []string{"string", "number", "boolean", "null"}}
	}
}

// structSchema adds the short form where the struct has one.
func structSchema(t reflect.Type) schema {
	object := objectSchema(t)
	short, ok := shortField(t)
	if !ok {
		return object
	}
	return schema{"anyOf": []any{typeSchema(short.Type), object}}
}
