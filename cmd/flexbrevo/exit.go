package main

import (
	"errors"

	"flexbrevo/connector"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/store"
)

// The exit codes; exitHelp prints the same table in every help text.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitCredentials = 4
	exitUnreachable = 5
	exitDeadLetters = 6
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the configuration cannot be used
  4  credentials refused
  5  remote unreachable; run again later
  6  finished, but this run left dead letters`

// errDeadLetters ends a run that gave deliveries up.
var errDeadLetters = errors.New("this run left dead letters; see `flexbrevo dead list`")

// errSaid ends a command that has already told the person what is wrong.
var errSaid = errors.New("already said")

// errCutShort is what is said of a command that a signal cut short.
var errCutShort = errors.New("interrupted; nothing is lost, run it again to go on")

type usageError struct{ error }

func usage(err error) error { return usageError{err} }

func (e usageError) Unwrap() error { return e.error }

// exitCode maps an error to the exit code: the one table there is.
func exitCode(err error) int {
	var config *configError
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config), errors.Is(err, store.ErrOtherKey), errors.Is(err, connector.ErrNoForgetKey):
		return exitConfig
	case some(err, func(r failure.Reason) bool { return r.Stops() }):
		return exitCredentials
	case errors.Is(err, connector.ErrWaiting),
		some(err, func(r failure.Reason) bool { return r.Retryable() }):
		return exitUnreachable
	case errors.Is(err, errDeadLetters):
		return exitDeadLetters
	}
	return exitFailed
}

// some says whether some failure in err's tree has a reason that matches. Errors
// that carry no reason do not count.
func some(err error, match func(failure.Reason) bool) bool {
	if f, ok := err.(*failure.Error); ok && match(f.Reason) {
		return true
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return u.Unwrap() != nil && some(u.Unwrap(), match)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			if some(e, match) {
				return true
			}
		}
	}
	return false
}
