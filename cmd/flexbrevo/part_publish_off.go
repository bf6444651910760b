//go:build no_publish

package main

import (
	"errors"

	"flexbrevo/connector/part"
)

// demoSyncMap is empty: the demo publishes nothing.
const demoSyncMap = ""

// publishPart refuses a configuration that asks for what was left out of this build.
func publishPart() part.Maker {
	return func(site part.Site) (part.Part, error) {
		if site.Config.SyncPublish.Asked() {
			return nil, errors.New("sync_publish is configured, and this flexbrevo was built without publish: take the block out, or use a full build")
		}
		return nil, nil
	}
}
