package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dropProgram gives back the pages of the program itself. Those that only its start needed,
// or something rare, are a third of them and more with the hours: they would stay resident until
// the system is short of memory. The system has them in its cache, and maps again what is
// needed again. It is advice, so that nothing depends on it.
func dropProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range unchanged(smaps, program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is where a part of a file is in memory.
type mapping struct{ from, to uintptr }

// unchanged returns the mappings of a file that cannot be written to and of which every
// page is still the file's, in memory and in swap: what is given back of another, such as
// one that was relocated when the program was loaded, would be lost. smaps is what proc(5)
// says of /proc/PID/smaps: a line for each mapping, and lines of its figures after it, those
// of its own pages before those in swap.
func unchanged(smaps []byte, file string) []mapping {
	var found []mapping
	var last mapping
	for line := range bytes.Lines(smaps) {
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] != "0":
			last = mapping{}
		case len(fields) == 3 && fields[0] == "Swap:":
			if fields[1] == "0" && last != (mapping{}) {
				found = append(found, last)
			}
			last = mapping{}
		case len(fields) >= 6 && !strings.HasSuffix(fields[0], ":"):
			last = mapping{}
			if rights := fields[1]; strings.Join(fields[5:], " ") == file && (rights == "r-xp" || rights == "r--p") {
				last = mappingOf(fields[0])
			}
		}
	}
	return found
}

// mappingOf reads a range of addresses, such as 00400000-016fb000.
func mappingOf(text string) mapping {
	low, high, _ := strings.Cut(text, "-")
	from, err := strconv.ParseUint(low, 16, strconv.IntSize)
	if err != nil {
		return mapping{}
	}
	to, err := strconv.ParseUint(high, 16, strconv.IntSize)
	if err != nil {
		return mapping{}
	}
	return mapping{uintptr(from), uintptr(to)}
}
