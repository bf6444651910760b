package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
	"flexbrevo/connector/store/storetest/pgtest"
)

// What design section 8 asks for.
const (
	wantedRecords  = 12000 // a second, pull to settled, on two cores
	wantedResident = 64    // MB
)

const benchSettings = `
connectors:
  twilio_flex:
    account_sid: ${TWILIO_ACCOUNT_SID}
    auth_token: ${TWILIO_AUTH_TOKEN}
    base_url: ${TWILIO_URL}
    region: FR
    lists: {support_contacts: support}
    initial_lookback: ${LOOKBACK}
    sync: {conversations: false}
    field_mapping:
      attributes.email: email
      attributes.phone: SMS
      friendly_name: FIRSTNAME
      last_conversation_date: LAST_SUPPORT_DATE
      total_conversations: SUPPORT_TICKET_COUNT
      avg_wait_time: AVG_WAIT_TIME
    event_mapping:
      task.completed: SUPPORT_RESOLVED
brevo: {api_key: key, base_url: "${BREVO_URL}", tier: none}
store: {url: "${STORE}"}
`

// BenchmarkPullToSettled is a first sync of a busy day as a process of its own, the simulators being in this one:
// records a second by the clock, and by the processor time that the process and nobody else took, which says what two
// cores with nothing else on them would give; PostgreSQL's own time is not in it, but beside it where it can be read. of-… are the
// ratios to what design section 8 asks for. FLEXBREVO_CONTACTS makes it another number than 3,000 contacts of 13 records each.
func BenchmarkPullToSettled(b *testing.B) {
	contacts, err := strconv.Atoi(os.Getenv("FLEXBREVO_CONTACTS"))
	if err != nil {
		contacts = 3000
	}
	end := time.Now().UTC().Add(-2 * time.Hour)
	w := world.New(world.Options{
		Start: end.Add(-benchSpan(contacts)), End: end,
		Contacts: contacts, Customers: contacts * 2 / 5, Agents: 60,
	})
	b.Run("sqlite", func(b *testing.B) {
		benchSync(b, w, func(dir string) string { return "sqlite://" + filepath.Join(dir, "bench.db") }, nil)
	})
	b.Run("postgres", func(b *testing.B) {
		server := pgtest.Own(b, &pgtest.Server{Durable: true})
		benchSync(b, w, func(string) string { return server.Database(b) }, server.Processor)
	})
}

// benchSpan is within which time contacts come: a day and a half, or as long as a centre of 500 agents takes for them,
// but not longer than Twilio keeps events.
func benchSpan(contacts int) time.Duration {
	const perHour = 490 // 5 million tasks a year
	return min(max(38*time.Hour, time.Duration(contacts)*time.Hour/perHour), 29*24*time.Hour)
}

// spent is what one process took.
type spent struct {
	records        int
	wall, cpu      time.Duration
	server         time.Duration // of PostgreSQL
	residentAtPeak float64       // MB
}

// benchSync syncs into new stores; server, unless it is nil, tells what their server has taken so far.
func benchSync(b *testing.B, w *world.World, newStore func(dir string) string, server func() (time.Duration, bool)) {
	var all spent
	for b.Loop() {
		dir := b.TempDir()
		url := newStore(dir)
		before := serverTime(server)
		one := syncOnce(b, w, dir, url)
		all.server += serverTime(server) - before
		all.records, all.wall, all.cpu = all.records+one.records, all.wall+one.wall, all.cpu+one.cpu
		all.residentAtPeak = max(all.residentAtPeak, one.residentAtPeak)
	}
	records, cores := float64(all.records), float64(min(2, runtime.NumCPU()))
	b.ReportMetric(records/all.wall.Seconds(), "records/s")
	b.ReportMetric(records/all.wall.Seconds()/wantedRecords, "of-12000/s")
	b.ReportMetric(all.cpu.Seconds()*1e6/records, "cpu-µs/record")
	b.ReportMetric(records/all.cpu.Seconds()*cores/wantedRecords, "of-12000/s-on-two-free-cores")
	if all.server > 0 {
		b.ReportMetric(all.server.Seconds()*1e6/records, "postgres-µs/record")
	}
	b.ReportMetric(all.residentAtPeak, "MB-peak")
	b.ReportMetric(all.residentAtPeak/wantedResident, "of-64MB")
}

// serverTime is 0 where there is no server, or none whose time can be read.
func serverTime(server func() (time.Duration, bool)) time.Duration {
	if server == nil {
		return 0
	}
	took, _ := server()
	return took
}

func syncOnce(b *testing.B, w *world.World, dir, store string) spent {
	brevo := brevosim.New(brevosim.Options{Tier: brevosim.TierNone})
	stand := func(h http.Handler) string {
		server := httptest.NewServer(h)
		b.Cleanup(server.Close)
		return server.URL
	}
	if err := os.WriteFile(filepath.Join(dir, "connector.yaml"), []byte(benchSettings), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "sync", "--json")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TWILIO_ACCOUNT_SID="+w.AccountSID, "TWILIO_AUTH_TOKEN="+w.AuthToken,
		"TWILIO_URL="+stand(twiliosim.New(twiliosim.Options{World: w})), "BREVO_URL="+stand(brevo), "STORE="+store,
		"LOOKBACK="+min(time.Since(w.Options().Start)+time.Hour, 30*24*time.Hour).Truncate(time.Hour).String())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	peak := residentPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v\n%s", err, &said)
	}
	s := spent{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	var report struct{ Digested int }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Digested == 0 {
		b.Fatalf("%v, %d records", err, report.Digested)
	}
	s.records = report.Digested
	s.residentAtPeak = <-peak
	return s
}

// residentPeak follows the highest resident memory of a process, in MB, until it has ended. What the system tells of an
// ended child is no measure: it begins with what its parent had when it started it. 0 where there is no /proc.
func residentPeak(pid int) <-chan float64 {
	peak := make(chan float64, 1)
	go func() {
		highest := 0.0
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, after, running := strings.Cut(string(status), "VmHWM:")
			if err != nil || !running { // of a process that has ended it has none
				peak <- highest
				return
			}
			if kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64); err == nil {
				highest = kb / 1024
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return peak
}
