package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Template is a text with expressions in braces, such as "Waited {task.wait_time} s". Two braces stand for one. It is
// safe for use from several goroutines.
type Template struct {
	text  string
	parts []templatePart
}

// templatePart is a piece of plain text, or an expression.
type templatePart struct {
	plain string
	value *Expression
}

// CompileTemplate compiles a text. The Template is nil when the problems hold an error; their offsets are in the text.
func CompileTemplate(text string, scope Scope, at Position) (*Template, Problems) {
	t := &Template{text: text}
	var problems Problems
	var plain strings.Builder
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			plain.WriteByte(c)
			i += 2
		case c == '}':
			return nil, append(problems, braceProblem(text, i, at, "a closing brace without an opening one"))
		case c != '{':
			plain.WriteByte(c)
			i++
		default:
			n := expressionEnd(text[i+1:])
			if n < 0 {
				return nil, append(problems, braceProblem(text, i, at, "an opening brace without a closing one"))
			}
			if plain.Len() > 0 {
				t.parts = append(t.parts, templatePart{plain: plain.String()})
				plain.Reset()
			}
			value, found := CompileValue(text[i+1:i+1+n], scope, at)
			for _, problem := range found {
				problem.Offset += utf8.RuneCountInString(text[:i+1])
				problems = append(problems, problem)
			}
			t.parts = append(t.parts, templatePart{value: value})
			i += n + 2
		}
	}
	if plain.Len() > 0 {
		t.parts = append(t.parts, templatePart{plain: plain.String()})
	}
	if problems.Failed() {
		return nil, problems
	}
	return t, problems
}

func braceProblem(text string, i int, at Position, message string) Problem {
	return Problem{
		At: at, Offset: utf8.RuneCountInString(text[:i]), Message: message,
		Expected: "expected {expression}, or two braces for one that is meant",
	}
}

// expressionEnd finds the brace that closes an expression, past texts in quotes and braces of its own; -1 for none.
func expressionEnd(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// Text gives the template as it was written.
func (t *Template) Text() string { return t.text }

// Render fills the text in; what has no value is left out. An error joins what could not be evaluated, says nothing of
// the values, and leaves a usable text without them.
func (t *Template) Render(env *Env) (string, error) {
	var out strings.Builder
	var failures []error
	for _, p := range t.parts {
		if p.value == nil {
			out.WriteString(p.plain)
			continue
		}
		value, err := p.value.Eval(env)
		if err = unlessAbsent(err); err != nil {
			failures = append(failures, err)
			continue
		}
		out.WriteString(written(value))
	}
	return out.String(), errors.Join(failures...)
}

// written puts a value into words.
func written(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []any:
		words := make([]string, len(v))
		for i, one := range v {
			words[i] = written(one)
		}
		return strings.Join(words, ", ")
	}
	return fmt.Sprint(value)
}
