package webhook

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/twilio/twilio-go/client"
)

// FuzzHandler sends anything anywhere. Nothing may panic, and nothing may be kept
// whose proof does not hold in the eyes of Twilio's own validator, or by the
// secrets themselves. Where sign is set the signature is a good one, so that the
// readers behind it are reached too.
func FuzzHandler(f *testing.F) {
	paths := []string{flexPath, taskRouterPath, eventsPath, conversationsPath, surveyPath}
	for i := range paths {
		for _, body := range []string{goodForm, canceled, `[` + canceled + `]`, `{"TaskSid":"` + taskSID + `"}`, `{"task_sid":"` + taskSID + `","score":4}`,
			"EventType=onMessageAdded&Body=x&MessageSid=IM1&DateCreated=2026-01-02T03:04:05Z", "a=%zz", "[[[[", "\x00\xff"} {
			f.Add(uint8(i), "", jsonType, "x", "Bearer "+secret, body, true)
			f.Add(uint8(i), "tenant=acme&bodySHA256=x", formType, "", "", body, false)
		}
	}
	f.Fuzz(func(t *testing.T, path uint8, query, contentType, signature, authorization, body string, sign bool) {
		target := paths[int(path)%len(paths)]
		if query != "" {
			target += "?" + url.PathEscape(query)
		}
		isForm := strings.HasPrefix(contentType, formType)
		if sign {
			target, signature = goodProof(target, body, isForm)
		}
		x := newFixture(t, nil)
		r := post(target, contentType, body, signatureHeader, signature, "Authorization", authorization)
		w := httptest.NewRecorder()
		x.ServeHTTP(w, r)
		if strings.Contains(x.log.String(), "panicked") {
			t.Fatalf("panic: %s", x.log)
		}
		kept := x.keeper.kept()
		if (w.Code/100 == 2) != (len(kept) > 0) && !emptyPost(r.URL.Path) {
			t.Fatalf("answer %d with %d records kept", w.Code, len(kept))
		}
		theirs := client.NewRequestValidator(authToken)
		if len(kept) > 0 && !sign && !theirs.ValidateBody(publicURL+target, []byte(body), signature) && !holdsSecret(r) {
			t.Fatalf("kept without proof: %s %q", target, body)
		}
		for _, k := range kept {
			if !isName(k.Type) || !isPlain(k.Key) || len(k.Key) > longestKey+50 || k.At.IsZero() {
				t.Fatalf("kept under %q as %q at %s", k.Key, k.Type, k.At)
			}
		}
	})
}

func goodProof(target, body string, isForm bool) (string, string) {
	if isForm {
		form, _ := url.ParseQuery(body)
		return target, Sign(authToken, publicURL+target, form)
	}
	path, _, _ := strings.Cut(target, "?")
	target = withBodyHash(path, body)
	return target, Sign(authToken, publicURL+target, nil)
}

// emptyPost says whether a good post to a path may leave nothing.
func emptyPost(path string) bool { return path == eventsPath }

func holdsSecret(r *http.Request) bool {
	switch r.URL.Path {
	case surveyPath:
		return bearer(r.Header) == secret
	case flexPath:
		return bearer(r.Header) == goodToken
	}
	return false
}
