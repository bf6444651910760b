package twilio

import (
	"context"

	"flexbrevo/connector/record"
)

// WorkerType is the type of the records of the workers stream.
const WorkerType = "worker"

// fetchWorkers reads all agents with their activity, skills and attributes.
func (s *Source) fetchWorkers(ctx context.Context, keep func(record.Page) error) error {
	return s.fetchList(ctx, fullList{stream: WorkersStream, key: "workers", kind: WorkerType, path: "/Workers"}, keep)
}
