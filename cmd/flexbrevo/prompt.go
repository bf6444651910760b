package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// errInterrupted ends a command at a question that got a signal for an answer.
var errInterrupted = errors.New("interrupted; nothing was changed")

// asked returns the terminal that a person can be asked at, nil where there is none.
func (c *cli) asked() *os.File {
	if f, ok := c.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// hear reads the answer to a question that stands on the terminal. A signal ends it
// at once, and the terminal is left as it was found: a read of a terminal knows no
// context, and a hidden one has taken the echo away. What still reads then ends with
// the process.
func hear(ctx context.Context, terminal *os.File, read func() (string, error)) (string, error) {
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("read the terminal's state: %w", err)
	}
	type heard struct {
		text string
		err  error
	}
	answer := make(chan heard, 1)
	go func() {
		text, err := read()
		answer <- heard{text, err}
	}()
	select {
	case a := <-answer:
		return strings.TrimSpace(a.text), a.err
	case <-ctx.Done():
		_ = term.Restore(int(terminal.Fd()), before) // there is nothing to be done about it
		return "", errInterrupted
	}
}

// hidden reads a line without showing it.
func hidden(terminal *os.File) func() (string, error) {
	return func() (string, error) {
		value, err := term.ReadPassword(int(terminal.Fd()))
		return string(value), err
	}
}

// agrees asks a question that only yes answers with yes.
func (c *cli) agrees(ctx context.Context, terminal *os.File, question string) (bool, error) {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	reader := bufio.NewReader(terminal)
	answer, err := hear(ctx, terminal, func() (string, error) {
		line, err := reader.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil // Ctrl-D is no
		}
		return line, err
	})
	if err != nil {
		fmt.Fprintln(c.err)
		return false, err
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", nil
}
