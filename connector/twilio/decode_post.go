package twilio

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/record"
)

// decodePlugin reads a post of the Flex UI plugin. A browser's word is a hint: it
// makes no fact and dates none (design 6). All the bodies that are in use are
// taken: the plugin's own, the original page's two, and a form.
func decodePlugin(r record.Record) (Decoded, error) {
	post, err := readPost(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	if inner := post.object("payload"); inner != nil {
		post = inner
	}
	h := Hint{Task: post.sid("WT", "TaskSid", "task_sid"), Reservation: post.sid("WR", "ReservationSid", "reservation_sid")}
	if h.Reservation == "" { // the task of the Flex UI calls its reservation's SID its own
		h.Reservation = post.sid("WR", "TaskSid", "task_sid", "sid")
	}
	if h == (Hint{}) {
		return Decoded{Ignored: ignoredNoHint}, nil
	}
	return Decoded{Ignored: ignoredHint, Hints: []Hint{h}}, nil
}

// post is an object whose names are compared without regard to case.
type post map[string]json.RawMessage

// readPost reads a JSON object or a form.
func readPost(body []byte) (post, error) {
	if f, err := readFields(body); err == nil {
		return lower(f), nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !strings.Contains(string(body), "=") {
		return nil, errNotObject
	}
	p := post{}
	for name := range form {
		if b, err := marshal(form.Get(name)); err == nil {
			p[strings.ToLower(name)] = b
		}
	}
	return p, nil
}

func lower(f fields) post {
	p := make(post, len(f))
	for _, m := range f {
		p[strings.ToLower(m.Name)] = json.RawMessage(m.Value)
	}
	return p
}

func (p post) text(names ...string) string {
	for _, name := range names {
		if s := textOf(p[strings.ToLower(name)]); s != "" {
			return s
		}
	}
	return ""
}

func (p post) sid(prefix string, names ...string) string {
	for _, name := range names {
		if s := p.text(name); isSID(s, prefix) {
			return s
		}
	}
	return ""
}

func (p post) object(name string) post {
	inner, err := readFields(p[name])
	if err != nil {
		return nil
	}
	return lower(inner)
}

// decodeSurvey reads a posted survey: {task_sid, conversation_sid, score, scale,
// comment, submitted_at} (design 6). Its fact is known by the record's key.
func decodeSurvey(r record.Record) (Decoded, error) {
	post, err := readPost(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	var d Decoded
	f := &fact.Fact{Kind: fact.Survey, SID: r.Key}
	at := firstTime(r.At, post.text("submitted_at", "submittedAt"))
	for _, name := range [...]string{fact.Score, fact.Scale} {
		if o, bad := setNumber(f, name, post.text(name), at); bad {
			d.Omissions = append(d.Omissions, o)
		}
	}
	f.SetValue(fact.Comment, post.text("comment"), at)
	if len(f.Values) == 0 {
		d.Ignored = ignoredNoAnswer
		return d, nil
	}
	f.SetTime(fact.Submitted, at)
	f.SetValue(fact.TaskSID, post.text("task_sid", "taskSid"), at)
	f.SetValue(fact.ConversationSID, post.text("conversation_sid", "conversationSid"), at)
	d.Facts = []*fact.Fact{f}
	return d, nil
}

// setNumber notes a number, or says what was left out because it is none.
func setNumber(f *fact.Fact, name, text string, at time.Time) (record.Omission, bool) {
	if text == "" {
		return record.Omission{}, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return record.Omission{What: name, Value: record.Mask(text), Reason: "not a number"}, true
	}
	f.SetValue(name, number(n), at)
	return record.Omission{}, false
}

// number gives a number as facts keep numbers: an int where nothing is lost.
func number(n float64) any {
	if i := int(n); float64(i) == n && i > -1<<53 && i < 1<<53 {
		return i
	}
	return n
}
