package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const referenceFile = "../docs/configuration.md"

// TestReference keeps docs/configuration.md, and the schema beside it, what the structs say; -update writes both anew.
func TestReference(t *testing.T) {
	t.Parallel()
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{referenceFile: page(), "../docs/connector.schema.json": string(schema) + "\n"} {
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the structs say; go test ./config -run TestReference -update writes it anew", file)
		}
	}
}

// referencePage writes a table for a block and for each block in it.
func referencePage(out *strings.Builder, path string, v reflect.Value) {
	type block struct {
		path string
		v    reflect.Value
	}
	var blocks []block
	fmt.Fprintf(out, "\n## %s\n\n| key | default | what it is |\n| --- | --- | --- |\n", path)
	for _, f := range reflect.VisibleFields(v.Type()) {
		key, desc := f.Tag.Get("yaml"), f.Tag.Get("desc")
		if key == "" || key == "-" {
			continue
		}
		inner, below := elementOf(f.Type), path+"."+key
		if path == rootPath {
			below = key
		}
		shown := "`" + key + "`"
		if inner.Kind() == reflect.Struct && !isPlain(inner) {
			fresh := reflect.New(inner).Elem()
			switch {
			case f.Tag.Get("keyed") != "":
				below += ".NAME"
			case f.Type.Kind() == reflect.Slice:
				below += "[]"
			default:
				fresh = v.FieldByIndex(f.Index)
			}
			if inner == reflect.TypeFor[Connector]() {
				fresh = reflect.ValueOf(defaultConnector(defaults().Brevo))
			}
			if path != rootPath && inner == reflect.TypeFor[Brevo]() {
				desc += " (the same keys)"
			} else {
				blocks = append(blocks, block{below, fresh})
			}
		}
		if isSecret(f.Type) {
			shown += " or `" + key + "_file`"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", shown, defaultOf(v.FieldByIndex(f.Index)), strings.ReplaceAll(desc+checks(f), "|", "\\|"))
	}
	for _, b := range blocks {
		referencePage(out, b.path, b.v)
	}
}

const rootPath = "The file"

// page is the whole reference.
func page() string {
	var out strings.Builder
	out.WriteString("# Configuration\n\nGenerated from the structs of package config; `flexbrevo schema` prints the same as a JSON Schema. A commented example\n" +
		"with every key is [connector.yaml](../connector.yaml), rules are in [rules.md](rules.md).\n\n" +
		"`${NAME}` is taken from the environment, then from the encrypted file below `secrets`; it must be there,\n" +
		"`${NAME:-default}` need not. `$$` is a plain `$`. Unknown keys, bad values and rules that do not compile are all reported\n" +
		"at once, each with its place, by `flexbrevo check`.\n")
	referencePage(&out, rootPath, reflect.ValueOf(*defaults()))
	return out.String()
}

func elementOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isPlain(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[List]() || t == reflect.TypeFor[time.Location]()
}

func defaultOf(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case Secret:
		if !value.IsSet() {
			return ""
		}
		return "`" + value.Reveal() + "`" // a default is no secret
	case Age:
		if value == 0 {
			return "`keep`"
		}
		return fmt.Sprintf("`%dd`", time.Duration(value)/(24*time.Hour))
	case time.Duration:
		text := value.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return "`" + text + "`"
	}
	if v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Float64 {
		return ""
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Float64, reflect.String, reflect.Int, reflect.Int64:
		return fmt.Sprintf("`%v`", v.Interface())
	}
	return ""
}

// checks puts the choices of a value behind its description.
func checks(f reflect.StructField) string {
	for check := range strings.SplitSeq(f.Tag.Get("validate"), ",") {
		if list, ok := strings.CutPrefix(check, "oneof="); ok && !strings.Contains(f.Tag.Get("desc"), strings.Fields(list)[0]) {
			return ": " + strings.Join(strings.Fields(list), ", ")
		}
	}
	return ""
}
