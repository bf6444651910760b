package config

import (
	"fmt"
	"os"
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"flexbrevo/mapping"
)

// LoadSecrets reads the secrets block of a file alone, so that it can be had while the credentials that the rest of the
// file refers to are still missing. Its File is taken beside the configuration.
func LoadSecrets(path string, options Options) (Secrets, error) {
	data, err := readLimited(path)
	if err != nil {
		return Secrets{}, fmt.Errorf("read configuration: %w", err)
	}
	if options.Env == nil {
		options.Env = os.LookupEnv
	}
	l := newLoader(path, options)
	body := l.parse(data)
	if len(l.problems) > 0 {
		return Secrets{}, l.problems
	}
	ahead := l.secretsAhead(body)
	if len(ahead.problems) > 0 {
		return Secrets{}, ahead.problems
	}
	secrets := ahead.root.Secrets
	if secrets.File != "" {
		secrets.File = besides(path, secrets.File)
	}
	return secrets, nil
}

// secretsAhead decodes the secrets block and nothing else; the loader is as it was.
func (l *loader) secretsAhead(body ast.Node) decoder {
	ahead := l.decoder
	ahead.root, ahead.places, ahead.spots = defaults(), map[string]place{}, map[mapping.Position]place{}
	list, _ := ahead.entries(body, "")
	for _, e := range list {
		if e.key == "secrets" {
			ahead.decode(e.value, reflect.ValueOf(&ahead.root.Secrets).Elem(), spot{namespace: "Config.Secrets", path: "secrets"})
		}
	}
	return ahead
}
