package twiliosim

import (
	"maps"
	"net/http"
	"time"
)

// Fault is one way in which a request goes wrong at the edge.
type Fault string

// The faults, and none.
const (
	NoFault           Fault = ""
	TooManyRequests   Fault = "too_many_requests"  // 429 with code 20429
	BadGateway        Fault = "bad_gateway"        // 502 with a page of HTML
	Redirect          Fault = "redirect"           // 302 to a page for people
	StrayUnauthorized Fault = "stray_unauthorized" // 401 although the credentials are right
	Reset             Fault = "reset"              // the connection ends in the middle of the body
	Slow              Fault = "slow"               // the answer takes Faults.SlowMillis
)

// Faults is what goes wrong, and how often: probabilities from 0 to 1, of which at most one strikes a
// request. The zero value is a Twilio without faults.
type Faults struct {
	// Only is the one API that the random faults strike, by the first part of its stand-in path; "" is all.
	Only string `json:"only"`

	TooManyRequests   float64 `json:"too_many_requests"`
	BadGateway        float64 `json:"bad_gateway"`
	Redirect          float64 `json:"redirect"`
	StrayUnauthorized float64 `json:"stray_unauthorized"`
	Reset             float64 `json:"reset"`
	Slow              float64 `json:"slow"`
	SlowMillis        int     `json:"slow_millis"` // how slow; default 2000

	Redact        float64 `json:"redact"`         // event pages without task attributes
	UnknownFields float64 `json:"unknown_fields"` // answers with fields that nobody documents

	SyncRefused float64 `json:"sync_refused"` // writes to Sync refused with 429 and code 54009
	SyncLate    float64 `json:"sync_late"`    // writes to Sync answered 503 after they were done
	// SyncWritesPerSecond is the limit of each object of Sync, and of creation and deletion in its service; ten
	// seconds' worth may come at once. 0 for no limit.
	SyncWritesPerSecond float64 `json:"sync_writes_per_second"`

	SkewSeconds int `json:"skew_seconds"` // by how much the Date header is ahead of the account's clock

	// RequestsPerSecond is the limit of each API by the first part of its stand-in path, such as
	// "taskrouter"; what is not named has none. A second's worth may come at once.
	RequestsPerSecond map[string]float64 `json:"requests_per_second"`
	Concurrent        int                `json:"concurrent"`          // requests at a time; 0 for no limit
	RetryAfterSeconds int                `json:"retry_after_seconds"` // header of every 429; 0 leaves it out
}

func (f Faults) clone() Faults {
	f.RequestsPerSecond = maps.Clone(f.RequestsPerSecond)
	return f
}

func (f *Faults) skew() time.Duration { return time.Duration(f.SkewSeconds) * time.Second }

// SetFaults changes what goes wrong from the next request on.
func (s *Server) SetFaults(faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults.clone()
}

// FailNext makes the next requests go wrong in one way, whatever the probabilities. Calls add up. A
// NoFault lets that many requests pass.
func (s *Server) FailNext(fault Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.script = append(s.script, fault)
	}
}

func (s *Server) currentFaults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The map is replaced as a whole by SetFaults and never written to, so it may be shared.
	return s.faults
}

// nextFault is what strikes a request to an API: the script first, then chance.
func (s *Server) nextFault(api string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) > 0 {
		fault := s.script[0]
		s.script = s.script[1:]
		return fault
	}
	if s.faults.Only != "" && s.faults.Only != api {
		return NoFault
	}
	draw := s.random.Float64()
	for _, f := range []struct {
		fault Fault
		share float64
	}{
		{TooManyRequests, s.faults.TooManyRequests}, {BadGateway, s.faults.BadGateway}, {Redirect, s.faults.Redirect},
		{StrayUnauthorized, s.faults.StrayUnauthorized}, {Reset, s.faults.Reset}, {Slow, s.faults.Slow},
	} {
		if draw < f.share {
			return f.fault
		}
		draw -= f.share
	}
	return NoFault
}

// roll draws whether something with a probability of its own happens.
func (s *Server) roll(share func(*Faults) float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := share(&s.faults)
	return p > 0 && s.random.Float64() < p
}

// failAtEdge answers in the place of the API and tells whether it did.
func (s *Server) failAtEdge(w http.ResponseWriter, r *http.Request, fault Fault, faults *Faults) bool {
	switch fault {
	case TooManyRequests:
		sendProblem(w, tooManyRequests(faults))
	case StrayUnauthorized:
		sendProblem(w, unauthorized())
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"))
	case Redirect:
		w.Header().Set("Location", "https://status.twilio.com/")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte("<html><body>Moved</body></html>"))
	case Slow:
		return !pause(r, faults.SlowMillis)
	default:
		return false
	}
	return true
}

// pause waits as long as a slow answer takes, and tells whether the client is still there.
func pause(r *http.Request, millis int) bool {
	if millis <= 0 {
		millis = 2000
	}
	timer := time.NewTimer(time.Duration(millis) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
