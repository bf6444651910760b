package mapping

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm/runtime"
)

// The names of our own functions in a rewritten tree. No rule can write them: the inspector refuses calls of any
// function that the language itself does not have.
const (
	opPrefix = "$" // followed by a binary operator
	opPath   = "$path"
	opMember = "$member"
	opTrue   = "$true"
	opFalse  = "$false"
	opAnd    = "$and"
	opOr     = "$or"
	opNot    = "$not"
	opNegate = "$negate"
	opAbsent = "$absent"
)

// maxTextBytes bounds what + can build.
const maxTextBytes = 64 << 10

// boolError says that something else than true or false stands where a condition is needed.
type boolError struct{ value any }

func (e *boolError) Error() string {
	return kindOf(jsonForm(e.value)) + " where true or false is wanted"
}

func operators() []*builtin.Function {
	functions := []*builtin.Function{
		{Name: opPath, Func: func(args ...any) (any, error) {
			p := args[1].(*path)
			return p.fetch(args[0].(*Env)), nil
		}},
		{Name: opMember, Func: func(args ...any) (any, error) { return plain(member(args[0], args[1])), nil }},
		{Name: opAbsent, Func: func(args ...any) (any, error) { return slices.Contains(args, nil), nil }, Types: boolOf},
		{Name: opTrue, Func: func(args ...any) (any, error) { return decided(args[0], true) }, Types: boolOf},
		{Name: opFalse, Func: func(args ...any) (any, error) { return decided(args[0], false) }, Types: boolOf},
		{Name: opNot, Func: not},
		{Name: opAnd, Func: func(args ...any) (any, error) { return combine(args[0], args[1], false) }},
		{Name: opOr, Func: func(args ...any) (any, error) { return combine(args[0], args[1], true) }},
		{Name: opNegate, Func: func(args ...any) (any, error) {
			if args[0] == nil {
				return nil, nil
			}
			return runtime.Negate(args[0]), nil
		}},
	}
	for operator, apply := range binaryOperators() {
		functions = append(functions, &builtin.Function{Name: opPrefix + operator, Func: strict(apply)})
	}
	return functions
}

// boolOf is the signature of a function that always answers true or false; it is never written.
var boolOf = []reflect.Type{reflect.TypeFor[func(...any) bool]()}

// strict makes an operator answer nil when an operand is nil.
func strict(apply func(a, b any) (any, error)) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		return apply(args[0], args[1])
	}
}

// binaryOperators gives the operators with both operands present. The library's own panic on a type mismatch, which the
// virtual machine turns into an error.
func binaryOperators() map[string]func(a, b any) (any, error) {
	return map[string]func(a, b any) (any, error){
		"==": func(a, b any) (any, error) { return runtime.Equal(a, b), nil },
		"!=": func(a, b any) (any, error) { return !runtime.Equal(a, b), nil },
		"<":  func(a, b any) (any, error) { return runtime.Less(a, b), nil },
		"<=": func(a, b any) (any, error) { return runtime.LessOrEqual(a, b), nil },
		">":  func(a, b any) (any, error) { return runtime.More(a, b), nil },
		">=": func(a, b any) (any, error) { return runtime.MoreOrEqual(a, b), nil },
		"+":  add,
		"-":  func(a, b any) (any, error) { return runtime.Subtract(a, b), nil },
		"*":  func(a, b any) (any, error) { return runtime.Multiply(a, b), nil },
		"/":  func(a, b any) (any, error) { return runtime.Divide(a, b), nil },
		"%":  modulo,
		"**": func(a, b any) (any, error) { return runtime.Exponent(a, b), nil },
		"^":  func(a, b any) (any, error) { return runtime.Exponent(a, b), nil },
		"in": func(a, b any) (any, error) { return runtime.In(a, b), nil },
		"contains": func(a, b any) (any, error) {
			return strings.Contains(a.(string), b.(string)), nil
		},
		"startsWith": func(a, b any) (any, error) { return strings.HasPrefix(a.(string), b.(string)), nil },
		"endsWith":   func(a, b any) (any, error) { return strings.HasSuffix(a.(string), b.(string)), nil },
		"matches":    matches,
	}
}

func add(a, b any) (any, error) {
	left, isText := a.(string)
	if right, ok := b.(string); ok && isText && len(left)+len(right) > maxTextBytes {
		return nil, errors.New("memory budget exceeded")
	}
	return runtime.Add(a, b), nil
}

// modulo takes whole numbers in either form: JSON knows only floats.
func modulo(a, b any) (any, error) {
	left, leftOK := wholeNumber(a)
	right, rightOK := wholeNumber(b)
	if !leftOK || !rightOK || right == 0 {
		return nil, &moduloError{}
	}
	return left % right, nil
}

// moduloError says that % stands between other things than whole numbers.
type moduloError struct{}

func (*moduloError) Error() string { return "% needs two whole numbers, the second not 0" }

func matches(a, b any) (any, error) {
	pattern := b.(*regexp.Regexp)
	return pattern.MatchString(a.(string)), nil
}

// decided tells whether a truth value is known to be the wanted one.
func decided(v any, wanted bool) (any, error) {
	if v == nil {
		return false, nil
	}
	truth, ok := v.(bool)
	if !ok {
		return nil, &boolError{v}
	}
	return truth == wanted, nil
}

func not(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	truth, ok := args[0].(bool)
	if !ok {
		return nil, &boolError{args[0]}
	}
	return !truth, nil
}

// combine joins two truth values of which the left is not the dominant one (false for and, true for or): the dominant
// one wins, else the missing one, else the other.
func combine(left, right any, dominant bool) (any, error) {
	wins, err := decided(right, dominant)
	if err != nil {
		return nil, err
	}
	switch {
	case wins == true:
		return dominant, nil
	case left == nil || right == nil:
		return nil, nil
	default:
		return !dominant, nil
	}
}
