package connector

import (
	"context"
	"errors"

	"flexbrevo/connector/twilio"
)

// WebChannel is a legacy web chat to be begun.
type WebChannel = twilio.WebChannel

// ErrSeveral says that a connector must be named, because there are several.
var ErrSeveral = errors.New("there are several connectors: name one with --connector")

// CreateWebChannel begins a legacy web chat on the account of the one connector there is,
// and returns its channel's SID.
func (s *Service) CreateWebChannel(ctx context.Context, w WebChannel) (string, error) {
	if len(s.flows) != 1 {
		return "", ErrSeveral
	}
	return s.flows[0].source.CreateWebChannel(ctx, w)
}
