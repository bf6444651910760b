package sqlstore

import (
	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// countsTable holds how many rows there are of what only ever grows. It is not copied
// from store to store: what is copied is counted.
const countsTable = "counts"

// What counts are of.
const (
	countedFacts      = "facts"      // by kind
	countedRecords    = "records"    // digested and ignored ones, by state
	countedDeliveries = "deliveries" // settled ones, by kind and state
	countedOmissions  = "omissions"  // by reason and what
	countedCustomers  = "customers"  // see the kinds below
)

// Kinds of counts of customers that were not merged away.
const (
	allCustomers    = "all"
	linkedCustomers = "linked"
	conversations   = "conversations"
)

// loadCounts reads what the counts know of a connector.
func (t *tx) loadCounts(sum *store.Summary, connector string) error {
	return t.query(`
		SELECT what, kind, state, CAST(SUM(n) AS BIGINT) FROM counts WHERE connector = $1
		GROUP BY what, kind, state HAVING SUM(n) <> 0 ORDER BY SUM(n) DESC, kind, state`, func(r row) error {
		var what, kind, state string
		var n int
		err := r.Scan(&what, &kind, &state, &n)
		addCount(sum, what, kind, state, n)
		return err
	}, connector)
}

// addCount puts one count where it belongs.
func addCount(sum *store.Summary, what, kind, state string, n int) {
	switch what {
	case countedFacts:
		sum.Facts[fact.Kind(kind)] = n
	case countedRecords:
		sum.Records[store.RecordState(state)] = n
	case countedDeliveries:
		addDeliveries(sum, store.DeliveryKind(kind), store.DeliveryState(state), n)
	case countedOmissions:
		sum.Omissions = append(sum.Omissions, store.OmissionCount{Reason: kind, What: state, Count: n})
	case countedCustomers:
		switch kind {
		case allCustomers:
			sum.Customers = n
		case linkedCustomers:
			sum.Linked = n
		case conversations:
			sum.Conversations = n
		}
	}
}

func addDeliveries(sum *store.Summary, kind store.DeliveryKind, state store.DeliveryState, n int) {
	if sum.Deliveries[kind] == nil {
		sum.Deliveries[kind] = map[store.DeliveryState]int{}
	}
	sum.Deliveries[kind][state] = n
}

// countNewRecords counts the records that SQLite has above an id, which it finds by their ids
// and by no index. PostgreSQL's triggers count them by themselves.
func (t *tx) countNewRecords(above int64) error {
	if t.dialect.name == migrations.Postgres {
		return nil
	}
	_, err := t.exec(`
		INSERT INTO counts SELECT connector, 'records', '', state, COUNT(*) FROM records NOT INDEXED
		WHERE id > $1 AND state IN ('digested', 'ignored') GROUP BY connector, state
		ON CONFLICT DO UPDATE SET n = counts.n + excluded.n`, above)
	return err
}

// countDigested counts so many records of a connector more that SQLite has as digested.
func (t *tx) countDigested(connector string, n int) error {
	_, err := t.exec(`
		INSERT INTO counts VALUES ($1, 'records', '', 'digested', $2)
		ON CONFLICT DO UPDATE SET n = counts.n + excluded.n`, connector, n)
	return err
}

// manyCounts is how many rows a connector's counts may take before they are folded:
// reading them takes a fraction of a millisecond.
const manyCounts = 500

// foldCounts sums up the counts of connectors that have more than some, which
// PostgreSQL's triggers appended, a row for each statement. What others are folding at the same moment is left to them, so that nobody
// waits; what they append meanwhile is folded the next time. SQLite has one writer at a
// time, who changes the sums themselves.
func (t *tx) foldCounts(more int) error {
	if t.dialect.name != migrations.Postgres {
		return nil
	}
	var long []string
	err := t.query(`SELECT connector FROM counts GROUP BY connector HAVING COUNT(*) > $1`, func(r row) error {
		var connector string
		err := r.Scan(&connector)
		long = append(long, connector)
		return err
	}, more)
	if err != nil {
		return err
	}
	for _, connector := range long {
		_, err := t.exec(`
			WITH gone AS (
				DELETE FROM counts WHERE ctid = ANY (ARRAY(SELECT ctid FROM counts WHERE connector = $1 FOR UPDATE SKIP LOCKED))
				RETURNING connector, what, kind, state, n)
			INSERT INTO counts (connector, what, kind, state, n)
			SELECT connector, what, kind, state, SUM(n) FROM gone GROUP BY connector, what, kind, state HAVING SUM(n) <> 0`, connector)
		if err != nil {
			return err
		}
	}
	return nil
}
