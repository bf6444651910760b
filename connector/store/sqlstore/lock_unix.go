//go:build unix

package sqlstore

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks an open file; false means that another process has it.
func lockFile(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
