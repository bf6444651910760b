package sqlstore

import (
	"time"

	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
)

// Origins of omissions. Each replaces only its own.
const (
	fromDigest  = "digest"
	fromDeliver = "deliver"
	// fromLink is never replaced.
	fromLink = "link"
)

// omission is a row of omissions without its times.
type omission struct {
	customer int64
	record.Omission
}

// omissionsOf is a set of omissions of one origin that a transaction writes.
type omissionsOf struct {
	connector, origin string
	at                time.Time
	// replaced are the customers whose earlier omissions go unless they are among
	// the new ones.
	replaced ints
	noted    []omission
}

// replaceOmissions puts a digest's omissions in the place of earlier ones.
func (t *tx) replaceOmissions(connector string, d *store.Digest) error {
	o := omissionsOf{connector: connector, origin: fromDigest, at: d.At}
	for _, c := range d.Customers {
		o.replaced = append(o.replaced, c.ID)
	}
	for _, n := range d.Omissions {
		o.noted = append(o.noted, omission{n.CustomerID, n.Omission})
	}
	if err := t.saveOmissions(o); err != nil {
		return err
	}
	lasting := omissionsOf{connector: connector, origin: fromLink, at: d.At}
	for _, n := range d.Lasting {
		lasting.noted = append(lasting.noted, omission{n.CustomerID, n.Omission})
	}
	return t.saveOmissions(lasting)
}

// saveSettledOmissions notes what was left out of what was sent: those of a
// contact that came to an end replace earlier ones, others are added.
func (t *tx) saveSettledOmissions(b *settling) error {
	byConnector := map[string]*omissionsOf{}
	for _, s := range b.done {
		ended := s.Delivery.Kind == store.ContactDelivery && s.State != store.Pending && s.State != store.Unknown
		if !ended && len(s.Omissions) == 0 {
			continue
		}
		o := byConnector[s.Delivery.Connector]
		if o == nil {
			o = &omissionsOf{connector: s.Delivery.Connector, origin: fromDeliver, at: b.now}
			byConnector[s.Delivery.Connector] = o
		}
		if ended {
			o.replaced = append(o.replaced, s.Delivery.CustomerID)
		}
		for _, n := range s.Omissions {
			o.noted = append(o.noted, omission{s.Delivery.CustomerID, n})
		}
	}
	for _, o := range byConnector {
		if err := t.saveOmissions(*o); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) saveOmissions(o omissionsOf) error {
	fresh := map[omission]bool{}
	var unique []omission
	for _, n := range o.noted {
		n.Omission = record.Omission{What: name(n.What), Value: name(n.Value), Reason: name(n.Reason), Rule: name(n.Rule)}
		if !fresh[n] {
			fresh[n] = true
			unique = append(unique, n)
		}
	}
	if err := t.dropOmissions(o, fresh); err != nil {
		return err
	}
	return t.later(`
		INSERT INTO omissions (connector, origin, customer_id, what, value, reason, rule, first_at, last_at)
		SELECT $1, $2, customer_id, what, value, reason, rule, CAST($3 AS BIGINT), CAST($3 AS BIGINT)
		FROM `+omissionHole+` WHERE true
		ON CONFLICT (customer_id, origin, what, value, reason, rule) DO UPDATE SET last_at = excluded.last_at`,
		o.connector, o.origin, o.at.UnixMilli(), omissionRows(unique))
}

// dropOmissions deletes the earlier omissions of replaced customers that are not
// noted again, so that those that stay keep the moment they were first seen.
func (t *tx) dropOmissions(o omissionsOf, fresh map[omission]bool) error {
	var gone []omission
	err := t.query(`
		SELECT o.customer_id, o.what, o.value, o.reason, o.rule FROM {rows id:bigint} AS r CROSS JOIN omissions o
		WHERE o.customer_id = r.id AND o.origin = $1`, func(r row) error {
		var old omission
		err := r.Scan(&old.customer, &old.What, &old.Value, &old.Reason, &old.Rule)
		if !fresh[old] {
			gone = append(gone, old)
		}
		return err
	}, o.origin, rows{distinct(o.replaced)})
	if err != nil {
		return err
	}
	return t.later(`
		DELETE FROM omissions WHERE origin = $1 AND (customer_id, what, value, reason, rule) IN (
			SELECT customer_id, what, value, reason, rule FROM `+omissionHole+`)`, o.origin, omissionRows(gone))
}

// omissionHole is the table of omissionRows.
const omissionHole = `{rows customer_id:bigint what:text value:text reason:text rule:text} AS r`

func omissionRows(list []omission) rows {
	var customers ints
	var whats, values, reasons, rules texts
	for _, o := range list {
		customers, whats, values = append(customers, o.customer), append(whats, o.What), append(values, o.Value)
		reasons, rules = append(reasons, o.Reason), append(rules, o.Rule)
	}
	return rows{customers, whats, values, reasons, rules}
}
