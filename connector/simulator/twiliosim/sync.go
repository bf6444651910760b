package twiliosim

import (
	"slices"
	"strings"

	"flexbrevo/connector/simulator/world"
)

// largestSyncPage is the maximum page size of the Sync API; facts/twilio.md 5.
const largestSyncPage = 100

// routeSync serves the one map of the world, read only, and what clients write.
func (s *Server) routeSync() {
	s.routeSyncWrites()
	inside := func(path string, handle func(*request) (world.Fields, error)) {
		s.get("/sync/v1/Services/{service}"+path, func(q *request) (world.Fields, error) {
			if service := q.PathValue("service"); s.syncIsGone() || service != s.world.SyncServiceSID && service != "default" {
				return nil, notFound(q.Request)
			}
			if name := q.PathValue("name"); name != "" && name != world.SyncMap && name != s.world.SyncMapSID() && !s.madeByClients(name) {
				return nil, notFound(q.Request)
			}
			return handle(q)
		})
	}
	inside("/Documents", func(q *request) (world.Fields, error) { return s.list(q, "documents", largestSyncPage, nil) })
	inside("/Lists", func(q *request) (world.Fields, error) { return s.list(q, "lists", largestSyncPage, nil) })
	inside("/Maps", func(q *request) (world.Fields, error) {
		return s.list(q, "maps", largestSyncPage, []row{{s.world.SyncMapSID(), s.showMap}})
	})
	inside("/Maps/{name}", s.either(func(*request) (world.Fields, error) { return s.showMap(), nil }, s.fetchMade))
	inside("/Maps/{name}/Items", s.either(s.listItems, s.listWritten))
	inside("/Maps/{name}/Items/{key}", s.either(s.fetchItem, s.fetchWritten))
}

func (s *Server) syncURL() string { return address("/sync/v1/Services/" + s.world.SyncServiceSID) }

func (s *Server) showMap() world.Fields {
	self := s.syncURL() + "/Maps/" + s.world.SyncMapSID()
	return object(
		"sid", s.world.SyncMapSID(), "unique_name", world.SyncMap, "account_sid", s.world.AccountSID, "service_sid", s.world.SyncServiceSID,
		"url", self, "links", object("items", self+"/Items", "permissions", self+"/Permissions"), "revision", "0", "date_expires", nil,
		"date_created", iso(s.founded()), "date_updated", iso(s.founded()), "created_by", "system")
}

// listItems orders by key. From names the first key, which Bounds=exclusive leaves out.
func (s *Server) listItems(q *request) (world.Fields, error) {
	items := s.world.SyncItems(q.now)
	descending := strings.EqualFold(q.param("Order"), "desc")
	if descending {
		slices.Reverse(items)
	}
	if from := q.param("From"); from != "" {
		exclusive := strings.EqualFold(q.param("Bounds"), "exclusive")
		items = slices.DeleteFunc(items, func(item world.SyncItem) bool {
			order := strings.Compare(item.Key, from)
			if descending {
				order = -order
			}
			return order < 0 || order == 0 && exclusive
		})
	}
	rows := make([]row, len(items))
	for i := range items {
		rows[i] = row{items[i].Key, func() world.Fields { return s.showItem(&items[i]) }}
	}
	return s.list(q, "items", largestSyncPage, rows)
}

func (s *Server) fetchItem(q *request) (world.Fields, error) {
	for _, item := range s.world.SyncItems(q.now) {
		if item.Key == q.PathValue("key") {
			return s.showItem(&item), nil
		}
	}
	return nil, notFound(q.Request)
}

func (s *Server) showItem(item *world.SyncItem) world.Fields {
	return object(
		"key", item.Key, "account_sid", s.world.AccountSID, "service_sid", s.world.SyncServiceSID, "map_sid", s.world.SyncMapSID(),
		"url", s.syncURL()+"/Maps/"+s.world.SyncMapSID()+"/Items/"+item.Key, "revision", "0", "data", item.Data, "date_expires", nil,
		"date_created", iso(item.WrittenAt), "date_updated", iso(item.WrittenAt), "created_by", s.world.Agents[0].Identity)
}
