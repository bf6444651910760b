//go:build race

package main_test

import "os"

// raceFlags build the binary under test with the race detector where that is asked
// for: with it the end-to-end tests take half an hour, and every package is run
// under it by its own tests.
var raceFlags = map[bool][]string{true: {"-race"}}[os.Getenv("FLEXBREVO_RACE_BINARY") != ""]
