package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func isScalar(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return true
	}
	return false
}

// scalarText is a plain value of the file with its references replaced.
type scalarText struct {
	text string
	// written is the kind of the value as YAML sees it; a reference may stand for any kind.
	written string
	fromEnv bool
}

const (
	kindText   = "text"
	kindNumber = "number"
	kindBool   = "bool"
)

func (d *decoder) text(node ast.Node, s spot) (scalarText, bool) {
	var value scalarText
	switch n := node.(type) {
	case *ast.StringNode:
		value = scalarText{text: n.Value, written: kindText}
	case *ast.LiteralNode:
		value = scalarText{text: n.Value.Value, written: kindText}
	case *ast.BoolNode:
		return scalarText{text: n.Token.Value, written: kindBool}, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return scalarText{text: n.GetToken().Value, written: kindNumber}, true
	default:
		d.report(node, s.path, "not a plain value", "expected "+s.wanted())
		return value, false
	}
	expanded, used, problem := d.expand.all(value.text)
	if problem != nil {
		d.report(node, s.path, problem.message, problem.expected)
		return value, false
	}
	value.text, value.fromEnv = expanded, used
	return value, true
}

func (s spot) wanted() string {
	if desc := s.tag.Get("desc"); desc != "" {
		return desc
	}
	return "one text or number"
}

// setter puts a text into a value, or says what would have been right.
type setter func(v reflect.Value, value scalarText) (expected string)

// scalarTypes are the types that one plain value fills; the map is never written.
var scalarTypes = map[reflect.Type]setter{
	reflect.TypeFor[string]():        setString,
	reflect.TypeFor[bool]():          setBool,
	reflect.TypeFor[float64]():       setFloat,
	reflect.TypeFor[int]():           setInt,
	reflect.TypeFor[Secret]():        setSecret,
	reflect.TypeFor[time.Duration](): setDuration,
	reflect.TypeFor[Age]():           setAge,
	reflect.TypeFor[List]():          setList,
}

// scalar leaves the default where the text is empty, as ${NAME:-} is when NAME is not set.
func (d *decoder) scalar(node ast.Node, v reflect.Value, s spot, set setter) {
	value, ok := d.text(node, s)
	if !ok || value.text == "" {
		return
	}
	if value.fromEnv || isSecret(v.Type()) {
		d.remember(node, s, true)
	}
	if expected := set(v, value); expected != "" {
		message := "the value has the wrong form"
		if !value.fromEnv {
			message = fmt.Sprintf("%q has the wrong form", value.text)
		}
		d.report(node, s.path, message, "expected "+expected)
	}
}

func setString(v reflect.Value, value scalarText) string {
	v.SetString(value.text)
	return ""
}

func setSecret(v reflect.Value, value scalarText) string {
	v.Set(reflect.ValueOf(NewSecret(value.text)))
	return ""
}

func setBool(v reflect.Value, value scalarText) string {
	truth, err := strconv.ParseBool(value.text)
	if err != nil || (value.written != kindBool && !value.fromEnv) {
		return "true or false"
	}
	v.SetBool(truth)
	return ""
}

func setInt(v reflect.Value, value scalarText) string {
	n, err := strconv.Atoi(value.text)
	if err != nil || (value.written != kindNumber && !value.fromEnv) {
		return "a whole number"
	}
	v.SetInt(int64(n))
	return ""
}

func setFloat(v reflect.Value, value scalarText) string {
	number, err := strconv.ParseFloat(value.text, 64)
	if err != nil || number != number || number-number != 0 || (value.written != kindNumber && !value.fromEnv) {
		return "a number"
	}
	v.SetFloat(number)
	return ""
}

func setDuration(v reflect.Value, value scalarText) string {
	d, err := ParseDuration(value.text)
	if err != nil {
		return "a duration such as 10s, 72h or 30d"
	}
	v.SetInt(int64(d))
	return ""
}

func setAge(v reflect.Value, value scalarText) string {
	if value.text == "keep" {
		v.SetInt(int64(Keep))
		return ""
	}
	d, err := ParseDuration(value.text)
	if err != nil || d == 0 {
		return "an age such as 30d, or keep"
	}
	v.SetInt(int64(d))
	return ""
}

func setList(v reflect.Value, value scalarText) string {
	list := List{Name: value.text}
	if value.written == kindNumber || value.fromEnv {
		id, err := strconv.ParseInt(value.text, 10, 64)
		switch {
		case err == nil && id > 0:
			list = List{ID: id}
		case value.written == kindNumber:
			return "the number of a Brevo list, or its name"
		}
	}
	v.Set(reflect.ValueOf(list))
	return ""
}

// anything takes a default, whose type the rule's target decides.
func (d *decoder) anything(node ast.Node, v reflect.Value, s spot) {
	if sequence, ok := node.(*ast.SequenceNode); ok {
		list := make([]any, len(sequence.Values))
		for i, value := range sequence.Values {
			index := fmt.Sprintf("[%d]", i)
			d.decode(value, reflect.ValueOf(&list[i]).Elem(), spot{namespace: s.namespace + index, path: s.path + index})
		}
		v.Set(reflect.ValueOf(list))
		return
	}
	value, ok := d.text(node, s)
	if !ok {
		return
	}
	var result any = value.text
	switch value.written {
	case kindBool:
		result = value.text == "true"
	case kindNumber:
		if number, err := strconv.ParseFloat(value.text, 64); err == nil {
			result = number
		}
	}
	v.Set(reflect.ValueOf(result))
}

// secretFile fills a secret from the file that its _file key names.
func (d *decoder) secretFile(node ast.Node, v reflect.Value, s spot, path string) {
	named := spot{namespace: s.namespace + "File", path: path, tag: `desc:"the path of a file"`}
	var name string
	d.decode(node, reflect.ValueOf(&name).Elem(), named)
	if name == "" {
		return
	}
	if !v.IsZero() {
		d.report(node, path, "given here and as "+strings.TrimSuffix(path, fileSuffix), "expected one of the two")
		return
	}
	text, err := d.readFile(name)
	if err != nil {
		d.report(node, path, "the file cannot be read", "expected a readable file: "+reasonOfFile(err))
		return
	}
	d.remember(node, spot{namespace: s.namespace, path: path}, true)
	if v.Kind() == reflect.Slice {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				v.Set(reflect.Append(v, reflect.ValueOf(NewSecret(line))))
			}
		}
		return
	}
	v.Set(reflect.ValueOf(NewSecret(strings.TrimSpace(text))))
}
