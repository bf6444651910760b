package twilio

import (
	"context"

	"flexbrevo/connector/record"
)

// QueueType is the type of the records of the queues stream.
const QueueType = "task_queue"

// fetchQueues reads all task queues.
func (s *Source) fetchQueues(ctx context.Context, keep func(record.Page) error) error {
	return s.fetchList(ctx, fullList{stream: QueuesStream, key: "task_queues", kind: QueueType, path: "/TaskQueues"}, keep)
}
