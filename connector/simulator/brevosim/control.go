package brevosim

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// control registers the pages for the people who run the simulator as a process. They ask for no key, so that the
// server belongs on a loopback address.
func (s *Server) control() {
	show := func(path string, value func(r *http.Request) any) {
		s.mux.HandleFunc("GET /_sim/"+path, func(w http.ResponseWriter, r *http.Request) {
			reply(http.StatusOK, value(r)).write(w)
		})
	}
	show("contacts", func(r *http.Request) any { return s.contactSnapshots(window1000(r)) })
	show("events", func(r *http.Request) any { return s.eventSnapshots(window1000(r)) })
	show("calls", func(*http.Request) any { return callRows(s.Calls()) })
	show("violations", func(*http.Request) any { return slices.Concat([]string{}, s.Violations()) })
	show("summary", func(*http.Request) any { return s.Summary() })
	show("objects/{type}", func(r *http.Request) any { return s.Objects(r.PathValue("type")) })
	show("notes", func(*http.Request) any { return slices.Concat([]Note{}, s.Notes()) })
	show("tasks", func(*http.Request) any { return slices.Concat([]Task{}, s.Tasks()) })
	show("lists", func(*http.Request) any { return s.Lists() })
	show("attributes", func(*http.Request) any { return s.Attributes() })
	show("faults", func(*http.Request) any { return faultsSetting(s.faults.Load().Faults) })
	show("quirks", func(*http.Request) any { return quirksSetting(*s.quirks.Load()) })
	s.mux.HandleFunc("POST /_sim/faults", s.postFaults)
	s.mux.HandleFunc("POST /_sim/quirks", s.postQuirks)
	s.mux.HandleFunc("POST /_sim/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /_sim/reports/{process}/{name}", s.getReport)
}

// window1000 reads offset and limit of a control page; a page is 1,000 rows unless asked otherwise.
func window1000(r *http.Request) (offset, limit int) {
	offset, _ = strconv.Atoi(r.FormValue("offset"))
	limit, _ = strconv.Atoi(r.FormValue("limit"))
	return max(0, offset), cmp.Or(max(0, limit), 1000)
}

// callRow is a line of /_sim/calls.
type callRow struct {
	Call
	Count int `json:"count"`
}

func callRows(calls map[Call]int) []callRow {
	rows := make([]callRow, 0, len(calls))
	for call, n := range calls {
		rows = append(rows, callRow{call, n})
	}
	slices.SortFunc(rows, func(a, b callRow) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
	})
	return rows
}

// faultsJSON is Faults with its durations as text.
type faultsJSON struct {
	Faults
	SlowFor setting `json:"slow_for"`
	Latency setting `json:"latency"`
	Jitter  setting `json:"jitter"`
}

func faultsSetting(f Faults) faultsJSON {
	return faultsJSON{Faults: f, SlowFor: setting(f.SlowFor), Latency: setting(f.Latency), Jitter: setting(f.Jitter)}
}

// quirksJSON is Quirks with its durations as text.
type quirksJSON struct {
	Quirks
	TooEarlyFor setting `json:"too_early_for"`
	ImportTime  setting `json:"import_time"`
}

func quirksSetting(q Quirks) quirksJSON {
	return quirksJSON{Quirks: q, TooEarlyFor: setting(q.TooEarlyFor), ImportTime: setting(q.ImportTime)}
}

// postFaults replaces the faults by those of the body; what it leaves out does not happen.
func (s *Server) postFaults(w http.ResponseWriter, r *http.Request) {
	var body faultsJSON
	if !readSetting(w, r, &body) {
		return
	}
	f := body.Faults
	f.SlowFor, f.Latency, f.Jitter = time.Duration(body.SlowFor), time.Duration(body.Latency), time.Duration(body.Jitter)
	s.SetFaults(f)
	reply(http.StatusOK, faultsSetting(f)).write(w)
}

// postQuirks replaces the quirks by those of the body.
func (s *Server) postQuirks(w http.ResponseWriter, r *http.Request) {
	var body quirksJSON
	if !readSetting(w, r, &body) {
		return
	}
	q := body.Quirks
	q.TooEarlyFor, q.ImportTime = time.Duration(body.TooEarlyFor), time.Duration(body.ImportTime)
	s.SetQuirks(q)
	reply(http.StatusOK, quirksSetting(q)).write(w)
}

// readSetting decodes a control body, in which a name that does not exist is a mistake worth telling.
func readSetting(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		refuse(http.StatusBadRequest, codeInvalid, err.Error()).write(w)
		return false
	}
	return true
}

func reportPath(process int64, name string) string {
	return fmt.Sprintf("/_sim/reports/%d/%s.csv", process, name)
}

// getReport serves the CSV report of an import: the email and the attributes of each row. What the real files hold is
// not known.
func (s *Server) getReport(w http.ResponseWriter, r *http.Request) {
	if s.quirks.Load().ReportsExpired {
		answer{status: http.StatusForbidden, contentType: "application/xml", body: []byte(expiredLink)}.write(w)
		return
	}
	rows, ok := s.reportRows(r.PathValue("process"), r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	out.Comma = ';'
	_ = out.Write([]string{"EMAIL", "ATTRIBUTES"}) // a buffer takes every write
	for _, row := range rows {
		attributes, _ := json.Marshal(row.Attributes) // came from JSON
		_ = out.Write([]string{row.Email, string(attributes)})
	}
	out.Flush()
	answer{status: http.StatusOK, contentType: "text/csv; charset=utf-8", body: text.Bytes()}.write(w)
}

// expiredLink is what a file store says of a link that is no longer good.
const expiredLink = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`

func (s *Server) reportRows(process, file string) ([]importRow, bool) {
	a, _ := s.enter()
	defer s.mu.Unlock()
	p, ok := a.processOf(process)
	if !ok {
		return nil, false
	}
	for _, name := range reportNames() {
		if name+".csv" == file && len(p.reports[name]) > 0 {
			return p.reports[name], true
		}
	}
	return nil, false
}

// setting is a duration in JSON, such as "250ms".
type setting time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d setting) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *setting) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = setting(parsed)
	return err
}
