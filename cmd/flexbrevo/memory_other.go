//go:build !linux

package main

// dropProgram does something on Linux alone.
func dropProgram() {}
