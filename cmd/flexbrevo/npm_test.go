package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// installing makes the tests of one process wait for each other's installation.
var installing sync.Mutex

// installed is a folder in which what the package-lock of a folder of testdata names is installed, in the user's
// cache, so that it is fetched once. It skips the test on a machine without npm.
func installed(t *testing.T, from string) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not installed, " + from + " cannot be (.ci/needs installs it)")
	}
	installing.Lock()
	defer installing.Unlock()
	dir, err := install(t.Context(), filepath.Join("..", "..", "testdata", from))
	if err != nil {
		t.Fatalf("install %s: %v", from, err)
	}
	return dir
}

func install(ctx context.Context, from string) (string, error) {
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "flexbrevo-tests", filepath.Base(from)+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	making, err := os.MkdirTemp(filepath.Dir(dir), "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(making)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(making, name), text, 0o644); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	// No script of a package is run: what is needed is plain JavaScript.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = making
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(making, dir); err != nil && !os.IsExist(err) {
		if _, there := os.Stat(dir); there != nil {
			return "", err // and no other process was faster
		}
	}
	return dir, nil
}
