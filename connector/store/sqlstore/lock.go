package sqlstore

import (
	"context"
	"errors"
	"os"
	"time"

	"flexbrevo/connector/store"
)

// fileLock is an exclusive lock of the operating system on a file beside the
// store. It ends with the process, however that ends; the file stays.
type fileLock struct {
	path string
	file *os.File
}

func (l *fileLock) held() bool { return l.file != nil }

// take takes the lock, or returns store.ErrPipelineRunning at once.
func (l *fileLock) take() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	taken, err := lockFile(f)
	if err != nil || !taken {
		_ = f.Close() // nothing was written to it
		if err == nil {
			err = store.ErrPipelineRunning
		}
		return err
	}
	l.file = f
	return nil
}

// takeWithin tries to take the lock for a while.
func (l *fileLock) takeWithin(ctx context.Context, patience time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := l.take()
		if !errors.Is(err, store.ErrPipelineRunning) {
			return err
		}
		if pause(wait) != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// release gives the lock back; it may be called without having it.
func (l *fileLock) release() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}
