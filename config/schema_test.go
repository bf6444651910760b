package config_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"flexbrevo/config"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("connector.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("connector.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestSchemaAcceptsTheExamples(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	for _, file := range []string{"../connector.yaml", "../../shared/seed/connector.yaml"} {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			t.Logf("%s is not on this machine", file)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefusesMistakes(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	for _, text := range []string{
		"connector: {}",
		"connectors: {main: {acount_sid: x}}",
		"connectors: {main: {sync: {tasks: maybe}}}",
		"connectors: {main: {identity: {create: everyone}}}",
		"connectors: {main: {field_mapping: {a: {too: A}}}}",
		"brevo: {share: half}",
		"log: [info]",
	} {
		if validate(t, schema, []byte(text)) == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}
