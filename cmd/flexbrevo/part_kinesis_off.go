//go:build no_kinesis

package main

import (
	"flexbrevo/config"
	"flexbrevo/connector/part"
)

func kinesisPart() part.Maker {
	return leftOut("kinesis", "event_streams.via: kinesis", func(c *config.Connector) bool { return c.EventStreams.Via == config.ViaKinesis })
}
