package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// fault is a problem inside an expression, before its place in the file is known.
type fault struct {
	offset            int
	message, expected string
	severity          Severity
}

type faults []fault

func (f faults) at(at Position) Problems {
	var problems Problems
	for _, one := range f {
		problems = append(problems, Problem{
			At: at, Offset: one.offset, Message: one.message, Expected: one.expected, Severity: one.severity,
		})
	}
	return problems
}

func (f faults) failed() bool {
	for _, one := range f {
		if one.severity == Error {
			return true
		}
	}
	return false
}

// compileExpression goes twice through the tree: first as written, against the types of the known names, so that
// mistakes are reported in the operator's own words; then rewritten so that nothing absent can fail.
func compileExpression(text string, scope Scope) (*Expression, faults) {
	if strings.TrimSpace(text) == "" {
		return nil, faults{{message: "the expression is empty", expected: "expected a name, a path or an expression"}}
	}
	if len(text) > maxExpressionBytes {
		return nil, faults{{message: "the expression is too long", expected: fmt.Sprintf("expected at most %d bytes", maxExpressionBytes)}}
	}
	tree, err := parser.ParseWithConfig(text, parseConfig())
	if err != nil {
		return nil, faults{syntaxFault(err)}
	}
	found := inspect(&tree.Node, scope)
	if found.failed() {
		return nil, found
	}
	gives, err := checker.Check(tree, typedConfig())
	if err != nil {
		return nil, append(found, syntaxFault(err))
	}
	e := &Expression{text: text, gives: resultType(gives)}
	rewriter := &rewriter{}
	tree.Node = rewriter.rewrite(tree.Node)
	e.paths = rewriter.paths
	if e.direct = rewriter.only(tree.Node); e.direct != nil {
		return e, found
	}
	if e.code, err = assemble(tree); err != nil {
		return nil, append(found, syntaxFault(err))
	}
	return e, found
}

func assemble(tree *parser.Tree) (*vm.Program, error) {
	config := runConfig()
	if _, err := checker.Check(tree, config); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, config)
}

// syntaxFault puts the library's message into our words where it speaks of tokens.
func syntaxFault(err error) fault {
	var located *file.Error
	if !errors.As(err, &located) {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return fault{message: message}
	}
	f := fault{offset: located.From, message: located.Message}
	switch {
	case f.message == "unexpected token EOF", f.message == "unexpected end of expression":
		f.message, f.expected = "the expression ends too early", "is a bracket or an operand missing?"
	case f.message == `unexpected token Operator("=")`:
		f.message, f.expected = "= compares nothing", "is == meant?"
	case strings.HasPrefix(f.message, "unexpected token "):
		f.expected = "is an operator or a quote missing before it?"
	}
	return f
}

// bannedFunctions are left out because they depend on the clock or on the order of a map, or because a short rule could
// make them eat the memory.
func bannedFunctions() []string {
	return []string{"now", "timezone", "keys", "values", "toPairs", "fromPairs", "groupBy", "reduce", "repeat"}
}

func parseConfig() *conf.Config {
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	config.Optimize = false
	return config
}

func typedConfig() *conf.Config {
	config := parseConfig()
	names := map[string]any{
		rootIdentity: "", rootFriendlyName: "", rootEmail: "", rootPhone: "",
	}
	for _, name := range objectRoots() {
		names[name] = map[string]any{}
	}
	for name, kind := range metricKinds {
		names[name] = ""
		switch {
		case isCount(name):
			names[name] = 0
		case kind == TypeFloat:
			names[name] = 0.0
		}
	}
	config.WithEnv(names)
	config.Strict = false
	return config
}

func runConfig() *conf.Config {
	config := parseConfig()
	for _, function := range operators() {
		config.Functions[function.Name] = function
	}
	return config
}

// resultType gives nil for a type that is only known at run time.
func resultType(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() == reflect.Interface || t.Kind() == reflect.Func {
		return nil
	}
	return t
}

func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a date"
	case t == reflect.TypeFor[time.Duration]():
		return "a duration"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}

func objectRoots() []string {
	return append([]string{rootAttributes}, eventRoots()...)
}

func eventRoots() []string {
	return []string{rootTask, rootConversation, rootSurvey, rootWorker, rootQueue, rootEvent}
}

// KnownNames gives every name that an expression of the scope knows; any other is looked up in the attributes.
func KnownNames(scope Scope) []string {
	names := []string{rootIdentity, rootFriendlyName, rootEmail, rootPhone, rootAttributes}
	if scope == EventScope {
		names = append(names, eventRoots()...)
	}
	for _, metric := range KnownMetrics() {
		names = append(names, metric.Name)
	}
	return names
}
