//go:build !unix

package pgtest

import "syscall"

// unprivileged changes nothing where there is no root.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil }
