package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load("../connector.yaml", usual())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) != 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if cfg.Store.SQLitePath != filepath.Join("..", "flexbrevo.db") {
		t.Errorf("the store is at %s, not beside the configuration", cfg.Store.SQLitePath)
	}
	c := cfg.Connectors[0]
	if c.Lists.CSATRespondents.Name != "CSAT respondents" || c.Location.String() != "Europe/Paris" || len(c.Rules.Fields) != len(c.FieldMapping) {
		t.Errorf("lists %+v, zone %v, %d rules of %d", c.Lists, c.Location, len(c.Rules.Fields), len(c.FieldMapping))
	}
}

// parse reads a file whose only connector is called main.
func parse(t *testing.T, text string, options config.Options) *config.Config {
	t.Helper()
	cfg, err := config.Parse(filepath.Join(t.TempDir(), "connector.yaml"), []byte(text), options)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSmallestFile(t *testing.T) {
	t.Parallel()
	cfg := parse(t, "connectors: {main: {}}", usual())
	c := cfg.Connectors[0]
	if c.AccountSID != accountSID || c.AuthToken.Reveal() != authToken || cfg.Brevo.APIKey.Reveal() != brevoKey {
		t.Error("what the file leaves out did not come from the environment")
	}
	if !c.Enabled || c.InitialLookback != 48*time.Hour || c.Events.MaxAge != 72*time.Hour || c.Location != time.UTC || !c.Sync.Tasks || c.Sync.AgentActivity {
		t.Errorf("defaults: %+v", c)
	}
	if cfg.Retention.Customers != config.Keep || cfg.Brevo.Share != 0.8 || !c.Brevo.Provision || cfg.Server.AdminListen != "127.0.0.1:8081" {
		t.Errorf("defaults: %+v", cfg)
	}
	if len(cfg.Warnings) != 1 {
		t.Errorf("warnings: %v; want one about missing rules", cfg.Warnings)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	options := config.Options{Env: env("TWILIO_ACCOUNT_SID", accountSID, "TWILIO_AUTH_TOKEN", authToken, "BREVO_API_KEY", brevoKey,
		"ZONE_CITY", "Paris", "SHARE", "0.25", "ON", "false", "EMPTY", "", "LIST", "7")}
	cfg := parse(t, `
connectors:
  main:
    timezone: Europe/${ZONE_CITY}
    enabled: ${ON}
    region: ${NOT_THERE:-}
    initial_lookback: ${NOT_THERE:-3d}
    base_url: ${EMPTY:-https://example.com}
    workspace_sid: "${EMPTY}"
    lists: {support_contacts: "${LIST}", csat_respondents: $$ick $ people}
brevo: {share: "${SHARE}", lookup_after: "${EMPTY:-}"}
`, options)
	c := cfg.Connectors[0]
	if c.Timezone != "Europe/Paris" || c.Enabled || c.Region != "" || c.InitialLookback != 72*time.Hour || c.BaseURL != "https://example.com" {
		t.Errorf("%+v", c)
	}
	if c.Lists.SupportContacts.ID != 7 || c.Lists.CSATRespondents.Name != "$ick $ people" {
		t.Errorf("lists %+v", c.Lists)
	}
	if cfg.Brevo.Share != 0.25 || cfg.Brevo.LookupAfter != 10*time.Second {
		t.Errorf("brevo %+v", cfg.Brevo)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"token": authToken + "\n", "older": "one\n\ntwo\n", "key": brevoKey} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := `
connectors:
  main: {auth_token_file: token, auth_tokens_file: older, account_sid: ` + accountSID + `}
`
	cfg, err := config.Parse(filepath.Join(dir, "connector.yaml"), []byte(text), config.Options{Env: env("BREVO_API_KEY_FILE", "key")})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, token := range cfg.Connectors[0].SigningTokens() {
		tokens = append(tokens, token.Reveal())
	}
	if !slices.Equal(tokens, []string{authToken, "one", "two"}) || cfg.Connectors[0].Brevo.APIKey.Reveal() != brevoKey {
		t.Error("the secrets of the files were not read")
	}
}

func TestCredentialsStayTogether(t *testing.T) {
	t.Parallel()
	options := config.Options{Env: env("TWILIO_ACCOUNT_SID", accountSID, "TWILIO_AUTH_TOKEN", authToken, "BREVO_API_KEY", brevoKey,
		"TWILIO_API_KEY_SID", "SK00000000000000000000000000000001", "TWILIO_API_KEY_SECRET", "key secret")}
	cfg := parse(t, `
connectors:
  common: {}
  own:
    account_sid: AC00000000000000000000000000000002
    auth_token: other
    brevo: {oauth: {client_id: one, client_secret: two}, share: 0.5}
brevo: {tier: advanced}
`, options)
	common, own := cfg.Connectors[0], cfg.Connectors[1]
	if user, password := common.Credentials(); user != "SK00000000000000000000000000000001" || password.Reveal() != "key secret" {
		t.Errorf("the common connector signs in as %s", user)
	}
	if user, password := own.Credentials(); user != own.AccountSID || password.Reveal() != "other" {
		t.Errorf("the connector with its own token signs in as %s", user)
	}
	if own.Brevo.APIKey.IsSet() || own.Brevo.OAuth.ClientID != "one" || own.Brevo.Share != 0.5 || own.Brevo.Tier != "advanced" {
		t.Errorf("the connector's own account: %+v", own.Brevo)
	}
}

func TestEncryptedSecrets(t *testing.T) {
	t.Parallel()
	options := usual()
	var opened string
	options.Secrets = func(file, keyFrom string) (func(string) (string, bool), error) {
		opened = filepath.Base(file) + " " + keyFrom
		return env("SURVEY", "from the file", "BREVO_API_KEY", "hidden by the environment"), nil
	}
	cfg := parse(t, `
server: {survey_secret: "${SURVEY}"}
secrets: {file: secrets.age, key_from: keyring}
connectors: {main: {}}
`, options)
	if opened != "secrets.age keyring" || cfg.Server.SurveySecret.Reveal() != "from the file" || cfg.Brevo.APIKey.Reveal() != brevoKey {
		t.Errorf("opened %q; the environment goes before the file", opened)
	}
	options.Secrets = func(string, string) (func(string) (string, bool), error) { return nil, errors.New("wrong key") }
	_, err := config.Parse("connector.yaml", []byte("secrets: {file: s}\nconnectors: {main: {}}"), options)
	if err == nil || err.Error() != "connector.yaml:1:17: secrets.file: the encrypted secrets cannot be opened; wrong key" {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	options := config.Options{Env: env("TWILIO_ACCOUNT_SID", accountSID, "BREVO_API_KEY", brevoKey,
		"TWILIO_API_KEY_SID", "SK00000000000000000000000000000001", "TWILIO_API_KEY_SECRET", "x")}
	cfg := parse(t, `
connectors:
  main:
    channels: [voice, whatsap, chat, fax]
    field_mapping:
      total_conversation: COUNT
      attributes.conversation.outcome: OUTCOME
      preferred_channel: OUTCOME
`, options)
	var got []string
	for _, w := range cfg.Warnings {
		w.At.File = "f"
		got = append(got, w.Error())
	}
	want := []string{
		"f:3:3: connectors.main.auth_token: webhooks cannot be verified without an auth token; set auth_token as well",
		`f:4:23: connectors.main.channels[1]: "whatsap" is a channel of your own; if whatsapp is meant, write that`,
		"f:6:7: connectors.main.field_mapping.total_conversation: total_conversation is looked up in the task attributes; if total_conversations is meant, write that",
		"f:7:18: connectors.main.field_mapping[\"attributes.conversation.outcome\"]: conversation is looked up in the task attributes; if conversations is meant, write that",
		"f:8:7: connectors.main.field_mapping.preferred_channel: OUTCOME has two rules; the later one counts when both give a value (the other is on line 7)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(cfg.Connectors[0].Channels, []string{"voice", "whatsap", "webchat", "fax"}) {
		t.Errorf("channels %v", cfg.Connectors[0].Channels)
	}
}

func TestLoadOfWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := config.Load(filepath.Join(dir, "none.yaml"), usual()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no file", err)
	}
	var problems config.Problems
	if _, err := config.Load(dir, usual()); err == nil || errors.As(err, &problems) {
		t.Errorf("got %v, want an error about a directory", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../testdata/config/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../connector.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := config.Parse("connector.yaml", text, usual())
		if (cfg == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", cfg, err)
		}
		var problems config.Problems
		if err != nil && (!errors.As(err, &problems) || !problems.Failed()) {
			t.Fatalf("an error that holds no problem: %v", err)
		}
		for _, problem := range problems {
			if problem.At.Line < 1 || problem.At.Column < 1 || problem.Message == "" {
				t.Errorf("a problem without place or words: %#v", problem)
			}
		}
		if err != nil && (strings.Contains(err.Error(), authToken) || strings.Contains(err.Error(), brevoKey)) {
			t.Errorf("a secret shows: %v", err)
		}
	})
}
