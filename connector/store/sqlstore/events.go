package sqlstore

import (
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// storedEvent is an event delivery that a change meets.
type storedEvent struct {
	id, customer int64
	key          string
	state        store.DeliveryState
	lane         record.Lane
	anyAge       bool
	attempts     int
	next         time.Time
	payload      string
}

// saveEvents puts events in the outbox, each once for ever.
func (t *tx) saveEvents(o *outbox) error {
	if len(o.events) == 0 {
		return nil
	}
	known, err := t.knownEvents(o)
	if err != nil {
		return err
	}
	var fresh, changed eventRows
	var taken ints // pending ones whose new key is told or owed already
	for _, e := range o.events {
		old, exists := known.byKey[e.Key]
		told := known.marked[e.Key]
		if e.Replaces != 0 && old.id != e.Replaces {
			moved, found := known.byID[e.Replaces]
			switch {
			case !found || moved.state != store.Pending:
				continue
			case !exists && !told:
				changed.add(moved.id, e.joined(moved), moved.after(e, o.at))
				continue
			}
			taken = append(taken, moved.id)
		}
		switch {
		case !exists && !told:
			fresh.add(0, e, due(e, o.at))
		case exists && old.state == store.Withdrawn && !told:
			changed.add(old.id, e, due(e, o.at))
		case exists && old.state == store.Pending && (old.payload != e.payload || old.customer != e.CustomerID):
			changed.add(old.id, e.joined(old), old.after(e, o.at))
		}
	}
	if err := t.withdraw(&outbox{connector: o.connector, at: o.at, withdrawn: taken}); err != nil {
		return err
	}
	if err := t.changeEvents(o.account, changed); err != nil {
		return err
	}
	return t.addEvents(o, fresh)
}

// due is the moment a new event may be sent first.
func due(e eventChange, at time.Time) time.Time {
	if e.NotBefore.After(at) {
		return e.NotBefore
	}
	return at
}

// after is the moment a changed event may be sent first: one that waits for
// another try goes on waiting.
func (s storedEvent) after(e eventChange, at time.Time) time.Time {
	first := due(e, at)
	if s.attempts > 0 && s.next.After(first) {
		return s.next
	}
	return first
}

// joined keeps of the stored event what makes it more urgent or freer of age.
func (e eventChange) joined(s storedEvent) eventChange {
	e.Lane, e.AnyAge = min(e.Lane, s.lane), e.AnyAge || s.anyAge
	return e
}

// knownEvents are the deliveries and marks that changes meet.
type knownEvents struct {
	byKey  map[string]storedEvent
	byID   map[int64]storedEvent
	marked map[string]bool
}

func (t *tx) knownEvents(o *outbox) (knownEvents, error) {
	known := knownEvents{map[string]storedEvent{}, map[int64]storedEvent{}, map[string]bool{}}
	keys := make(texts, len(o.events))
	var replaced ints
	for i, e := range o.events {
		keys[i], replaced = e.Key, append(replaced, e.Replaces)
	}
	collect := func(r row) error {
		var e storedEvent
		var anyAge int
		err := r.Scan(&e.id, &e.customer, &e.key, &e.state, &e.lane, &anyAge, &e.attempts, clock{&e.next}, &e.payload)
		e.anyAge = anyAge == 1
		known.byKey[e.key], known.byID[e.id] = e, e
		return err
	}
	const columns = `d.id, d.customer_id, d.key, d.state, d.lane, d.any_age, d.attempts, d.next_attempt_at, d.payload`
	byKey := t.question(`
		SELECT `+columns+` FROM {rows key:text} AS r CROSS JOIN deliveries d
		WHERE d.connector = $1 AND d.key = r.key AND d.kind = 'event'`, collect, o.connector, rows{keys})
	byID := t.question(`
		SELECT `+columns+` FROM {rows id:bigint} AS r CROSS JOIN deliveries d
		WHERE d.id = r.id AND d.kind = 'event'`, collect, rows{distinct(replaced)})
	marked := t.question(`
		SELECT m.key FROM {rows key:text} AS r CROSS JOIN marks m WHERE m.connector = $1 AND m.key = r.key`, func(r row) error {
		var key string
		err := r.Scan(&key)
		known.marked[key] = true
		return err
	}, o.connector, rows{keys})
	err := t.together(byKey, byID, marked)
	return known, err
}

// eventRows are event changes as columns.
type eventRows struct {
	ids, customers, lanes, anyAge, eventAt ints
	keys, factKinds, factSIDs, types       texts
	next                                   moments
	payloads                               texts
}

func (c *eventRows) add(id int64, e eventChange, next time.Time) {
	c.ids, c.customers = append(c.ids, id), append(c.customers, e.CustomerID)
	c.keys, c.types = append(c.keys, e.Key), append(c.types, name(e.Type))
	c.factKinds, c.factSIDs = append(c.factKinds, name(string(e.Fact.Kind))), append(c.factSIDs, name(e.Fact.SID))
	c.lanes, c.anyAge = append(c.lanes, int64(e.Lane)), append(c.anyAge, flag(e.AnyAge))
	c.eventAt, c.next = append(c.eventAt, e.Event.At.UnixMilli()), append(c.next, next)
	c.payloads = append(c.payloads, e.payload)
}

func (c *eventRows) rows() rows {
	return rows{c.ids, c.customers, c.keys, c.factKinds, c.factSIDs, c.types, c.lanes, c.anyAge, c.eventAt, c.next, c.payloads}
}

// eventHole is the table of eventRows.rows.
const eventHole = `{rows id:bigint customer_id:bigint key:text fact_kind:text fact_sid:text type:text lane:bigint any_age:bigint event_at:bigint next_attempt_at:bigint payload:text} AS r`

func (t *tx) addEvents(o *outbox, fresh eventRows) error {
	return t.later(`
		INSERT INTO deliveries (connector, account, customer_id, kind, key, fact_kind, fact_sid, type, lane,
			any_age, event_at, next_attempt_at, created_at, payload)
		SELECT $1, $2, customer_id, 'event', key, fact_kind, fact_sid, type, lane,
			any_age, event_at, next_attempt_at, CAST($3 AS BIGINT), payload
		FROM `+eventHole, o.connector, o.account, o.at.UnixMilli(), fresh.rows())
}

// changeEvents writes deliveries that wait, or that were withdrawn before they were
// sent and are owed again.
func (t *tx) changeEvents(account string, changed eventRows) error {
	return t.later(`
		UPDATE deliveries SET state = 'pending', settled_at = NULL, reason = CASE WHEN state = 'pending' THEN reason ELSE '' END,
			account = $1, customer_id = r.customer_id, key = r.key, fact_kind = r.fact_kind,
			fact_sid = r.fact_sid, type = r.type, lane = r.lane, any_age = r.any_age, event_at = r.event_at,
			next_attempt_at = r.next_attempt_at, payload = r.payload
		FROM `+eventHole+` WHERE deliveries.id = r.id AND deliveries.state IN ('pending', 'withdrawn')`, account, changed.rows())
}
