package connector_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// down lists the packages of the project from the top to the bottom; a package
// may import only what stands below it. Indented names share a line: they do not
// know each other.
var down = [][]string{
	{"cmd/flexbrevo"},
	{"connector"},
	{"connector/bulkimport", "connector/crm", "connector/kinesis", "connector/objects", "connector/publish"},
	{"connector/part"},
	{"connector/schedule"},
	{"connector/pipeline"},
	{"connector/figures"},
	{"connector/profile"},
	{"connector/twilio", "connector/webhook", "connector/brevo"},
	{"connector/store/storetest", "connector/store/sqlstore"},
	{"connector/store/storetest/pgtest"},
	{"connector/tracing"},
	{"connector/store"},
	{"connector/console"},
	{"connector/simulator/twiliosim", "connector/simulator/brevosim", "connector/simulator/oracle"},
	{"connector/simulator/world"},
	{"connector/record"},
	{"connector/failure"},
	{"connector/fact"},
	{"connector/rawjson"},
	{"config"},
	{"config/secretfile", "mapping", "migrations", "connector/mcp"},
}

// parts are the packages of the order that only some users need: they can be
// deleted, so nothing but the program names them.
var parts = []string{"connector/bulkimport", "connector/crm", "connector/kinesis", "connector/objects", "connector/publish", "connector/mcp"}

// homes says which packages may import a library, so that each has one home.
var homes = map[string][]string{
	"github.com/twilio/twilio-go":     {"connector/twilio", "connector/webhook"},
	"github.com/getbrevo/brevo-go":    {"connector/brevo"},
	"github.com/jackc/pgx":            {"connector/store/sqlstore", "connector/store/storetest/pgtest"},
	"modernc.org/sqlite":              {"connector/store/sqlstore"},
	"github.com/klauspost/compress":   {"connector/store/sqlstore"},
	"github.com/pressly/goose":        {"migrations"},
	"github.com/robfig/cron":          {"connector/schedule"},
	"github.com/go-playground":        {"config"},
	"github.com/goccy/go-yaml":        {"config"},
	"github.com/expr-lang/expr":       {"mapping"},
	"github.com/nyaruka/phonenumbers": {"connector/profile"},
	"github.com/spf13/cobra":          {"cmd/flexbrevo"},
	"filippo.io/age":                  {"config/secretfile"},
	"github.com/prometheus":           {"connector/console"},
	"go.opentelemetry.io":             {"connector/tracing"},
	"github.com/aws":                  {"connector/kinesis"},
	"github.com/modelcontextprotocol": {"connector/mcp"},
	"github.com/google/jsonschema-go": {"connector/mcp"},
}

const module = "flexbrevo/"

func TestImportsPointDown(t *testing.T) {
	level := map[string]int{}
	for i, line := range down {
		for _, p := range line {
			level[p] = i
		}
	}
	seen := map[string]bool{}
	eachImport(t, func(pkg, file, imported string) {
		from, known := level[pkg]
		if !known {
			t.Fatalf("package %s has no place in the order of imports", pkg)
		}
		seen[pkg] = true
		target, ours := strings.CutPrefix(imported, module)
		if !ours {
			return
		}
		to, known := level[target]
		if !known {
			t.Fatalf("%s imports %s, which has no place in the order of imports", file, target)
		}
		if to <= from {
			t.Errorf("%s imports %s: imports point down, never up or sideways", file, target)
		}
	})
	for p := range level {
		if !seen[p] {
			t.Errorf("package %s of the order does not exist", p)
		}
	}
}

func TestPartsCanBeDeleted(t *testing.T) {
	eachImport(t, func(_, file, imported string) {
		for _, p := range parts {
			if imported == module+p && !strings.HasPrefix(filepath.Base(file), "part_") {
				t.Errorf("%s imports %s, which only part_*.go of the program may", file, p)
			}
		}
	})
}

func TestLibrariesHaveOneHome(t *testing.T) {
	eachImport(t, func(pkg, file, imported string) {
		if imported == "github.com/twilio/twilio-go" {
			t.Errorf("%s imports the root of twilio-go, which triples the memory of a build", file)
		}
		for library, allowed := range homes {
			if imported != library && !strings.HasPrefix(imported, library+"/") {
				continue
			}
			home := false
			for _, p := range allowed {
				home = home || p == pkg
			}
			if !home {
				t.Errorf("%s imports %s, whose home is %v", file, library, allowed)
			}
		}
	})
}

// eachImport calls f for every import of every file that is no test.
func eachImport(t *testing.T, f func(pkg, file, imported string)) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "plugin") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && path != root && err == nil {
			return filepath.SkipDir // a module of its own
		}
		pkg, _ := filepath.Rel(root, filepath.Dir(path))
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || pkg == "." {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f(filepath.ToSlash(pkg), path, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
