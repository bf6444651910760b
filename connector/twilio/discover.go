package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	conversations "github.com/twilio/twilio-go/rest/conversations/v1"
	flex "github.com/twilio/twilio-go/rest/flex/v1"

	"flexbrevo/connector/failure"
)

// discoveryAge is how long what Flex Configuration told is believed.
const discoveryAge = time.Hour

// Discovery is what Flex Configuration tells of an account (facts/twilio.md 3.1).
type Discovery struct {
	AccountSID        string
	WorkspaceSID      string // TaskRouter's, as configured or as Flex has it
	FlexWorkspaceSID  string // TaskRouter's, as Flex has it
	ChatServiceSID    string // of Conversations, as Flex uses it
	DefaultServiceSID string // the account's default service, when it is another one
	FlexInstanceSID   string
	FlexURL           string
	RuntimeDomain     string
	Thresholds        Thresholds
	ChannelThresholds []ChannelThresholds
}

// Thresholds are the account's own limits for queue figures.
type Thresholds struct {
	ServiceLevel   time.Duration
	ShortAbandoned time.Duration
}

// ChannelThresholds are those of one queue and task channel.
type ChannelThresholds struct {
	QueueSID   string
	ChannelSID string
	Thresholds
}

// services are the Conversations services to read.
func (d Discovery) services() []string {
	var out []string
	for _, sid := range []string{d.ChatServiceSID, d.DefaultServiceSID} {
		if sid != "" {
			out = append(out, sid)
		}
	}
	return out
}

// Discover reads Flex Configuration, and remembers it for an hour. Everything
// else begins here, so it also is the first proof that the credentials work.
func (s *Source) Discover(ctx context.Context) (Discovery, error) {
	select {
	case s.discovering <- struct{}{}:
		defer func() { <-s.discovering }()
	case <-ctx.Done():
		return Discovery{}, &failure.Error{Op: "discover", Reason: failure.Interrupted, Err: context.Cause(ctx)}
	}
	if age := s.o.Clock().Sub(s.discoverAt); !s.discoverAt.IsZero() && age >= 0 && age < discoveryAge {
		return s.discovered, nil
	}
	d, err := s.discover(ctx)
	if err != nil {
		return Discovery{}, fmt.Errorf("discover Flex account: %w", err)
	}
	s.discovered, s.discoverAt = d, s.o.Clock()
	return d, nil
}

func (s *Source) discover(ctx context.Context) (Discovery, error) {
	c, err := flex.NewApiService(s.client.sdk(ctx)).FetchConfiguration(nil)
	if err != nil {
		return Discovery{}, s.sdkError("GET flex-api /v1/Configuration", err)
	}
	d := Discovery{
		AccountSID:       deref(c.AccountSid),
		WorkspaceSID:     s.o.WorkspaceSID,
		FlexWorkspaceSID: deref(c.TaskrouterWorkspaceSid),
		ChatServiceSID:   deref(c.ChatServiceInstanceSid),
		FlexInstanceSID:  deref(c.FlexInstanceSid),
		FlexURL:          deref(c.FlexUrl),
		RuntimeDomain:    deref(c.RuntimeDomain),
	}
	if d.WorkspaceSID == "" {
		d.WorkspaceSID = deref(c.TaskrouterWorkspaceSid)
	}
	if d.WorkspaceSID == "" {
		return Discovery{}, &failure.Error{Op: "GET flex-api /v1/Configuration", Reason: failure.Invalid,
			Err:    errors.New("it names no TaskRouter workspace"),
			Remedy: "Set workspace_sid, or check that Flex is set up on this account."}
	}
	if c.QueueStatsConfiguration != nil {
		d.Thresholds, d.ChannelThresholds = readThresholds(*c.QueueStatsConfiguration)
	}
	d.DefaultServiceSID, err = s.defaultService(ctx, d.ChatServiceSID)
	return d, err
}

// defaultService returns the account's default Conversations service if it is
// another one than Flex uses. An account may have none, and a key may not cover
// it; only a failure that passes is an error.
func (s *Source) defaultService(ctx context.Context, flexService string) (string, error) {
	c, err := conversations.NewApiService(s.client.sdk(ctx)).FetchConfiguration()
	if err != nil {
		err = s.sdkError("GET conversations /v1/Configuration", err)
		if reason := failure.ReasonOf(err); reason == failure.Gone || reason == failure.Forbidden {
			s.log.DebugContext(ctx, "default conversations service not read", "err", err)
			return "", nil
		}
		return "", err
	}
	if sid := deref(c.DefaultChatServiceSid); sid != flexService {
		return sid, nil
	}
	return "", nil
}

// sdkError keeps the transport's own error; what remains is twilio-go's decoder
// stumbling, whose text may quote the answer.
func (s *Source) sdkError(op string, err error) error {
	var fail *failure.Error
	if errors.As(err, &fail) {
		return fail
	}
	return &failure.Error{Op: op, Reason: failure.Transient, Err: errors.New("the answer is not the JSON expected")}
}

// readThresholds reads queue_stats_configuration. What is not as documented is as
// if it were not there.
func readThresholds(raw any) (Thresholds, []ChannelThresholds) {
	type seconds struct {
		ServiceLevel   float64 `json:"service_level_threshold"`
		ShortAbandoned float64 `json:"short_abandoned_threshold"`
	}
	var c struct {
		Default  seconds `json:"default"`
		Channels []struct {
			QueueSID   string `json:"queue_sid"`
			ChannelSID string `json:"channel_sid"`
			seconds
		} `json:"queue_channel_configurations"`
	}
	b, err := json.Marshal(raw)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return Thresholds{}, nil
	}
	durations := func(s seconds) Thresholds {
		return Thresholds{
			ServiceLevel:   time.Duration(s.ServiceLevel * float64(time.Second)),
			ShortAbandoned: time.Duration(s.ShortAbandoned * float64(time.Second)),
		}
	}
	var channels []ChannelThresholds
	for _, one := range c.Channels {
		channels = append(channels, ChannelThresholds{one.QueueSID, one.ChannelSID, durations(one.seconds)})
	}
	return durations(c.Default), channels
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
