package main_test

import (
	"testing"
	"time"

	"flexbrevo/connector/simulator/world"
)

// TestTheClockIsPutBackAndTheHolderDies: its leases last for an hour by the database's
// clock, and a standby takes its roles nevertheless, soon after it would have from any
// other dead process, and no sooner.
func TestTheClockIsPutBackAndTheHolderDies(t *testing.T) {
	t.Parallel()
	database := postgres.Database(t)
	l := newLab(t, setup{world: world.Options{Contacts: -1}, shared: true, env: map[string]string{"STORE": database}})
	first := l.run()
	l.heldBy(database, first, 10*time.Second)
	first.kill()
	killed := time.Now()
	// That is what a jump does to leases: they end an hour later than they should.
	execute(t, database, `UPDATE leases SET expires_at = expires_at + 3600000 WHERE expires_at > 0`)
	second := l.run()
	l.heldBy(database, second, 30*time.Second)
	took := time.Since(killed)
	t.Logf("taken over %s after a kill", took.Round(10*time.Millisecond))
	if took < 15*time.Second {
		t.Error("the standby did not wait for as long as a lease lasts")
	}
	if code, took := second.stop(); code != 0 {
		t.Errorf("exit code %d after %s\n%s", code, took, second.stderr.String())
	}
}
