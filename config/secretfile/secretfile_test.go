package secretfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flexbrevo/config/secretfile"
)

const value = "a-credential-that-must-not-show"

func TestFileKey(t *testing.T) {
	t.Parallel()
	box := secretfile.Box{Path: filepath.Join(t.TempDir(), "secrets.age"), KeyFrom: secretfile.FromFile, Env: none}
	if err := box.Set(map[string]string{"A": value}); !errors.Is(err, secretfile.ErrNoKey) {
		t.Fatalf("set without a key: %v", err)
	}
	first, err := box.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.NewKey(); err == nil {
		t.Error("a second key replaced the first")
	}
	set(t, box, map[string]string{"A": value, "B": "2", "C": "3"})
	set(t, box, map[string]string{"B": "two", "C": ""})
	holds(t, box, map[string]string{"A": value, "B": "two"})

	second, err := box.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if first == second || strings.TrimSpace(read(t, box.KeyPath())) != second {
		t.Error("the key file does not hold just the new key")
	}
	holds(t, box, map[string]string{"A": value, "B": "two"})
	for _, name := range []string{box.Path, box.KeyPath()} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", filepath.Base(name), info.Mode(), err)
		}
	}
	if strings.Contains(read(t, box.Path), value) {
		t.Error("the file is not encrypted")
	}
}

func TestEnvironmentKey(t *testing.T) {
	t.Parallel()
	key := ""
	env := func(name string) (string, bool) { return key, name == secretfile.KeyVariable && key != "" }
	box := secretfile.Box{Path: filepath.Join(t.TempDir(), "secrets.age"), Env: env}
	var err error
	if key, err = box.NewKey(); err != nil {
		t.Fatal(err)
	}
	set(t, box, map[string]string{"A": value})
	fresh, err := box.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Load(); !errors.Is(err, secretfile.ErrWrongKey) {
		t.Errorf("the old key after a rotation: %v", err)
	}
	old := secretfile.Box{Path: box.Path + ".old", Env: env}
	holds(t, old, map[string]string{"A": value})
	key = fresh + " " + key // both, while the new one is handed on
	holds(t, box, map[string]string{"A": value})
	set(t, box, map[string]string{"B": "2"})
	key = fresh
	holds(t, box, map[string]string{"A": value, "B": "2"})
}

// TestRotationCutShort stands at each instant between the writes of a rotation.
func TestRotationCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := secretfile.Box{Path: filepath.Join(dir, "secrets.age"), KeyFrom: secretfile.FromFile, Env: none}
	old, err := box.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	set(t, box, map[string]string{"A": value})
	sealedByOld := read(t, box.Path)
	fresh, err := box.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	both := fresh + "\n" + old + "\n"
	for name, state := range map[string][2]string{
		"key file written": {both, sealedByOld},
		"secrets written":  {both, read(t, box.Path)},
	} {
		write(t, box.KeyPath(), state[0])
		write(t, box.Path, state[1])
		t.Run(name, func(t *testing.T) { holds(t, box, map[string]string{"A": value}) })
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "secrets.age")
	write(t, file, "not an age file")
	write(t, filepath.Join(dir, "bad.key"), "AGE-SECRET-KEY-1"+value)
	good := secretfile.Box{Path: filepath.Join(dir, "good"), KeyFrom: secretfile.FromFile, Env: none}
	if _, err := good.NewKey(); err != nil {
		t.Fatal(err)
	}
	keyAt := func(name string) func(string) (string, bool) {
		return func(v string) (string, bool) { return filepath.Join(dir, name), v == secretfile.KeyFileVariable }
	}
	for name, c := range map[string]struct {
		box  secretfile.Box
		want error
	}{
		"keyring":   {secretfile.Box{Path: file, KeyFrom: secretfile.FromKeyring, Env: none}, secretfile.ErrKeyring},
		"no key":    {secretfile.Box{Path: file, Env: none}, secretfile.ErrNoKey},
		"bad key":   {secretfile.Box{Path: file, KeyFrom: secretfile.FromFile, Env: keyAt("bad.key")}, secretfile.ErrNoKey},
		"no file":   {secretfile.Box{Path: filepath.Join(dir, "absent"), KeyFrom: secretfile.FromFile, Env: keyAt("good.key")}, os.ErrNotExist},
		"bad file":  {secretfile.Box{Path: file, KeyFrom: secretfile.FromFile, Env: keyAt("good.key")}, nil},
		"directory": {secretfile.Box{Path: dir, KeyFrom: secretfile.FromFile, Env: keyAt("good.key")}, nil},
	} {
		_, err := c.box.Lookup()
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if err := good.Set(map[string]string{"not a name": value}); err == nil || strings.Contains(err.Error(), value) {
		t.Errorf("a bad name: %v", err)
	}
}

func none(string) (string, bool) { return "", false }

func set(t *testing.T, box secretfile.Box, values map[string]string) {
	t.Helper()
	if err := box.Set(values); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, box secretfile.Box, want map[string]string) {
	t.Helper()
	got, err := box.Load()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("holds %v (%v), want %v", got, err, want)
	}
	names, err := box.Names()
	if err != nil || len(names) != len(want) {
		t.Errorf("names %v (%v)", names, err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
