package failure_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"flexbrevo/connector/failure"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason           failure.Reason
		retryable, stops bool
	}{
		{failure.None, false, false}, {failure.Transient, true, false}, {failure.RateLimited, true, false},
		{failure.Unauthorized, false, true}, {failure.Forbidden, false, true}, {failure.Invalid, false, false},
		{failure.Gone, false, false}, {failure.Interrupted, true, false}, {failure.Unknown, true, false},
	} {
		if c.reason.Retryable() != c.retryable || c.reason.Stops() != c.stops {
			t.Errorf("%q: retryable %v, stops %v", c.reason, c.reason.Retryable(), c.reason.Stops())
		}
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	gone := &failure.Error{Op: "GET task", Reason: failure.Gone, Status: 404}
	for _, c := range []struct {
		err  error
		want failure.Reason
		as   *failure.Error
	}{
		{nil, failure.None, nil},
		{errors.New("disk full"), failure.Transient, nil},
		{gone, failure.Gone, gone},
		{fmt.Errorf("follow hint: %w", gone), failure.Gone, gone},
		{errors.Join(errors.New("disk full"), gone), failure.Gone, gone},
		{&failure.Error{Reason: failure.Unknown, Err: gone}, failure.Unknown, nil},
	} {
		if got := failure.ReasonOf(c.err); got != c.want {
			t.Errorf("ReasonOf(%v) = %q, want %q", c.err, got, c.want)
		}
		if got := failure.As(c.err); c.as != nil && got != c.as || c.want == failure.None && got != nil {
			t.Errorf("As(%v) = %v", c.err, got)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *failure.Error
		want string
	}{
		{&failure.Error{Op: "GET events", Reason: failure.RateLimited, Status: 429, Code: "20429"}, "GET events: rate limited (status 429, code 20429)"},
		{&failure.Error{Op: "POST contacts", Reason: failure.Unknown, Err: context.DeadlineExceeded}, "POST contacts: unknown: context deadline exceeded"},
		{&failure.Error{Op: "GET account", Reason: failure.Unauthorized, Status: 401, Remedy: "Check brevo.api_key."}, "GET account: unauthorized (status 401). Check brevo.api_key."},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if !errors.Is(c.err, c.err.Err) && c.err.Err != nil {
			t.Errorf("%v does not lead to its cause", c.err)
		}
	}
}
