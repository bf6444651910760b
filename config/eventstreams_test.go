package config_test

import (
	"strings"
	"testing"

	"flexbrevo/config"
)

// TestEventStreams reads a whole block, the one that is left out, and one that nothing uses.
func TestEventStreams(t *testing.T) {
	t.Parallel()
	read := func(block string) *config.Config {
		t.Helper()
		c, err := config.Parse("c.yaml", []byte("brevo: {api_key: key}\nconnectors:\n  a:\n    auth_token: token\n    field_mapping: {identity: FLEX_IDENTITY}\n"+block),
			config.Options{Env: env("TWILIO_ACCOUNT_SID", accountSID, "AWS_SECRET", "hidden")})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if via := read("").Connectors[0].EventStreams.Via; via != config.ViaWebhook {
		t.Errorf("left out: via %q", via)
	}
	got := read("    event_streams: {via: kinesis, stream: twilio-events, region: eu-west-1, access_key_id: AKIA, secret_access_key: \"${AWS_SECRET}\",\n" +
		"      sink: {stream_arn: \"arn:aws:kinesis:eu-west-1:123456789012:stream/twilio-events\", role_arn: \"arn:aws:iam::123456789012:role/twilio\", external_id: \"${AWS_SECRET}\"}}\n").
		Connectors[0].EventStreams
	if got.Stream != "twilio-events" || got.SecretAccessKey.Reveal() != "hidden" || got.Sink.ExternalID.Reveal() != "hidden" {
		t.Errorf("read %+v", got)
	}
	unused := read("    event_streams: {stream: twilio-events}\n").Warnings
	if len(unused) != 1 || !strings.Contains(unused[0].Error(), "via: kinesis") {
		t.Errorf("warnings %v", unused)
	}
}
