//go:build !linux

package main

// dropStart does something on Linux alone.
func dropStart() {}
