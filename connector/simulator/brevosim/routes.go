package brevosim

import (
	"net/http"
	"strings"
)

// bucketBatch stands for the bucket of POST /events/batch, which only a quirk knows.
const bucketBatch Bucket = "batch"

const (
	tokenPath  = "/realms/partner/oauth/token"
	removePath = "/contacts/lists/{listId}/contacts/remove"
)

// endpoints is the part of Brevo's API that exists here.
func endpoints() []endpoint {
	read := func(path string, handle func(*Server, *call) answer) endpoint {
		return endpoint{http.MethodGet, path, BucketContacts, scopeContactsRead, handle}
	}
	write := func(method, path string, handle func(*Server, *call) answer) endpoint {
		return endpoint{method, path, BucketContacts, scopeContactsWrite, handle}
	}
	const (
		attribute = "/contacts/attributes/{attributeCategory}/{attributeName}"
		option    = "/contacts/attributes/{attributeType}/{multipleChoiceAttribute}/{multipleChoiceAttributeOption}"
		object    = "/objects/{object_type}"
	)
	return []endpoint{
		write("POST", "/contacts", (*Server).createContact),
		read("/contacts", (*Server).listContacts),
		read("/contacts/{identifier}", (*Server).getContact),
		write("PUT", "/contacts/{identifier}", (*Server).updateContact),
		write("DELETE", "/contacts/{identifier}", (*Server).deleteContact),
		write("POST", "/contacts/batch", (*Server).deprecatedBatch),
		write("POST", "/contacts/import", (*Server).importContacts),

		read("/contacts/attributes", (*Server).getAttributes),
		write("POST", attribute, (*Server).createAttribute),
		write("PUT", attribute, (*Server).updateAttribute),
		write("DELETE", attribute, (*Server).deleteAttribute),
		write("DELETE", option, (*Server).deleteOption),

		read("/contacts/lists", (*Server).getLists),
		write("POST", "/contacts/lists", (*Server).createList),
		read("/contacts/lists/{listId}", (*Server).getList),
		write("PUT", "/contacts/lists/{listId}", (*Server).updateList),
		write("DELETE", "/contacts/lists/{listId}", (*Server).deleteList),
		read("/contacts/lists/{listId}/contacts", (*Server).getListContacts),
		write("POST", "/contacts/lists/{listId}/contacts/add", (*Server).addMembers),
		write("POST", removePath, (*Server).removeMembers),

		read("/contacts/folders", (*Server).getFolders),
		write("POST", "/contacts/folders", (*Server).createFolder),
		read("/contacts/folders/{folderId}", (*Server).getFolder),
		write("PUT", "/contacts/folders/{folderId}", (*Server).updateFolder),
		write("DELETE", "/contacts/folders/{folderId}", (*Server).deleteFolder),
		read("/contacts/folders/{folderId}/lists", (*Server).getFolderLists),

		{"POST", "/events", BucketEvents, scopeEventsWrite, (*Server).createEvent},
		{"POST", "/events/batch", bucketBatch, scopeEventsWrite, (*Server).createEvents},
		{"GET", "/events", BucketOther, scopeEventsRead, (*Server).listEvents},

		{"GET", "/account", BucketOther, scopeAccountRead, (*Server).getAccount},
		{"GET", "/processes", BucketOther, scopeContactsRead, (*Server).getProcesses},
		{"GET", "/processes/{processId}", BucketOther, scopeContactsRead, (*Server).getProcess},

		{"GET", object + "/records", BucketOther, scopeObjectsRead, (*Server).listObjects},
		{"POST", object + "/batch/upsert", BucketOther, scopeObjectsWrite, (*Server).upsertObjects},
		{"POST", object + "/batch/delete", BucketOther, scopeObjectsWrite, (*Server).notInPlan},
		{"GET", "/crm/notes", BucketOther, scopeCRMRead, (*Server).listNotes},
		{"POST", "/crm/notes", BucketOther, scopeCRMWrite, (*Server).createNote},
		{"GET", "/crm/tasks", BucketOther, scopeCRMRead, (*Server).listTasks},
		{"POST", "/crm/tasks", BucketOther, scopeCRMWrite, (*Server).createTask},
		{"GET", "/crm/tasktypes", BucketOther, scopeCRMRead, (*Server).listTaskTypes},
	}
}

// routes registers every endpoint at the root and under /v3, as base URLs with and without it are in use.
func (s *Server) routes() {
	for _, e := range endpoints() {
		for _, prefix := range []string{"", "/v3"} {
			s.mux.HandleFunc(e.method+" "+prefix+e.path, s.serve(e))
		}
	}
	s.mux.HandleFunc("POST "+tokenPath, s.token)
	s.control()
	s.mux.HandleFunc("/", s.unrouted)
}

// unrouted answers what has no endpoint: 405 where another method would have one, else 404.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	a := refuse(status, codeNotFound, "Endpoint does not exist")
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			status = http.StatusMethodNotAllowed
			a = refuse(status, codeMethodNotAllowed, "Method not allowed")
		}
	}
	s.calls.count(Call{Method: r.Method, Path: "unknown", Status: status})
	a.write(w)
}

// deprecatedBatch is POST /contacts/batch, which is taken to have stopped working (facts/brevo.md 1.4).
func (s *Server) deprecatedBatch(*call) answer {
	a, _ := s.enter()
	defer s.mu.Unlock()
	a.violate("deprecated POST /contacts/batch called")
	return refuse(http.StatusNotFound, codeNotFound, "This endpoint is deprecated")
}

// notInPlan is what the custom objects and the CRM answer where the plan does not have them (facts/brevo.md 5).
func (s *Server) notInPlan(*call) answer {
	return refuse(http.StatusForbidden, codeDenied, "This feature is not available in your plan")
}

// ownerEmail is the address of the account's owner.
const ownerEmail = "owner@example.com"

// getAccount is GET /account (facts/brevo.md 7).
func (s *Server) getAccount(*call) answer {
	return answer{status: http.StatusOK, contentType: contentJSON, body: []byte(accountBody)}
}

const accountBody = `{"organization_id":"5fa2b8c123456789abcdef01","user_id":1234567,"enterprise":false,` +
	`"companyName":"Simulated Company","email":"` + ownerEmail + `","firstName":"Sim","lastName":"Ulated",` +
	`"address":{"city":"Paris","country":"France","street":"1 rue Exemple","zipCode":"75001"},` +
	`"dateTimePreferences":{"timezone":"Europe/Paris","timeFormat":"24","dateFormat":"dd-mm-yyyy"},` +
	`"marketingAutomation":{"enabled":true,"key":"simulated"},` +
	`"plan":[{"type":"free","credits":300,"creditsType":"sendLimit"}],` +
	`"planVerticals":[{"planCategory":"Marketing","planType":"free","name":"Free","status":"active",` +
	`"startDate":"1751234567","endDate":"1753826567","users":{"purchasedSeats":"1","usedSeats":"1"},"credits":"300"}],` +
	`"relay":{"enabled":true,"data":{"port":587,"relay":"smtp-relay.brevo.com","userName":"` + ownerEmail + `"}}}`
