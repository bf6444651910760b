package brevosim

import (
	"net/http"
	"slices"
	"time"
)

// process is a background job. Its state follows from the time alone; run is called once, when done has come.
type process struct {
	id                    int64
	name                  string
	created, begins, done time.Time
	failed                bool
	run                   func(*process)
	reports               map[string][]importRow
}

// report puts a row into one of the CSV reports of an import.
func (p *process) report(name string, row importRow) {
	if p.reports == nil {
		p.reports = map[string][]importRow{}
	}
	p.reports[name] = append(p.reports[name], row)
}

// start queues a job behind those that are not done yet.
func (a *account) start(q *Quirks, name string, now time.Time, run func(*process)) *process {
	whole := q.ImportTime
	switch {
	case whole == 0:
		whole = 3 * time.Second
	case whole < 0:
		whole = 0
	}
	free := now
	if n := len(a.processes); n > 0 && a.processes[n-1].done.After(free) {
		free = a.processes[n-1].done
	}
	p := &process{
		id: int64(len(a.processes) + 1), name: name,
		created: now, begins: free.Add(whole / 3), done: free.Add(whole), run: run,
	}
	a.processes = append(a.processes, p)
	return p
}

// status names the state at a time.
func (p *process) status(now time.Time) string {
	switch {
	case now.Before(p.begins):
		return "queued"
	case now.Before(p.done):
		return "processing"
	case p.failed:
		return "failed"
	}
	return "completed"
}

// reportNames are the CSV reports of an import (facts/brevo.md 1.5).
func reportNames() []string {
	return []string{
		"invalid_emails", "duplicate_contact_id", "duplicate_ext_id", "duplicate_email_id", "duplicate_phone_id",
		"duplicate_whatsapp_id", "duplicate_landline_number_id",
	}
}

// processView is a process as the API shows it. Each report is a URL or null.
type processView struct {
	ID     int64        `json:"id"`
	Name   string       `json:"name"`
	Status string       `json:"status"`
	Info   *processInfo `json:"info,omitempty"`
}

type processInfo struct {
	Import map[string]*string `json:"import"`
}

// view shows the process; base is where this server is reached.
func (p *process) view(now time.Time, base string) processView {
	view := processView{ID: p.id, Name: p.name, Status: p.status(now)}
	if view.Status != "completed" || p.name != "IMPORTUSER" {
		return view
	}
	view.Info = &processInfo{Import: map[string]*string{}}
	for _, name := range reportNames() {
		view.Info.Import[name] = nil
		if len(p.reports[name]) > 0 {
			url := base + reportPath(p.id, name)
			view.Info.Import[name] = &url
		}
	}
	return view
}

// getProcess is GET /processes/{processId}.
func (s *Server) getProcess(c *call) answer {
	a, now := s.enter()
	defer s.mu.Unlock()
	p, ok := a.processOf(c.path("processId"))
	if !ok {
		return refuse(http.StatusNotFound, codeNotFound, "Process ID does not exist")
	}
	return reply(http.StatusOK, p.view(now, baseOf(c.request)))
}

// getProcesses is GET /processes.
func (s *Server) getProcesses(c *call) answer {
	p, refusal, ok := readPage(c.query, 10, 50)
	if !ok {
		return refusal
	}
	a, now := s.enter()
	defer s.mu.Unlock()
	processes := slices.Clone(a.processes)
	if !p.ascending {
		slices.Reverse(processes)
	}
	from, to := p.span(len(processes))
	views := make([]processView, 0, to-from)
	for _, process := range processes[from:to] {
		views = append(views, process.view(now, baseOf(c.request)))
	}
	return reply(http.StatusOK, struct {
		Count     int           `json:"count"`
		Processes []processView `json:"processes"`
	}{len(processes), views})
}

// baseOf is the address under which a caller reached the server.
func baseOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// processOf finds a process by the text of its id.
func (a *account) processOf(text string) (*process, bool) {
	ids, err := intList([]string{text})
	if err != nil || len(ids) != 1 || ids[0] < 1 || ids[0] > int64(len(a.processes)) {
		return nil, false
	}
	return a.processes[ids[0]-1], true
}
