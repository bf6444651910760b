package brevosim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a round tripper that hands requests to the server without a network, whatever host they name. A
// dropped connection becomes an error that wraps io.ErrUnexpectedEOF, and a request whose context ends returns its
// error at once; either way the server may have carried the request out. It needs no timers or connections of its own,
// so that it works in a testing/synctest bubble.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	request := r.Clone(r.Context())
	request.RequestURI = r.URL.RequestURI()
	request.RemoteAddr = "127.0.0.1:1"
	if request.Host == "" {
		request.Host = r.URL.Host
	}
	if request.Body == nil {
		request.Body = http.NoBody
	}
	defer request.Body.Close()
	recorder := recorder{status: http.StatusOK, header: http.Header{}}
	dropped := t.serve(&recorder, request)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if dropped {
		return nil, fmt.Errorf("simulated connection dropped: %w", io.ErrUnexpectedEOF)
	}
	return recorder.response(r), nil
}

// serve runs the handler and reports whether it asked for the connection to be dropped.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (dropped bool) {
	defer func() {
		switch reason := recover(); {
		case reason == nil:
		case isAbort(reason):
			dropped = true
		default:
			panic(reason)
		}
	}()
	t.server.ServeHTTP(w, r)
	return false
}

func isAbort(reason any) bool {
	err, ok := reason.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// recorder collects a response.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) response(request *http.Request) *http.Response {
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)),
		StatusCode: r.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        r.header,
		Body:          io.NopCloser(bytes.NewReader(r.body.Bytes())),
		ContentLength: int64(r.body.Len()),
		Request:       request,
	}
}
