package twilio

import (
	"context"
	"errors"
	"net/url"

	"flexbrevo/connector/failure"
)

// WebChannel is a legacy web chat to be begun, as POST /v1/WebChannels takes it
// (facts/twilio.md 3.3).
type WebChannel struct {
	FlowSID      string // the Flex flow
	Identity     string // the customer's chat identity
	CustomerName string
	ChatName     string
	UniqueName   string // may be empty
	// PreEngagement is a JSON object, such as what a form before the chat asked; may be
	// empty.
	PreEngagement string
}

const (
	remedyWebChannel = "Check the Flex flow: it must exist on this account and be one of legacy web chat; " +
		"new web chats are begun by Flex's own web chat."
	remedyMayBe = "It may have been made all the same: look for it in Flex before you try again."
)

// CreateWebChannel begins a legacy web chat and returns its channel's SID. It makes one
// call and never repeats it: a second one would be a second chat. Where it is not known
// what became of it, the error's reason is failure.Unknown.
func (s *Source) CreateWebChannel(ctx context.Context, w WebChannel) (string, error) {
	form := url.Values{
		"FlexFlowSid": {w.FlowSID}, "Identity": {w.Identity}, "CustomerFriendlyName": {w.CustomerName}, "ChatFriendlyName": {w.ChatName},
	}
	if w.UniqueName != "" {
		form.Set("ChatUniqueName", w.UniqueName)
	}
	if w.PreEngagement != "" {
		form.Set("PreEngagementData", w.PreEngagement)
	}
	body, err := s.writeTo(ctx, "POST", flexURL+"/WebChannels", form)
	var fail *failure.Error
	if errors.As(err, &fail) {
		switch {
		case fail.Reason == failure.Transient || fail.Reason == failure.Unknown:
			fail.Reason, fail.Remedy = failure.Unknown, remedyMayBe
		case fail.Reason == failure.Gone || fail.Reason == failure.Invalid:
			fail.Remedy = remedyWebChannel
		}
	}
	if err != nil {
		return "", err
	}
	var head listHead
	readHead(body, &head)
	if !isSID(string(head.SID), "CH") {
		return "", &failure.Error{
			Op: "POST flex-api /v1/WebChannels", Reason: failure.Unknown, Err: errors.New("the answer names no channel"), Remedy: remedyMayBe,
		}
	}
	return string(head.SID), nil
}
