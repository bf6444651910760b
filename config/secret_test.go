package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"

	"flexbrevo/config"
)

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	type block struct {
		Key  config.Secret
		Keys []config.Secret
		Ref  *config.Secret
	}
	secret := config.NewSecret("hush")
	value := block{Key: secret, Keys: []config.Secret{secret}, Ref: &secret}
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.2s"} {
		printed["secret "+verb] = fmt.Sprintf(verb, secret)
		printed["block "+verb] = fmt.Sprintf(verb, value)
	}
	printed["println"] = fmt.Sprintln(secret, value)
	printed["String"] = secret.String()
	printed["GoString"] = secret.GoString()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	printed["json"] = string(encoded)
	encoded, err = yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	printed["yaml"] = string(encoded)
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("loaded", "secret", secret, "block", value)
	}
	printed["slog"] = log.String()
	for way, text := range printed {
		if strings.Contains(text, "hush") || strings.Contains(text, "68757368") {
			t.Errorf("%s shows the secret: %s", way, text)
		}
		if strings.HasPrefix(way, "secret ") && text != "<secret>" {
			t.Errorf("%s gives %s", way, text)
		}
	}
	if secret.Reveal() != "hush" || !secret.IsSet() || (config.Secret{}).IsSet() {
		t.Error("the secret is not what was kept")
	}
}
