package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/figures"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/store"
	"flexbrevo/mapping"
)

// DigestOptions are the settings of one connector's digest.
type DigestOptions struct {
	Connector string
	// Account names the destination account that deliveries go to.
	Account string
	Store   interface {
		store.Digester
		store.Backfiller
		store.Replayer
		LoadFacts(ctx context.Context, connector string, keys []fact.Key) ([]store.StoredFact, error)
	}
	Source interface {
		Decode(record.Record) (Decoded, error)
	}
	Rules   *mapping.Rules
	Profile profile.Options
	// Figures says which figures of agents and queues are kept.
	Figures figures.Options
	// SupportList and SurveyList are the lists that contacts and survey
	// respondents join; empty for none.
	SupportList, SurveyList string
	// Create lets contacts be created; without it only existing ones are written.
	Create bool
	// ByIdentity makes a contact of a customer without address, by ext_id.
	ByIdentity bool
	// Wants says which source event types may be sent at all (the sync switches);
	// nil means all that rules name.
	Wants func(eventType string) bool
	// Interactions keeps tasks open, for the source, while their interaction is to be read.
	Interactions bool
	// Graves keeps the forgotten from coming back; nil when nobody is.
	Graves Graves
	// Busy is called for each batch that is full, so that more may wait, before it is saved; it may
	// be nil.
	Busy func()
	// Batch is how many records are digested at once; 0 means 500.
	Batch  int
	Clock  func() time.Time
	Logger *slog.Logger
}

// Digest turns a connector's records into facts, customers and owed changes.
type Digest struct {
	o    DigestOptions
	last int64 // what the newest customer id was made of
	feed bool  // see Feed
}

// NewDigest makes the digest of one connector.
func NewDigest(o DigestOptions) *Digest {
	if o.Batch == 0 {
		o.Batch = 500
	}
	if o.Profile.Memo == nil {
		o.Profile.Memo = &profile.Memo{}
	}
	return &Digest{o: o}
}

// Feed makes the digest put every customer it touches in the feed that others follow
// (store.Follower). It is called before the first digest.
func (d *Digest) Feed() { d.feed = true }

// Digested says what one pass did.
type Digested struct {
	Records int
	// Changes is how many deliveries were put in the outbox or changed there.
	Changes int
	// Hints are things in the source worth reading at once.
	Hints []Hint
	// Buried is how many records were of people who were forgotten.
	Buried int
	// More says that the batch was full, so that more records wait.
	More bool
}

// together digests a batch in one transaction.
func (d *Digest) together(ctx context.Context, lease store.Lease, b *batch) (Digested, error) {
	out, err := d.compute(ctx, b, nil)
	if err != nil {
		return Digested{}, err
	}
	return d.save(ctx, lease, b, out)
}

// save writes what was computed of a batch, in one transaction.
func (d *Digest) save(ctx context.Context, lease store.Lease, b *batch, out *store.Digest) (Digested, error) {
	if err := d.o.Store.SaveDigest(ctx, lease, out); err != nil {
		return Digested{}, fmt.Errorf("save digest: %w", err)
	}
	return Digested{Records: len(out.Records), Changes: len(out.Contacts) + len(out.Events), Hints: b.worthwhile(), Buried: len(out.Buried)}, nil
}

// compute loads what a batch touches and computes what follows from it. Beside is what
// is being saved meanwhile, nil for nothing; where the batch touches the same after all,
// compute gives errMeets, and the batch is spoilt.
func (d *Digest) compute(ctx context.Context, b *batch, beside *reach) (out *store.Digest, err error) {
	b.at = d.o.Clock()
	if b.backfill, err = d.backfill(ctx); err != nil {
		return nil, fmt.Errorf("load backfill: %w", err)
	}
	return out, d.guarded(func() error {
		if err := d.bury(ctx, b); err != nil {
			return fmt.Errorf("load the forgotten: %w", err)
		}
		if err := d.load(ctx, b); err != nil {
			return fmt.Errorf("load neighbours: %w", err)
		}
		if beside.meets(b) {
			return errMeets
		}
		out = d.work(b)
		return d.withoutTold(ctx, out)
	})
}

// batch is one digest on its way.
type batch struct {
	at time.Time
	// tellers are the records; buried and tombs are what follows from those of people
	// who were forgotten.
	tellers []teller
	buried  []store.BuriedRecord
	tombs   []store.Tomb
	// deltas are what the records tell, merged by fact, with the most urgent lane.
	deltas map[fact.Key]*fact.Fact
	lanes  map[fact.Key]record.Lane
	// told are the deltas by themselves, as far as they were read.
	told map[fact.Key]*profile.Reading
	// known is what the store already has around them.
	known *store.Neighbours
	facts map[fact.Key]*state
	// touched and asked are the tokens and the facts that the store was asked for.
	touched map[store.Token]bool
	asked   map[fact.Key]bool
	// states are the facts that may belong to a customer, in a fixed order, and
	// components how they belong together; shared are the phones that link nobody.
	states     []*state
	components []profile.Component
	shared     map[string]bool
	// backfill is the one under way, nil for none; sweep is set where the batch ends
	// it, and left counts whom it leaves out.
	backfill *store.Backfill
	sweep    *Sweep
	left     int
	// foresight is set where the batch is a replay's.
	foresight *foresight
	// interactions says that tasks are open while their interaction is to be read,
	// mentions that whom records without facts may tell of is to be known.
	interactions, mentions bool
}

// state is a fact with where it stands.
type state struct {
	store.StoredFact
	changed bool
	read    *profile.Reading
}

// teller is a record of a batch with what it tells.
type teller struct {
	// record has no body any more where the batch is digested: bodies are what is large.
	record record.Record
	result store.RecordResult
	facts  []fact.Key
	hints  []Hint
	spells []Spell
	// mentions are what may lead to somebody in a record that tells of no fact.
	mentions []store.Token
	// emptied says that the record has no body in the store, buried that it tells of
	// somebody who was forgotten.
	emptied, buried bool
}

func (d *Digest) newBatch() *batch {
	return &batch{interactions: d.o.Interactions, mentions: d.o.Graves != nil, deltas: map[fact.Key]*fact.Fact{}, lanes: map[fact.Key]record.Lane{}}
}

// read decodes records into a batch, which keeps nothing of their bodies. One that cannot
// be read fails alone and is kept.
func (d *Digest) read(records []record.Record, into *batch) *batch {
	into.tellers = slices.Grow(into.tellers, len(records))
	for _, r := range records {
		d.readOne(r, into)
	}
	return into
}

// readOne decodes one record into a batch, which keeps nothing of its body.
func (d *Digest) readOne(r record.Record, into *batch) {
	decoded, err := Decoded{Ignored: store.ForgottenReason}, error(nil)
	if len(r.Body) > 0 { // else it was emptied
		decoded, err = d.decode(r)
	}
	result := store.RecordResult{ID: r.ID, State: store.Digested}
	switch {
	case err != nil:
		result.State, result.Reason = store.Failed, err.Error()
		d.o.Logger.Error("record cannot be decoded", "connector", d.o.Connector, "key", r.Key, "type", r.Type, "err", err)
	case decoded.Ignored != "":
		result.State, result.Reason = store.Ignored, decoded.Ignored
	}
	into.tell(r, result, decoded)
	into.tellers[len(into.tellers)-1].record.Body = nil
}

// tell adds what a record tells to a batch.
func (b *batch) tell(r record.Record, result store.RecordResult, decoded Decoded) {
	t := teller{record: r, result: result, facts: keysTold(decoded.Facts), spells: decoded.Spells, emptied: len(r.Body) == 0}
	if b.mentions && len(t.facts) == 0 { // of the others the facts say it
		t.mentions = mentioned(r.Body)
	}
	if r.Lane != record.Backfill { // of the past there is nothing new to read
		t.hints = decoded.Hints
	}
	for _, f := range decoded.Facts {
		b.add(f, r.Lane)
	}
	b.tellers = append(b.tellers, t)
}

func (b *batch) records() []record.Record {
	out := make([]record.Record, len(b.tellers))
	for i := range b.tellers {
		out[i] = b.tellers[i].record
	}
	return out
}

func (b *batch) results() []store.RecordResult {
	out := make([]store.RecordResult, len(b.tellers))
	for i := range b.tellers {
		out[i] = b.tellers[i].result
	}
	return out
}

func keysTold(facts []*fact.Fact) []fact.Key {
	out := make([]fact.Key, len(facts))
	for i, f := range facts {
		out[i] = f.Key()
	}
	return out
}

// decode reads one record; a panic of the decoder is that record's failure and
// nobody else's (promise 6).
func (d *Digest) decode(r record.Record) (decoded Decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			decoded, err = Decoded{}, fmt.Errorf("decoder panicked: %T", p)
		}
	}()
	decoded, err = d.o.Source.Decode(r)
	if err != nil {
		return Decoded{}, err
	}
	for _, raw := range decoded.Raw {
		if d.wantsRaw(raw.Type) {
			decoded.Facts = append(decoded.Facts, rawFact(raw, r.At))
		}
	}
	for _, f := range decoded.Facts {
		profile.Note(f, &d.o.Profile)
	}
	return decoded, nil
}

func (d *Digest) wantsRaw(eventType string) bool {
	return d.o.Rules.Reads(eventType) && !profile.Raised(eventType)
}

func rawFact(raw RawEvent, at time.Time) *fact.Fact {
	f := &fact.Fact{Kind: raw.Fact.Kind, SID: raw.Fact.SID}
	profile.NoteRaw(f, raw.Type, raw.Key, at)
	return f
}

// readDeltas reads what the records tell by itself, as far as it was not read yet.
func (d *Digest) readDeltas(b *batch) {
	if b.told == nil {
		b.told = make(map[fact.Key]*profile.Reading, len(b.deltas))
	}
	for key, f := range b.deltas {
		if b.told[key] == nil {
			b.told[key] = profile.Read(f, &d.o.Profile)
		}
	}
}

// add joins what a record tells of a fact to the batch, whose it is from then on.
func (b *batch) add(f *fact.Fact, lane record.Lane) {
	key := f.Key()
	if known, ok := b.deltas[key]; ok {
		known.Merge(f)
		f.Free()
		delete(b.told, key)
		b.lanes[key] = min(b.lanes[key], lane)
		return
	}
	b.deltas[key] = f
	b.lanes[key] = lane
}

// load reads from the store everything that the deltas touch. Facts that are
// merged may lead further (an expression may read an identifier from two
// records), so it goes on until nothing new is touched.
func (d *Digest) load(ctx context.Context, b *batch) error {
	tokens := map[store.Token]bool{}
	keys := make(map[fact.Key]bool, 2*len(b.deltas))
	d.readDeltas(b)
	for key := range b.deltas {
		keys[key] = true
		touch(tokens, keys, b.told[key].Links)
	}
	for {
		known, err := d.o.Store.LoadNeighbours(ctx, d.o.Connector, sortedTokens(tokens), sortedKeys(keys))
		if err != nil {
			return err
		}
		b.merge(known, &d.o.Profile)
		before := len(tokens) + len(keys)
		for key := range b.deltas {
			touch(tokens, keys, b.facts[key].read.Links)
		}
		b.touchPeople(tokens)
		if len(tokens)+len(keys) == before {
			b.touched, b.asked = tokens, keys
			return nil
		}
	}
}

// touchPeople collects the tokens that would lead to somebody at hand and are not
// known to: the phone of a customer whose record does not name it may be shared,
// or may be all that is left of it now that an email moved on.
func (b *batch) touchPeople(tokens map[store.Token]bool) {
	known := make(map[store.Token]bool, len(b.known.Tokens))
	for _, t := range b.known.Tokens {
		known[t.Token] = true
	}
	for _, c := range b.components {
		for _, t := range c.Tokens {
			if token := (store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}); !known[token] {
				tokens[token] = true
			}
		}
	}
}

// touch collects what a fact's links may lead to: tokens, and by SID the facts
// that are referred to.
func touch(tokens map[store.Token]bool, keys map[fact.Key]bool, l profile.Links) {
	for _, list := range [...][]profile.Token{l.Now, l.Seen} {
		for _, t := range list {
			tokens[store.Token{Kind: store.TokenKind(t.Kind), Value: t.Value}] = true
			if t.Kind == profile.RefToken {
				switch t.Value[:2] {
				case "WT":
					keys[fact.Key{Kind: fact.Task, SID: t.Value}] = true
				case "CH":
					keys[fact.Key{Kind: fact.Conversation, SID: t.Value}] = true
				}
			}
		}
	}
}

// merge joins the deltas to what is known.
func (b *batch) merge(known *store.Neighbours, o *profile.Options) {
	b.known = known
	b.facts = make(map[fact.Key]*state, len(known.Facts)+len(b.deltas))
	for _, f := range known.Facts {
		b.facts[f.Fact.Key()] = &state{StoredFact: f}
	}
	for key, delta := range b.deltas {
		s, ok := b.facts[key]
		if ok {
			s.changed = s.Fact.Merge(delta) || s.changed
		} else { // nobody changes a state but here
			s = &state{StoredFact: store.StoredFact{Fact: delta}, changed: true}
			b.facts[key] = s
		}
		if key.Kind == fact.Conversation {
			s.Open, s.ReadAt = !over(s.Fact), b.at
		}
		if key.Kind == fact.Task && b.interactions {
			_, due := profile.DueInteraction(s.Fact)
			s.Open = due && (s.Open || b.lanes[key] != record.Backfill)
		}
	}
	for key, s := range b.facts {
		s.read = b.told[key]
		if s.read == nil || s.read.Fact != s.Fact {
			s.read = profile.Read(s.Fact, o)
		}
	}
	b.divide(o)
}

// worthwhile returns each hint once, without conversations that are known to be
// closed or were read since, unless one is used again.
func (b *batch) worthwhile() []Hint {
	var out []Hint
	seen := map[Hint]bool{}
	for i := range b.tellers {
		t := &b.tellers[i]
		for _, h := range t.hints {
			if !seen[h] && !b.hasRead(h, t.record.At) {
				out = append(out, h)
			}
			seen[h] = true
		}
	}
	return out
}

// hasRead says whether what a record of a moment gave as a hint needs no reading.
func (b *batch) hasRead(h Hint, at time.Time) bool {
	if h.Task != "" || h.Reservation != "" {
		return false
	}
	s, known := b.facts[fact.Key{Kind: fact.Conversation, SID: h.Conversation}]
	if h.Began {
		return !known || !over(s.Fact) || !at.After(time.UnixMilli(s.Fact.Values[fact.State].T))
	}
	return known && (over(s.Fact) || s.ReadAt.After(at.Add(10*time.Second)))
}

// over says that nothing more will be told of a conversation: its thread is closed,
// as far as is known, or it is gone from the source.
func over(f *fact.Fact) bool {
	if state := f.Text(fact.State); state != "" && state != "closed" && f.Time(fact.Deleted).IsZero() {
		return false // also one that was closed before
	}
	return !f.Time(fact.Closed).IsZero() || !f.Time(fact.Deleted).IsZero()
}

func sortedTokens[V any](of map[store.Token]V) []store.Token {
	out := slices.AppendSeq(make([]store.Token, 0, len(of)), maps.Keys(of))
	slices.SortFunc(out, func(a, b store.Token) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return out
}

func sortedKeys[V any](of map[fact.Key]V) []fact.Key {
	out := slices.AppendSeq(make([]fact.Key, 0, len(of)), maps.Keys(of))
	slices.SortFunc(out, func(a, b fact.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.SID, b.SID))
	})
	return out
}
