package brevosim

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// storedEvent is one event, small and without pointers: a busy day makes a million of them. Times are nanoseconds
// since 1970.
type storedEvent struct {
	contact           int64
	date, received    int64
	name, object      uint32 // interned
	properties        propertyRef
	contactProperties propertyRef
	gone              bool
	indexed           bool
}

const eventBlock = 4096

// eventStore keeps events in the order of their arrival, and finds them by contact and by date once they are indexed.
type eventStore struct {
	blocks     [][]storedEvent
	count      int
	gone       int
	properties propertyStore
	words      []string
	wordNumber map[string]uint32
	minutes    map[int64]*minute
	keys       []int64 // of minutes, ascending once sorted
	keysSorted bool
}

// minute holds the indexed events whose date falls into one minute.
type minute struct {
	events []uint32
	sorted bool
}

func (s *eventStore) at(n uint32) *storedEvent { return &s.blocks[n/eventBlock][n%eventBlock] }

// add stores an event and returns its number. It is not found by queries before index is called.
func (s *eventStore) add(e storedEvent) uint32 {
	if s.count%eventBlock == 0 {
		s.blocks = append(s.blocks, make([]storedEvent, 0, eventBlock))
	}
	last := len(s.blocks) - 1
	s.blocks[last] = append(s.blocks[last], e)
	s.count++
	return uint32(s.count - 1)
}

// word interns a name.
func (s *eventStore) word(text string) uint32 {
	if n, known := s.wordNumber[text]; known {
		return n
	}
	if s.wordNumber == nil {
		s.wordNumber = map[string]uint32{}
	}
	n := uint32(len(s.words))
	s.words = append(s.words, text)
	s.wordNumber[text] = n
	return n
}

// index makes an event visible to queries.
func (s *eventStore) index(n uint32) {
	e := s.at(n)
	e.indexed = true
	key := minuteOf(e.date)
	m := s.minutes[key]
	if m == nil {
		if s.minutes == nil {
			s.minutes = map[int64]*minute{}
		}
		m = &minute{sorted: true}
		s.minutes[key] = m
		s.keysSorted = len(s.keys) == 0 || s.keysSorted && s.keys[len(s.keys)-1] < key
		s.keys = append(s.keys, key)
	}
	m.sorted = m.sorted && (len(m.events) == 0 || s.at(m.events[len(m.events)-1]).date <= e.date)
	m.events = append(m.events, n)
}

// forget makes events of a deleted contact invisible for good.
func (s *eventStore) forget(events []uint32) {
	for _, n := range events {
		s.at(n).gone = true
	}
	s.gone += len(events)
}

func minuteOf(date int64) int64 {
	if date < 0 {
		return (date+1)/int64(time.Minute) - 1 // rounded down, as above zero
	}
	return date / int64(time.Minute)
}

// eventQuery selects events; empty filters select all. Both ends of the range belong to it.
type eventQuery struct {
	from, to      int64
	contacts      []*contact
	byContact     bool
	names         map[string]bool
	objects       map[string]bool
	limit, offset int
}

// eventView is an event of a page, readable without the lock.
type eventView struct {
	contact           int64
	date              int64
	name, object      string
	properties        storedObject
	contactProperties storedObject
}

// page returns how many events match, and those of the page, newest first.
func (s *eventStore) page(q eventQuery) (int, []eventView) {
	p := pager{store: s, query: q}
	if q.byContact {
		p.contacts()
	} else {
		p.dates()
	}
	return p.matched, p.views
}

// pager walks matching events newest first and keeps those of the page.
type pager struct {
	store   *eventStore
	query   eventQuery
	matched int
	views   []eventView
}

// contacts walks the events of the named contacts.
func (p *pager) contacts() {
	var events []uint32
	for _, c := range p.query.contacts {
		events = append(events, c.events...)
	}
	p.store.sort(events)
	for _, n := range slices.Backward(events) {
		p.visit(n)
	}
}

// dates walks the minutes of the date range.
func (p *pager) dates() {
	s := p.store
	if !s.keysSorted {
		slices.Sort(s.keys)
		s.keysSorted = true
	}
	first, _ := slices.BinarySearch(s.keys, minuteOf(p.query.from))
	last, _ := slices.BinarySearch(s.keys, minuteOf(p.query.to)+1)
	for _, key := range slices.Backward(s.keys[first:max(first, last)]) {
		m := s.minutes[key]
		if p.unfiltered() {
			p.takeAll(m, p.inside(m, key))
			continue
		}
		s.order(m)
		for _, n := range slices.Backward(m.events) {
			p.visit(n)
		}
	}
}

// unfiltered reports whether every event of the date range matches.
func (p *pager) unfiltered() bool {
	return len(p.query.names) == 0 && len(p.query.objects) == 0 && p.store.gone == 0
}

// bounds are positions among the events of a minute.
type bounds struct{ from, to int }

// inside finds the events of a minute that lie in the date range; only the first and the last minute need a look.
func (p *pager) inside(m *minute, key int64) bounds {
	q, s := p.query, p.store
	b := bounds{0, len(m.events)}
	before := func(n uint32, date int64) int { return cmp.Compare(s.at(n).date, date) }
	start := key * int64(time.Minute)
	if start < q.from {
		s.order(m)
		b.from, _ = slices.BinarySearchFunc(m.events, q.from, before)
	}
	if start+int64(time.Minute)-1 > q.to {
		s.order(m)
		b.to, _ = slices.BinarySearchFunc(m.events, q.to+1, before)
	}
	return b
}

// takeAll counts the events within the bounds and looks only into those of the page.
func (p *pager) takeAll(m *minute, b bounds) {
	skip := max(0, p.query.offset-p.matched)
	count := max(0, b.to-b.from)
	p.matched += count
	wanted := min(count-skip, p.query.limit-len(p.views))
	if wanted <= 0 {
		return
	}
	p.store.order(m)
	end := b.to - skip
	for _, n := range slices.Backward(m.events[end-wanted : end]) {
		p.views = append(p.views, p.store.view(p.store.at(n)))
	}
}

func (p *pager) visit(n uint32) {
	s, q := p.store, p.query
	e := s.at(n)
	if e.gone || !e.indexed || e.date < q.from || e.date > q.to {
		return
	}
	if len(q.names) > 0 && !q.names[s.words[e.name]] || len(q.objects) > 0 && !q.objects[s.words[e.object]] {
		return
	}
	if p.matched >= q.offset && len(p.views) < q.limit {
		p.views = append(p.views, s.view(e))
	}
	p.matched++
}

// order sorts the events of a minute, if they are not in order.
func (s *eventStore) order(m *minute) {
	if !m.sorted {
		s.sort(m.events)
		m.sorted = true
	}
}

// sort orders events by date, and those of one date by arrival.
func (s *eventStore) sort(events []uint32) {
	slices.SortFunc(events, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(s.at(a).date, s.at(b).date), cmp.Compare(a, b))
	})
}

func (s *eventStore) view(e *storedEvent) eventView {
	return eventView{
		contact: e.contact, date: e.date, name: s.words[e.name], object: s.words[e.object],
		properties:        s.properties.get(e.properties),
		contactProperties: s.properties.get(e.contactProperties),
	}
}

// appendJSON writes the event as GET /events shows it (facts/brevo.md 4.4).
func (v eventView) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"contact_id":`...)
	dst = strconv.AppendInt(dst, v.contact, 10)
	dst = append(dst, `,"event_date":"`...)
	dst = time.Unix(0, v.date).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `","event_name":`...)
	dst = appendString(dst, v.name)
	if v.object != "" {
		dst = append(dst, `,"object_type":`...)
		dst = appendString(dst, v.object)
	}
	if v.properties.keys != nil {
		dst = v.properties.appendJSON(append(dst, `,"event_properties":`...))
	}
	if v.contactProperties.keys != nil {
		dst = v.contactProperties.appendJSON(append(dst, `,"contact_properties":`...))
	}
	return append(dst, '}')
}

// snapshots copies stored events, visible or not, in the order of arrival.
func (s *eventStore) snapshots(offset, limit int) []Event {
	end := s.count
	if limit < math.MaxInt-offset {
		end = min(s.count, offset+limit)
	}
	out := make([]Event, 0, max(0, end-offset))
	for n := offset; n < end; n++ {
		e := s.at(uint32(n))
		v := s.view(e)
		out = append(out, Event{
			ContactID: e.contact, Name: v.name, ObjectType: v.object, Gone: e.gone,
			Date: time.Unix(0, e.date).UTC(), ReceivedAt: time.Unix(0, e.received).UTC(),
			Properties: v.properties.appendJSON(nil), ContactProperties: v.contactProperties.appendJSON(nil),
		})
	}
	return out
}
