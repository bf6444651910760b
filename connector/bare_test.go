package connector_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"flexbrevo/connector/rawjson"
	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/world"
)

// bareSync is the least that anybody could do who reads all events of a world, keeps them
// durably and once, keeps what they say of each task, and tells Brevo of each customer and
// each completed task: no rules, no profiles, no outbox, no merging, no limits, no retries
// and no restart. What it reaches is the machine's and the simulators' own limit.
type bareSync struct {
	b     *testing.B
	db    *sql.DB
	stand *stands
	world *world.World
}

// bareEvent is one event as it came.
type bareEvent struct{ key, body, task, kind, attributes string }

// run makes one pass and returns how many events it handled.
func (s *bareSync) run() int {
	s.create()
	pages, kept, calls := make(chan []bareEvent, 2), make(chan []bareEvent, 2), make(chan func() error, 64)
	var group errgroup.Group
	group.Go(func() error { defer close(pages); return s.read(pages) })
	group.Go(func() error { defer close(kept); return s.keep(pages, kept) })
	n := 0
	group.Go(func() (err error) { defer close(calls); n, err = s.digest(kept, calls); return err })
	for range 8 {
		group.Go(func() error {
			for call := range calls {
				if err := call(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		s.b.Fatal(err)
	}
	return n
}

// create makes the tables of an empty database, which is as durable as the real one.
func (s *bareSync) create() {
	for _, text := range []string{
		`PRAGMA journal_mode = WAL`, `PRAGMA synchronous = FULL`,
		`CREATE TABLE records (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL)`,
		`CREATE TABLE tasks (sid TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
	} {
		s.must(s.db.Exec(text))
	}
}

func (s *bareSync) must(_ sql.Result, err error) {
	s.b.Helper()
	if err != nil {
		s.b.Fatal(err)
	}
}

// read reads half an hour after the other, page by page.
func (s *bareSync) read(pages chan<- []bareEvent) error {
	o := s.world.Options()
	for at := o.Start; at.Before(o.End.Add(24 * time.Hour)); at = at.Add(30 * time.Minute) {
		next := s.stand.env["TWILIO"] + "/taskrouter/v1/Workspaces/" + s.world.WorkspaceSID + "/Events?" + url.Values{
			"StartDate": {at.UTC().Format(time.RFC3339)}, "EndDate": {at.Add(30 * time.Minute).UTC().Format(time.RFC3339)}, "PageSize": {"1000"},
		}.Encode()
		for next != "" {
			page, following, err := s.page(next)
			if err != nil {
				return err
			}
			pages <- page
			next = following
		}
	}
	return nil
}

func (s *bareSync) page(from string) (page []bareEvent, next string, err error) {
	request, err := http.NewRequest(http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	request.SetBasicAuth(s.world.AccountSID, s.world.AuthToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("status %d, %w", response.StatusCode, err)
	}
	r := rawjson.ReadBytes(text)
	r.Object(func(name string) {
		switch name {
		case "events":
			r.Array(func() { page = append(page, readBare(r.Raw())) })
		case "meta":
			r.Object(func(name string) {
				raw := r.Raw()
				if name == "next_page_url" && raw != "null" {
					next, _ = rawjson.Text(raw)
				}
			})
		default:
			r.Skip()
		}
	})
	if next != "" { // it names Twilio
		_, path, _ := strings.Cut(next, "/v1/")
		next = s.stand.env["TWILIO"] + "/taskrouter/v1/" + path
	}
	return page, next, r.End()
}

func readBare(body string) bareEvent {
	e := bareEvent{body: body}
	r := rawjson.Read(body)
	r.Object(func(name string) {
		switch name {
		case "sid":
			e.key, _ = rawjson.Text(r.Raw())
		case "event_type":
			e.kind, _ = rawjson.Text(r.Raw())
		case "event_data":
			if !r.IsObject() {
				r.Skip()
				return
			}
			r.Object(func(name string) {
				switch raw := r.Raw(); name {
				case "task_sid":
					e.task, _ = rawjson.Text(raw)
				case "task_attributes":
					e.attributes, _ = rawjson.Text(raw)
				}
			})
		default:
			r.Skip()
		}
	})
	return e
}

// keep stores each page in one transaction.
func (s *bareSync) keep(pages <-chan []bareEvent, kept chan<- []bareEvent) error {
	for page := range pages {
		rows := []byte{'['}
		for i, e := range page {
			if i > 0 {
				rows = append(rows, ',')
			}
			rows = append(rawjson.AppendText(append(rows, '['), e.key), ',')
			rows = append(rawjson.AppendText(rows, e.body), ']')
		}
		_, err := s.db.Exec(`INSERT INTO records (key, body) SELECT value->>0, value->>1 FROM jsonb_each(?) WHERE true ON CONFLICT DO NOTHING`,
			string(append(rows, ']')))
		if err != nil {
			return err
		}
		kept <- page
	}
	return nil
}

// digest keeps what is known of each task, and tells of customers and completed tasks.
func (s *bareSync) digest(kept <-chan []bareEvent, calls chan<- func() error) (n int, err error) {
	customers := map[string]bool{}
	for page := range kept {
		n += len(page)
		last := map[string]string{}
		for _, e := range page {
			if e.task == "" {
				continue
			}
			last[e.task] = e.attributes
			members, err := rawjson.Members(e.attributes, nil)
			if err != nil {
				continue // some attributes are broken
			}
			address, _ := rawjson.Text(rawjson.Find(members, "email"))
			if address == "" {
				continue
			}
			if !customers[address] {
				customers[address] = true
				calls <- s.post("/contacts", fmt.Sprintf(`{"email":%q,"attributes":{"FIRSTNAME":"Ada"},"listIds":[3],"updateEnabled":true}`, address))
			}
			if e.kind == "task.completed" {
				calls <- s.post("/events", fmt.Sprintf(`{"event_name":"SUPPORT_RESOLVED","identifiers":{"email_id":%q},"event_properties":{"task_sid":%q}}`, address, e.task))
			}
		}
		rows := []byte{'['}
		for sid, attributes := range last {
			if len(rows) > 1 {
				rows = append(rows, ',')
			}
			rows = append(rawjson.AppendText(append(rows, '['), sid), ',')
			rows = append(rawjson.AppendText(rows, attributes), ']')
		}
		_, err := s.db.Exec(`INSERT INTO tasks (sid, body) SELECT value->>0, value->>1 FROM jsonb_each(?) WHERE true
			ON CONFLICT DO UPDATE SET body = excluded.body`, string(append(rows, ']')))
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *bareSync) post(path, body string) func() error {
	return func() error {
		request, err := http.NewRequest(http.MethodPost, s.stand.env["BREVO"]+"/v3"+path, bytes.NewReader([]byte(body)))
		if err != nil {
			return err
		}
		request.Header.Set("api-key", "key")
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
		_ = response.Body.Close()
		if response.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("%s: status %d", path, response.StatusCode)
		}
		return nil
	}
}

// benchBare reports what bareSync reaches.
func benchBare(b *testing.B) {
	w := benchWorld()
	records := 0
	for b.Loop() {
		b.StopTimer()
		db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "bare.db"))
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		s := &bareSync{b: b, db: db, world: w, stand: newStands(b, w, "sqlite:///unused", func(s *brevosim.Server) http.Handler { return s })}
		b.StartTimer()
		records += s.run()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
