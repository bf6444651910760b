package main_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flexbrevo/connector/record"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store/sqlstore"
)

// keptBody is the body of a record as it came, and as it lies in the store.
type keptBody struct{ came, stored []byte }

// storeURL is the lab's store.
func (l *lab) storeURL() string {
	if url := l.env["STORE"]; strings.HasPrefix(url, "postgres") {
		return url
	}
	return "sqlite://" + filepath.Join(l.dir, "flexbrevo.db")
}

// bodies are those of all records of a store. Compressed ones do not show what they hold to who looks for it in the
// bytes of a file.
func (l *lab) bodies(url string) []keptBody {
	l.t.Helper()
	stored := storedBodies(l.t, url)
	s, err := sqlstore.Open(l.t.Context(), url, sqlstore.Options{ReadOnly: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	var out []keptBody
	for after := int64(0); ; {
		var records []record.Record
		if records, err = s.LoadRecordsAfter(l.t.Context(), "twilio_flex", after, 1000); err != nil {
			l.t.Fatal(err)
		}
		if len(records) == 0 {
			return out
		}
		for _, r := range records {
			after = r.ID
			if r.Damage != "" {
				l.t.Errorf("record %s: %s", r.Key, r.Damage)
			}
			out = append(out, keptBody{r.Body, stored[r.ID]})
		}
	}
}

// storedBodies are the bytes of all bodies by the ids of their records.
func storedBodies(t *testing.T, url string) map[int64][]byte {
	t.Helper()
	driver, name := "pgx", url
	if path, lite := strings.CutPrefix(url, "sqlite://"); lite {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT id, body FROM records`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[int64][]byte{}
	for rows.Next() {
		var id int64
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			t.Fatal(err)
		}
		out[id] = body
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// files are the bytes of the lab's SQLite store, which may be in use, by name.
func (l *lab) files() map[string][]byte {
	l.t.Helper()
	out := map[string][]byte{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		text, err := os.ReadFile(filepath.Join(l.dir, "flexbrevo.db"+suffix))
		if err != nil && !os.IsNotExist(err) {
			l.t.Fatal(err)
		}
		out["flexbrevo.db"+suffix] = text
	}
	return out
}

// keepStored takes note of how the person's records are stored, and makes sure that they can be found so.
func (l *lab) keepStored(k *known) {
	l.t.Helper()
	for _, b := range l.bodies(l.storeURL()) {
		if k.trace(b.came) != "" {
			k.stored = append(k.stored, b.stored)
		}
	}
	found, compressed := 0, 0
	files := l.files()
	for _, stored := range k.stored {
		if stored[0] >= 0xf8 {
			compressed++
		}
		for _, text := range files {
			if bytes.Contains(text, stored) {
				found++
				break
			}
		}
	}
	if compressed < 5 || found < compressed && !strings.HasPrefix(l.env["STORE"], "postgres") {
		l.t.Fatalf("of %d bodies that tell of the person %d are compressed, and %d are found in the file", len(k.stored), compressed, found)
	}
}

// TestBodiesTakeLittle syncs a day and looks at how much its bodies take.
func TestBodiesTakeLittle(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			if kind == "postgres" {
				env["STORE"] = postgres.Database(t)
			}
			l := newLab(t, setup{world: aDay(91, 40, false), env: env})
			l.must(0, "sync")
			came, stored := 0, 0
			for _, b := range l.bodies(l.storeURL()) {
				came, stored = came+len(b.came), stored+len(b.stored)
			}
			if came == 0 || stored > came*42/100 {
				t.Errorf("%d bytes of bodies are stored as %d", came, stored)
			}
		})
	}
}

// TestStoreRecord prints records as Twilio gave them, and says of which there is nothing to print.
func TestStoreRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: aDay(92, 20, false)})
	l.must(0, "sync")
	var event world.Event
	for i := range l.world.Tasks {
		event = l.world.TaskEvents(i)[0]
	}
	r := l.must(0, "store", "record", event.SID, event.SID)
	var body struct{ SID, EventType string }
	if err := json.Unmarshal([]byte(strings.ReplaceAll(r.stdout, "event_type", "EventType")), &body); err != nil || body.SID != event.SID || body.EventType != event.Type {
		t.Errorf("record %s prints %q, %v", event.SID, r.stdout, err)
	}
	if r := l.must(1, "store", "record", "EVnone", event.SID); !strings.Contains(r.stderr, `no record is kept under the key "EVnone"`) || !strings.Contains(r.stdout, event.SID) {
		t.Errorf("of one that is not there it says %q and %q", r.stdout, r.stderr)
	}
	l.must(2, "store", "record")

	db := l.database()
	if _, err := db.Exec(`UPDATE records SET body = substr(body, 1, 40) WHERE key = $1`, event.SID); err != nil {
		t.Fatal(err)
	}
	if r := l.must(1, "store", "record", event.SID); !strings.Contains(r.stderr, "damaged") || r.stdout != "" {
		t.Errorf("of a damaged one it says %q and %q", r.stdout, r.stderr)
	}
}
