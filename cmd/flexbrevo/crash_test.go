package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
)

// crashBinary builds, once, the command that ends itself at a place that the environment names.
var crashBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "flexbrevo-crash")
	args := append([]string{"build", "-tags", "crashtest"}, raceFlags...)
	out, err := exec.Command("go", append(args, "-o", path, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// places are where a sync is killed: at every step of the transactions that move records (store/sqlstore/step_on.go),
// around the calls to both sides, and at random instants. Each comes with how often, at most, it is passed first.
var places = func() (all []place) {
	for _, op := range []string{"capture", "save digest", "claim deliveries", "settle deliveries"} {
		all = append(all, place{op + "/begin", 3}, place{op + "/statement", 20}, place{op + "/commit", 3}, place{op + "/committed", 3})
	}
	for _, op := range []string{"acquire lease", "release lease", "recover deliveries", "add run", "save run"} {
		all = append(all, place{op + "/commit", 1}, place{op + "/committed", 1})
	}
	return append(all, place{"twilio/asked", 6}, place{"twilio/answered", 6},
		place{"brevo/asked", 60}, place{"brevo/applied", 60}, place{"random", 0}, place{"random", 0}, place{"random", 0}, place{"random", 0})
}()

type place struct {
	name string
	most int
}

// crashes is the matrix on one database.
type crashes struct {
	database string
	count    int
	seed     uint64
	kills    atomic.Int64
	odd      atomic.Int64 // worlds that differ from the calculation without any kill, too
}

// TestCrash kills a sync at every named step and at random instants, each time with another world, runs it again to
// its end, and compares what Brevo then holds with the calculation. FLEXBREVO_KILLS says how often, FLEXBREVO_SEED
// which worlds and instants.
func TestCrash(t *testing.T) {
	count, seed := number(t, "FLEXBREVO_KILLS", 50), number(t, "FLEXBREVO_SEED", 1)
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			c := &crashes{database: database, count: count, seed: uint64(seed)}
			t.Cleanup(func() {
				result := "nothing lost, no event twice, contacts equal"
				if t.Failed() {
					result = "FAILED, see above"
				}
				fmt.Printf("crash matrix on %s: seed %d, %d kills: %s (%d worlds differ from the calculation without a kill, too)\n",
					database, seed, c.kills.Load(), result, c.odd.Load())
			})
			for i := range count {
				p := places[i%len(places)]
				t.Run(fmt.Sprintf("%04d %s", i, p.name), func(t *testing.T) {
					t.Parallel()
					c.one(t, i, p)
				})
			}
		})
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s: %q is not a number above zero", variable, text)
	}
	return n
}

// one kills a sync of a new lab at a place, half of the time another one after it, and lets the next one finish. Where
// the place is not passed as often as was drawn it is tried again with half as many passes.
func (c *crashes) one(t *testing.T, i int, p place) {
	random := rand.New(rand.NewPCG(c.seed, uint64(i)))
	pass := 1 + random.IntN(max(p.most, 1))
	for {
		v := c.newVictim(t, i)
		if v.killedAt(p.name, pass, random) {
			c.kills.Add(1)
			if again := places[random.IntN(len(places))]; random.IntN(2) == 0 && v.killedAt(again.name, 1, random) {
				c.kills.Add(1)
				t.Logf("killed again at %s", again.name)
			}
			c.mustRecover(v, i)
			return
		}
		if pass == 1 && p.name != "random" {
			t.Fatalf("a sync never passes %s", p.name)
		}
		pass = (pass + 1) / 2
	}
}

// victim is a lab whose syncs are killed.
type victim struct {
	*lab
	wires    map[string]*tripwire // by side
	database string               // of PostgreSQL; empty for SQLite
}

func (c *crashes) newVictim(t *testing.T, i int) *victim {
	v := &victim{wires: map[string]*tripwire{}}
	env := map[string]string{"LOOKUP_AFTER": "300ms"}
	if c.database == "postgres" {
		v.database = postgres.Database(t)
	} else if strings.HasPrefix(c.database, "postgres:") {
		v.database = c.database // one of its own
	}
	if v.database != "" {
		env["STORE"] = v.database
	}
	v.lab = newLab(t, setup{
		world: aDay(c.seed*100_000+uint64(i), 20, false), env: env,
		brevo: brevosim.Options{ReadLag: 100 * time.Millisecond},
	})
	v.wires["twilio"] = &tripwire{Handler: v.twilio, counts: func(*http.Request) bool { return true }}
	v.wires["brevo"] = &tripwire{Handler: v.brevo, counts: func(r *http.Request) bool { return r.Method != http.MethodGet }}
	v.env["TWILIO_URL"], v.env["BREVO_URL"] = serve(t, v.wires["twilio"]), serve(t, v.wires["brevo"])
	return v
}

// killedAt runs a sync that is to die at a place and tells whether it did.
func (v *victim) killedAt(place string, pass int, random *rand.Rand) bool {
	v.t.Helper()
	path, err := crashBinary()
	if err != nil {
		v.t.Fatalf("build the binary that crashes: %v", err)
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	cmd := v.command(ctx, "sync")
	cmd.Path = path
	cmd.Env = append(cmd.Env, "FLEXBREVO_CRASH_AT="+place+"#"+strconv.Itoa(pass))
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	ended := make(chan struct{})
	side, moment, _ := strings.Cut(place, "/")
	if wire := v.wires[side]; wire != nil {
		wire.arm(moment, pass, func() { _ = cmd.Process.Kill(); <-ended }) // it may have ended by itself
		defer wire.arm("", 0, nil)
	}
	if place == "random" {
		killer := time.AfterFunc(time.Duration(random.Int64N(int64(900*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
	}
	err = cmd.Wait()
	close(ended)
	if ctx.Err() != nil {
		v.t.Fatalf("a sync did not end in a minute\n%s", tail(stderr.String(), 2000))
	}
	if err == nil {
		return false
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !ok || status.Signal() != syscall.SIGKILL {
		v.t.Fatalf("a sync that should have been killed ended with %v\n%s", err, tail(stderr.String(), 2000))
	}
	v.passLease()
	return true
}

// passLease stands for the 15 seconds after which a dead process's leases have run out. SQLite's file lock tells the
// next process that they are void; TestReplicas waits for them.
func (v *victim) passLease() {
	v.t.Helper()
	if v.database != "" {
		execute(v.t, v.database, `UPDATE leases SET expires_at = 0`)
	}
}

// mustRecover lets a sync finish and looks whether anything was lost or came twice. What differs from the calculation
// in the same way where nothing is killed is not for this test to tell.
func (c *crashes) mustRecover(v *victim, i int) {
	v.t.Helper()
	v.must(0, "sync")
	s := settings(today().Add(-10 * time.Second))
	if got := v.differences(s); len(got) > 0 {
		twin := c.newVictim(v.t, i)
		twin.must(0, "sync")
		if !slices.Equal(got, twin.differences(s)) {
			v.mustEqual(s)
		}
		c.odd.Add(1)
	}
	var status struct {
		Connectors []struct {
			Records map[string]int
			Outbox  map[string]map[string]int
		}
	}
	if err := json.Unmarshal([]byte(v.must(0, "status", "--json").stdout), &status); err != nil || len(status.Connectors) != 1 {
		v.t.Fatalf("status: %v, %d connectors", err, len(status.Connectors))
	}
	k := status.Connectors[0]
	if k.Records["waiting"] > 0 || k.Records["failed"] > 0 || k.Records["digested"] == 0 {
		v.t.Errorf("records %v", k.Records)
	}
	for kind, states := range k.Outbox {
		for _, state := range []string{"pending", "sending", "unknown", "dead"} {
			if states[state] > 0 {
				v.t.Errorf("%d %ss are %s", states[state], kind, state)
			}
		}
	}
}

// tripwire stands before a simulator and kills its caller around a call: asked, before the simulator hears of it;
// applied or answered, when it has acted and the answer is still in its buffer.
type tripwire struct {
	http.Handler
	counts func(*http.Request) bool

	mu     sync.Mutex
	moment string
	left   int
	kill   func()
}

func (w *tripwire) arm(moment string, pass int, kill func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moment, w.left, w.kill = moment, pass, kill
}

// ServeHTTP implements http.Handler.
func (w *tripwire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !w.counts(r) {
		w.Handler.ServeHTTP(rw, r)
		return
	}
	if w.trips("asked") {
		panic(http.ErrAbortHandler) // nobody is there to be answered, and nothing may be applied
	}
	w.Handler.ServeHTTP(rw, r)
	if w.trips("applied", "answered") {
		panic(http.ErrAbortHandler)
	}
}

func (w *tripwire) trips(moments ...string) bool {
	w.mu.Lock()
	kill := w.kill
	here := false
	for _, m := range moments {
		here = here || m == w.moment
	}
	if here {
		w.left--
	}
	here = here && w.left == 0
	w.mu.Unlock()
	if here {
		kill()
	}
	return here
}
