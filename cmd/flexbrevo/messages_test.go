package main_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flexbrevo/connector/simulator/oracle"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// mapMessages lets the lab's rules ask for messages.
func (l *lab) mapMessages() {
	l.t.Helper()
	text := l.configuration("connector.yaml")
	const ended = "      conversation.ended: CONVERSATION_ENDED\n"
	if !strings.Contains(text, ended) {
		l.t.Fatal("the configuration maps no end of conversations")
	}
	l.write("connector.yaml", strings.Replace(text, ended, `      message.received: MESSAGE_RECEIVED
      message.sent: {event: MESSAGE_SENT, properties: {thread: conversation.conversation_sid, nth: event.index}}
      conversation.ended:
        event: CONVERSATION_ENDED
        properties:
          messages: conversation.messages
          received: conversation.messages_received
          sent: conversation.messages_sent
          response: conversation.first_response_time
`, 1))
}

func withMessages(s oracle.Settings) oracle.Settings {
	s.Events["message.received"], s.Events["message.sent"] = "MESSAGE_RECEIVED", "MESSAGE_SENT"
	return s
}

// TestMessages polls a day whose threads are closed and used again, with Twilio's faults, and compares every message
// event, and each contact's numbers, with a calculation from the world.
func TestMessages(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]twiliosim.Faults{
		"without faults": {},
		"with faults": {
			TooManyRequests: 0.03, BadGateway: 0.03, Redirect: 0.02, Reset: 0.03, UnknownFields: 0.2, Only: "conversations",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, setup{world: aDay(41, 250, false), twilio: twiliosim.Options{Faults: faults}})
			l.mapMessages()
			l.must(0, "sync")
			l.mustEqual(withMessages(settings(today().Add(-10 * time.Second))))
			l.mustHaveMessageFigures()
			l.mustSendNothing()
		})
	}
}

// TestMessagesOfThePast back-fills the same: the messages come with their threads.
func TestMessagesOfThePast(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{world: someWeeks(43, 6, 200)})
	l.mapMessages()
	l.must(0, l.past("--events", "all")...)
	l.mustEqual(withMessages(settings(today())))
	l.mustHaveMessageFigures()
	l.mustSendNothing()
}

// mustHaveMessageFigures compares what the ends of conversations tell of their messages.
func (l *lab) mustHaveMessageFigures() {
	l.t.Helper()
	got := map[string]string{}
	for _, e := range l.brevo.Events() {
		if e.Name != "CONVERSATION_ENDED" {
			continue
		}
		id, _ := e.Property("source_event_id").(string)
		values := []any{}
		for _, name := range []string{"messages", "received", "sent", "response"} {
			values = append(values, e.Property(name))
		}
		got[id] = fmt.Sprint(values...)
	}
	compared, answered := 0, 0
	for i := range l.world.Contacts {
		c := &l.world.Contacts[i]
		if c.Conversation < 0 || len(c.Tasks) == 0 {
			continue
		}
		text, known := got["conversation.ended:"+l.world.Tasks[c.Tasks[0]].SID]
		if !known {
			continue // of somebody without an address
		}
		all, received, sent, response := oracle.MessagesOf(l.world, i)
		want := fmt.Sprint(any(all), any(received), any(sent), any(nil))
		if response >= 0 {
			want = fmt.Sprint(any(all), any(received), any(sent), any(response))
			answered++
		}
		if text != want {
			l.t.Errorf("contact %d of a thread with %d: %s, want %s", i, len(l.world.Conversations[c.Conversation].Talks), text, want)
		}
		compared++
	}
	if compared < 30 || answered < 20 {
		l.t.Errorf("%d contacts, %d of them answered: the test tells nothing", compared, answered)
	}
}

// TestTextOfMessages says that a text goes to Brevo where a rule reads it, and is in no file of ours where none does.
func TestTextOfMessages(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprintf("read %t", read), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, setup{world: aDay(42, 60, false)})
			l.mapMessages()
			if read {
				text := readFile(t, filepath.Join(l.dir, "connector.yaml"))
				l.write("connector.yaml", strings.Replace(text, "nth: event.index", "text: event.body", 1))
			}
			l.must(0, "sync")
			told := 0
			for _, e := range l.brevo.Events() {
				if text, _ := e.Property("text").(string); e.Name == "MESSAGE_SENT" && strings.Contains(text, "of an agent") {
					told++
				}
			}
			kept := false
			for _, content := range l.files() {
				kept = kept || bytes.Contains(content, []byte("of an agent"))
			}
			for _, b := range l.bodies(l.storeURL()) {
				kept = kept || bytes.Contains(b.came, []byte("of an agent"))
			}
			if read != (told > 10) || read != kept {
				t.Errorf("%d texts were told, kept %t", told, kept)
			}
		})
	}
}

// TestMessagesOfReopenedThreads syncs while threads are closed that are used again later, and at the end of the day: the
// next task in such a thread makes it be read again.
func TestMessagesOfReopenedThreads(t *testing.T) {
	t.Parallel()
	options := aDay(44, 300, false)
	noon := whilePaused(t, world.New(options))
	var now atomic.Pointer[time.Time]
	now.Store(&noon)
	l := newLab(t, setup{world: options, clock: func() time.Time { return *now.Load() }})
	l.mapMessages()
	l.must(0, "sync")
	end := today()
	now.Store(&end)
	l.must(0, "sync")
	l.mustEqual(withMessages(liveSettings(end.Add(-10 * time.Second))))
}

// whilePaused is a quiet moment at which a thread is closed that is used again later.
func whilePaused(t *testing.T, w *world.World) time.Time {
	t.Helper()
	for i := range w.Conversations {
		v := &w.Conversations[i]
		for talk := range v.Talks {
			closed := v.PausedAt(talk)
			if closed.IsZero() {
				continue
			}
			if at := quiet(w, closed.Add(10*time.Minute)); at.Before(v.Talks[talk+1].From) {
				return at
			}
		}
	}
	t.Fatal("no thread is closed that is used again: the test tells nothing")
	return time.Time{}
}
