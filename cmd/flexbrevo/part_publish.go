//go:build !no_publish

package main

import (
	"flexbrevo/connector/part"
	"flexbrevo/connector/publish"
)

// publishPart writes to Twilio Sync what agents should see.
func publishPart() part.Maker { return publish.New }

// demoSyncMap is the map that the demo publishes to.
const demoSyncMap = "customers"
