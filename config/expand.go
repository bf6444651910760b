package config

import (
	"fmt"
	"regexp"
	"strings"
)

// expander replaces references to the environment.
type expander struct {
	lookup func(name string) (string, bool)
}

// expandProblem says why a text cannot be expanded. It names variables, never their values.
type expandProblem struct{ message, expected string }

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// all replaces every ${NAME} and ${NAME:-default} and turns $$ into $. Used tells whether there was a reference.
func (e expander) all(text string) (expanded string, used bool, problem *expandProblem) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String(), used, nil
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case !strings.HasPrefix(after, "{"):
			out.WriteByte('$')
			text = after
		default:
			reference, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", used, &expandProblem{"a reference without its closing brace", "expected ${NAME} or ${NAME:-default}; $$ is a plain $"}
			}
			value, problem := e.one(reference)
			if problem != nil {
				return "", used, problem
			}
			out.WriteString(value)
			text, used = rest, true
		}
	}
}

func (e expander) one(reference string) (string, *expandProblem) {
	name, fallback, optional := strings.Cut(reference, ":-")
	if !variableName.MatchString(name) {
		return "", &expandProblem{"not a reference to the environment", "expected ${NAME} or ${NAME:-default}; $$ is a plain $"}
	}
	value, ok := e.lookup(name)
	if value != "" || (ok && !optional) {
		return value, nil
	}
	if !optional {
		return "", &expandProblem{
			fmt.Sprintf("the environment has no %s", name),
			fmt.Sprintf("set it, or write ${%s:-} if it may be left out", name),
		}
	}
	return fallback, nil
}
