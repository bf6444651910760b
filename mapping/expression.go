package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// The budgets of one expression: generous for a rule, small enough that no rule can stall or swell the process.
const (
	maxExpressionBytes = 4096
	maxNodes           = 500
	maxMemory          = 50_000 // elements that one evaluation may create
)

// Scope tells which names an expression may use.
type Scope int

// The scopes of design section 3.2.
const (
	// FieldScope knows the customer: identifiers, attributes, metrics.
	FieldScope Scope = iota
	// EventScope also knows task, conversation, survey, worker, queue and event.
	EventScope
)

// ErrAbsent is what an AbsentError matches.
var ErrAbsent = errors.New("no value")

// AbsentError says that an expression has no answer because values it works with are absent. It is no fault.
type AbsentError struct {
	// Names are the absent names and paths, as the operator wrote them, in order.
	Names []string
}

// Error lists the names.
func (e *AbsentError) Error() string {
	if len(e.Names) == 0 {
		return "an element it works with has no value"
	}
	verb := " has"
	if len(e.Names) > 1 {
		verb = " have"
	}
	return strings.Join(e.Names, ", ") + verb + " no value"
}

// Is makes errors.Is(err, ErrAbsent) true.
func (e *AbsentError) Is(target error) bool { return target == ErrAbsent }

// EvalError says that an expression could not be evaluated for one customer's data, such as text where a number is
// needed. It never shows a value.
type EvalError struct {
	// Text is the expression, Reason the cause without any value.
	Text, Reason string
}

// Error names the expression and the reason.
func (e *EvalError) Error() string { return fmt.Sprintf("evaluate %s: %s", e.Text, e.Reason) }

// Expression is one compiled expression. It is safe for use from several goroutines.
type Expression struct {
	text   string
	direct *path // set when the whole expression is one path
	code   *vm.Program
	paths  []*path
	gives  reflect.Type
}

// CompileValue compiles one expression that gives a value of any kind. The Expression is nil when the problems hold
// an error.
func CompileValue(text string, scope Scope, at Position) (*Expression, Problems) {
	e, faults := compileExpression(text, scope)
	return e, faults.at(at)
}

// Text gives the expression as it was written.
func (e *Expression) Text() string { return e.text }

// Eval gives the expression's value for env, nil when it has none. The error is an *AbsentError when a calculation
// lacks a value (a plain path that leads nowhere is nil without error), else an *EvalError.
func (e *Expression) Eval(env *Env) (any, error) {
	if e.direct != nil {
		return e.direct.fetch(env), nil
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	value, err := machine.Run(e.code, env)
	if err != nil {
		return nil, &EvalError{Text: e.text, Reason: reasonOf(err)}
	}
	if value == nil {
		return nil, e.absent(env)
	}
	return value, nil
}

func (e *Expression) absent(env *Env) *AbsentError {
	var names []string
	for _, p := range e.paths {
		if p.fetch(env) == nil {
			names = append(names, p.text)
		}
	}
	return &AbsentError{Names: names}
}

// reasonOf says why an evaluation failed in words that hold types only: the library's own texts quote the value, which
// may be a name or a number of the customer.
func reasonOf(err error) string {
	var notBool *boolError
	var zero *moduloError
	var located *file.Error
	switch {
	case errors.As(err, &notBool):
		return notBool.Error()
	case errors.As(err, &zero):
		return zero.Error()
	case !errors.As(err, &located):
		return "a value has the wrong type"
	case mismatch(located.Message) != "":
		return mismatch(located.Message)
	case strings.HasPrefix(located.Message, "invalid operation: int("), strings.HasPrefix(located.Message, "invalid operation: float("):
		return "text that is no number"
	case strings.HasPrefix(located.Message, "invalid date"), strings.HasPrefix(located.Message, "parsing time"):
		return "text that is no date"
	case strings.HasPrefix(located.Message, "memory budget"):
		return "the result is too large"
	default:
		return "a value has the wrong type"
	}
}

// mismatchPattern is the library's text for an operator between wrong types. Its other texts may quote a value.
var mismatchPattern = regexp.MustCompile(`^invalid operation: ([\w.\[\]{}* ]+) ([-+*/<>=]{1,2}) ([\w.\[\]{}* ]+)$`)

// mismatch puts such a text into the words of the rules, or gives "" for any other text.
func mismatch(message string) string {
	parts := mismatchPattern.FindStringSubmatch(message)
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s", kindOfGoType(parts[1]), parts[2], kindOfGoType(parts[3]))
}

func kindOfGoType(name string) string {
	switch {
	case name == "string":
		return "text"
	case name == "bool":
		return "true or false"
	case name == "int" || name == "float64":
		return "a number"
	case strings.HasPrefix(name, "[]"):
		return "a list"
	case strings.HasPrefix(name, "map["):
		return "an object"
	case name == "time.Time":
		return "a date"
	default:
		return "something else"
	}
}

// Condition is a compiled expression that is true or false. It is safe for use from several goroutines.
type Condition struct{ expression *Expression }

// CompileCondition compiles one expression that must give true or false. The Condition is nil when the problems hold
// an error.
func CompileCondition(text string, scope Scope, at Position) (*Condition, Problems) {
	e, faults := compileExpression(text, scope)
	if e != nil && e.gives != nil && e.gives.Kind() != reflect.Bool {
		faults = append(faults, fault{
			message:  "the condition gives " + describe(e.gives),
			expected: `expected an expression that is true or false, such as customer_tier == "gold"`,
		})
		e = nil
	}
	if e == nil {
		return nil, faults.at(at)
	}
	return &Condition{e}, faults.at(at)
}

// Text gives the condition as it was written.
func (c *Condition) Text() string { return c.expression.text }

// Eval tells whether the condition holds. It is false with every error: an *AbsentError when it has no answer, else an
// *EvalError.
func (c *Condition) Eval(env *Env) (bool, error) {
	value, err := c.expression.Eval(env)
	if err != nil {
		return false, err
	}
	if value == nil {
		return false, c.expression.absent(env)
	}
	holds, ok := value.(bool)
	if !ok {
		return false, &EvalError{Text: c.expression.text, Reason: (&boolError{value}).Error()}
	}
	return holds, nil
}
