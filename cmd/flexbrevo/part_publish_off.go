//go:build no_publish

package main

import (
	"flexbrevo/config"
	"flexbrevo/connector/part"
)

// demoSyncMap is empty: the demo publishes nothing.
const demoSyncMap = ""

func publishPart() part.Maker {
	return leftOut("publish", "sync_publish", func(c *config.Connector) bool { return c.SyncPublish.Asked() })
}
