package sqlstore

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"flexbrevo/connector/store"
)

// flusher makes durable what was committed to SQLite's log. SQLite would do that within
// COMMIT (synchronous = FULL), while nobody else can write; here others write meanwhile,
// and those who have committed by the time it begins share it. A file has one log in the
// order of commits, so that what is durable has before it all that it follows from.
type flusher struct {
	path string
	// sync makes durable what the log has; the tests have others.
	sync    func(*os.File) error
	commits atomic.Int64
	broken  atomic.Bool

	mu      sync.Mutex
	log     *os.File // opened by the first commit, which made it
	flushed int64    // of commits
}

// newFlusher makes the flusher of the file at a path without links.
func newFlusher(path string) *flusher {
	return &flusher{path: path + "-wal", sync: (*os.File).Sync}
}

// errUnflushed says that the disk did not keep what it was given. What it lost of the log
// nobody knows, and it may say of later writes that it kept them: only SQLite, when it opens
// the file anew, finds where the log ends.
var errUnflushed = fmt.Errorf("%w: the disk could not keep what was written: stop every flexbrevo on this store, look at the disk, start again", store.ErrUnavailable)

// ready returns an error where nothing may be written any more. All is well with nil.
func (f *flusher) ready() error {
	if f != nil && f.broken.Load() {
		return errUnflushed
	}
	return nil
}

// flush makes durable what was committed before it is called. With nil a COMMIT has done so.
func (f *flusher) flush() error {
	if f == nil {
		return nil
	}
	mine := f.commits.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.broken.Load():
		return errUnflushed
	case f.flushed >= mine:
		return nil
	}
	if err := f.open(); err != nil {
		return fmt.Errorf("%w: open the log: %w", store.ErrUnavailable, err) // it may be flushed later
	}
	all := f.commits.Load()
	if err := f.sync(f.log); err != nil {
		f.broken.Store(true)
		return fmt.Errorf("%w: %w", errUnflushed, err)
	}
	f.flushed = all
	return nil
}

func (f *flusher) open() (err error) {
	if f.log == nil {
		f.log, err = os.OpenFile(f.path, os.O_RDWR, 0)
	}
	return err
}

func (f *flusher) close() error {
	if f == nil || f.log == nil {
		return nil
	}
	return f.log.Close()
}
