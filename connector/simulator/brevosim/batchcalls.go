package brevosim

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Limits of a batch (facts/brevo.md 4.2).
const (
	batchEvents = 200
	batchBytes  = 512 << 10
)

// batchResult is the body of 207 and of the 400 of a batch (facts/brevo.md 4.2).
type batchResult struct {
	Status     string       `json:"status"`
	Total      int          `json:"total_events"`
	Successful int          `json:"successful_events"`
	Failed     int          `json:"failed_events"`
	Errors     []batchError `json:"errors"`
}

// batchError is one message and the positions of all the events it concerns.
type batchError struct {
	Index   []int  `json:"eventIndex"`
	Message string `json:"message"`
}

// add notes a failed position.
func (r *batchResult) add(index int, message string) {
	r.Failed++
	for i := range r.Errors {
		if r.Errors[i].Message == message {
			r.Errors[i].Index = append(r.Errors[i].Index, index)
			return
		}
	}
	r.Errors = append(r.Errors, batchError{Index: []int{index}, Message: message})
}

// createEvents is POST /events/batch.
func (s *Server) createEvents(c *call) answer {
	raws, refusal, ok := readBatch(c)
	if !ok {
		return refusal
	}
	rules := s.rules(c.quirks)
	events := make([]incoming, len(raws))
	faults := make([]string, len(raws))
	for i, raw := range raws {
		events[i], faults[i] = readEvent(raw, rules)
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	result := batchResult{Total: len(raws)}
	for i, e := range events {
		if faults[i] == "" {
			faults[i] = s.record(a, c, e, now)
		}
		if faults[i] != "" {
			result.add(i, faults[i])
		}
	}
	result.Successful = result.Total - result.Failed
	return result.answer()
}

func (r batchResult) answer() answer {
	switch {
	case r.Failed == 0:
		return reply(http.StatusAccepted, struct {
			Message string `json:"message"`
			Count   int    `json:"count"`
		}{"All valid events have been queued successfully", r.Total})
	case r.Successful == 0:
		r.Status = "failed"
		return reply(http.StatusBadRequest, r)
	}
	r.Status = "partial_success"
	return reply(http.StatusMultiStatus, r)
}

// readBatch takes the events out of the body, which has been an object since April 2026 (facts/brevo.md 0). A bare
// array meets the decoder's message that people report.
func readBatch(c *call) ([]json.RawMessage, answer, bool) {
	if len(c.body) > batchBytes {
		status := c.quirks.OversizeStatus
		if status == 0 {
			status = http.StatusRequestEntityTooLarge
		}
		return nil, refuse(status, codeInvalid, "Request body exceeds 512KB"), false
	}
	if text := bytes.TrimLeft(c.body, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return nil, refuse(http.StatusBadRequest, codeInvalid,
			"json: cannot unmarshal array into Go value of type main.unifiedEventsRequest"), false
	}
	var body struct {
		Events []json.RawMessage `json:"events"`
	}
	switch err := json.Unmarshal(c.body, &body); {
	case err != nil:
		return nil, malformed(), false
	case len(body.Events) == 0:
		return nil, refuse(http.StatusBadRequest, codeMissing, "events is required"), false
	case len(body.Events) > batchEvents:
		return nil, refuse(http.StatusBadRequest, codeInvalid, "A maximum of 200 events is allowed"), false
	}
	return body.Events, answer{}, true
}
