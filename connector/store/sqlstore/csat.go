package sqlstore

import (
	"context"

	"flexbrevo/connector/store"
)

// LoadCSATDays implements store.Rater.
func (s *Store) LoadCSATDays(ctx context.Context, connector, from, until string) ([]store.CSATPart, error) {
	var days []store.CSATPart
	err := s.read(ctx, "load days of survey answers", func(t *tx) error {
		return t.query(`
			SELECT day, channel, queue, scale, score, COUNT(*)
			FROM csat_parts WHERE connector = $1 AND day >= $2 AND day < $3
			GROUP BY day, channel, queue, scale, score ORDER BY day, channel, queue, scale, score`, func(r row) error {
			var p store.CSATPart
			err := r.Scan(&p.Day, &p.Channel, &p.Queue, &p.Scale, &p.Score, &p.Count)
			days = append(days, p)
			return err
		}, name(connector), from, until)
	})
	return days, err
}

func (t *tx) addCSATParts(connector string, parts []store.CSATPart) error {
	var sources, days, channels, queues texts
	var scores, scales ints
	for _, p := range parts {
		sources, days = append(sources, name(p.Source)), append(days, name(p.Day))
		channels, queues = append(channels, name(p.Channel)), append(queues, name(p.Queue))
		scores, scales = append(scores, p.Score), append(scales, p.Scale)
	}
	return t.later(`
		INSERT INTO csat_parts (connector, source, day, channel, queue, score, scale)
		SELECT $1, source, day, channel, queue, score, scale
		FROM {rows source:text day:text channel:text queue:text score:bigint scale:bigint} AS r
		WHERE true ON CONFLICT (connector, source) DO NOTHING`, connector, rows{sources, days, channels, queues, scores, scales})
}
