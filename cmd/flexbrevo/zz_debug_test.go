package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
)

func TestZZ(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("ZZSEED"), 10, 64)
	l := newLab(t, setup{world: aDay(seed, 200, os.Getenv("ZZODD") != "")})
	l.must(0, "sync")
	contacts, events := l.inBrevo()
	for _, line := range oracle.Compare(oracle.Calculate(l.world, settings(today().Add(-10*time.Second))), contacts, events) {
		fmt.Println(line)
	}
	for i := range l.world.Contacts {
		c := &l.world.Contacts[i]
		if c.Kind == "thread_only" {
			v := l.world.Conversations[c.Conversation]
			fmt.Println("thread only", v.SID, v.Channel, v.Address, v.Email, v.CreatedAt, v.ClosedAt)
		}
		for _, n := range c.Tasks {
			tk := &l.world.Tasks[n]
			if tk.Shown.Phone == "+33140000001" || tk.Customer == 0 || tk.Customer == 1 {
				fmt.Println("c01", tk.SID, tk.Customer, tk.Channel, tk.Odd, tk.Survey, tk.CreatedAt.Format("15:04:05"), fmt.Sprintf("%+v", tk.Shown))
			}
		}
	}
	for _, c := range l.brevo.Contacts() {
		if c.SMS == "33610000000" || c.SMS == "33610000007" || c.SMS == "33140000001" {
			fmt.Printf("%+v\n", c)
		}
	}
	exec.Command("cp", "-r", l.dir, "/tmp/e2e").Run()
}
