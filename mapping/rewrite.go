package mapping

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// rewriter turns a checked tree into one that no absent value can make fail: names and paths become lookups, operators
// become functions that answer nil when an operand is nil, and function calls are guarded in the same way.
type rewriter struct {
	locals []string // names that let has declared around the present node
	guards int      // how many variables of our own were made so far
	paths  []*path
}

// only gives the path when the whole tree is a single lookup.
func (r *rewriter) only(node ast.Node) *path {
	call, ok := node.(*ast.CallNode)
	if !ok || len(r.paths) != 1 || callee(call) != opPath {
		return nil
	}
	return r.paths[0]
}

func callee(call *ast.CallNode) string {
	if name, ok := call.Callee.(*ast.IdentifierNode); ok {
		return name.Value
	}
	return ""
}

func call(function string, arguments ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: function}, Arguments: arguments}
}

func (r *rewriter) rewrite(node ast.Node) ast.Node {
	if p := r.path(node); p != nil {
		r.paths = append(r.paths, p)
		return call(opPath, &ast.IdentifierNode{Value: "$env"}, &ast.ConstantNode{Value: p})
	}
	switch n := node.(type) {
	case *ast.ChainNode:
		return r.rewrite(n.Node)
	case *ast.MemberNode:
		return call(opMember, r.rewrite(n.Node), r.rewrite(n.Property))
	case *ast.UnaryNode:
		return r.unary(n)
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = call(opTrue, r.rewrite(n.Cond)), r.rewrite(n.Exp1), r.rewrite(n.Exp2)
	case *ast.BuiltinNode:
		return r.builtin(n)
	case *ast.SliceNode:
		return r.slice(n)
	case *ast.VariableDeclaratorNode:
		r.declaration(n)
	case *ast.ArrayNode:
		r.rewriteAll(n.Nodes)
	case *ast.MapNode:
		r.rewriteAll(n.Pairs)
	case *ast.PairNode:
		n.Key, n.Value = r.rewrite(n.Key), r.rewrite(n.Value)
	case *ast.PredicateNode:
		n.Node = r.rewrite(n.Node)
	}
	return node
}

func (r *rewriter) rewriteAll(nodes []ast.Node) {
	for i := range nodes {
		nodes[i] = r.rewrite(nodes[i])
	}
}

// path gives the path that the node is, or nil when it is something else.
func (r *rewriter) path(node ast.Node) *path {
	var keys []any
	for {
		switch n := node.(type) {
		case *ast.IdentifierNode:
			if slices.Contains(r.locals, n.Value) {
				return nil
			}
			slices.Reverse(keys)
			return newPath(n.Value, keys...)
		case *ast.ChainNode:
			node = n.Node
		case *ast.MemberNode:
			switch key := n.Property.(type) {
			case *ast.StringNode:
				keys = append(keys, key.Value)
			case *ast.IntegerNode:
				keys = append(keys, key.Value)
			default:
				return nil
			}
			node = n.Node
		default:
			return nil
		}
	}
}

func (r *rewriter) declaration(n *ast.VariableDeclaratorNode) {
	n.Value = r.rewrite(n.Value)
	r.locals = append(r.locals, n.Name)
	n.Expr = r.rewrite(n.Expr)
	r.locals = r.locals[:len(r.locals)-1]
}

func (r *rewriter) unary(n *ast.UnaryNode) ast.Node {
	inner := r.rewrite(n.Node)
	switch n.Operator {
	case "!", "not":
		return call(opNot, inner)
	case "-":
		return call(opNegate, inner)
	default:
		return inner
	}
}

func (r *rewriter) binary(n *ast.BinaryNode) ast.Node {
	left, right := r.rewrite(n.Left), r.rewrite(n.Right)
	switch n.Operator {
	case "and", "&&":
		return r.shortCircuit(left, right, opFalse, opAnd)
	case "or", "||":
		return r.shortCircuit(left, right, opTrue, opOr)
	case "??":
		n.Left, n.Right = left, right
		return n
	case "==", "!=":
		if isNil(n.Left) || isNil(n.Right) {
			n.Left, n.Right = left, right
			return n
		}
	case "matches":
		if pattern, ok := n.Right.(*ast.StringNode); ok {
			// The inspector has compiled it before.
			right = &ast.ConstantNode{Value: regexp.MustCompile(pattern.Value)}
		}
	}
	return call(opPrefix+n.Operator, left, right)
}

func isNil(node ast.Node) bool {
	_, ok := node.(*ast.NilNode)
	return ok
}

// shortCircuit gives the left operand when that decides the answer, and else combines both. The left operand is kept in
// a variable so that it is evaluated once.
func (r *rewriter) shortCircuit(left, right ast.Node, decides, combine string) ast.Node {
	return r.let(left, func(kept ast.Node) ast.Node {
		return &ast.ConditionalNode{
			Cond: call(decides, kept),
			Exp1: &ast.BoolNode{Value: decides == opTrue},
			Exp2: call(combine, kept, right),
		}
	})
}

func (r *rewriter) let(value ast.Node, body func(kept ast.Node) ast.Node) ast.Node {
	r.guards++
	name := fmt.Sprintf("$%d", r.guards)
	return &ast.VariableDeclaratorNode{Name: name, Value: value, Expr: body(&ast.IdentifierNode{Value: name})}
}

// builtin guards a function call: with an absent argument it has no answer, instead of failing or, as string(nil) does,
// of inventing one.
func (r *rewriter) builtin(n *ast.BuiltinNode) ast.Node {
	r.rewriteAll(n.Arguments)
	for _, argument := range n.Arguments {
		if predicate, ok := argument.(*ast.PredicateNode); ok && wantsBool(n.Name) {
			predicate.Node = call(opTrue, predicate.Node)
		}
	}
	if n.Name == "type" {
		return n
	}
	return r.guard(n, n.Arguments)
}

// wantsBool tells whether the function's predicate chooses elements, and so may not give nil.
func wantsBool(function string) bool {
	switch function {
	case "map", "sum", "sortBy":
		return false
	}
	return true
}

func (r *rewriter) slice(n *ast.SliceNode) ast.Node {
	arguments := []ast.Node{r.rewrite(n.Node)}
	if n.From != nil {
		n.From = r.rewrite(n.From)
	}
	if n.To != nil {
		n.To = r.rewrite(n.To)
	}
	return r.guardInto(n, arguments, func(kept []ast.Node) { n.Node = kept[0] })
}

func (r *rewriter) guard(n ast.Node, arguments []ast.Node) ast.Node {
	return r.guardInto(n, arguments, func(kept []ast.Node) { copy(arguments, kept) })
}

// guardInto keeps each argument that may be nil in a variable and evaluates n only when none is.
func (r *rewriter) guardInto(n ast.Node, arguments []ast.Node, replace func(kept []ast.Node)) ast.Node {
	kept := slices.Clone(arguments)
	var names, values []ast.Node
	for i, argument := range arguments {
		switch argument.(type) {
		case *ast.PredicateNode, *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.ArrayNode, *ast.MapNode:
			continue
		}
		r.guards++
		name := &ast.IdentifierNode{Value: fmt.Sprintf("$%d", r.guards)}
		kept[i] = name
		names, values = append(names, name), append(values, argument)
	}
	replace(kept)
	if len(names) == 0 {
		return n
	}
	var guarded ast.Node = &ast.ConditionalNode{Cond: call(opAbsent, names...), Exp1: &ast.NilNode{}, Exp2: n}
	for i := len(names) - 1; i >= 0; i-- {
		guarded = &ast.VariableDeclaratorNode{Name: names[i].(*ast.IdentifierNode).Value, Value: values[i], Expr: guarded}
	}
	return guarded
}
