package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestDiagnose(t *testing.T) {
	form := url.Values{"EventType": {"task.canceled"}, "TaskAttributes": {` {"from":"+33612345678"}`}}
	body := []byte(`[{"id":"EZ1"}]`)
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	tokens := []NamedToken{{"connectors.flex.auth_token", authToken}, {"connectors.flex.auth_tokens[0]", "coming"}}
	suspects := []NamedToken{{"connectors.flex.api_key_secret", "apisecret"}, {"connectors.paris.auth_token", "paristoken"}}
	for _, c := range []struct {
		name     string
		signed   string // the complete URL as Twilio wrote it
		token    string
		question Question
		form     url.Values // as signed; nil for JSON
		differs  []Difference
		says     string
	}{
		{"nothing differs", publicURL + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form}, form, nil, "matches as it is checked"},
		{"the default port", publicURL + ":443" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form}, form, nil, "matches as it is checked"},
		{"the coming token", publicURL + taskRouterPath, "coming", Question{URI: taskRouterPath, Form: form}, form, nil, "matches"},
		{"plain http", "http://connector.example.com" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form}, form, []Difference{DiffScheme}, `server.public_url to "http://connector.example.com"`},
		{"another port", publicURL + ":8443" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form, Hosts: []string{"connector.example.com:8443"}}, form, []Difference{DiffPort}, `"https://connector.example.com:8443"`},
		{"the host a proxy was asked for", "https://hooks.example.com" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form, Hosts: []string{"10.0.0.5:8080", "hooks.example.com"}}, form, []Difference{DiffHost}, `"https://hooks.example.com"`},
		{"a path that a proxy takes away", publicURL + "/flexbrevo" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form, Prefixes: []string{"/flexbrevo/"}}, form, []Difference{DiffPrefix}, `"https://connector.example.com/flexbrevo"`},
		{"a path too many", publicURL + taskRouterPath, authToken, Question{PublicURL: publicURL + "/flexbrevo", URI: taskRouterPath, Form: form}, form, []Difference{DiffPrefix}, `to "https://connector.example.com".`},
		{"a slash at the end", publicURL + taskRouterPath + "/", authToken, Question{URI: taskRouterPath, Form: form}, form, []Difference{DiffSlash}, "The path at Twilio is " + taskRouterPath + "/"},
		{"a query encoded anew", publicURL + taskRouterPath + "?tenant=a%20b", authToken, Question{URI: taskRouterPath + "?tenant=a+b", Form: form}, form, []Difference{DiffEncoding}, "A proxy rewrites"},
		{"a query in another order", publicURL + taskRouterPath + "?a=1&b=2", authToken, Question{URI: taskRouterPath + "?b=2&a=1", Form: form}, form, []Difference{DiffEncoding}, "A proxy rewrites"},
		{"trimmed fields", publicURL + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: url.Values{"A": {" b "}}}, url.Values{"A": {"b"}}, []Difference{DiffForm}, "changes the form"},
		{"a repeated field", publicURL + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: url.Values{"A": {"b", "c"}}}, url.Values{"A": {"b"}}, []Difference{DiffForm}, "changes the form"},
		{"an API key's secret", publicURL + taskRouterPath, "apisecret", Question{URI: taskRouterPath, Form: form}, form, []Difference{DiffToken}, "connectors.flex.api_key_secret"},
		{"another account", publicURL + taskRouterPath, "paristoken", Question{URI: taskRouterPath, Form: form}, form, []Difference{DiffToken}, "connectors.paris.auth_token"},
		{"a token with space", publicURL + taskRouterPath, "spaced", Question{URI: taskRouterPath, Form: form, Tokens: []NamedToken{{"x", " spaced\n"}}}, form, []Difference{DiffToken}, "the key of x"},
		{"JSON", publicURL + eventsPath + "?bodySHA256=" + hash, authToken, Question{URI: eventsPath + "?bodySHA256=" + hash, Body: body}, nil, nil, "matches"},
		{"a changed hash", publicURL + eventsPath + "?bodySHA256=" + hash, authToken, Question{URI: eventsPath + "?bodySHA256=" + strings.Repeat("0", 64), Body: body}, nil, []Difference{DiffBodyHash}, "The body, or the hash"},
		{"a hash added on the way", publicURL + eventsPath, authToken, Question{URI: eventsPath + "?bodySHA256=" + hash, Body: body}, nil, []Difference{DiffBodyHash}, "The body, or the hash"},
		{"two things at once", "http://hooks.example.com" + taskRouterPath, authToken, Question{URI: taskRouterPath, Form: form, Hosts: []string{"hooks.example.com"}}, form, []Difference{DiffScheme, DiffHost}, `"http://hooks.example.com"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := c.question
			q.Signature, q.Suspects = Sign(c.token, c.signed, c.form), suspects
			if q.PublicURL == "" {
				q.PublicURL = publicURL
			}
			if q.Tokens == nil {
				q.Tokens = tokens
			}
			got := Diagnose(q)
			if !got.Found || !reflect.DeepEqual(got.Differs, c.differs) && len(got.Differs)+len(c.differs) > 0 || !strings.Contains(got.Advice, c.says) {
				t.Errorf("diagnosis %+v, want %q and %q", got, c.differs, c.says)
			}
			if strings.Contains(got.Advice, c.token) {
				t.Error("the advice holds a key")
			}
		})
	}
}

func TestDiagnoseNothingFits(t *testing.T) {
	for name, q := range map[string]Question{
		"forged":      {Signature: "bm90aGluZw==", PublicURL: publicURL, URI: taskRouterPath, Form: url.Values{}, Tokens: []NamedToken{{"x", authToken}}},
		"no token":    {Signature: Sign("", publicURL+taskRouterPath, nil), PublicURL: publicURL, URI: taskRouterPath, Form: url.Values{}, Tokens: []NamedToken{{"x", ""}}},
		"nothing set": {Signature: "bm90aGluZw==", URI: "/x"},
		"unsigned":    {PublicURL: publicURL, URI: taskRouterPath, Tokens: []NamedToken{{"x", authToken}}},
	} {
		if d := Diagnose(q); d.Found || d.Advice == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestRefusalsAreExplained lets a proxy that speaks to the outside under another name forward a signed post.
func TestRefusalsAreExplained(t *testing.T) {
	f := newFixture(t, func(_ *Options, c *Connector) {
		c.Suspects = func() []NamedToken { return []NamedToken{{"connectors.paris.auth_token", "paristoken"}} }
	})
	form := url.Values{"EventType": {"task.canceled"}}
	request := func(token, base string) *http.Request {
		r := post(taskRouterPath, formType, form.Encode(), signatureHeader, Sign(token, base+taskRouterPath, form), "X-Forwarded-Host", "hooks.example.com")
		r.Host = "10.0.0.5:8080"
		return r
	}
	f.refused(t, request(authToken, "https://hooks.example.com"), http.StatusForbidden, "proof of origin")
	f.refused(t, request("paristoken", publicURL), http.StatusForbidden, "proof of origin")
	for range 20 {
		f.refused(t, request("stranger", publicURL), http.StatusForbidden, "proof of origin")
	}
	if r := f.refusals[0]; !r.Found || !reflect.DeepEqual(r.Differs, []Difference{DiffHost}) || !strings.Contains(r.Advice, `"https://hooks.example.com"`) {
		t.Errorf("refusal %+v", r)
	}
	if r := f.refusals[1]; !r.Found || !reflect.DeepEqual(r.Differs, []Difference{DiffToken}) || !strings.Contains(r.Advice, "connectors.paris.auth_token") {
		t.Errorf("refusal %+v", r)
	}
	tried := 0
	for _, r := range f.refusals {
		if r.Tried {
			tried++
		}
	}
	if tried != explainedAtOnce {
		t.Errorf("%d of %d refusals were tried at one moment, want %d", tried, len(f.refusals), explainedAtOnce)
	}
}

func BenchmarkDiagnose(b *testing.B) {
	q := Question{
		Signature: "bm90aGluZw==", PublicURL: publicURL, URI: taskRouterPath + "?tenant=a+b", Hosts: []string{"10.0.0.5:8080", "hooks.example.com"},
		Form: url.Values{"TaskAttributes": {strings.Repeat("x", 600)}}, Tokens: []NamedToken{{"x", authToken}}, Suspects: []NamedToken{{"y", "apisecret"}, {"z", "paristoken"}},
	}
	for b.Loop() {
		Diagnose(q)
	}
}
