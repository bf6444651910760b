package twiliosim

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

// Call is a kind of request: the API by the first part of its path, the path with names in the place of
// SIDs (empty for a path that does not exist), and the status answered, which is 0 for a client that went
// away while it waited.
type Call struct {
	API    string `json:"api"`
	Path   string `json:"path"`
	Status int    `json:"status"`
}

// Calls returns how often each kind of request came so far.
func (s *Server) Calls() map[Call]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func (s *Server) count(r *http.Request, pattern string, status int, took time.Duration) {
	_, path, _ := strings.Cut(pattern, " ")
	call := Call{API: api(r.URL.Path), Path: path, Status: status}
	s.mu.Lock()
	s.calls[call]++
	s.mu.Unlock()
	s.options.Logger.DebugContext(r.Context(), "request", "api", call.API, "path", call.Path, "status", status, "took", took)
}

// controlRoutes is for people who run the simulator as a process. It needs no credentials: it listens on
// loopback and guards nothing.
func (s *Server) controlRoutes() {
	s.control.HandleFunc("GET /_sim/world", func(w http.ResponseWriter, _ *http.Request) { sendControl(w, s.worldSummary()) })
	s.control.HandleFunc("GET /_sim/calls", func(w http.ResponseWriter, _ *http.Request) { sendControl(w, s.callRows()) })
	s.control.HandleFunc("GET /_sim/faults", func(w http.ResponseWriter, _ *http.Request) { sendControl(w, s.currentFaults()) })
	s.control.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var faults Faults
		if readControl(w, r, &faults) {
			s.SetFaults(faults)
			sendControl(w, faults)
		}
	})
	s.control.HandleFunc("POST /_sim/fail", func(w http.ResponseWriter, r *http.Request) {
		var order struct {
			Fault Fault `json:"fault"`
			Times int   `json:"times"`
		}
		if readControl(w, r, &order) {
			s.FailNext(order.Fault, min(order.Times, 10_000))
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

type worldSummary struct {
	world.Summary
	Now time.Time `json:"now"`
}

func (s *Server) worldSummary() worldSummary {
	return worldSummary{Summary: s.world.Summary(), Now: s.Now()}
}

type callRow struct {
	Call
	Count int `json:"count"`
}

func (s *Server) callRows() []callRow {
	rows := []callRow{}
	for call, count := range s.Calls() {
		rows = append(rows, callRow{call, count})
	}
	slices.SortFunc(rows, func(a, b callRow) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Status, b.Status))
	})
	return rows
}

func sendControl(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// The client may be gone; there is nobody to tell.
	_ = encoder.Encode(value)
}

func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}
