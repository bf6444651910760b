package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"flexbrevo/connector/store"
	"flexbrevo/migrations"
)

// Erase implements store.Forgetter.
func (s *Store) Erase(ctx context.Context, lease store.Lease, e *store.Erasure) (store.Erased, error) {
	var erased store.Erased
	err := s.write(ctx, "erase", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		erased = store.Erased{}
		return t.overwriting(func() error { return t.erase(e, &erased) })
	})
	if err != nil {
		return store.Erased{}, err
	}
	return erased, nil
}

// overwriting lets what is removed be overwritten with zeros. SQLite would leave it
// in free pages; PostgreSQL has no such thing, see Compact.
func (t *tx) overwriting(remove func() error) error {
	if t.dialect.name != migrations.SQLite {
		return remove()
	}
	if err := do(t.ctx, t.session, `PRAGMA secure_delete = ON`); err != nil {
		return err
	}
	// The rest of the writing is not worth the zeros. Where this fails they are only
	// written too often.
	defer func() { _ = do(context.WithoutCancel(t.ctx), t.session, `PRAGMA secure_delete = OFF`) }()
	return remove()
}

func (t *tx) erase(e *store.Erasure, erased *store.Erased) error {
	connector := name(e.Connector)
	ids := distinct(e.Customers)
	if err := t.lockCustomers(ids); err != nil {
		return err
	}
	if err := t.saveTombs(connector, e.Tombs); err != nil {
		return err
	}
	if err := t.leaveQueue(ids); err != nil {
		return err
	}
	// Those that others refer to come last.
	for _, of := range []struct {
		text  string
		rows  rows
		count *int
	}{
		{`DELETE FROM marks WHERE connector = $1 AND (kind, sid) IN (SELECT kind, sid FROM {rows kind:text sid:text} AS r)`, keyRows(e.Facts), &erased.Events},
		{`DELETE FROM deliveries WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, &erased.Deliveries},
		{`DELETE FROM omissions WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, &erased.Omissions},
		{`DELETE FROM owed WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM aged WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM crm_cases WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM import_rows WHERE import_id IN (SELECT id FROM imports WHERE connector = $1) AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM changes WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM published WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM identifiers WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, new(int)},
		{`DELETE FROM facts WHERE connector = $1 AND customer_id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, &erased.Facts},
		{`DELETE FROM customers WHERE connector = $1 AND id IN (SELECT id FROM {rows id:bigint} AS r)`, rows{ids}, &erased.Customers},
	} {
		n, err := t.exec(of.text, connector, of.rows)
		if err != nil {
			return err
		}
		*of.count = n
	}
	if err := t.renameSources(connector, e.Sources); err != nil {
		return err
	}
	if err := t.buryRecords(connector, e.Records); err != nil {
		return err
	}
	erased.Records = len(e.Records)
	err := t.dropStaged(connector, e)
	if err != nil {
		return err
	}
	erased.Refusals, err = t.dropRefusals(connector, e.Traces)
	return err
}

// renameSources takes the names of tasks out of figures that stay.
func (t *tx) renameSources(connector string, sources map[string]string) error {
	var from, to texts
	for old, fresh := range sources {
		from, to = append(from, name(old)), append(to, name(fresh))
	}
	for _, table := range []string{"agent_parts", "queue_parts", "csat_parts"} {
		_, err := t.exec(`
			UPDATE `+table+` SET source = r.fresh FROM {rows old:text fresh:text} AS r
			WHERE `+table+`.connector = $1 AND `+table+`.source = r.old`, connector, rows{from, to})
		if err != nil {
			return err
		}
	}
	return nil
}

// buryRecords empties records. That one came is kept, so that what is compared with
// the source's own count adds up, and that it is not taken for a new one.
func (t *tx) buryRecords(connector string, records []store.BuriedRecord) error {
	if len(records) == 0 {
		return nil
	}
	var ids ints
	var keys texts
	for _, r := range records {
		ids, keys = append(ids, r.ID), append(keys, name(r.Key))
	}
	if err := t.endWait(connector, ids); err != nil {
		return err
	}
	// One that came again after its key was hidden finds its own row there.
	_, err := t.exec(`
		DELETE FROM records WHERE connector = $1 AND id IN (
			SELECT r.id FROM {rows id:bigint key:text} AS r CROSS JOIN records o
			WHERE o.connector = $1 AND o.key = r.key AND o.id <> r.id)`, connector, rows{ids, keys})
	if err != nil {
		return err
	}
	_, err = t.exec(`
		UPDATE records SET key = r.key, body = $2, state = 'ignored', reason = '`+store.ForgottenReason+`',
			digested_at = COALESCE(records.digested_at, records.captured_at)
		FROM {rows id:bigint key:text} AS r WHERE records.connector = $1 AND records.id = r.id`, connector, []byte{}, rows{ids, keys})
	return err
}

// saveBuried empties what a digest found to be of somebody who was forgotten.
func (t *tx) saveBuried(connector string, d *store.Digest) error {
	if len(d.Buried)+len(d.Tombs) == 0 {
		return nil
	}
	return t.overwriting(func() error {
		if err := t.saveTombs(connector, d.Tombs); err != nil {
			return err
		}
		return t.buryRecords(connector, d.Buried)
	})
}

// dropStaged removes what a replay has staged of the person.
func (t *tx) dropStaged(connector string, e *store.Erasure) error {
	var kinds, sids texts
	for _, key := range e.Facts {
		kinds, sids = append(kinds, string(key.Kind)), append(sids, name(key.SID))
	}
	err := t.query(`SELECT kind, sid, body FROM staged_facts WHERE connector = $1`, func(r row) error {
		var kind, sid string
		var body []byte
		err := r.Scan(&kind, &sid, &body)
		if holdsTrace(body, e.Traces) {
			kinds, sids = append(kinds, kind), append(sids, sid)
		}
		return err
	}, connector)
	if err != nil {
		return err
	}
	_, err = t.exec(`
		DELETE FROM staged_facts WHERE connector = $1 AND (kind, sid) IN (SELECT kind, sid FROM {rows kind:text sid:text} AS r)`,
		connector, rows{kinds, sids})
	return err
}

// holdsTrace says whether a text holds one of some, without regard to case.
func holdsTrace(text []byte, traces []string) bool {
	text = bytes.ToLower(text)
	for _, trace := range traces {
		if bytes.Contains(text, bytes.ToLower([]byte(trace))) {
			return true
		}
	}
	return false
}

// dropRefusals removes refused requests that hold one of the texts.
func (t *tx) dropRefusals(connector string, traces []string) (int, error) {
	var gone ints
	err := t.query(`SELECT id, data FROM refusals WHERE connector = $1`, func(r row) error {
		var id int64
		var data []byte
		err := r.Scan(&id, &data)
		if holdsTrace(data, traces) {
			gone = append(gone, id)
		}
		return err
	}, connector)
	if err != nil {
		return 0, err
	}
	return t.exec(`DELETE FROM refusals WHERE connector = $1 AND id IN (SELECT id FROM {rows id:bigint} AS r)`, connector, rows{gone})
}

// checkpointPatience is how long Flush waits for readers of old pages.
const checkpointPatience = 30 * time.Second

var errReaders = errors.New("somebody reads an older state of the store all the time, or moves its log")

// Flush implements store.Forgetter. PostgreSQL's log is the server's. Between two tries
// others may write.
func (s *Store) Flush(ctx context.Context) error {
	if s.dialect.name != migrations.SQLite {
		return nil
	}
	const op = "flush write-ahead log"
	for deadline := s.options.Clock().Add(checkpointPatience); ; {
		done := false
		err := s.maintain(ctx, op, func(ctx context.Context, ss session) (err error) {
			done, err = truncateLog(ctx, ss)
			return err
		})
		switch {
		case err != nil || done:
			return err
		case s.options.Clock().After(deadline):
			return wrap(ctx, op, errReaders)
		}
		if err := pause(ctx); err != nil {
			return wrap(ctx, op, err)
		}
	}
}

// truncateLog brings all pages into the database file and cuts the log off, or says
// that a reader of an older state, or whoever else moves pages, keeps it from that.
func truncateLog(ctx context.Context, ss session) (bool, error) {
	var busy, pages, moved int
	_, err := ss.run(ctx, statement{text: `PRAGMA wal_checkpoint(TRUNCATE)`, scan: func(r row) error {
		return r.Scan(&busy, &pages, &moved)
	}})
	return busy == 0, err
}

// Compact implements store.Forgetter.
func (s *Store) Compact(ctx context.Context) error {
	err := s.maintain(ctx, "compact store", func(ctx context.Context, ss session) error {
		if s.dialect.name == migrations.Postgres {
			return rewriteTables(ctx, ss)
		}
		return vacuumFile(ctx, s.path)
	})
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

// vacuumFile writes a SQLite file anew, on a connection of its own: the copy goes into a
// temporary file, because a store may be larger than the memory, and whoever changes where
// that is loses all that is temporary of a connection, see handover.
func vacuumFile(ctx context.Context, path string) error {
	db := openFileDB(path, "rw", "immediate", readerCache)
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, `PRAGMA temp_store = FILE; VACUUM`)
	return errors.Join(err, db.Close())
}

// maintain does something on a writing connection outside a transaction.
func (s *Store) maintain(ctx context.Context, op string, work func(context.Context, session) error) error {
	if err := s.flusher.ready(); err != nil {
		return wrap(ctx, op, err)
	}
	ss, err := s.writers.take(ctx)
	if err != nil {
		return wrap(ctx, op, err)
	}
	defer s.writers.put(ss)
	return wrap(ctx, op, work(ctx, ss))
}

// rewriteTables writes every table that knows of customers anew: a plain VACUUM makes room
// in pages and leaves their bytes.
func rewriteTables(ctx context.Context, ss session) error {
	for _, table := range [...]string{
		"records", "customers", "identifiers", "facts", "marks", "deliveries", "queue", "omissions", "owed", "runs",
		"refusals", "agent_parts", "queue_parts", "csat_parts", "aged", "staged_facts", "changes", "published",
	} {
		if err := do(ctx, ss, `VACUUM (FULL) `+table); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}
