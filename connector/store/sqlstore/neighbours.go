package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/store"
)

// LoadNeighbours implements store.Digester.
func (s *Store) LoadNeighbours(ctx context.Context, connector string, tokens []store.Token, keys []fact.Key) (*store.Neighbours, error) {
	n := &store.Neighbours{}
	err := s.read(ctx, "load neighbours", func(t *tx) error {
		connector := name(connector)
		if err := t.keepPlans(); err != nil {
			return err
		}
		found, err := t.reach(connector, tokens, keys)
		if err != nil {
			return err
		}
		if err := t.neighbours(n, connector, found.customers); err != nil {
			return err
		}
		n.Tokens = append(n.Tokens, found.loose...)
		return t.loadNamed(n, connector, found.orphans)
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// LoadCustomer implements store.Reader.
func (s *Store) LoadCustomer(ctx context.Context, connector string, id int64) (*store.Neighbours, error) {
	n := &store.Neighbours{}
	err := s.read(ctx, "load customer", func(t *tx) error {
		var found int64
		if err := t.one(`SELECT id FROM customers WHERE id = $1 AND connector = $2`, []any{&found}, id, name(connector)); err != nil {
			return err
		}
		return t.neighbours(n, name(connector), ints{found})
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

func tokenRows(tokens []store.Token) rows {
	kinds, values := make(texts, len(tokens)), make(texts, len(tokens))
	for i, token := range tokens {
		kinds[i], values[i] = string(token.Kind), name(token.Value)
	}
	return rows{kinds, values}
}

func keyRows(keys []fact.Key) rows {
	kinds, sids := make(texts, len(keys)), make(texts, len(keys))
	for i, key := range keys {
		kinds[i], sids[i] = name(string(key.Kind)), name(key.SID)
	}
	return rows{kinds, sids}
}

// reached is what tokens and facts lead to.
type reached struct {
	customers ints
	// loose are the tokens that lead to no customer: phones that are shared, which must
	// not be taken for new ones.
	loose []store.StoredToken
	// orphans are the facts that belong to no customer.
	orphans []fact.Key
}

// reach looks up who holds one of the tokens or owns one of the facts.
func (t *tx) reach(connector string, tokens []store.Token, keys []fact.Key) (reached, error) {
	var found reached
	seen := map[int64]bool{}
	add := func(customer int64) {
		if !seen[customer] {
			seen[customer] = true
			found.customers = append(found.customers, customer)
		}
	}
	held := t.question(`
		SELECT r.place, COALESCE(i.customer_id, 0), i.shared
		FROM {rows kind:text value:text place:bigint} AS r CROSS JOIN identifiers i
		WHERE i.connector = $1 AND i.kind = r.kind AND i.value = r.value`, func(r row) error {
		var place int
		var customer, shared int64
		if err := r.Scan(&place, &customer, &shared); err != nil {
			return err
		}
		if customer == 0 {
			token := store.Token{Kind: tokens[place].Kind, Value: name(tokens[place].Value)}
			found.loose = append(found.loose, store.StoredToken{Token: token, Shared: shared == 1})
			return nil
		}
		add(customer)
		return nil
	}, connector, append(tokenRows(tokens), places(len(tokens))))
	owned := t.question(`
		SELECT r.place, COALESCE(f.customer_id, 0)
		FROM {rows kind:text sid:text place:bigint} AS r CROSS JOIN facts f
		WHERE f.connector = $1 AND f.kind = r.kind AND f.sid = r.sid`, func(r row) error {
		var place int
		var customer int64
		if err := r.Scan(&place, &customer); err != nil {
			return err
		}
		if customer == 0 {
			found.orphans = append(found.orphans, keys[place])
			return nil
		}
		add(customer)
		return nil
	}, connector, append(keyRows(keys), places(len(keys))))
	err := t.together(held, owned)
	return found, err
}

// places counts rows from 0.
func places(n int) ints {
	c := make(ints, n)
	for i := range c {
		c[i] = int64(i)
	}
	return c
}

// neighbours adds customers of a connector with all that belongs to them.
func (t *tx) neighbours(n *store.Neighbours, connector string, customers ints) error {
	ids, before := rows{customers}, len(n.Facts)
	err := t.together(
		t.customersOf(n, ids), t.tokensOf(n, ids),
		t.factsWhere(n, `{rows id:bigint} AS r CROSS JOIN facts f WHERE f.customer_id = r.id`, ids),
		t.unsettledEventsOf(n, ids))
	if err != nil {
		return err
	}
	// They are sorted here, because the database would copy whole payloads for it.
	slices.SortFunc(n.Events, func(a, b store.Delivery) int {
		return cmp.Or(cmp.Compare(a.CustomerID, b.CustomerID), a.Event.At.Compare(b.Event.At), cmp.Compare(a.ID, b.ID))
	})
	return t.arrange(n, before, connector)
}

func (t *tx) customersOf(n *store.Neighbours, ids rows) statement {
	return t.question(`
		SELECT c.id, c.created_at, c.conversations, COALESCE(c.merged_into, 0), c.desired, c.held
		FROM {rows id:bigint} AS r CROSS JOIN customers c WHERE c.id = r.id ORDER BY c.id`, func(r row) error {
		var c store.Customer
		var held []byte
		err := r.Scan(&c.ID, clock{&c.CreatedAt}, &c.Conversations, &c.MergedInto, &c.Desired, &held)
		if err != nil {
			return err
		}
		c.Held, err = decodeHeld(held)
		n.Customers = append(n.Customers, c)
		return err
	}, ids)
}

func (t *tx) tokensOf(n *store.Neighbours, ids rows) statement {
	return t.question(`
		SELECT i.kind, i.value, i.customer_id, i.shared
		FROM {rows id:bigint} AS r CROSS JOIN identifiers i WHERE i.customer_id = r.id`, scanToken(n), ids)
}

func scanToken(n *store.Neighbours) func(row) error {
	return func(r row) error {
		var token store.StoredToken
		var shared int
		err := r.Scan(&token.Kind, &token.Value, &token.CustomerID, &shared)
		token.Shared = shared == 1
		n.Tokens = append(n.Tokens, token)
		return err
	}
}

// unsettledEventsOf asks for the unsettled events of customers.
func (t *tx) unsettledEventsOf(n *store.Neighbours, ids rows) statement {
	return t.question(`
		SELECT `+deliveryColumns+` FROM {rows id:bigint} AS r CROSS JOIN deliveries d {by deliveries_unsettled} CROSS JOIN customers c
		WHERE d.customer_id = r.id AND c.id = r.id AND d.state IN ('pending', 'sending', 'unknown', 'dead') AND d.kind = 'event'`, func(r row) error {
		d, err := scanDelivery(r)
		n.Events = append(n.Events, d)
		return err
	}, ids)
}

// loadNamed adds the facts of some names.
func (t *tx) loadNamed(n *store.Neighbours, connector string, keys []fact.Key) error {
	const from = `{rows kind:text sid:text} AS r CROSS JOIN facts f WHERE f.connector = $1 AND f.kind = r.kind AND f.sid = r.sid`
	before := len(n.Facts)
	if err := t.together(t.factsWhere(n, from, connector, keyRows(keys))); err != nil {
		return err
	}
	return t.arrange(n, before, connector)
}

// factsWhere asks for the facts f that the end of a query names.
func (t *tx) factsWhere(n *store.Neighbours, from string, args ...any) statement {
	return t.question(`SELECT f.kind, f.sid, COALESCE(f.customer_id, 0), f.open, f.read_at, f.body FROM `+from, func(r row) error {
		stored, err := scanFact(r)
		n.Facts = append(n.Facts, stored)
		return err
	}, args...)
}

// arrange puts the facts from one on in the order of their keys, each once, and fills in
// their marks. They are sorted here, because the database would copy whole facts for it.
func (t *tx) arrange(n *store.Neighbours, from int, connector string) error {
	added := n.Facts[from:]
	slices.SortFunc(added, func(a, b store.StoredFact) int {
		return cmp.Or(cmp.Compare(a.Fact.Kind, b.Fact.Kind), cmp.Compare(a.Fact.SID, b.Fact.SID))
	})
	added = slices.CompactFunc(added, func(a, b store.StoredFact) bool { return a.Fact.Key() == b.Fact.Key() })
	n.Facts = n.Facts[:from+len(added)]
	return t.loadMarks(added, connector)
}

// loadMarks fills in the marks of facts.
func (t *tx) loadMarks(facts []store.StoredFact, connector string) error {
	at, keys := make(map[fact.Key]int, len(facts)), make([]fact.Key, len(facts))
	for i, f := range facts {
		keys[i] = f.Fact.Key()
		at[keys[i]] = i
	}
	return t.query(`
		SELECT m.kind, m.sid, m.type, m.at FROM {rows kind:text sid:text} AS r CROSS JOIN marks m {by marks_fact}
		WHERE m.connector = $1 AND m.kind = r.kind AND m.sid = r.sid
		ORDER BY m.at, m.key`, func(r row) error {
		var key fact.Key
		var event string
		var told int64
		if err := r.Scan(&key.Kind, &key.SID, &event, &told); err != nil {
			return err
		}
		stored := &facts[at[key]]
		if stored.Marks == nil {
			stored.Marks = map[string]int64{}
		}
		stored.Marks[event] = told // what was told comes after what was skipped
		return nil
	}, connector, keyRows(keys))
}

func scanFact(r row) (store.StoredFact, error) {
	stored := store.StoredFact{Fact: &fact.Fact{}}
	var open int
	var readAt int64
	var body string
	err := r.Scan(&stored.Fact.Kind, &stored.Fact.SID, &stored.CustomerID, &open, &readAt, &body)
	if err != nil {
		return stored, err
	}
	stored.Open = open == 1
	if readAt != 0 {
		stored.ReadAt = time.UnixMilli(readAt).UTC()
	}
	if stored.Fact.Parse(body) != nil {
		return stored, fmt.Errorf("decode stored %s %s: not the JSON it was stored as", stored.Fact.Kind, stored.Fact.SID)
	}
	return stored, nil
}

// LoadOpenConversations implements store.Digester.
func (s *Store) LoadOpenConversations(ctx context.Context, connector string, before time.Time, limit int) ([]string, error) {
	var sids []string
	err := s.read(ctx, "load open conversations", func(t *tx) error {
		return t.query(`
			SELECT sid FROM facts
			WHERE connector = $1 AND kind = $2 AND open = 1 AND read_at < $3
			ORDER BY read_at, sid LIMIT $4`, func(r row) error {
			var sid string
			err := r.Scan(&sid)
			sids = append(sids, sid)
			return err
		}, name(connector), string(fact.Conversation), before.UnixMilli(), limit)
	})
	return sids, err
}
