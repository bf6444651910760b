package twiliosim

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// object makes an object of names and values in turn.
func object(pairs ...any) world.Fields {
	fields := make(world.Fields, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		fields = append(fields, world.Field{Name: pairs[i].(string), Value: pairs[i+1]})
	}
	return fields
}

// iso is how the REST APIs write a moment: whole seconds, UTC; nil for none.
func iso(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

// address returns the address that Twilio would give for a stand-in path.
func address(path string) string {
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "https://" + name + ".twilio.com/" + rest
}

// Problem is an error of the Twilio API; facts/twilio.md 10.
type Problem struct {
	Status     int
	Code       int
	Message    string
	RetryAfter int // seconds; 0 leaves the header out
}

// Error gives the code and the message.
func (p *Problem) Error() string { return fmt.Sprintf("twilio error %d: %s", p.Code, p.Message) }

func notFound(r *http.Request) error {
	path := r.URL.Path
	if _, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/v1"); ok {
		path = rest
	}
	return &Problem{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource " + path + " was not found"}
}

func badRequest(code int, format string, arguments ...any) error {
	return &Problem{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, arguments...)}
}

func unauthorized() error {
	return &Problem{Status: http.StatusUnauthorized, Code: 20003, Message: "Authenticate"}
}

func tooManyRequests(faults *Faults) error {
	return &Problem{Status: http.StatusTooManyRequests, Code: 20429, Message: "Too Many Requests", RetryAfter: faults.RetryAfterSeconds}
}

func sendProblem(w http.ResponseWriter, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = &Problem{Status: http.StatusInternalServerError, Code: 20500, Message: "Internal Server Error"}
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	body := object("code", p.Code, "message", p.Message, "more_info", fmt.Sprintf("https://www.twilio.com/docs/errors/%d", p.Code), "status", p.Status)
	send(w, p.Status, body.AppendJSON(nil))
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// scatter spreads numbers over all 64 bits, differently for each seed.
func scatter(seed, n uint64) uint64 {
	v := n*0x9e3779b97f4a7c15 ^ seed*0xd1342543de82ef95
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
