package main_test

import (
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// TestOAuth syncs with client credentials in the place of the key: the stand-in gives the tokens, for the scopes
// that are needed and no others, and a client that was not granted them is told so.
func TestOAuth(t *testing.T) {
	t.Parallel()
	client := &brevosim.OAuthClient{
		ID: "client-of-a-test", Secret: "secret-of-a-test", TokenLife: 62 * time.Second,
		Scopes: []string{"contacts:read", "contacts:write", "events:read", "events:write", "account:read"},
	}
	l := newLab(t, setup{world: aDay(4, 60, false), brevo: brevosim.Options{OAuth: client}})
	credentials := func(secret string) {
		text := l.configuration("connector.yaml")
		l.write("connector.yaml", strings.Replace(text, "  api_key: ${BREVO_API_KEY}\n", "  oauth: {client_id: client-of-a-test, client_secret: "+secret+"}\n", 1))
	}
	credentials("not-the-secret")
	mustSay(t, l.must(4, "sync").stderr, "brevo.oauth")
	credentials("secret-of-a-test")
	delete(l.env, "BREVO_API_KEY")
	l.must(0, "sync")
	l.mustEqual(settings(today().Add(-10 * time.Second)))
	mustSay(t, l.must(0, "test").stdout, "✓ Brevo key")
}
