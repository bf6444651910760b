package connector

import (
	"net/http"

	"flexbrevo/connector/store"
)

// trusting sends nothing for work whose lease may have run out. It stands last
// before the wire, behind the wait for the budget: a process that was paused and
// goes on must not say what its successor has said already.
type trusting struct{ wire http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t trusting) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := store.Trusted(r.Context()); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // nothing was read from it
		}
		return nil, err
	}
	return t.wire.RoundTrip(r)
}
