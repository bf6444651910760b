package twilio

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/record"
)

// taskStatuses are asked for one by one, because it is not known in which form
// several at once would be taken (facts/twilio.md 1.1). The ended come last: they
// can be read for a few minutes only, and what ends while we look is among them.
var taskStatuses = [...]string{"pending", "reserved", "assigned", "wrapping", "completed", "canceled"}

// FetchTasks hands over a snapshot of every task that can be read: those under way,
// and those that ended in the last minutes (facts/twilio.md 1.7). It is no stream:
// TaskRouter's events tell the same and more, where they can be read. A task that
// did not change makes the record that it made before.
func (s *Source) FetchTasks(ctx context.Context, keep func(record.Page) error) error {
	d, err := s.Discover(ctx)
	if err != nil {
		return err
	}
	tasks := taskrouterURL + segment(d.WorkspaceSID) + "/Tasks"
	for _, status := range taskStatuses {
		first := withQuery(tasks, url.Values{"AssignmentStatus": {status}, "PageSize": {pageSizeText}})
		err := s.client.walkAgain(ctx, first, "tasks", func(p page) (bool, error) {
			out := record.Page{Stream: TasksStream}
			for _, raw := range p.rows {
				r, found, err := s.taskRecord(ctx, tasks, raw, p.date)
				if err != nil {
					return false, err
				}
				if found {
					out.Records = append(out.Records, r)
				}
			}
			if len(out.Records) == 0 {
				return true, nil
			}
			return true, keep(out)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// taskRecord makes a record of a listed task. Attributes are null in lists, by the
// specification, or filled, by experience (facts/twilio.md 1.1): where they are
// missing the task is read again, unless it is gone by then.
func (s *Source) taskRecord(ctx context.Context, tasks string, raw json.RawMessage, date time.Time) (r record.Record, found bool, err error) {
	var head struct {
		listHead
		Attributes scalar `json:"attributes"`
	}
	readHead(raw, &head)
	if head.Attributes == "" && head.SID != "" {
		a, err := s.client.get(ctx, tasks+"/"+segment(string(head.SID)))
		if failure.ReasonOf(err) == failure.Gone {
			return record.Record{}, false, nil
		}
		if err != nil {
			return record.Record{}, false, err
		}
		raw, date = a.body, a.date
		readHead(raw, &head)
	}
	return s.snapshotOf(string(head.SID), raw, firstTime(date, string(head.DateUpdated))), true, nil
}

// snapshotOf makes the record of a task as it was read at a moment.
func (s *Source) snapshotOf(sid string, body []byte, at time.Time) record.Record {
	return s.redactor.Redact(record.Record{
		Key: sid + ":" + contentHash(withoutAge(body)), Stream: TasksStream, Type: TaskType, At: at, Via: record.Poll, Body: body,
	})
}
