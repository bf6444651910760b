package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// inspect finds what the language has and rules do not, and names that look like slips of the pen.
func inspect(node *ast.Node, scope Scope) faults {
	declared := &declarations{}
	ast.Walk(node, declared)
	i := &inspector{scope: scope, declared: declared.names}
	ast.Walk(node, i)
	return i.faults
}

type declarations struct{ names []string }

func (d *declarations) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.VariableDeclaratorNode); ok {
		d.names = append(d.names, n.Name)
	}
}

type inspector struct {
	scope    Scope
	declared []string
	faults   faults
}

func (i *inspector) reject(at ast.Node, message, expected string) {
	i.faults = append(i.faults, fault{offset: at.Location().From, message: message, expected: expected})
}

// Visit is called by ast.Walk for every node, the children first.
func (i *inspector) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		i.name(n)
	case *ast.VariableDeclaratorNode:
		if strings.HasPrefix(n.Name, "$") {
			i.reject(n, "names with $ are reserved", "expected a name of letters, digits and _")
		}
	case *ast.MemberNode:
		i.member(n)
	case *ast.CallNode:
		i.call(n)
	case *ast.BuiltinNode:
		if slices.Contains(bannedFunctions(), n.Name) {
			i.reject(n, fmt.Sprintf("the function %s is not part of the rules", n.Name), "")
		}
	case *ast.BinaryNode:
		i.binary(n)
	case *ast.PredicateNode:
		if countLoops(node) > 2 {
			i.reject(n, "a loop inside a loop inside a loop", "expected at most two, one inside the other")
		}
	case *ast.SequenceNode:
		i.reject(n, "several expressions in one", "expected a single one without ;")
	case *ast.BytesNode:
		i.reject(n, "bytes are not part of the rules", "expected text in quotes")
	}
}

func (i *inspector) name(n *ast.IdentifierNode) {
	name := n.Value
	switch {
	case slices.Contains(i.declared, name):
	case strings.HasPrefix(name, "$"):
		i.reject(n, "names with $ are reserved", `expected a name; for an awkward key attributes["`+name+`"]`)
	case i.scope == FieldScope && slices.Contains(eventRoots(), name):
		i.reject(n, name+" is known in event rules only", "expected a metric or something below attributes")
	case slices.Contains(KnownNames(i.scope), name):
	default:
		i.suspect(n, name, KnownNames(i.scope))
	}
}

func (i *inspector) suspect(n ast.Node, name string, known []string) {
	near := Nearest(name, known)
	if near == "" {
		return
	}
	i.faults = append(i.faults, fault{
		offset:   n.Location().From,
		message:  fmt.Sprintf("%s is looked up in the task attributes", name),
		expected: fmt.Sprintf("if %s is meant, write that", near),
		severity: Warning,
	})
}

// member looks only for slips in the two groups that Flex defines inside the attributes.
func (i *inspector) member(n *ast.MemberNode) {
	root, isRoot := n.Node.(*ast.IdentifierNode)
	key, isText := n.Property.(*ast.StringNode)
	groups := []string{"conversations", "customers"}
	if isRoot && isText && root.Value == rootAttributes && !slices.Contains(groups, key.Value) {
		i.suspect(key, key.Value, groups)
	}
}

func (i *inspector) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		i.reject(n, "methods are not part of the rules", "expected a function, as in upper(x)")
		return
	}
	expected := ""
	if near := Nearest(callee.Value, builtin.Names); near != "" {
		expected = "is " + near + " meant?"
	}
	i.reject(n, "unknown function "+callee.Value, expected)
}

func (i *inspector) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		i.reject(n, "ranges are not part of the rules", "")
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			i.reject(n.Right, "the pattern of matches is computed", "expected a pattern in quotes")
		} else if _, err := regexp.Compile(pattern.Value); err != nil {
			i.reject(n.Right, "the pattern of matches does not compile", "expected a regular expression of Go")
		}
	}
}

type loopCounter struct{ loops int }

func (c *loopCounter) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.PredicateNode); ok {
		c.loops++
	}
}

func countLoops(node *ast.Node) int {
	counter := &loopCounter{}
	ast.Walk(node, counter)
	return counter.loops
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isName tells whether a key can be written after a dot.
func isName(key string) bool { return namePattern.MatchString(key) }
