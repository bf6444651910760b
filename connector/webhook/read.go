package webhook

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// gate lets a bounded number in and never makes anybody wait.
type gate chan struct{}

func (g gate) enter() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }

// checkHead refuses what the header alone shows to be wrong.
func (h *Handler) checkHead(w http.ResponseWriter, r *http.Request, rt *route) *problem {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", rt.sender.methods())
		return &problem{status: http.StatusMethodNotAllowed, reason: "method is not POST", detail: "expected POST"}
	}
	if p := checkContentType(r.Header, rt.sender.form); p != nil {
		return p
	}
	if r.ContentLength > h.limits.MaxBody {
		return tooLarge("the body is too large")
	}
	if !rt.hasProof(r.Header) {
		return forbidden("proof missing")
	}
	return nil
}

func (s sender) methods() string {
	if s.browser {
		return "POST, OPTIONS"
	}
	return "POST"
}

// checkContentType compares the type with what the sender posts. Compressed
// bodies are refused: no sender has reason to send one. A missing type is taken
// for the right one, since a 4xx would throw the event away (facts/twilio.md 6.4)
// and the signature covers the body either way.
func checkContentType(h http.Header, form bool) *problem {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &problem{status: http.StatusUnsupportedMediaType, reason: "the body is encoded", detail: "expected no Content-Encoding"}
	}
	value := h.Get("Content-Type")
	if value == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(value)
	switch {
	case err == nil && form && media == "application/x-www-form-urlencoded":
		return nil
	case err == nil && !form && (media == "application/json" || strings.HasSuffix(media, "+json")):
		return nil
	case form:
		return &problem{status: http.StatusUnsupportedMediaType, reason: "content type is not a form", detail: "expected application/x-www-form-urlencoded"}
	}
	return &problem{status: http.StatusUnsupportedMediaType, reason: "content type is not JSON", detail: "expected application/json"}
}

// read reads the body, and decodes it if it is a form.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, rt *route, req *request) *problem {
	body, err := h.readBody(w, r, req)
	if err != nil {
		return readProblem(err)
	}
	req.body = body
	if !rt.sender.form {
		return nil
	}
	if bytes.Count(body, []byte("&")) >= h.limits.MaxFields {
		return tooLarge("the form has too many fields")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		// A form that does not decode cannot have been signed.
		return forbidden("the form does not decode")
	}
	req.form = form
	return nil
}

// errNoPlace is for a large body that comes while enough others are held.
var errNoPlace = errors.New("too many large bodies at once")

// readBody reads the whole body. Small ones are bounded by the number of
// requests in flight; a larger one needs a place of its own, so that neither
// many small nor some large bodies can use up the memory.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, req *request) ([]byte, error) {
	from := http.MaxBytesReader(w, r.Body, h.limits.MaxBody)
	if r.ContentLength >= 0 {
		if r.ContentLength > h.limits.SmallBody && !h.enterLarge(req) {
			return nil, errNoPlace
		}
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(from, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(from, h.limits.SmallBody+1))
	if err != nil || int64(len(body)) <= h.limits.SmallBody {
		return body, err
	}
	if !h.enterLarge(req) {
		return nil, errNoPlace
	}
	rest, err := io.ReadAll(from)
	return append(body, rest...), err
}

func (h *Handler) enterLarge(req *request) bool {
	req.large = h.large.enter()
	return req.large
}

func (h *Handler) release(req *request) {
	if req.large {
		h.large.leave()
	}
}

func readProblem(err error) *problem {
	if errors.Is(err, errNoPlace) {
		return later(errNoPlace.Error(), nil)
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge("the body is too large")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return &problem{status: http.StatusRequestTimeout, reason: "the body came too slowly", detail: "the body came too slowly"}
	}
	return invalid("the body ended early")
}
