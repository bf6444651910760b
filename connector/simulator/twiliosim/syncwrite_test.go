package twiliosim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/twiliosim"
)

const syncBase = "/sync/v1/Services/default"

// syncAnswer is what of an answer these tests look at.
type syncAnswer struct {
	Code     int
	Revision string
	Data     map[string]any
}

// write posts to Sync under a revision, or deletes where there is no form, and wants a status.
func (f fixture) write(t *testing.T, path, revision string, form url.Values, status int) syncAnswer {
	t.Helper()
	method := http.MethodPost
	if form == nil {
		method = http.MethodDelete
	}
	r := httptest.NewRequest(method, syncBase+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if revision != "" {
		r.Header.Set("If-Match", revision)
	}
	r.SetBasicAuth(f.w.AccountSID, f.w.AuthToken)
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, r)
	var a syncAnswer
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
			t.Fatalf("%s: %v in %s", path, err, rec.Body)
		}
	}
	if rec.Code != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, rec.Code, status, rec.Body)
	}
	return a
}

func item(key, data string) url.Values { return url.Values{"Key": {key}, "Data": {data}} }

// TestSyncIsWritten creates, races, updates, expires and deletes an item and a document.
func TestSyncIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{})
	f.write(t, "/Maps/customers/Items", "", item("a", `{}`), http.StatusNotFound)
	f.write(t, "/Maps", "", url.Values{"UniqueName": {"customers"}}, http.StatusCreated)
	if a := f.write(t, "/Maps", "", url.Values{"UniqueName": {"customers"}}, http.StatusConflict); a.Code != 54301 {
		t.Errorf("a name that exists: %+v", a)
	}
	const one = "/Maps/customers/Items/%2B33612345678"
	form := item("+33612345678", `{"n":1}`)
	f.write(t, one, "", form, http.StatusNotFound)
	form.Set("ItemTtl", "60")
	first := f.write(t, "/Maps/customers/Items", "", form, http.StatusCreated)
	if a := f.write(t, "/Maps/customers/Items", "", form, http.StatusConflict); a.Code != 54208 {
		t.Errorf("a key that exists: %+v", a)
	}
	second := f.write(t, one, first.Revision, item("", `{"n":2}`), http.StatusOK)
	if a := f.write(t, one, first.Revision, item("", `{"n":3}`), http.StatusPreconditionFailed); a.Code != 54103 || second.Revision == first.Revision {
		t.Errorf("another's revision: %+v", a)
	}
	if got := get[syncAnswer](t, f, syncBase+one, http.StatusOK); got.Data["n"] != 2.0 || got.Revision != second.Revision {
		t.Errorf("read %+v", got)
	}
	f.clock.Set(f.clock.Now().Add(time.Minute))
	get[problem](t, f, syncBase+one, http.StatusNotFound)
	f.write(t, "/Maps/customers/Items", "", item("b", `{}`), http.StatusCreated)
	f.write(t, "/Maps/customers/Items/b", "", nil, http.StatusNoContent)
	f.write(t, "/Maps/customers/Items/b", "", nil, http.StatusNotFound)

	f.write(t, "/Documents", "", url.Values{"UniqueName": {"d"}, "Data": {`{"n":1}`}}, http.StatusCreated)
	f.write(t, "/Documents/d", "0", url.Values{"Data": {`{"n":2}`}}, http.StatusOK)
	f.write(t, "/Documents/d", "0", url.Values{"Data": {`{"n":3}`}}, http.StatusPreconditionFailed)
	if got := get[syncAnswer](t, f, syncBase+"/Documents/d", http.StatusOK); got.Data["n"] != 2.0 {
		t.Errorf("read %+v", got)
	}
	f.write(t, "/Documents/d", "", nil, http.StatusNoContent)
	get[problem](t, f, syncBase+"/Documents/d", http.StatusNotFound)
}

// TestSyncLimits reaches the limits of size and rate, and loses what was made.
func TestSyncLimits(t *testing.T) {
	t.Parallel()
	wall := time.Now()
	f := newFixture(twiliosim.Options{Wall: func() time.Time { return wall }, Faults: twiliosim.Faults{SyncWritesPerSecond: 20}})
	f.write(t, "/Maps", "", url.Values{"UniqueName": {"m"}}, http.StatusCreated)
	f.write(t, "/Maps/m/Items", "", item("a", `{"x":"`+strings.Repeat("y", 16<<10)+`"}`), http.StatusRequestEntityTooLarge)
	f.write(t, "/Maps/m/Items", "", item("a", `{"x":`), http.StatusBadRequest)
	f.write(t, "/Maps/m/Items", "", url.Values{"Key": {"a"}, "Data": {"{}"}, "ItemTtl": {"31536001"}}, http.StatusBadRequest)
	f.write(t, "/Streams", "", url.Values{"UniqueName": {"s"}}, http.StatusCreated)
	f.write(t, "/Streams/s/Messages", "", url.Values{"Data": {`{"x":"` + strings.Repeat("y", 4<<10) + `"}`}}, http.StatusRequestEntityTooLarge)
	f.write(t, "/Streams/s/Messages", "", url.Values{"Data": {`{"x":1}`}}, http.StatusCreated)
	if got := f.SyncMessages("s"); len(got) != 1 || string(got[0]) != `{"x":1}` {
		t.Errorf("messages %s", got)
	}
	f.write(t, "/Maps/m/Items", "", item("a", `{}`), http.StatusCreated)
	for range 199 {
		f.write(t, "/Maps/m/Items/a", "", item("", `{}`), http.StatusOK)
	}
	if a := f.write(t, "/Maps/m/Items/a", "", item("", `{}`), http.StatusTooManyRequests); a.Code != 54009 {
		t.Errorf("over the rate: %+v", a)
	}
	f.write(t, "/Streams/s/Messages", "", url.Values{"Data": {`{}`}}, http.StatusCreated) // another object
	wall = wall.Add(time.Second)
	f.write(t, "/Maps/m/Items/a", "", item("", `{"x":"`+strings.Repeat("y", 11<<10)+`"}`), http.StatusOK)
	f.write(t, "/Maps/m/Items/a", "", item("", `{"x":"`+strings.Repeat("y", 11<<10)+`"}`), http.StatusOK)
	f.write(t, "/Maps/m/Items/a", "", item("", `{}`), http.StatusTooManyRequests)

	f.RemoveSync(true)
	f.write(t, "/Maps", "", url.Values{"UniqueName": {"m"}}, http.StatusNotFound)
	f.RemoveSync(false)
	f.write(t, "/Maps/m/Items/a", "", item("", `{}`), http.StatusNotFound)
}

// TestSyncFaults answers with an error what was done, and refuses.
func TestSyncFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(twiliosim.Options{Faults: twiliosim.Faults{SyncLate: 1}})
	f.write(t, "/Maps", "", url.Values{"UniqueName": {"m"}}, http.StatusServiceUnavailable)
	f.write(t, "/Maps/m/Items", "", item("a", `{"n":1}`), http.StatusServiceUnavailable)
	if got := f.SyncItems("m"); string(got["a"].Data) != `{"n":1}` {
		t.Errorf("written %v", got)
	}
	f.SetFaults(twiliosim.Faults{SyncRefused: 1})
	if a := f.write(t, "/Maps/m/Items/a", "", item("", `{"n":2}`), http.StatusTooManyRequests); a.Code != 54009 {
		t.Errorf("refused with %+v", a)
	}
	if got := f.SyncItems("m"); string(got["a"].Data) != `{"n":1}` {
		t.Errorf("a refused write was done: %v", got)
	}
}
