package webhook

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/twilio/twilio-go/client"
	"pgregory.net/rapid"
)

// The vectors of facts/twilio.md 7.1.
const (
	vectorForm     = "EventType=task.canceled&Sid=EV00000000000000000000000000000001&TaskAttributes=%7B%22from%22%3A%22%2B33612345678%22%2C%22name%22%3A%22Zo%C3%AB+A%22%7D&TaskCanceledReason=hangup&Timestamp=1767323045&TimestampMs=1767323045123"
	vectorFormURI  = "/webhooks/taskrouter?tenant=acme"
	vectorFormSig  = "5En1WTkvimGHSpJDTYJDZC2J0wA="
	vectorPortSig  = "HNbGRsUah9i5kIh2WYOzGt6TaYU="
	vectorJSON     = `[{"specversion":"1.0","id":"EZ00000000000000000000000000000001","type":"com.twilio.taskrouter.task.completed"}]`
	vectorJSONURI  = "/webhooks/event-streams?bodySHA256=719f1cfd04ed0a2244e0fa0151fdb192fe7692ce763cab6ba5341df9177bd878"
	vectorJSONSig  = "Mah1ornS7qsbdbvJJvpjREIDNWs="
	vectorQueryURI = "/webhooks/conv?EventType=onMessageAdded&ConversationSid=CH00000000000000000000000000000001"
	vectorQuerySig = "lSUcazVP6M83gcq8f5iUiFSRo+k="
)

func verifier(t *testing.T, publicURL string, tokens ...string) *TwilioSignature {
	t.Helper()
	v, err := NewTwilioSignature(publicURL, func() []string { return tokens })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signedPost(uri, signature, form string) Signed {
	values, err := url.ParseQuery(form)
	if err != nil {
		panic(err)
	}
	return Signed{Method: http.MethodPost, URI: uri, Body: []byte(form), Form: values, Header: http.Header{signatureHeader: {signature}}}
}

func signedBody(uri, signature, body string) Signed {
	return Signed{Method: http.MethodPost, URI: uri, Body: []byte(body), Header: http.Header{signatureHeader: {signature}}}
}

func TestSignatureVectors(t *testing.T) {
	get := signedBody(vectorQueryURI, vectorQuerySig, "")
	get.Method = http.MethodGet
	for _, c := range []struct {
		name   string
		public string
		tokens []string
		signed Signed
		want   error
	}{
		{"form", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), nil},
		{"form, signed with the port", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorPortSig, vectorForm), nil},
		{"form, public URL with the port", publicURL + ":443", []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), nil},
		{"form, port on both sides", publicURL + ":443", []string{authToken}, signedPost(vectorFormURI, vectorPortSig, vectorForm), nil},
		{"public URL with a slash", publicURL + "/", []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), nil},
		{"JSON", publicURL, []string{authToken}, signedBody(vectorJSONURI, vectorJSONSig, vectorJSON), nil},
		{"GET", publicURL, []string{authToken}, get, nil},
		{"second of two tokens", publicURL, []string{"fedcba9876543210fedcba9876543210", authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), nil},

		{"other token", publicURL, []string{"fedcba9876543210fedcba9876543210"}, signedPost(vectorFormURI, vectorFormSig, vectorForm), ErrSignatureWrong},
		{"other host", "https://example.com", []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), ErrSignatureWrong},
		{"other scheme", "http://connector.example.com", []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), ErrSignatureWrong},
		{"other port", publicURL + ":8443", []string{authToken}, signedPost(vectorFormURI, vectorPortSig, vectorForm), ErrSignatureWrong},
		{"query gone", publicURL, []string{authToken}, signedPost("/webhooks/taskrouter", vectorFormSig, vectorForm), ErrSignatureWrong},
		{"slash added", publicURL, []string{authToken}, signedPost("/webhooks/taskrouter/?tenant=acme", vectorFormSig, vectorForm), ErrSignatureWrong},
		{"field added", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm+"&TaskAge=1"), ErrSignatureWrong},
		{"value appended to a field", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm+"&Sid=EV1"), ErrSignatureWrong},
		{"field gone", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorFormSig, "EventType=task.canceled"), ErrSignatureWrong},
		{"signature cut", publicURL, []string{authToken}, signedPost(vectorFormURI, vectorFormSig[:20], vectorForm), ErrSignatureWrong},
		{"signature missing", publicURL, []string{authToken}, signedPost(vectorFormURI, "", vectorForm), ErrSignatureMissing},
		{"JSON changed", publicURL, []string{authToken}, signedBody(vectorJSONURI, vectorJSONSig, vectorJSON+" "), ErrBodyHashWrong},
		{"no hash", publicURL, []string{authToken}, signedBody("/x", Sign(authToken, publicURL+"/x", nil), "{}"), ErrBodyHashMissing},
		{"hash twice", publicURL, []string{authToken}, signedBody("/x?bodySHA256=a&bodySHA256=b", Sign(authToken, publicURL+"/x?bodySHA256=a&bodySHA256=b", nil), "{}"), ErrBodyHashMissing},
		{"no public URL", "", []string{authToken}, signedPost(vectorFormURI, vectorFormSig, vectorForm), ErrNoPublicURL},
		{"no token", publicURL, nil, signedPost(vectorFormURI, vectorFormSig, vectorForm), ErrNoAuthToken},
		{"signed with the empty token", publicURL, []string{""}, signedPost("/x", Sign("", publicURL+"/x", nil), ""), ErrNoAuthToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := verifier(t, c.public, c.tokens...).Verify(c.signed); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// Twilio's own validator and ours agree on every form without repeated fields,
// whichever way the port is written.
func TestSignatureAgreesWithTwilio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOf(rapid.StringMatching(`[A-Za-z.]{1,8}`), rapid.String()).Draw(t, "fields")
		base := rapid.SampledFrom([]string{publicURL, publicURL + ":443", "http://127.0.0.1", "https://h.example:8443"}).Draw(t, "base")
		signedBase := rapid.SampledFrom([]string{base, publicURL, "http://127.0.0.1:80"}).Draw(t, "signed base")
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, value)
		}
		signature := Sign(authToken, signedBase+"/x?a=b", form)
		theirs := client.NewRequestValidator(authToken)
		want := theirs.ValidateBody(base+"/x?a=b", []byte(form.Encode()), signature)

		v, err := NewTwilioSignature(base, func() []string { return []string{authToken} })
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Verify(signedPost("/x?a=b", signature, form.Encode())) == nil; got != want {
			t.Fatalf("we say %v, Twilio's validator %v", got, want)
		}
	})
}

func TestPublicBases(t *testing.T) {
	for _, c := range []struct {
		url  string
		want []string // nil means an error
	}{
		{"https://h.example", []string{"https://h.example", "https://h.example:443"}},
		{"https://h.example:443/", []string{"https://h.example:443", "https://h.example"}},
		{"https://h.example:8443", []string{"https://h.example:8443", "https://h.example"}},
		{"http://127.0.0.1", []string{"http://127.0.0.1", "http://127.0.0.1:80"}},
		{"https://[::1]", []string{"https://[::1]", "https://[::1]:443"}},
		{"https://[::1]:8443/flex/", []string{"https://[::1]:8443/flex", "https://[::1]/flex"}},
		{"ftp://h.example", nil},
		{"https://", nil},
		{"connector.example.com", nil},
		{"https://u:p@h.example", nil},
		{"https://h.example?x=1", nil},
		{"https://h.example/%zz", nil},
	} {
		got, err := publicBases(c.url)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v; want %q", c.url, got, err, c.want)
		}
	}
}
