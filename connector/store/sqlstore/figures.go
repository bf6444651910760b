package sqlstore

import (
	"context"
	"time"

	"flexbrevo/connector/store"
)

// LoadAgentDays implements store.Figurer.
func (s *Store) LoadAgentDays(ctx context.Context, connector, from, until string) ([]store.AgentPart, error) {
	var days []store.AgentPart
	err := s.read(ctx, "load agent days", func(t *tx) error {
		return t.query(`
			SELECT day, worker, activity, CAST(SUM(offered) AS BIGINT), CAST(SUM(accepted) AS BIGINT), CAST(SUM(rejected) AS BIGINT),
				CAST(SUM(timed_out) AS BIGINT), CAST(SUM(handled) AS BIGINT), CAST(SUM(talk) AS BIGINT), CAST(SUM(wrap) AS BIGINT),
				CAST(SUM(csat_count) AS BIGINT), CAST(SUM(csat_sum) AS BIGINT), CAST(SUM(lasted) AS BIGINT)
			FROM agent_parts WHERE connector = $1 AND day >= $2 AND day < $3
			GROUP BY day, worker, activity ORDER BY day, worker, activity`, func(r row) error {
			var p store.AgentPart
			err := r.Scan(&p.Day, &p.Worker, &p.Activity, &p.Offered, &p.Accepted, &p.Rejected, &p.TimedOut,
				&p.Handled, &p.Talk, &p.Wrap, &p.CSATCount, &p.CSATSum, &p.Lasted)
			days = append(days, p)
			return err
		}, name(connector), from, until)
	})
	return days, err
}

// LoadQueueHours implements store.Figurer.
func (s *Store) LoadQueueHours(ctx context.Context, connector string, from, until time.Time) ([]store.QueuePart, error) {
	var hours []store.QueuePart
	err := s.read(ctx, "load queue hours", func(t *tx) error {
		return t.query(`
			SELECT hour, queue, channel, CAST(SUM(offered) AS BIGINT), CAST(SUM(accepted) AS BIGINT), CAST(SUM(abandoned) AS BIGINT),
				CAST(SUM(short_abandoned) AS BIGINT), CAST(SUM(in_service) AS BIGINT), CAST(SUM(waited) AS BIGINT), MAX(longest)
			FROM queue_parts WHERE connector = $1 AND hour >= $2 AND hour < $3
			GROUP BY hour, queue, channel ORDER BY hour, queue, channel`, func(r row) error {
			var p store.QueuePart
			err := r.Scan(clock{&p.Hour}, &p.Queue, &p.Channel, &p.Offered, &p.Accepted, &p.Abandoned,
				&p.ShortAbandoned, &p.InService, &p.Waited, &p.Longest)
			hours = append(hours, p)
			return err
		}, name(connector), from.UnixMilli(), until.UnixMilli())
	})
	return hours, err
}

// saveFigures replaces what the named sources add to days and hours.
func (t *tx) saveFigures(connector string, d *store.Digest) error {
	sources := make(texts, 0, len(d.Figured))
	seen := map[string]bool{}
	for _, source := range d.Figured {
		if source = name(source); !seen[source] {
			seen[source] = true
			sources = append(sources, source)
		}
	}
	for _, text := range []string{
		`DELETE FROM agent_parts WHERE connector = $1 AND source IN (SELECT source FROM {rows source:text} AS r)`,
		`DELETE FROM queue_parts WHERE connector = $1 AND source IN (SELECT source FROM {rows source:text} AS r)`,
		`DELETE FROM csat_parts WHERE connector = $1 AND source IN (SELECT source FROM {rows source:text} AS r)`,
	} {
		if err := t.later(text, connector, rows{sources}); err != nil {
			return err
		}
	}
	if err := t.addAgentParts(connector, d.AgentParts); err != nil {
		return err
	}
	if err := t.addQueueParts(connector, d.QueueParts); err != nil {
		return err
	}
	return t.addCSATParts(connector, d.CSATParts)
}

func (t *tx) addAgentParts(connector string, parts []store.AgentPart) error {
	var sources, days, workers, activities texts
	numbers := make([]ints, 10)
	for _, p := range parts {
		sources, days = append(sources, name(p.Source)), append(days, name(p.Day))
		workers, activities = append(workers, name(p.Worker)), append(activities, name(p.Activity))
		for i, n := range [...]int64{p.Offered, p.Accepted, p.Rejected, p.TimedOut, p.Handled, p.Talk, p.Wrap, p.CSATCount, p.CSATSum, p.Lasted} {
			numbers[i] = append(numbers[i], n)
		}
	}
	table := rows{sources, days, workers, activities}
	for _, n := range numbers {
		table = append(table, n)
	}
	return t.later(`
		INSERT INTO agent_parts (connector, source, day, worker, activity, offered, accepted, rejected, timed_out,
			handled, talk, wrap, csat_count, csat_sum, lasted)
		SELECT $1, source, day, worker, activity, offered, accepted, rejected, timed_out, handled, talk, wrap, csat_count, csat_sum, lasted
		FROM {rows source:text day:text worker:text activity:text offered:bigint accepted:bigint rejected:bigint timed_out:bigint handled:bigint talk:bigint wrap:bigint csat_count:bigint csat_sum:bigint lasted:bigint} AS r
		WHERE true ON CONFLICT (connector, source, day, worker, activity) DO NOTHING`, connector, table)
}

func (t *tx) addQueueParts(connector string, parts []store.QueuePart) error {
	var sources, queues, channels texts
	var hours moments
	numbers := make([]ints, 7)
	for _, p := range parts {
		sources, hours = append(sources, name(p.Source)), append(hours, p.Hour)
		queues, channels = append(queues, name(p.Queue)), append(channels, name(p.Channel))
		for i, n := range [...]int64{p.Offered, p.Accepted, p.Abandoned, p.ShortAbandoned, p.InService, p.Waited, p.Longest} {
			numbers[i] = append(numbers[i], n)
		}
	}
	table := rows{sources, hours, queues, channels}
	for _, n := range numbers {
		table = append(table, n)
	}
	return t.later(`
		INSERT INTO queue_parts (connector, source, hour, queue, channel, offered, accepted, abandoned, short_abandoned,
			in_service, waited, longest)
		SELECT $1, source, hour, queue, channel, offered, accepted, abandoned, short_abandoned, in_service, waited, longest
		FROM {rows source:text hour:bigint queue:text channel:text offered:bigint accepted:bigint abandoned:bigint short_abandoned:bigint in_service:bigint waited:bigint longest:bigint} AS r
		WHERE true ON CONFLICT (connector, source, hour, queue, channel) DO NOTHING`, connector, table)
}
