package main

import (
	"slices"
	"testing"
)

// TestUnchangedMappings: what may be given back is the program's own, read only, and has
// not one page, in memory or in swap, that is not in its file.
func TestUnchangedMappings(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-016fb000 r-xp 00000000 08:01 42                                 /opt/flex brevo
Size:              19436 kB
Rss:               15148 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me sd
016fb000-02c12000 r--p 012fb000 08:01 42                                 /opt/flex brevo
Anonymous:             0 kB
Swap:                  0 kB
02c12000-02d63000 rw-p 02812000 08:01 42                                 /opt/flex brevo
Anonymous:             0 kB
Swap:                  0 kB
02d63000-02d70000 r--p 02822000 08:01 42                                 /opt/flex brevo
Anonymous:             4 kB
Swap:                  0 kB
02d70000-02d80000 r--p 02822000 08:01 42                                 /opt/flex
Anonymous:             0 kB
Swap:                  0 kB
2a92aac00000-2a92acc00000 rw-p 00000000 00:00 0 
Anonymous:         25924 kB
Swap:                  0 kB
7f754ea39000-7f754eb8f000 r-xp 00026000 08:01 43                         /lib/libc.so.6
Anonymous:             0 kB
Swap:                  0 kB
02d80000-02d90000 r--p 02832000 08:01 42                                 /opt/flex brevo
Anonymous:             0 kB
Swap:                  4 kB
zz-zz r-xp 00000000 08:01 42 /opt/flex brevo
Anonymous:             0 kB
Swap:                  0 kB
`
	want := []mapping{{0x400000, 0x16fb000}, {0x16fb000, 0x2c12000}}
	if got := unchanged([]byte(smaps), "/opt/flex brevo"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
