package twiliosim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// specifications lie beside the repository, and not in it.
const specifications = "../../../../shared/openapi"

// TestAnswersFollowTheSpecification validates answers of every kind against Twilio's OpenAPI documents,
// and checks that no answer has a field that they do not know. Two things of the facts sheet are not in the
// documents and are left out here: the token validation of IAM, and the error bodies.
func TestAnswersFollowTheSpecification(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(specifications); err != nil {
		t.Skipf("Twilio's OpenAPI documents are not at hand in %s", specifications)
	}
	f := newFixture(twiliosim.Options{World: world.New(world.Options{Seed: 6, Contacts: 600, Odd: true}), LegacyChat: true})
	open, written := busyMoment(t, f)
	interaction, channel := f.w.InteractionSID(written.ID), f.w.InteractionChannelSID(written.ID)
	conversations := "/conversations/v1/Services/" + f.w.ChatServiceSID + "/Conversations"
	thread := conversations + "/" + f.w.Conversations[written.Conversation].SID
	const workspace = "/v1/Workspaces/{WorkspaceSid}"
	const service = "/v1/Services/{ChatServiceSid}/Conversations"
	const syncMap = "/v1/Services/{ServiceSid}/Maps"
	items := "/sync/v1/Services/default/Maps/" + world.SyncMap + "/Items"
	sink := newSink(t, f)
	f.write(t, "/Maps", "", url.Values{"UniqueName": {"made"}}, http.StatusCreated)
	f.write(t, "/Maps/made/Items", "", url.Values{"Key": {"a"}, "Data": {`{"n":1}`}}, http.StatusCreated)
	f.write(t, "/Documents", "", url.Values{"UniqueName": {"made"}, "Data": {`{"n":1}`}}, http.StatusCreated)
	for document, cases := range map[string][]struct{ template, path string }{
		"twilio_taskrouter_v1.json": {
			{"/v1/Workspaces", "/taskrouter/v1/Workspaces"},
			{"/v1/Workspaces/{Sid}", f.workspace()},
			{workspace + "/Events", f.workspace() + "/Events?" + window(f.w.Options().Start, f.clock.Now(), 1000)},
			{workspace + "/Events/{Sid}", f.workspace() + "/Events/" + f.w.TaskEvents(open.ID)[0].SID},
			{workspace + "/Tasks", f.workspace() + "/Tasks?PageSize=3"},
			{workspace + "/Tasks/{Sid}", f.workspace() + "/Tasks/" + open.SID},
			{workspace + "/Tasks/{TaskSid}/Reservations", f.workspace() + "/Tasks/" + open.SID + "/Reservations"},
			{workspace + "/Tasks/{TaskSid}/Reservations/{Sid}", f.workspace() + "/Tasks/" + open.SID + "/Reservations/" + open.Reservations[0].SID},
			{workspace + "/Workers", f.workspace() + "/Workers?PageSize=5"},
			{workspace + "/Workers/{Sid}", f.workspace() + "/Workers/" + f.w.Agents[0].SID},
			{workspace + "/Workers/{WorkerSid}/Reservations", f.workspace() + "/Workers/" + f.w.Agents[open.Reservations[0].Agent].SID + "/Reservations"},
			{workspace + "/TaskQueues", f.workspace() + "/TaskQueues"},
			{workspace + "/TaskQueues/{Sid}", f.workspace() + "/TaskQueues/" + f.w.Queues[0].SID},
			{workspace + "/Workflows", f.workspace() + "/Workflows"},
			{workspace + "/Workflows/{Sid}", f.workspace() + "/Workflows/" + f.w.Workflows[0].SID},
			{workspace + "/Activities", f.workspace() + "/Activities"},
			{workspace + "/TaskChannels", f.workspace() + "/TaskChannels"},
		},
		"twilio_conversations_v1.json": {
			{"/v1/Configuration", "/conversations/v1/Configuration"},
			{"/v1/Conversations", "/conversations/v1/Conversations"},
			{service, conversations + "?PageSize=100&StartDate=" + f.clock.Now().Format(time.DateOnly)},
			{service + "/{Sid}", thread},
			{service + "/{ConversationSid}/Messages", thread + "/Messages"},
			{service + "/{ConversationSid}/Participants", thread + "/Participants"},
		},
		"twilio_flex_v1.json": {
			{"/v1/Configuration", "/flex-api/v1/Configuration"},
			{"/v1/Channels", "/flex-api/v1/Channels?PageSize=3"},
			{"/v1/WebChannels", "/flex-api/v1/WebChannels"},
			{"/v1/Interactions/{Sid}", "/flex-api/v1/Interactions/" + interaction},
			{"/v1/Interactions/{InteractionSid}/Channels", "/flex-api/v1/Interactions/" + interaction + "/Channels"},
			{"/v1/Interactions/{InteractionSid}/Channels/{Sid}", "/flex-api/v1/Interactions/" + interaction + "/Channels/" + channel},
			{"/v1/Interactions/{InteractionSid}/Channels/{ChannelSid}/Participants", "/flex-api/v1/Interactions/" + interaction + "/Channels/" + channel + "/Participants"},
			{"/v1/Interactions/{InteractionSid}/Channels/{ChannelSid}/Invites", "/flex-api/v1/Interactions/" + interaction + "/Channels/" + channel + "/Invites"},
		},
		"twilio_sync_v1.json": {
			{syncMap, "/sync/v1/Services/" + f.w.SyncServiceSID + "/Maps"},
			{syncMap + "/{Sid}", "/sync/v1/Services/default/Maps/" + f.w.SyncMapSID()},
			{syncMap + "/{MapSid}/Items", items},
			{syncMap + "/{MapSid}/Items/{Key}", items + "/" + f.w.SyncItems(f.clock.Now())[0].Key},
			{syncMap + "/{Sid}", "/sync/v1/Services/default/Maps/made"},
			{syncMap + "/{MapSid}/Items", "/sync/v1/Services/default/Maps/made/Items"},
			{syncMap + "/{MapSid}/Items/{Key}", "/sync/v1/Services/default/Maps/made/Items/a"},
			{"/v1/Services/{ServiceSid}/Documents/{Sid}", "/sync/v1/Services/default/Documents/made"},
			{"/v1/Services/{ServiceSid}/Documents", "/sync/v1/Services/default/Documents"},
			{"/v1/Services/{ServiceSid}/Lists", "/sync/v1/Services/default/Lists"},
		},
		"twilio_events_v1.json": {
			{"/v1/Types", "/events/v1/Types"},
			{"/v1/Sinks", "/events/v1/Sinks"},
			{"/v1/Sinks/{Sid}", "/events/v1/Sinks/" + sink},
			{"/v1/Subscriptions", "/events/v1/Subscriptions"},
		},
	} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(specifications, document))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				checkAnswer(t, f, doc, c.template, c.path)
			}
		})
	}
}

// busyMoment moves the clock to a moment at which an accepted task is open, and finds a written contact
// with an agent before it.
func busyMoment(t *testing.T, f fixture) (open *world.Task, written *world.Contact) {
	t.Helper()
	for i := range f.w.Tasks {
		task := &f.w.Tasks[i]
		c := &f.w.Contacts[task.Contact]
		if accepted, ok := task.AcceptedAt(); ok && c.Conversation >= 0 && task.End == world.EndCompleted && c.StartedAt.After(f.clock.Now()) {
			f.clock.Set(accepted.Add(time.Second))
			return task, c
		}
	}
	t.Fatal("the world has no written contact after noon")
	return nil, nil
}

func checkAnswer(t *testing.T, f fixture, doc *openapi3.T, template, path string) {
	t.Helper()
	item := doc.Paths.Find(template)
	if item == nil || item.Get == nil {
		t.Errorf("%s is not in the specification", template)
		return
	}
	rec := f.do(path)
	if rec.Code != http.StatusOK {
		t.Errorf("GET %s: status %d: %s", path, rec.Code, rec.Body)
		return
	}
	var body any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Errorf("GET %s: %v", path, err)
		return
	}
	schema := item.Get.Responses.Status(http.StatusOK).Value.Content.Get("application/json").Schema.Value
	if err := schema.VisitJSON(body, openapi3.MultiErrors(), openapi3.VisitAsResponse()); err != nil {
		t.Errorf("GET %s: %v", path, err)
	}
	for _, field := range unknown(schema, body, template) {
		t.Errorf("GET %s: field %s is not in the specification", path, field)
	}
}

// unknown lists the fields that a schema does not name, wherever it names any.
func unknown(schema *openapi3.Schema, value any, at string) (fields []string) {
	switch v := value.(type) {
	case []any:
		if schema.Items == nil {
			return nil
		}
		for _, item := range v {
			fields = append(fields, unknown(schema.Items.Value, item, at+"[]")...)
		}
	case map[string]any:
		if len(schema.Properties) == 0 {
			return nil
		}
		for name, inner := range v {
			property := schema.Properties[name]
			if property == nil {
				fields = append(fields, strings.Join([]string{at, name}, "."))
				continue
			}
			fields = append(fields, unknown(property.Value, inner, at+"."+name)...)
		}
	}
	return fields
}
