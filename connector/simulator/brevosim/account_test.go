package brevosim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

func TestAuthorization(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{APIKey: "secret", OAuth: &brevosim.OAuthClient{ID: "id", Secret: "hush", Scopes: []string{"contacts:read", "account:read"}}})
	roundTrip := func(method, path, body string, header http.Header) (int, map[string]any) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://brevo.test"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := s.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(response.Body).Decode(&out); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return response.StatusCode, out
	}
	get := func(path string, header http.Header, want int) map[string]any {
		t.Helper()
		status, body := roundTrip("GET", path, "", header)
		if status != want {
			t.Errorf("%s: status %d, want %d: %v", path, status, want, body)
		}
		return body
	}
	get("/account", http.Header{}, 401)
	if body := get("/account", http.Header{"Api-Key": {"wrong"}}, 401); body["message"] != "Key not found" || body["code"] != "unauthorized" {
		t.Errorf("answered %v", body)
	}
	get("/account", http.Header{"Api-Key": {"secret"}}, 200)
	get("/account", http.Header{"Authorization": {"Bearer nonsense"}}, 401)

	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	token := func(scope string) (int, map[string]any) {
		values := url.Values{"grant_type": {"client_credentials"}, "client_id": {"id"}, "client_secret": {"hush"}, "scope": {scope}}
		return roundTrip("POST", "/realms/partner/oauth/token", values.Encode(), form)
	}
	if status, body := token("contacts:write"); status != 400 || body["error"] != "invalid_scope" {
		t.Errorf("ungranted scope answered %d %v", status, body)
	}
	if status, body := roundTrip("POST", "/realms/partner/oauth/token", "grant_type=client_credentials&client_id=id&client_secret=x", form); status != 401 {
		t.Errorf("wrong secret answered %d %v", status, body)
	}
	status, body := token("contacts:read")
	if status != 200 || body["expires_in"] != 3600.0 {
		t.Fatalf("answered %d %v", status, body)
	}
	bearer := http.Header{"Authorization": {"Bearer " + body["access_token"].(string)}}
	get("/contacts", bearer, 200)
	get("/account", bearer, 403)
	s.clock.add(time.Hour)
	get("/contacts", bearer, 401)
}

func TestUnroutedAndOutOfPlan(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	s.send("PUT", "/account", nil, 405)
	s.send("GET", "/nothing", nil, 404)
	s.send("POST", "/objects/call/batch/upsert", object{"records": []any{}}, 403)
	s.send("POST", "/crm/notes", object{"text": "x"}, 403)
}

func TestAttributeCalls(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	tests := []struct {
		path   string
		body   any
		status int
	}{
		{"normal/FLEX_SCORE", object{"type": "float"}, 201},
		{"normal/FLEX_SCORE", object{"type": "float"}, 400},
		{"normal/FIRSTNAME", object{"type": "text"}, 400},
		{"normal/lower", object{"type": "text"}, 400},
		{"normal/EMPTY", object{}, 400},
		{"normal/KIND", object{"type": "category"}, 400},
		{"normal/ID", object{"type": "id"}, 400},
		{"category/TIER", object{"type": "category", "enumeration": []any{object{"value": 1, "label": "gold"}}}, 201},
		{"category/NONE", object{"type": "category"}, 400},
		{"normal/TOPICS", object{"type": "multiple-choice", "multiCategoryOptions": []string{"a", "b"}}, 201},
		{"normal/LONG", object{"type": "multiple-choice", "multiCategoryOptions": []string{strings.Repeat("x", 201)}}, 400},
		{"transactional/ORDER", object{"type": "id"}, 201},
		{"transactional/PRICE", object{"type": "float"}, 201},
		{"global/TOTAL", object{"value": "COUNT[SCORE]"}, 201},
		{"other/X", object{"type": "text"}, 400},
	}
	for _, test := range tests {
		s.send("POST", "/contacts/attributes/"+test.path, test.body, test.status)
	}
	s.send("POST", "/contacts", object{"email": "a@example.com", "attributes": object{"PRICE": 1}}, 400)
	s.send("POST", "/contacts", object{"email": "a@example.com", "attributes": object{"PRICE": 1, "ORDER": "1", "FLEX_SCORE": 2, "TOPICS": []string{"a"}}}, 201)

	s.send("PUT", "/contacts/attributes/normal/TOPICS", object{"multiCategoryOptions": []string{"b", "c"}}, 204)
	s.send("DELETE", "/contacts/attributes/multiple-choice/TOPICS/a", nil, 204)
	s.send("DELETE", "/contacts/attributes/normal/FLEX_SCORE", nil, 204)
	s.send("DELETE", "/contacts/attributes/normal/FLEX_SCORE", nil, 404)
	s.send("DELETE", "/contacts/attributes/normal/SMS", nil, 400)
	shown := s.send("GET", "/contacts/attributes", nil, 200).body
	for _, want := range []string{
		`{"name":"TOPICS","category":"normal","type":"multiple-choice","multiCategoryOptions":["b","c"]}`,
		`{"name":"TIER","category":"category","enumeration":[{"value":1,"valueStr":"1","label":"gold"}]}`,
		`{"name":"SMS","category":"normal","type":"text"}`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not among %s", want, shown)
		}
	}
	if got := s.get(1).Attributes; !reflect.DeepEqual(got, object{"PRICE": 1.0, "ORDER": "1", "TOPICS": []any{"a"}}) {
		t.Errorf("attributes %v", got)
	}
}

func TestAttributeQuota(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	for i := range 200 {
		s.send("POST", fmt.Sprintf("/contacts/attributes/normal/A_%d", i), object{"type": "text"}, 201)
	}
	s.send("POST", "/contacts/attributes/normal/ONE_MORE", object{"type": "text"}, 400)
}

func TestListCalls(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	folder := s.send("POST", "/contacts/folders", object{"name": "Flex"}, 201).object(t)["id"].(float64)
	s.send("POST", "/contacts/folders", object{}, 400)
	list := s.send("POST", "/contacts/lists", object{"name": "support", "folderId": folder}, 201).object(t)["id"].(float64)
	s.send("POST", "/contacts/lists", object{"name": "support"}, 400)
	s.send("POST", "/contacts/lists", object{"name": "support", "folderId": 99}, 400)
	for range 60 {
		s.send("POST", "/contacts/lists", object{"name": "more", "folderId": 1}, 201)
	}
	s.send("GET", "/contacts/lists?limit=51", nil, 400)
	page := s.send("GET", "/contacts/lists?limit=50&offset=50&sort=asc", nil, 200).object(t)
	if got := len(page["lists"].([]any)); page["count"] != 62.0 || got != 12 {
		t.Errorf("count %v, %d lists on the second page", page["count"], got)
	}
	at := fmt.Sprintf("/contacts/lists/%v", list)
	s.send("PUT", at, object{"name": "helped"}, 204)
	if got := s.send("GET", at, nil, 200).object(t); got["name"] != "helped" || got["folderId"] != folder {
		t.Errorf("list %v", got)
	}
	inFolder := s.send("GET", fmt.Sprintf("/contacts/folders/%v/lists", folder), nil, 200).object(t)
	if inFolder["count"] != 1.0 {
		t.Errorf("folder holds %v", inFolder)
	}
	s.contact(brevosim.Contact{Email: "a@example.com", ExtID: "x", ListIDs: []int64{int64(list)}})
	s.send("DELETE", fmt.Sprintf("/contacts/folders/%v", folder), nil, 204)
	s.send("GET", at, nil, 404)
	if got := s.get(1).ListIDs; len(got) != 0 {
		t.Errorf("contact is still on %v", got)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	for _, name := range []string{"a", "b", "c"} {
		s.contact(brevosim.Contact{Email: name + "@example.com", ExtID: name})
	}
	change := func(verb string, body any, status int, success, failure []any) {
		t.Helper()
		r := s.send("POST", "/contacts/lists/2/contacts/"+verb, body, status)
		if status != 201 {
			return
		}
		contacts := r.object(t)["contacts"].(object)
		got := [2]any{contacts["success"], contacts["failure"]}
		for i, want := range [][]any{success, failure} {
			if want == nil && got[i] == nil {
				continue
			}
			if !reflect.DeepEqual(got[i], any(want)) {
				t.Errorf("%s %v: %v, want %v and %v", verb, body, got, success, failure)
			}
		}
	}
	change("add", object{"ids": []int{1, 99}}, 201, []any{1.0}, []any{99.0})
	change("add", object{"emails": []string{"a@example.com", "b@example.com"}}, 201, []any{"b@example.com"}, []any{"a@example.com"})
	change("add", object{"extIds": []string{"c"}}, 201, []any{"c"}, nil)
	change("add", object{"ids": []int{1}}, 400, nil, nil)
	change("add", object{"ids": []int{1}, "emails": []string{"a@example.com"}}, 400, nil, nil)
	change("add", object{"all": true}, 400, nil, nil)
	change("add", object{"ids": make([]int, 151)}, 400, nil, nil)
	change("remove", object{"ids": []int{1, 99}}, 201, []any{1.0}, []any{99.0})
	if got := s.send("GET", "/contacts/lists/2/contacts", nil, 200).object(t)["count"]; got != 2.0 {
		t.Errorf("%v members, want 2", got)
	}
	s.send("POST", "/contacts/lists/9/contacts/add", object{"ids": []int{1}}, 404)
	process := s.send("POST", "/contacts/lists/2/contacts/remove", object{"all": true}, 201).object(t)["contacts"].(object)["processId"]
	s.clock.add(3 * time.Second)
	s.send("GET", fmt.Sprintf("/processes/%v", process), nil, 200)
	if got := s.Lists()[0].Members; got != 0 {
		t.Errorf("%d members left", got)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{Import: true}}})
	a := s.contact(brevosim.Contact{Email: "a@example.com"})
	b := s.contact(brevosim.Contact{SMS: "+33612345678", Attributes: object{"FIRSTNAME": "Old"}})
	body := object{"listIds": []int{2}, "disableNotification": true, "jsonBody": []any{
		object{"email": "a@example.com", "attributes": object{"SMS": "+33612345678", "LASTNAME": "A", "NOPE": 1}},
		object{"attributes": object{"SMS": "+33699999999"}},
		object{"email": "nonsense"},
	}}
	id := s.send("POST", "/contacts/import", body, 202).object(t)["processId"]
	at := fmt.Sprintf("/processes/%v", id)
	var states []any
	for range 3 {
		states = append(states, s.send("GET", at, nil, 200).object(t)["status"])
		if states[0] == "queued" && len(s.Contacts()) != 2 && len(states) < 3 {
			t.Error("rows came in before the end")
		}
		s.clock.add(1500 * time.Millisecond)
	}
	if !slices.Equal(states, []any{"queued", "processing", "completed"}) {
		t.Errorf("states %v", states)
	}
	if _, exists := s.Contact(b); exists {
		t.Error("the import did not merge")
	}
	if c := s.get(a); c.SMS != "33612345678" || c.Attributes["LASTNAME"] != "A" || !slices.Equal(c.ListIDs, []int64{2}) {
		t.Errorf("survivor %+v", c)
	}
	reports := s.send("GET", at, nil, 200).object(t)["info"].(object)["import"].(object)
	if reports["duplicate_ext_id"] != nil || len(reports) != 7 {
		t.Errorf("reports %v", reports)
	}
	for name, want := range map[string]string{"duplicate_phone_id": "a@example.com", "invalid_emails": "nonsense"} {
		address, err := url.Parse(reports[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), "GET", address.String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s holds %q, %v", name, text, err)
		}
	}
	s.violated()
}

func TestImportGoesWrong(t *testing.T) {
	t.Parallel()
	quirks := brevosim.Quirks{Allow: brevosim.Allow{Import: true}, ImportTime: -1, ImportLoses: 2, ReportsExpired: true}
	s := newSim(t, brevosim.Options{Quirks: quirks})
	body := object{"listIds": []int{2}, "disableNotification": true, "jsonBody": []any{
		object{"email": "a@example.com"}, object{"email": "b@example.com"}, object{"email": "nonsense"},
	}}
	process := func() object {
		id := s.send("POST", "/contacts/import", body, 202).object(t)["processId"]
		return s.send("GET", fmt.Sprintf("/processes/%v", id), nil, 200).object(t)
	}
	report := process()["info"].(object)["import"].(object)["invalid_emails"].(string)
	if n := len(s.Contacts()); n != 1 {
		t.Errorf("%d contacts of an import that loses every second row", n)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", report, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("an expired report answers %d", response.StatusCode)
	}
	quirks.ImportFails = true
	s.SetQuirks(quirks)
	if status := process()["status"]; status != "failed" || len(s.Contacts()) != 1 {
		t.Errorf("%v, %d contacts", status, len(s.Contacts()))
	}
	s.violated()
}

func TestImportRefusals(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	for _, body := range []object{
		{"jsonBody": []any{}},
		{"listIds": []int{2}},
		{"listIds": []int{99}, "jsonBody": []any{}},
		{"listIds": []int{2}, "jsonBody": []any{}, "fileBody": "EMAIL"},
		{"newList": object{"listName": "x", "folderId": 99}, "jsonBody": []any{}},
		{"listIds": []int{2}, "fileBody": strings.Repeat("x", 10<<20)},
	} {
		s.send("POST", "/contacts/import", body, 400)
	}
	if got := s.send("GET", "/processes", nil, 200).object(t)["count"]; got != 0.0 {
		t.Errorf("%v processes", got)
	}
	s.send("GET", "/processes/1", nil, 404)
	s.send("GET", "/processes?limit=51", nil, 400)
}

func TestImportsOneAtATime(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{Quirks: brevosim.Quirks{Allow: brevosim.Allow{Import: true}}})
	s.send("POST", "/contacts/import", object{"disableNotification": true, "newList": object{"listName": "new", "folderId": 1}, "fileBody": "EMAIL;FIRSTNAME\na@example.com;Ann\n;Nobody\n"}, 202)
	s.send("POST", "/contacts/import", object{"disableNotification": true, "listIds": []int{2}, "fileUrl": "https://files.example.com/x.csv", "emailBlacklist": false}, 202)
	s.violated("blocklist flag", "another process was running")
	s.clock.add(3 * time.Second)
	if s.ImportsDone() {
		t.Error("two imports of three seconds ended after three")
	}
	s.clock.add(3 * time.Second)
	if !s.ImportsDone() {
		t.Error("imports are not done")
	}
	processes := s.send("GET", "/processes", nil, 200).object(t)["processes"].([]any)
	if first, second := processes[1].(object)["status"], processes[0].(object)["status"]; first != "completed" || second != "failed" {
		t.Errorf("states %v, %v", first, second)
	}
	if c := s.get(1); c.Attributes["FIRSTNAME"] != "Ann" || len(s.Contacts()) != 1 {
		t.Errorf("contacts %+v", s.Contacts())
	}
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	call := func(method, path, body string, want int) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://brevo.test/_sim/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != want {
			t.Errorf("%s %s: %d %s, %v", method, path, response.StatusCode, text, err)
		}
		return string(text)
	}
	s.send("POST", "/contacts", object{"email": "a@example.com", "emailBlacklisted": true}, 201)
	s.send("POST", "/events", event("done", object{"email_id": "a@example.com"}), 204)
	for path, want := range map[string]string{
		"contacts":           `"email":"a@example.com"`,
		"contacts?offset=1":  `[]`,
		"events":             `"event_name":"done"`,
		"events?limit=5":     `"contact_id":1`,
		"calls":              `{"method":"POST","path":"/contacts","status":201,"count":1}`,
		"violations":         `blocklist flag emailBlacklisted`,
		"summary":            `"contacts":1,"events":1`,
		"lists":              `"Your first list"`,
		"attributes":         `"FIRSTNAME"`,
		"faults":             `"slow_for":"0s"`,
		"quirks":             `"too_early_for":"0s"`,
		"contacts?limit=all": `"email":"a@example.com"`,
	} {
		if got := call("GET", path, "", 200); !strings.Contains(got, want) {
			t.Errorf("%s: %s does not hold %s", path, got, want)
		}
	}
	call("POST", "faults", `{"forbidden":1,"slow_for":"2s"}`, 200)
	s.send("GET", "/account", nil, 403)
	call("POST", "faults", `{"forbiden":1}`, 400)
	call("POST", "faults", `{"latency":"soon"}`, 400)
	call("POST", "faults", `{}`, 200)
	call("POST", "quirks", `{"unknown_contact":"refused","too_early_for":"1h"}`, 200)
	s.send("POST", "/events", event("e", object{"email_id": "b@example.com"}), 400)
	s.send("PUT", "/contacts/1", object{}, 425)
	call("GET", "reports/7/x.csv", "", 404)
	call("POST", "reset", "", 204)
	if got := call("GET", "contacts", "", 200); got != "[]" {
		t.Errorf("contacts after the reset: %s", got)
	}
}

func TestSeedingRefuses(t *testing.T) {
	t.Parallel()
	s := newSim(t, brevosim.Options{})
	id := s.contact(brevosim.Contact{Email: "a@example.com", SMS: "33612345678"})
	other := s.contact(brevosim.Contact{Email: "b@example.com"})
	for name, err := range map[string]error{
		"taken email":       second(s.AddContact(brevosim.Contact{Email: "a@example.com"})),
		"bad phone":         second(s.AddContact(brevosim.Contact{SMS: "12"})),
		"bad attribute":     second(s.AddContact(brevosim.Contact{Attributes: object{"NOPE": 1}})),
		"bad list":          second(s.AddContact(brevosim.Contact{ListIDs: []int64{9}})),
		"taken phone":       s.EditContact(other, object{"SMS": "33612345678"}),
		"unknown contact":   s.DeleteContact(99),
		"unknown list":      s.AddToList(id, 9),
		"wrong type":        s.EditContact(id, object{"FIRSTNAME": 1}),
		"unknown blocklist": s.BlocklistContact(99),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s.do(s.EditContact(id, object{"SMS": "", "EMAIL": "c@example.com", "FIRSTNAME": "Ann"}))
	if c := s.get(id); c.SMS != "" || c.Email != "c@example.com" || c.Attributes["FIRSTNAME"] != "Ann" {
		t.Errorf("contact %+v", c)
	}
	if n := s.CallsTo("POST /contacts"); n != 0 {
		t.Errorf("seeding counted %d calls", n)
	}
}

func second(_ int64, err error) error { return err }
