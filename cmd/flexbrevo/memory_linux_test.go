package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestDaemonKeepsLittleOfItsProgram: what only its start needed of the program is not
// resident when the daemon is ready; with it three quarters of the program are.
func TestDaemonKeepsLittleOfItsProgram(t *testing.T) {
	t.Parallel()
	if len(raceFlags) > 0 {
		t.Skip("a program that looks for races has pages of its own")
	}
	d := newLab(t, setup{}).run()
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	size, resident, ours := 0, 0, false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 6 && !strings.HasSuffix(fields[0], ":"):
			ours = fields[5] == binary && fields[1] != "rw-p"
		case ours && fields[0] == "Size:":
			size += kilobytes(t, fields[1])
		case ours && fields[0] == "Rss:":
			resident += kilobytes(t, fields[1])
		}
	}
	if size == 0 || resident*3 > size*2 {
		t.Errorf("%d KB of %d are resident", resident, size)
	}
}

func kilobytes(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
