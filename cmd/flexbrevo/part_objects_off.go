//go:build no_objects

package main

import (
	"flexbrevo/config"
	"flexbrevo/connector/part"
)

func objectsPart() part.Maker {
	return leftOut("objects", "custom_objects", func(c *config.Connector) bool { return c.CustomObjects.IsSet() })
}
