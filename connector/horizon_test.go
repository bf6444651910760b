package connector

import (
	"context"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/store"
)

type held struct {
	age time.Duration
	err error
}

func (h held) LoadOldSnapshot(context.Context) (store.OldSnapshot, error) {
	return store.OldSnapshot{Holder: "psql (process 7)", Age: h.age}, h.err
}

func TestStatusSaysWhoHoldsAnOldSnapshot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held
		want string
	}{
		"nobody":    {held{err: store.ErrNotFound}, ""},
		"a backup":  {held{age: 2 * time.Minute}, ""},
		"somebody":  {held{age: 3 * time.Hour}, "a transaction of psql (process 7) has been open on the database for 3h0m0s"},
		"a failure": {held{err: store.ErrUnavailable}, ""},
	} {
		status := &ConnectorStatus{}
		err := readHorizon(t.Context(), c.held, status)
		if unavailable := c.err == store.ErrUnavailable; unavailable != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Join(status.Problems, " "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: problems %q, want %q", name, got, c.want)
		}
	}
}
