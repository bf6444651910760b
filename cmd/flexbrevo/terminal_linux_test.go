package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a command on a pseudo-terminal, as a person runs it.
type terminal struct {
	t      *testing.T
	keys   *os.File
	tty    *os.File
	screen output
	ended  chan error
	code   func() int
	seen   int // how much of the screen was read
}

// onTerminal runs a command on a terminal of its own.
func (l *lab) onTerminal(args ...string) *terminal {
	l.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		l.t.Skip("this machine has no pseudo-terminals:", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		l.t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		l.t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := l.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	o := &terminal{t: l.t, keys: master, tty: tty, ended: make(chan error, 1), code: func() int { return cmd.ProcessState.ExitCode() }}
	go func() { o.ended <- cmd.Wait() }()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for b := make([]byte, 4096); ; {
			n, err := master.Read(b)
			_, _ = o.screen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	l.t.Cleanup(func() {
		cancel()
		_ = tty.Close() // the reader ends with the last one who holds it
		<-read
		_ = master.Close()
	})
	return o
}

// answer waits for a question and types a line.
func (o *terminal) answer(question, line string) {
	o.t.Helper()
	o.wait(question)
	if _, err := o.keys.WriteString(line); err != nil {
		o.t.Fatal(err)
	}
}

// secret is answer for a question whose answer is not shown: the echo goes a moment after the question came.
func (o *terminal) secret(question, line string) {
	o.t.Helper()
	o.wait(question)
	eventually(o.t, 10*time.Second, "the terminal shows nothing that is typed", func() bool { return !o.echoes() })
	if _, err := o.keys.WriteString(line); err != nil {
		o.t.Fatal(err)
	}
}

func (o *terminal) echoes() bool {
	o.t.Helper()
	state, err := unix.IoctlGetTermios(int(o.tty.Fd()), unix.TCGETS)
	if err != nil {
		o.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func (o *terminal) wait(text string) {
	o.t.Helper()
	eventually(o.t, 20*time.Second, fmt.Sprintf("%q on the screen, which shows %q", text, tail(o.screen.String(), 600)), func() bool {
		at := strings.Index(o.screen.String()[o.seen:], text)
		if at >= 0 {
			o.seen += at + len(text)
		}
		return at >= 0
	})
}

// end waits for the command's end; the terminal has to show what is typed again.
func (o *terminal) end(code int) {
	o.t.Helper()
	select {
	case err := <-o.ended:
		o.ended <- err
	case <-time.After(30 * time.Second):
		o.t.Fatalf("it did not end: %s", tail(o.screen.String(), 1000))
	}
	if got := o.code(); got != code {
		o.t.Errorf("exit code %d, want %d:\n%s", got, code, o.screen.String())
	}
	if !o.echoes() {
		o.t.Error("the terminal is left without echo")
	}
}

// TestInitAtTheTerminal answers the questions of init as a person does: a wrong token first, which is asked for again;
// secrets are not shown.
func TestInitAtTheTerminal(t *testing.T) {
	t.Parallel()
	l, _ := newcomer(t)
	args := []string{"init", "--twilio-url", l.env["TWILIO_URL"], "--brevo-url", l.env["BREVO_URL"]}
	wrong := strings.Repeat("d", 32)
	o := l.onTerminal(args...)
	o.answer("Twilio account SID", l.world.AccountSID+"\n")
	o.secret("auth token", wrong+"\n")
	o.answer("Flex flow", "\n")
	o.secret("Brevo API key", brevoKey+"\n")
	for _, question := range []string{"Country", "Time zone", "[all]"} {
		o.answer(question, "\n")
	}
	o.answer("account SID", l.world.AccountSID+"\n") // Twilio refused: these two again
	o.secret("auth token", l.world.AuthToken+"\n")
	o.end(0)
	screen := o.screen.String()
	for _, secret := range []string{wrong, l.world.AuthToken, brevoKey} {
		if strings.Contains(screen, secret) {
			t.Errorf("the screen shows a secret:\n%s", screen)
		}
	}
	if _, err := os.Stat(filepath.Join(l.dir, "connector.yaml")); err != nil {
		t.Errorf("%v\n%s", err, screen)
	}
	l.mustShow(l.flexbrevo("sync"), 0)

	// Backfill shows its plan and asks; no is no.
	b := l.onTerminal("backfill", "--since", today().AddDate(0, 0, -2).Format(time.DateOnly))
	b.answer("Go ahead? [y/N]", "n\n")
	b.end(0)
}

// TestInterruptAtAQuestion presses Ctrl-C while a secret is asked for: the command ends at once, the terminal shows
// what is typed again, and nothing was written.
func TestInterruptAtAQuestion(t *testing.T) {
	t.Parallel()
	l, _ := newcomer(t)
	o := l.onTerminal("init", "--twilio-url", l.env["TWILIO_URL"], "--brevo-url", l.env["BREVO_URL"])
	o.answer("Twilio account SID", l.world.AccountSID+"\n")
	o.secret("auth token", "\x03")
	o.end(1)
	if _, err := os.Stat(filepath.Join(l.dir, "connector.yaml")); err == nil {
		t.Error("a configuration was written")
	}
}
