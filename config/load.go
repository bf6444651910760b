package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"flexbrevo/mapping"
)

// Options are what Load needs from outside. The zero value reads the process's environment.
type Options struct {
	// Env looks a variable up; nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// Secrets opens the encrypted file of the secrets block and gives its look-up, which is asked for what the
	// environment lacks; nil makes a configured file a problem.
	Secrets func(file, keyFrom string) (func(name string) (string, bool), error)
	// ScheduleCheck tells whether a cron spec is right; nil accepts all. Its error is shown.
	ScheduleCheck func(spec string) error
}

// maxFileBytes bounds a configuration file and a secret's file.
const maxFileBytes = 1 << 20

// Load reads and checks the file. The error is Problems, one line each, when the file has mistakes; otherwise it says
// why the file cannot be read. Files that the configuration names are taken beside it.
func Load(path string, options Options) (*Config, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, options)
}

// Parse checks the content of a configuration file that Load would have read from path.
func Parse(path string, data []byte, options Options) (*Config, error) {
	if options.Env == nil {
		options.Env = os.LookupEnv
	}
	l := newLoader(path, options)
	l.root.File = path
	if body := l.parse(data); len(l.problems) == 0 {
		l.fill(body)
	}
	return l.result()
}

func newLoader(path string, options Options) *loader {
	return &loader{options: options, decoder: decoder{
		file: path, root: defaults(), anchors: map[string]ast.Node{}, open: map[ast.Node]bool{},
		places: map[string]place{}, spots: map[mapping.Position]place{},
		expand: expander{lookup: options.Env},
		readFile: func(name string) (string, error) {
			content, err := readLimited(besides(path, name))
			return string(content), err
		},
	}}
}

// loader takes a file from bytes to a checked Config.
type loader struct {
	options Options
	decoder
	broken []string // paths whose value could not be had; what else is wrong with them is a consequence
}

func brokenPaths(problems Problems) []string {
	var paths []string
	for _, problem := range problems {
		paths = append(paths, problem.At.Path, strings.TrimSuffix(problem.At.Path, fileSuffix))
	}
	return paths
}

// fail reports a mistake in a value that was read, unless reading it, or what it stands in, was the mistake.
func (l *loader) fail(at mapping.Position, message, expected string) {
	for _, path := range l.broken {
		rest, within := strings.CutPrefix(at.Path, path)
		if path != "" && within && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	l.problems = append(l.problems, Problem{At: at, Message: message, Expected: expected})
}

func (l *loader) warn(at mapping.Position, message, expected string) {
	l.problems = append(l.problems, Problem{At: at, Message: message, Expected: expected, Severity: mapping.Warning})
}

// place gives where the value of a Go field stands; for one that the file leaves out, where its block begins, with the
// path that it would have.
func (l *loader) place(namespace string) place {
	if p, ok := l.places[namespace]; ok {
		return p
	}
	last := strings.LastIndexByte(namespace, '.')
	if last < 0 {
		return place{at: mapping.Position{File: l.file, Line: 1, Column: 1}, hidden: true}
	}
	p := l.place(namespace[:last])
	p.at.Path = joinPath(p.at.Path, keyOf(namespace))
	p.hidden, p.exact = true, false
	return p
}

var indexPattern = regexp.MustCompile(`\[\d+\]`)

// keyOf gives the key in the file of a field of the Config, such as account_sid for Config.Connectors[0].AccountSID.
func keyOf(namespace string) string {
	t, key := reflect.TypeFor[Config](), ""
	for _, name := range strings.Split(indexPattern.ReplaceAllString(namespace, ""), ".")[1:] {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		f, ok := t.FieldByName(name)
		if !ok {
			break
		}
		t, key = f.Type, f.Tag.Get("yaml")
	}
	return key
}

func (l *loader) parse(data []byte) ast.Node {
	if !utf8.Valid(data) {
		l.report(nil, "", "the file is not UTF-8", "save it as UTF-8")
		return nil
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\uFEFF")), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		l.syntaxProblem(err, data)
		return nil
	}
	var body ast.Node
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if body != nil {
			l.report(document.Body, "", "a second document", "expected one document in the file")
			return nil
		}
		body = document.Body
	}
	return body
}

func (l *loader) syntaxProblem(err error, data []byte) {
	at := mapping.Position{File: l.file, Line: 1, Column: 1}
	message, expected := "not YAML", "expected YAML: keys, colons, even indentation by spaces"
	var located yaml.Error
	if errors.As(err, &located) {
		message = located.GetMessage()
		if t := located.GetToken(); t != nil && t.Position != nil {
			at.Line, at.Column = t.Position.Line, max(t.Position.Column, 1)
		}
	}
	lines := strings.Split(string(data), "\n")
	if at.Line <= len(lines) && strings.Contains(lines[at.Line-1], "${") {
		expected = `inside { } and [ ] put quotes around a reference: "${NAME}"`
	}
	l.problems = append(l.problems, Problem{At: at, Message: message, Expected: expected})
}

// openSecrets puts the encrypted file behind the environment. It reads its block ahead of everything else, because all
// the rest may refer to what the file holds.
func (l *loader) openSecrets(body ast.Node) {
	ahead := l.secretsAhead(body)
	if ahead.root.Secrets.File == "" {
		return
	}
	at := ahead.places["Config.Secrets.File"].at
	if l.options.Secrets == nil {
		l.fail(at, "encrypted secrets cannot be read here", "leave secrets.file out")
		return
	}
	lookup, err := l.options.Secrets(besides(l.file, ahead.root.Secrets.File), ahead.root.Secrets.KeyFrom)
	if err != nil {
		l.fail(at, "the encrypted secrets cannot be opened", err.Error())
		return
	}
	environment := l.options.Env
	l.expand.lookup = func(name string) (string, bool) {
		if value, ok := environment(name); ok {
			return value, true
		}
		return lookup(name)
	}
}

func (l *loader) fill(body ast.Node) {
	whole := spot{namespace: "Config"}
	l.openSecrets(body)
	if body == nil {
		l.remember(nil, whole, false)
	} else {
		l.decode(body, reflect.ValueOf(l.root).Elem(), whole)
	}
	l.broken = brokenPaths(l.problems)
	l.fromEnvironment()
	l.check()
	l.compileRules()
	l.crossCheck()
}

// result sorts what was found by place.
func (l *loader) result() (*Config, error) {
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Column - b.At.Column
	})
	// What several connectors lack in a common block is one problem.
	l.problems = slices.Compact(l.problems)
	var failures Problems
	for _, problem := range l.problems {
		if problem.Severity == mapping.Warning {
			l.root.Warnings = append(l.root.Warnings, problem)
		} else {
			failures = append(failures, problem)
		}
	}
	if len(failures) > 0 {
		return nil, failures
	}
	return l.root, nil
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s is a directory or larger than 1 MiB", path)
	}
	return os.ReadFile(path)
}

// besides gives a path named in the configuration as seen from the process.
func besides(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

func reasonOfFile(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is none of that name"
	case errors.Is(err, fs.ErrPermission):
		return "permission is denied"
	default:
		return "it is a directory or too large"
	}
}
