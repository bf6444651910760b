package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flexbrevo/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestProblems reads configurations with mistakes and compares every line that the operator would see.
func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/config/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad configurations: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Parse(filepath.Base(file), data, config.Options{
				Env: env("TWILIO_ACCOUNT_SID", accountSID, "BAD_SECRET", "leak here!"),
				ScheduleCheck: func(spec string) error {
					if strings.HasPrefix(spec, "every") {
						return errors.New("not a spec")
					}
					return nil
				},
			})
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if strings.Contains(err.Error(), "leak") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a value from the environment or a password shows:\n%v", err)
			}
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
