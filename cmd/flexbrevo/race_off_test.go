//go:build !race

package main_test

// raceFlags build the binary under test like the tests themselves.
var raceFlags []string
