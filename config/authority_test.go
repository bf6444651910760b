package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flexbrevo/config"
)

// TestAuthorityIsRead names a ca_file that is missing, or none, by its place in the file.
func TestAuthorityIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing.pem": "tls.ca_file: the file does not exist", "text.pem": "tls.ca_file: the file holds no certificate", ".": "tls.ca_file: the file cannot be read",
	} {
		text := "connectors:\n  main: {account_sid: " + accountSID + ", auth_token: x}\nbrevo: {api_key: y}\ntls: {ca_file: " + name + "}\n"
		_, err := config.Parse(filepath.Join(dir, "connector.yaml"), []byte(text), config.Options{Env: env()})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ":4:") {
			t.Errorf("%s: %v, want %q in line 4", name, err, want)
		}
	}
}
