package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// importable holds for a contact delivery d of a customer c that may be imported.
const importable = `d.kind = 'contact' AND d.state IN ('pending', 'dead') AND d.state = 'pending' AND d.attempts = 0 AND d.call = ''
	AND c.id = d.customer_id AND c.contact_id IS NULL AND c.merged_into IS NULL
	AND NOT EXISTS (SELECT 1 FROM import_rows i WHERE i.customer_id = c.id)`

// LoadImportable implements store.Importer. The expressions keep planners from the
// index of what is due, by which the whole queue would be sorted for each page.
func (s *Store) LoadImportable(ctx context.Context, account, connector string, after int64, limit int) ([]store.Delivery, error) {
	var found []store.Delivery
	err := s.read(ctx, "load importable contacts", func(t *tx) (err error) {
		found, err = t.deliveries(`
			SELECT `+deliveryColumns+` FROM queue q CROSS JOIN deliveries d CROSS JOIN customers c
			WHERE q.account || '' = $1 AND q.lane + 0 = $2 AND q.customer_id > $3
				AND d.customer_id = q.customer_id AND d.connector = $4 AND `+importable+`
			ORDER BY q.customer_id LIMIT $5`, name(account), int(record.Backfill), after, name(connector), limit)
		return err
	})
	return found, err
}

// BeginImport implements store.Importer.
func (s *Store) BeginImport(ctx context.Context, lease store.Lease, i store.Import, offered []store.ImportRow, until time.Time) (int64, []int64, error) {
	var id int64
	var taken ints
	err := s.write(ctx, "begin import", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		id, taken = 0, nil
		var deliveries, customers ints
		sent := map[int64]string{}
		for _, r := range offered {
			names, err := encode("names of what is imported", r.Sent)
			if err != nil {
				return err
			}
			deliveries, customers = append(deliveries, r.DeliveryID), append(customers, r.CustomerID)
			sent[r.DeliveryID] = names
		}
		if err := t.lockCustomers(customers); err != nil {
			return err
		}
		var owners ints
		var names texts
		err := t.query(`
			SELECT d.id, d.customer_id FROM {rows id:bigint} AS r CROSS JOIN deliveries d CROSS JOIN customers c
			WHERE d.id = r.id AND `+importable, func(r row) error {
			var delivery, customer int64
			err := r.Scan(&delivery, &customer)
			taken, owners, names = append(taken, delivery), append(owners, customer), append(names, sent[delivery])
			return err
		}, rows{deliveries})
		if err != nil || len(taken) == 0 {
			return err
		}
		err = t.one(`
			INSERT INTO imports (account, connector, state, contacts, handed_at) VALUES ($1, $2, 'handed', $3, $4) RETURNING id`,
			[]any{&id}, name(i.Account), name(i.Connector), len(taken), i.HandedAt.UnixMilli())
		if err != nil {
			return err
		}
		_, err = t.exec(`
			INSERT INTO import_rows (import_id, delivery_id, customer_id, sent)
			SELECT $1, delivery_id, customer_id, sent FROM {rows delivery_id:bigint customer_id:bigint sent:text} AS r`,
			id, rows{taken, owners, names})
		if err != nil {
			return err
		}
		return t.putOff(taken, owners, until)
	})
	if err != nil {
		return 0, nil, err
	}
	return id, taken, nil
}

// putOff changes when waiting deliveries are due.
func (t *tx) putOff(deliveries, customers ints, until time.Time) error {
	_, err := t.exec(`
		UPDATE deliveries SET next_attempt_at = $1
		WHERE id IN (SELECT id FROM {rows id:bigint} AS r) AND state = 'pending'`, until.UnixMilli(), rows{deliveries})
	if err != nil {
		return err
	}
	return t.requeue(customers)
}

// AcceptImport implements store.Importer.
func (s *Store) AcceptImport(ctx context.Context, lease store.Lease, id, process int64) error {
	return s.write(ctx, "accept import", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE imports SET state = 'accepted', process_id = $2 WHERE id = $1 AND state = 'handed'`, id, process)
		return err
	})
}

const importColumns = `id, account, connector, state, COALESCE(process_id, 0), contacts, found, handed_at, ended_at, reports`

func scanImport(r row) (store.Import, error) {
	var i store.Import
	var reports []byte
	err := r.Scan(&i.ID, &i.Account, &i.Connector, &i.State, &i.ProcessID, &i.Contacts, &i.Found, clock{&i.HandedAt}, clock{&i.EndedAt}, &reports)
	if err == nil && len(reports) > 0 && json.Unmarshal(reports, &i.Reports) != nil {
		return i, fmt.Errorf("decode reports of import %d: not the JSON they were stored as", i.ID)
	}
	return i, err
}

// LoadImportsUnderWay implements store.Importer.
func (s *Store) LoadImportsUnderWay(ctx context.Context, account string) ([]store.Import, error) {
	return s.loadImports(ctx, `SELECT `+importColumns+` FROM imports WHERE account = $1 AND ended_at IS NULL ORDER BY id`, name(account))
}

// LoadImports implements store.Importer.
func (s *Store) LoadImports(ctx context.Context, connector string, limit int) ([]store.Import, error) {
	return s.loadImports(ctx, `SELECT `+importColumns+` FROM imports WHERE connector = $1 ORDER BY id DESC LIMIT $2`, name(connector), limit)
}

func (s *Store) loadImports(ctx context.Context, query string, args ...any) ([]store.Import, error) {
	var found []store.Import
	err := s.read(ctx, "load imports", func(t *tx) error {
		return t.query(query, func(r row) error {
			i, err := scanImport(r)
			found = append(found, i)
			return err
		}, args...)
	})
	return found, err
}

// LoadImported implements store.Importer.
func (s *Store) LoadImported(ctx context.Context, id, after int64, limit int) ([]store.Delivery, error) {
	var found []store.Delivery
	err := s.read(ctx, "load imported contacts", func(t *tx) (err error) {
		found, err = t.deliveries(`
			SELECT `+deliveryColumns+` FROM import_rows i CROSS JOIN deliveries d CROSS JOIN customers c
			WHERE i.import_id = $1 AND i.delivery_id > $2 AND d.id = i.delivery_id AND d.state = 'pending' AND c.id = d.customer_id
			ORDER BY i.delivery_id LIMIT $3`, id, after, limit)
		return err
	})
	return found, err
}

// Importing implements store.Importer.
func (s *Store) Importing(ctx context.Context, customers []int64) (bool, error) {
	var one ints
	err := s.read(ctx, "look for customers in an import", func(t *tx) error {
		return t.query(`
			SELECT i.customer_id FROM {rows id:bigint} AS r CROSS JOIN import_rows i WHERE i.customer_id = r.id LIMIT 1`,
			scanID(&one), rows{distinct(customers)})
	})
	return len(one) > 0, err
}

// ReleaseUrgent implements store.Importer.
func (s *Store) ReleaseUrgent(ctx context.Context, lease store.Lease, id int64, now time.Time) (int, error) {
	released := 0
	err := s.write(ctx, "release urgent contacts of an import", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		var deliveries, customers ints
		err := t.query(`
			SELECT i.delivery_id, i.customer_id FROM import_rows i CROSS JOIN queue q
			WHERE i.import_id = $1 AND q.customer_id = i.customer_id AND q.lane < $2 AND q.due_at > $3`, func(r row) error {
			var delivery, customer int64
			err := r.Scan(&delivery, &customer)
			deliveries, customers = append(deliveries, delivery), append(customers, customer)
			return err
		}, id, int(record.Backfill), now.UnixMilli())
		if released = len(deliveries); err != nil || released == 0 {
			return err
		}
		if err := t.lockCustomers(customers); err != nil {
			return err
		}
		return t.putOff(deliveries, customers, now)
	})
	return released, err
}

// EndImport implements store.Importer.
func (s *Store) EndImport(ctx context.Context, lease store.Lease, i store.Import, call string, now time.Time) (int, error) {
	found := 0
	err := s.write(ctx, "end import", func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		rest, err := t.importedRows(i.ID)
		if err != nil {
			return err
		}
		if err := t.lockCustomers(rest.customers); err != nil {
			return err
		}
		if rest, err = t.importedRows(i.ID); err != nil { // as they are with the locks
			return err
		}
		found = rest.found
		reports := ""
		if len(i.Reports) > 0 {
			if reports, err = encode("reports of an import", i.Reports); err != nil {
				return err
			}
		}
		ended, err := t.exec(`
			UPDATE imports SET state = $2, found = $3, ended_at = $4, reports = $5 WHERE id = $1 AND ended_at IS NULL`,
			i.ID, string(i.State), found, now.UnixMilli(), reports)
		if err != nil || ended == 0 {
			return err
		}
		if err := t.noteImported(rest, i.State, call); err != nil {
			return err
		}
		if err := t.putOff(rest.waiting, rest.customers, now); err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM import_rows WHERE import_id = $1`, i.ID)
		return err
	})
	return found, err
}

// imported are the rows of an import.
type imported struct {
	customers, waiting ints
	// known says of those that wait what was sent, empty for those that are not known to
	// be there.
	known texts
	found int
}

func (t *tx) importedRows(id int64) (imported, error) {
	var rest imported
	err := t.query(`
		SELECT i.delivery_id, i.customer_id, i.sent, COALESCE(d.state, ''), CASE WHEN c.contact_id IS NULL THEN 0 ELSE 1 END
		FROM import_rows i LEFT JOIN deliveries d ON d.id = i.delivery_id LEFT JOIN customers c ON c.id = i.customer_id
		WHERE i.import_id = $1`, func(r row) error {
		var delivery, customer int64
		var sent string
		var state store.DeliveryState
		var known int
		err := r.Scan(&delivery, &customer, &sent, &state, &known)
		rest.customers, rest.found = append(rest.customers, customer), rest.found+known
		if state == store.Pending {
			if known == 0 {
				sent = ""
			}
			rest.waiting, rest.known = append(rest.waiting, delivery), append(rest.known, sent)
		}
		return err
	}, id)
	return rest, err
}

// noteImported notes on waiting contacts what an import sent of them.
func (t *tx) noteImported(rest imported, state store.ImportState, call string) error {
	if state == store.ImportLost {
		return nil
	}
	_, err := t.exec(`
		UPDATE deliveries SET call = $1, sent = r.sent, status = CASE WHEN r.sent <> '' THEN 202 ELSE deliveries.status END
		FROM {rows id:bigint sent:text} AS r WHERE deliveries.id = r.id AND deliveries.state = 'pending'`,
		name(call), rows{rest.waiting, rest.known})
	return err
}
