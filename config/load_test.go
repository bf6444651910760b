package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"flexbrevo/config"
)

// env is an environment of our own, so that the machine's does not matter.
func env(pairs ...string) func(string) (string, bool) {
	values := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

const (
	accountSID = "AC00000000000000000000000000000001"
	authToken  = "token-that-must-not-show"
	brevoKey   = "key-that-must-not-show"
)

func usual() config.Options {
	return config.Options{Env: env("TWILIO_ACCOUNT_SID", accountSID, "TWILIO_AUTH_TOKEN", authToken, "BREVO_API_KEY", brevoKey)}
}

func TestSeedLoadsUnchanged(t *testing.T) {
	t.Parallel()
	seed := filepath.Join("..", "..", "shared", "seed", "connector.yaml")
	if _, err := os.Stat(seed); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the seed configuration is not on this machine")
	}
	cfg, err := config.Load(seed, config.Options{Env: env("TWILIO_AUTH_TOKEN", authToken, "BREVO_API_KEY", brevoKey)})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) != 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	c := cfg.Connectors[0]
	if c.Name != "twilio_flex" || c.AuthToken.Reveal() != authToken || c.Brevo.APIKey.Reveal() != brevoKey {
		t.Errorf("credentials of %s did not come from the environment", c.Name)
	}
	if c.Lists.SupportContacts.ID != 32 || c.Lists.CSATRespondents.ID != 33 || c.Sync.AgentActivity {
		t.Errorf("lists %+v, sync %+v", c.Lists, c.Sync)
	}
	if len(c.Rules.Fields) != 11 || len(c.Rules.Events) != 5 {
		t.Errorf("%d field rules and %d event rules, want 11 and 5", len(c.Rules.Fields), len(c.Rules.Events))
	}
}
