package connector

import (
	"flexbrevo/config"
	"flexbrevo/connector/twilio"
)

// syncObjects turns the configured objects of Twilio Sync into the source's.
func syncObjects(objects []config.SyncObject) []twilio.SyncObject {
	types := map[string]string{"disposition": twilio.SyncDisposition, "survey": twilio.SyncSurvey, "customer": twilio.SyncCustomer}
	var out []twilio.SyncObject
	for _, o := range objects {
		out = append(out, twilio.SyncObject{
			Service: o.Service, Map: o.Map, List: o.List, Document: o.Document, Type: types[o.As],
		})
	}
	return out
}
