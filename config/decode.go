package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"flexbrevo/mapping"
)

// The library's own decoder stops at the first unknown key and forgets where a value stood. This one walks the same
// syntax tree, goes on after every mistake and keeps the places, for the checks that come later.

// place is where a value of the Config stands in the file.
type place struct {
	at mapping.Position
	// hidden is true for a secret and for a value from the environment; it must not show in an error.
	hidden bool
	// exact is true when the value is written in one piece on one line, so that an offset into it is an offset in the line;
	// inner is the quote to skip.
	exact bool
	inner int
}

// maxNodes bounds what aliases can blow up.
const maxNodes = 100_000

type decoder struct {
	file     string
	root     *Config
	expand   expander
	readFile func(path string) (string, error)
	anchors  map[string]ast.Node
	places   map[string]place           // by Go namespace, as in Config.Connectors[0].AccountSID
	spots    map[mapping.Position]place // the same by place
	problems Problems
	open     map[ast.Node]bool // what is being decoded: an alias to it would never end
	nodes    int
}

// spot names the value being decoded in both worlds.
type spot struct {
	namespace, path string
	tag             reflect.StructTag
}

func (s spot) field(f reflect.StructField, key string) spot {
	return spot{namespace: s.namespace + "." + f.Name, path: joinPath(s.path, key), tag: f.Tag}
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func joinPath(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func (d *decoder) report(node ast.Node, path, message, expected string) {
	d.problems = append(d.problems, Problem{At: d.position(node, path), Message: message, Expected: expected})
}

func (d *decoder) position(node ast.Node, path string) mapping.Position {
	at := mapping.Position{File: d.file, Path: path, Line: 1, Column: 1}
	if node == nil {
		return at
	}
	// The token of a block mapping is its first colon; its first key says better where it begins.
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		at.Line, at.Column = t.Position.Line, max(t.Position.Column, 1)
	}
	return at
}

func (d *decoder) remember(node ast.Node, s spot, hidden bool) {
	p := place{at: d.position(node, s.path), hidden: hidden, exact: isExact(node)}
	if p.exact && isQuoted(node) {
		p.inner = 1
	}
	d.places[s.namespace] = p
	d.spots[p.at] = p
}

func isQuoted(node ast.Node) bool {
	t := node.GetToken()
	return t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
}

// isExact tells whether the text in the file is the value, letter by letter.
func isExact(node ast.Node) bool {
	s, ok := node.(*ast.StringNode)
	if !ok {
		return false
	}
	written := strings.TrimSpace(s.Token.Origin)
	if isQuoted(s) {
		return len(written) == len(s.Value)+2
	}
	return written == s.Value
}

// resolve follows anchors, aliases and tags to the node that holds the value.
func (d *decoder) resolve(node ast.Node, path string) ast.Node {
	for range 100 {
		switch n := node.(type) {
		case *ast.AnchorNode:
			d.anchors[n.Name.GetToken().Value] = n.Value
			node = n.Value
		case *ast.TagNode:
			node = n.Value
		case *ast.AliasNode:
			target, ok := d.anchors[n.Value.GetToken().Value]
			if !ok {
				d.report(n, path, "an alias to nothing", "expected an anchor of that name before it")
				return nil
			}
			if d.open[target] {
				d.report(n, path, "an alias to what it stands in", "expected an anchor that ends before it")
				return nil
			}
			node = target
		default:
			return node
		}
	}
	return nil
}

// decode puts the node's value into v, which holds the default.
func (d *decoder) decode(node ast.Node, v reflect.Value, s spot) {
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.report(node, s.path, "too many values", "expected a smaller file")
		}
		return
	}
	node = d.resolve(node, s.path)
	if node == nil {
		return
	}
	d.open[node] = true
	defer delete(d.open, node)
	d.remember(node, s, false)
	if _, null := node.(*ast.NullNode); null {
		return
	}
	if set, ok := scalarTypes[v.Type()]; ok {
		d.scalar(node, v, s, set)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(node, v, s)
	case reflect.Slice:
		d.list(node, v, s)
	case reflect.Pointer:
		inner := reflect.New(v.Type().Elem())
		d.decode(node, inner.Elem(), s)
		v.Set(inner)
	case reflect.Interface:
		d.anything(node, v, s)
	default:
		panic("config: a field of kind " + v.Kind().String())
	}
}

// entry is one key of a mapping.
type entry struct {
	key     string
	keyNode ast.Node
	value   ast.Node
}

// entries gives a mapping's keys in order, merge keys resolved and duplicates reported; ok is false for another node.
func (d *decoder) entries(node ast.Node, path string) (list []entry, ok bool) {
	m, ok := node.(ast.MapNode)
	if !ok {
		return nil, false
	}
	var merged []entry
	lines := map[string]int{}
	for iterator := m.MapRange(); iterator.Next(); {
		e := entry{key: keyText(iterator.Key()), keyNode: iterator.Key(), value: iterator.Value()}
		at := d.position(e.keyNode, joinPath(path, e.key))
		if first, ok := lines[e.key]; ok {
			d.report(e.keyNode, at.Path, "the key is given twice", fmt.Sprintf("remove one; the other is on line %d", first))
			continue
		}
		lines[e.key] = at.Line
		if _, isMerge := e.keyNode.(*ast.MergeKeyNode); isMerge {
			merged = d.merge(e.value, path)
			continue
		}
		list = append(list, e)
	}
	for _, e := range merged {
		if _, ok := lines[e.key]; !ok {
			list, lines[e.key] = append(list, e), -1
		}
	}
	return list, true
}

// merge gives the keys of the mapping that a merge key names.
func (d *decoder) merge(node ast.Node, path string) []entry {
	target := d.resolve(node, path)
	if target == nil {
		return nil
	}
	d.open[target] = true
	defer delete(d.open, target)
	list, ok := d.entries(target, path)
	if !ok {
		d.report(node, path, "<< of something that is no mapping", "expected an alias to a mapping")
	}
	return list
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := ast.Node(key).(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

func (d *decoder) object(node ast.Node, v reflect.Value, s spot) {
	if short, ok := shortField(v.Type()); ok && isScalar(node) {
		inner := s.field(short, "")
		inner.path = s.path
		d.decode(node, v.FieldByIndex(short.Index), inner)
		return
	}
	list, ok := d.entries(node, s.path)
	if !ok {
		d.report(node, s.path, "not a mapping", "expected keys: "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	d.unknownKeys(list, v.Type(), s)
	// In the order of the struct, not of the file: a connector's account starts from the common one.
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("yaml")
		for _, e := range list {
			switch e.key {
			case key:
				d.decode(e.value, v.FieldByIndex(f.Index), s.field(f, key))
			case key + fileSuffix:
				d.secretFile(e.value, v.FieldByIndex(f.Index), s.field(f, key), joinPath(s.path, e.key))
			}
		}
	}
}

func shortField(t reflect.Type) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("short") != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

const fileSuffix = "_file"

// keysOf gives the keys that a mapping for the struct may have.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(t) {
		key := f.Tag.Get("yaml")
		if key == "-" || key == "" {
			continue
		}
		keys = append(keys, key)
		if isSecret(f.Type) {
			keys = append(keys, key+fileSuffix)
		}
	}
	return keys
}

func isSecret(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[[]Secret]()
}

func (d *decoder) unknownKeys(list []entry, t reflect.Type, s spot) {
	known := keysOf(t)
	for _, e := range list {
		if slices.Contains(known, e.key) {
			continue
		}
		expected := "expected one of " + strings.Join(known, ", ")
		if near := mapping.Nearest(e.key, known); near != "" {
			expected = "is " + near + " meant?"
		}
		d.report(e.keyNode, joinPath(s.path, e.key), "unknown key", expected)
	}
}

// preset is implemented by what starts from other defaults than zero inside a list.
type preset interface{ preset(root *Config) }

func (d *decoder) list(node ast.Node, v reflect.Value, s spot) {
	if name := s.tag.Get("keyed"); name != "" {
		d.keyedList(node, v, s, name)
		return
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.report(node, s.path, "not a list", "expected [a, b] or lines that begin with -")
		return
	}
	elements := reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values))
	for i, value := range sequence.Values {
		index := fmt.Sprintf("[%d]", i)
		d.decode(value, elements.Index(i), spot{namespace: s.namespace + index, path: s.path + index})
	}
	v.Set(elements)
}

func (d *decoder) keyedList(node ast.Node, v reflect.Value, s spot, name string) {
	list, ok := d.entries(node, s.path)
	if !ok {
		d.report(node, s.path, "not a mapping", "expected lines of the form key: value")
		return
	}
	elements := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		element := elements.Index(i)
		if element.Kind() == reflect.Pointer {
			element.Set(reflect.New(element.Type().Elem()))
			element = element.Elem()
		}
		if p, ok := element.Addr().Interface().(preset); ok {
			p.preset(d.root)
		}
		element.FieldByName(name).SetString(e.key)
		inner := spot{namespace: fmt.Sprintf("%s[%d]", s.namespace, i), path: joinPath(s.path, e.key)}
		d.decode(e.value, element, inner)
		// The entry is found by its key, which for rules is an expression of its own.
		d.remember(e.keyNode, inner, false)
		d.remember(e.keyNode, spot{namespace: inner.namespace + "." + name, path: inner.path}, false)
	}
	v.Set(elements)
}
