package twiliosim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"flexbrevo/connector/simulator/world"
)

func (s *Server) routeTaskRouter() {
	const workspaces = "/taskrouter/v1/Workspaces"
	s.get(workspaces, s.listWorkspaces)
	rendered := func(path string, render func(q *request, dst []byte) ([]byte, error)) {
		s.getRendered(workspaces+"/{workspace}"+path, func(q *request, dst []byte) ([]byte, error) {
			if q.PathValue("workspace") != s.world.WorkspaceSID {
				return dst, notFound(q.Request)
			}
			return render(q, dst)
		})
	}
	inside := func(path string, handle func(*request) (world.Fields, error)) { rendered(path, rendering(handle)) }
	inside("", func(*request) (world.Fields, error) { return s.workspace(), nil })
	rendered("/Events", s.listEvents)
	rendered("/Events/{sid}", s.fetchEvent)
	inside("/Tasks", s.listTasks)
	inside("/Tasks/{sid}", s.fetchTask)
	inside("/Tasks/{sid}/Reservations", s.listTaskReservations)
	inside("/Tasks/{sid}/Reservations/{reservation}", s.fetchReservation)
	inside("/Workers/{sid}/Reservations", s.listWorkerReservations)
	s.routeStaff(inside)
	s.routeStatistics(inside)
}

// visible tells whether a task can be read: from its creation until a little after its end; facts 1.7.
func (s *Server) visible(t *world.Task, now time.Time) bool {
	gone := t.EndedAt.Add(s.options.TaskLife)
	if t.End == world.EndSystemDeleted {
		gone = t.EndedAt
	}
	return !t.CreatedAt.After(now) && gone.After(now)
}

func (s *Server) visibleTasks(now time.Time) []*world.Task {
	var tasks []*world.Task
	for i := range s.world.Tasks {
		if t := &s.world.Tasks[i]; s.visible(t, now) {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func (s *Server) listTasks(q *request) (world.Fields, error) {
	if q.param("EvaluateTaskAttributes") != "" {
		return nil, badRequest(20001, "EvaluateTaskAttributes is not offered by this stand-in")
	}
	tasks := slices.DeleteFunc(s.visibleTasks(q.now), func(t *world.Task) bool { return !s.wanted(q, t) })
	slices.SortStableFunc(tasks, func(a, b *world.Task) int { return a.CreatedAt.Compare(b.CreatedAt) })
	if strings.EqualFold(q.param("Ordering"), "DateCreated:desc") {
		slices.Reverse(tasks)
	}
	rows := make([]row, len(tasks))
	for i, t := range tasks {
		rows[i] = row{t.SID, func() world.Fields { return s.showTask(t, q.now, s.options.ListAttributes) }}
	}
	return s.list(q, "tasks", 1000, rows)
}

// wanted applies the filters of the task list. Several statuses may come as one list or as several
// parameters, since nobody knows which of them Twilio takes.
func (s *Server) wanted(q *request, t *world.Task) bool {
	queue, flow := &s.world.Queues[t.Queue], &s.world.Workflows[t.Workflow]
	for name, value := range map[string]string{
		"TaskQueueSid": queue.SID, "TaskQueueName": queue.Name, "WorkflowSid": flow.SID, "WorkflowName": flow.Name, "Priority": "0",
	} {
		if asked := q.param(name); asked != "" && asked != value {
			return false
		}
	}
	statuses := strings.Join(q.query["AssignmentStatus"], ",")
	return statuses == "" || slices.Contains(strings.Split(statuses, ","), t.Status(q.now))
}

func (s *Server) task(q *request) (*world.Task, error) {
	t, ok := s.world.TaskBySID(q.PathValue("sid"))
	if !ok || !s.visible(t, q.now) {
		return nil, notFound(q.Request)
	}
	return t, nil
}

func (s *Server) fetchTask(q *request) (world.Fields, error) {
	t, err := s.task(q)
	if err != nil {
		return nil, err
	}
	version, _ := s.world.TaskChanges(t.ID, q.now)
	q.header = map[string]string{"ETag": strconv.Quote(strconv.Itoa(version))}
	return s.showTask(t, q.now, true), nil
}

func (s *Server) showTask(t *world.Task, now time.Time, attributes bool) world.Fields {
	workspace := s.workspaceURL()
	queue, flow, channel := &s.world.Queues[t.Queue], &s.world.Workflows[t.Workflow], s.world.TaskChannelOf(t)
	self := workspace + "/Tasks/" + t.SID
	_, updated := s.world.TaskChanges(t.ID, now)
	var shown, reason any
	if attributes {
		shown = s.world.Attributes(t, now)
	}
	if !t.EndedAt.After(now) {
		reason = t.Reason
	}
	return object(
		"account_sid", s.world.AccountSID, "age", int(now.Sub(t.CreatedAt)/time.Second), "assignment_status", t.Status(now),
		"attributes", shown, "addons", "{}", "date_created", iso(t.CreatedAt), "date_updated", iso(updated),
		"task_queue_entered_date", iso(t.QueuedAt), "virtual_start_time", iso(t.CreatedAt), "priority", 0, "reason", reason,
		"sid", t.SID, "task_queue_sid", queue.SID, "task_queue_friendly_name", queue.Name,
		"task_channel_sid", channel.SID, "task_channel_unique_name", channel.UniqueName, "timeout", t.Timeout,
		"workflow_sid", flow.SID, "workflow_friendly_name", flow.Name, "workspace_sid", s.world.WorkspaceSID,
		"ignore_capacity", nil, "routing_target", nil, "url", self,
		"links", object(
			"workspace", workspace, "workflow", workspace+"/Workflows/"+flow.SID, "task_queue", workspace+"/TaskQueues/"+queue.SID,
			"reservations", self+"/Reservations"))
}

func (s *Server) listTaskReservations(q *request) (world.Fields, error) {
	t, err := s.task(q)
	if err != nil {
		return nil, err
	}
	return s.list(q, "reservations", 1000, s.shuffle(s.reservationRows(q, t, func(r *world.Reservation) bool {
		asked := q.param("WorkerSid")
		return asked == "" || asked == s.world.Agents[r.Agent].SID
	})))
}

func (s *Server) listWorkerReservations(q *request) (world.Fields, error) {
	if _, ok := s.agent(q.PathValue("sid")); !ok {
		return nil, notFound(q.Request)
	}
	var rows []row
	for _, t := range s.visibleTasks(q.now) {
		rows = append(rows, s.reservationRows(q, t, func(r *world.Reservation) bool {
			return s.world.Agents[r.Agent].SID == q.PathValue("sid")
		})...)
	}
	return s.list(q, "reservations", 1000, s.shuffle(rows))
}

func (s *Server) reservationRows(q *request, t *world.Task, wanted func(*world.Reservation) bool) []row {
	var rows []row
	for i := range t.Reservations {
		r := &t.Reservations[i]
		status := r.Status(q.now)
		if asked := q.param("ReservationStatus"); status == "" || !wanted(r) || asked != "" && asked != status {
			continue
		}
		rows = append(rows, row{r.SID, func() world.Fields { return s.showReservation(t, r, q.now) }})
	}
	return rows
}

func (s *Server) fetchReservation(q *request) (world.Fields, error) {
	t, err := s.task(q)
	if err != nil {
		return nil, err
	}
	for i := range t.Reservations {
		if r := &t.Reservations[i]; r.SID == q.PathValue("reservation") && r.Status(q.now) != "" {
			return s.showReservation(t, r, q.now), nil
		}
	}
	return nil, notFound(q.Request)
}

func (s *Server) showReservation(t *world.Task, r *world.Reservation, now time.Time) world.Fields {
	workspace := s.workspaceURL()
	agent := &s.world.Agents[r.Agent]
	updated := r.CreatedAt
	for _, at := range []time.Time{r.AnsweredAt, r.WrapupAt, r.EndedAt} {
		if at.After(updated) && !at.After(now) {
			updated = at
		}
	}
	task := workspace + "/Tasks/" + t.SID
	return object(
		"account_sid", s.world.AccountSID, "date_created", iso(r.CreatedAt), "date_updated", iso(updated),
		"reservation_status", r.Status(now), "sid", r.SID, "task_sid", t.SID, "worker_name", agent.Name, "worker_sid", agent.SID,
		"workspace_sid", s.world.WorkspaceSID, "url", fmt.Sprintf("%s/Reservations/%s", task, r.SID),
		"links", object("task", task, "worker", workspace+"/Workers/"+agent.SID, "workspace", workspace))
}

func (s *Server) workspaceURL() string {
	return address("/taskrouter/v1/Workspaces/" + s.world.WorkspaceSID)
}

var _ http.Handler = (*Server)(nil)
