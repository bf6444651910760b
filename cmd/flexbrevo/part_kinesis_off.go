//go:build no_kinesis

package main

import (
	"errors"

	"flexbrevo/config"
	"flexbrevo/connector/part"
)

func kinesisPart() part.Maker {
	return func(site part.Site) (part.Part, error) {
		if site.Config.EventStreams.Via != config.ViaKinesis {
			return nil, nil
		}
		return nil, errors.New("event_streams: via: kinesis: this flexbrevo was built without kinesis; expected via: webhook, or a program built without the tag no_kinesis")
	}
}
