// Command flexbrevo keeps Brevo in step with a Twilio Flex contact centre.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // containers have no zone database
)

func main() {
	keepSmall(true)
	os.Exit(run(os.Args[1:]))
}

// run gives the process its signals: the first ends the command gracefully, a
// second at once.
func run(args []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	abort := make(chan struct{})
	go func() {
		<-signals
		stop()
		<-signals
		close(abort)
		<-signals
		os.Exit(exitFailed) // whoever asks three times means it
	}()
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, abort: abort}
	return c.execute(ctx, args)
}
