package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Data is the folder of the cluster. A server that the environment names is not ours
// to break: the test is skipped.
func (s *Server) Data(t testing.TB) string {
	t.Helper()
	if s.begun == nil {
		t.Skip(URLVariable + " names a server that must not be broken")
	}
	return filepath.Join(s.dir, "data")
}

// Kill ends the cluster's server at once, as a failing machine does; Restart starts it
// again on what it left.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Data(t), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("postmaster.pid: %v", err)
	}
	server, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatalf("kill the server: %v", err)
	}
	if err := s.reap(); err != nil {
		t.Fatal(err)
	}
}

// reap waits for the end of the shell that kept the server, which has been killed.
func (s *Server) reap() error {
	err := s.lifter.Close()
	_ = s.process.Wait() // its status is that of the server
	return err
}

// Restart starts the server again after Kill, or after it gave up by itself. Its
// orphans, who notice that it is gone, must have ended before a new one can take over.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Data(t) // skips where the server is not ours
	var err error
	for range 10 {
		if err = s.begun(); err == nil {
			if err = s.ready(6 * time.Second); err == nil {
				return
			}
		}
		err = errors.Join(err, s.reap())
	}
	t.Fatalf("restart PostgreSQL: %v", err)
}

// Runs says whether the server answers.
func (s *Server) Runs() bool { return s.run("SELECT 1") == nil }

// mount gives the cluster a disk of its own, if it is to be small.
func (s *Server) mount() error {
	if s.Room == 0 {
		return nil
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", s.Room), "tmpfs", s.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", errNoMount, strings.TrimSpace(string(out)))
	}
	s.mounted = true
	return nil
}

func (s *Server) unmount() error {
	if !s.mounted {
		return nil
	}
	s.mounted = false
	return exec.Command("umount", s.dir).Run()
}

// errNoMount is returned where a disk in memory cannot be made.
var errNoMount = errors.New("a small disk cannot be made here, which takes root's right to mount")

// Fill takes all room that is left on the disk of a server with little Room, and
// returns what gives it back.
func (s *Server) Fill(t testing.TB) (free func()) {
	t.Helper()
	ballast := filepath.Join(filepath.Dir(s.Data(t)), "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if closed := f.Close(); !errors.Is(err, syscall.ENOSPC) || closed != nil {
		t.Fatalf("fill the disk: %v, %v", err, closed)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}
