package connector

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/failure"
	"flexbrevo/connector/part"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/profile"
	"flexbrevo/connector/record"
	"flexbrevo/connector/schedule"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
	"flexbrevo/mapping"
)

// flow is one connector's way from Twilio to the outbox: its source, its digest,
// and what wakes them.
type flow struct {
	cfg     *config.Connector
	source  *twilio.Source
	digest  *pipeline.Digest
	account *account
	// redactor takes out of posted records what the source takes out of polled ones.
	redactor *twilio.Redactor
	store    store.Store
	intake   *pipeline.Intake
	logger   *slog.Logger
	clock    func() time.Time
	// transport carries the calls of whoever asks beside the source.
	transport http.RoundTripper

	wake  chan struct{}
	hints chan pipeline.Hint
	pulls map[string]*pull

	arrivals arrivals
	posts    posts
	parts    []part.Part
	// graves is nil where nobody can be forgotten.
	graves *graves
	// keepCustomers and keepRecords are for how long; 0 for ever.
	keepCustomers, keepRecords time.Duration
	postgres                   bool // the store is

	captured atomic.Int64 // new records since the process started
	digested atomic.Int64 // records since the process started
	// unflushed says that the store's log holds records of people who were forgotten.
	unflushed atomic.Bool
	// digests serialises digests and sweeps: both read customers before they write.
	digests sync.Mutex
}

// pull is how the reading of one stream stands.
type pull struct {
	reading sync.Mutex // a stream is read by one at a time

	mu        sync.Mutex
	at        time.Time // of the last attempt
	okAt      time.Time // of the last success
	err       error
	notBefore time.Time
	pause     time.Duration
}

func (s *Service) newFlow(c *config.Connector, a *account) (*flow, error) {
	f := &flow{
		cfg: c, account: a, store: s.o.Store, intake: s.intake, clock: s.o.Clock,
		logger: s.loggerOf(c), transport: s.transport,
		wake: make(chan struct{}, 1), hints: make(chan pipeline.Hint, 1024),
		pulls: map[string]*pull{},
	}
	f.keepCustomers, f.keepRecords = time.Duration(s.o.Config.Retention.Customers), time.Duration(s.o.Config.Retention.Records)
	f.postgres = s.o.Config.Store.SQLitePath == ""
	var err error
	f.source, err = twilio.New(twilio.Options{
		AccountSID: c.AccountSID, AuthToken: c.AuthToken.Reveal(),
		APIKeySID: c.APIKeySID, APIKeySecret: c.APIKey.Reveal(),
		WorkspaceSID: c.Workspace, BaseURL: c.BaseURL, InitialLookback: c.InitialLookback,
		HTTP: s.carrier("twilio"), Clock: s.o.Clock, Logger: f.logger, LogCalls: c.LogAPICalls || c.Debug,
		Redact: f.redact(), OpenConversations: f.openConversations, SyncObjects: syncObjects(c.SyncObjects),
		WorkerChannels:  c.Sync.AgentActivity,
		DueInteractions: f.dueInteractions,
		Messages:        needsMessages(c), KeepText: keepsText(c), PolledIndex: f.polledIndex,
	})
	if err != nil {
		return nil, err
	}
	o := digestOptions(c, a.name, s.o.Store, source{f.source}, s.o.Clock, f.logger)
	o.Figures = f.figures()
	o.Busy = func() { a.deliver.Defer(true) } // until digestOnce says how it ended
	if g := newGraves(s.o.Config, s.o.Store); g != nil {
		f.graves, o.Graves = g, g
	}
	f.digest = pipeline.NewDigest(o)
	f.redactor = twilio.NewRedactor(f.redact(), keepsText(c))
	for _, stream := range f.streams() {
		f.pulls[stream] = &pull{}
	}
	return f, nil
}

// digestOptions turns a connector's settings into those of its digest.
func digestOptions(c *config.Connector, account string, st store.Store, src pipeline.Source, clock func() time.Time, logger *slog.Logger) pipeline.DigestOptions {
	return pipeline.DigestOptions{
		Connector: c.Name, Account: account, Store: st, Source: src,
		Rules: c.Rules, Profile: profileOptions(c), SupportList: list(c.Lists.SupportContacts), SurveyList: list(c.Lists.CSATRespondents),
		Create: c.Identity.Create == config.CreateAll, ByIdentity: c.Identity.WithoutAddress == config.WithoutAddressID,
		Wants: wants(c.Sync), Interactions: c.Sync.Conversations, Clock: clock, Logger: logger,
	}
}

// redact are the configured paths that no rule reads; one that a rule reads must
// be kept, and the operator is told.
func (f *flow) redact() []string {
	var out []string
	for _, path := range f.cfg.Capture.Redact {
		if rule, read := readBy(path, f.cfg.Rules.Paths()); read {
			f.logger.Warn("path is not redacted because a rule reads it", "path", path, "rule_path", rule)
			continue
		}
		out = append(out, path)
	}
	return out
}

// readBy says whether a rule reads something at, above or below a path.
func readBy(path string, rules []string) (string, bool) {
	bare := func(s string) string { return strings.TrimPrefix(s, "attributes.") }
	p := bare(path)
	for _, rule := range rules {
		r := bare(rule)
		if r == p || strings.HasPrefix(r, p+".") || strings.HasPrefix(p, r+".") {
			return rule, true
		}
	}
	return "", false
}

// wants says which event types the sync switches let through.
func wants(s config.Sync) func(string) bool {
	return func(eventType string) bool {
		switch eventType {
		case profile.ConversationStarted, profile.ConversationEnded, profile.MessageReceived, profile.MessageSent:
			return s.Conversations
		case profile.SurveyCompleted:
			return s.CSAT
		}
		return s.Tasks
	}
}

// profileOptions turns a connector's settings into what facts mean.
func profileOptions(c *config.Connector) profile.Options {
	o := profile.Options{
		Region: c.Region, Location: c.Location, Channels: c.Channels, SharedPhones: c.Identity.SharedPhones,
		Settle: c.ConversationSettle, CaptureLag: captureLag, CSATScale: c.CSATScale,
		ScoreWait: c.Events.ScoreWait, Link: linker(c.Events.Link),
		SurveyQueues: c.Surveys.Queues, SurveyWorkflows: c.Surveys.Workflows,
		EmailFrom: readers(c.Rules.IdentifierFields("email")),
		PhoneFrom: readers(c.Rules.IdentifierFields("SMS", "WHATSAPP", "LANDLINE_NUMBER")),
	}
	if c.Rules.Abandoned != nil {
		o.Abandoned = func(t *profile.Task) bool {
			holds, _ := c.Rules.Abandoned.Eval(taskEnv(t)) // an expression without an answer is no
			return holds
		}
	}
	if !c.Sync.CSAT {
		o.CSAT = []profile.CSATPlace{}
	}
	for _, place := range c.Rules.CSAT {
		if !c.Sync.CSAT {
			break
		}
		o.CSAT = append(o.CSAT, csatPlace(place))
	}
	return o
}

// linker fills a template in; nil without one. A link whose SID is not known is
// none.
func linker(template string) func(taskSID, conversationSID string) string {
	if template == "" {
		return nil
	}
	return func(taskSID, conversationSID string) string {
		if taskSID == "" && strings.Contains(template, "{task_sid}") || conversationSID == "" && strings.Contains(template, "{conversation_sid}") {
			return ""
		}
		return strings.NewReplacer("{task_sid}", taskSID, "{conversation_sid}", conversationSID).Replace(template)
	}
}

// csatPlace is a configured place of scores, of tasks or of threads.
func csatPlace(place *mapping.CSAT) profile.CSATPlace {
	read := func(env *mapping.Env) (float64, bool) {
		score, found, err := place.Score(env)
		return score, found && err == nil
	}
	p := profile.CSATPlace{Scale: place.Scale}
	if place.OfConversation() {
		p.ReadThread = func(t *profile.Thread) (float64, bool) { return read(&mapping.Env{Conversation: t.Env()}) }
	} else {
		p.Read = func(t *profile.Task) (float64, bool) { return read(taskEnv(t)) }
	}
	return p
}

// captureLag is how much later than it happened a record usually arrives: the
// distance kept from Twilio's clock, a pull's period and some.
const captureLag = 30 * time.Second

func taskEnv(t *profile.Task) *mapping.Env {
	return &mapping.Env{Attributes: t.Attributes, Task: t.Env()}
}

// readers reads identifiers where the rules find them, from one fact's attributes.
func readers(fields []*mapping.Field) []func(map[string]any) string {
	var out []func(map[string]any) string
	for _, f := range fields {
		out = append(out, func(attributes map[string]any) string {
			v, err := f.Apply(&mapping.Env{Attributes: attributes})
			if err != nil || v.Empty || v.Why == mapping.WhyDefault {
				return ""
			}
			s, _ := v.Data.(string)
			return s
		})
	}
	return out
}

func list(l config.List) string {
	switch {
	case l.ID != 0:
		return itoa(l.ID)
	default:
		return l.Name
	}
}

// streams are those the connector pulls, events last but one: they name agents and
// queues by SID, and ask for conversations that were not read yet. Interactions are those
// that digested events name.
func (f *flow) streams() []string {
	out := []string{twilio.WorkersStream, twilio.QueuesStream}
	if f.cfg.Sync.Conversations {
		out = append(out, twilio.ConversationsStream, twilio.ChatChannelsStream)
	}
	if len(f.cfg.SyncObjects) > 0 {
		out = append(out, twilio.SyncStream)
	}
	out = append(out, twilio.EventsStream)
	if f.cfg.Sync.Conversations {
		out = append(out, twilio.InteractionsStream)
	}
	return out
}

func (f *flow) spec(stream string) string {
	switch stream {
	case twilio.EventsStream:
		return f.cfg.Schedule.Events
	case twilio.ConversationsStream, twilio.InteractionsStream, twilio.ChatChannelsStream:
		return f.cfg.Schedule.Conversations
	case twilio.SyncStream:
		return f.cfg.Schedule.Sync
	default:
		return f.cfg.Schedule.Workers
	}
}

// openConversations lists what has to be read again until it is closed.
func (f *flow) openConversations(ctx context.Context, before time.Time, limit int) ([]string, error) {
	if f.store == nil {
		return nil, nil // the sides are only tried, see Test
	}
	return f.store.LoadOpenConversations(ctx, f.cfg.Name, before, limit)
}

// keep stores a page; while the intake is full a pull waits, webhooks go first.
func (f *flow) keep(ctx context.Context, p record.Page) error {
	f.arrivals.polled(p)
	if err := f.digest.Sift(ctx, p.Records); err != nil {
		return err
	}
	for {
		captured, err := f.intake.Keep(ctx, f.cfg.Name, p)
		f.captured.Add(int64(captured.New))
		if !errors.Is(err, pipeline.ErrBusy) {
			return err
		}
		if !schedule.Pause(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// fetch reads a stream from its checkpoint on.
func (f *flow) fetch(ctx context.Context, stream string) error {
	reading := &f.pulls[stream].reading
	reading.Lock()
	defer reading.Unlock()
	checkpoints, err := f.store.LoadCheckpoints(ctx, f.cfg.Name)
	if err != nil {
		return err
	}
	return f.source.Fetch(ctx, stream, checkpoints[stream].Cursor, f.keepPage(ctx))
}

// keepPage binds keep to a context.
func (f *flow) keepPage(ctx context.Context) func(record.Page) error {
	return func(p record.Page) error { return f.keep(ctx, p) }
}

// pull is one scheduled run of a stream. A source that refuses us is asked more
// and more rarely; all else goes on.
func (f *flow) pull(ctx context.Context, stream string) {
	p := f.pulls[stream]
	now := f.clock()
	if !p.due(now) {
		return
	}
	err := f.fetch(ctx, stream)
	if ctx.Err() != nil {
		return
	}
	if first := p.note(now, err); err != nil && first {
		f.logger.Error("source refuses us; other work goes on", "stream", stream, "err", err)
	} else if err != nil {
		f.logger.Warn("pull will be tried again", "stream", stream, "reason", failure.ReasonOf(err), "err", err)
	}
}

func (p *pull) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !now.Before(p.notBefore)
}

// note keeps the outcome and says whether it is the first refusal in a row.
func (p *pull) note(now time.Time, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.err = now, err
	if err == nil {
		p.okAt = now
	}
	if !failure.ReasonOf(err).Stops() {
		p.pause, p.notBefore = 0, time.Time{}
		return false
	}
	first := p.pause == 0
	p.pause = min(max(2*p.pause, 15*time.Second), 5*time.Minute)
	p.notBefore = now.Add(p.pause)
	return first
}

// Wake says that records wait. It never blocks.
func (f *flow) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// digesting digests under the lease until ctx ends.
func (f *flow) digesting(ctx context.Context, lease store.Lease) error {
	for ctx.Err() == nil {
		n, err := f.digestOnce(ctx, lease)
		switch {
		case errors.Is(err, store.ErrUnavailable):
			f.logger.Warn("digest waits for the store", "err", err)
			schedule.Pause(ctx, time.Second)
		case err != nil && ctx.Err() == nil:
			return err
		case n == 0:
			f.sleep(ctx)
		}
	}
	return nil
}

func (f *flow) sleep(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-f.wake:
	case <-t.C:
	}
}

func (f *flow) digestOnce(ctx context.Context, lease store.Lease) (int, error) {
	f.digests.Lock()
	done, err := f.digest.Once(ctx, lease)
	f.digests.Unlock()
	f.digested.Add(int64(done.Records))
	f.flush(ctx, done)
	for _, h := range done.Hints {
		f.hint(h)
	}
	f.account.deliver.Defer(done.More)
	if done.Changes > 0 {
		f.account.deliver.Wake()
	}
	return done.Records, err
}

// hint asks for a read at once. When too many wait it is left to polling, which
// finds the same.
func (f *flow) hint(h pipeline.Hint) {
	if h.Task == "" && h.Reservation == "" && !f.cfg.Sync.Conversations {
		return
	}
	select {
	case f.hints <- h:
	default:
	}
}

// hintAgain is when a hint is followed again: what it is about may not have been
// listed yet.
var hintAgain = [...]time.Duration{0, 3 * time.Second, 15 * time.Second, time.Minute}

// following reads what hints name, at once and again for a minute.
func (f *flow) following(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, 64)
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-f.hints:
			select {
			case slots <- struct{}{}:
			default:
				continue // left to polling
			}
			running.Go(func() {
				defer func() { <-slots }()
				f.follow(ctx, h)
			})
		}
	}
}

func (f *flow) follow(ctx context.Context, h pipeline.Hint) {
	again := hintAgain[:]
	if h.Task == "" && h.Reservation == "" {
		again = again[:1] // a conversation is read as it is now; its stream reads it again until it is closed
	}
	began := time.Now()
	for _, after := range again {
		if !schedule.Pause(ctx, time.Until(began.Add(after))) {
			return
		}
		err := source{f.source}.FetchHint(ctx, h, func(p record.Page) error {
			f.learn(h, p)
			return f.keep(ctx, p)
		})
		if err != nil && ctx.Err() == nil {
			f.logger.Warn("hint could not be followed", "reason", failure.ReasonOf(err), "err", err)
		}
	}
}
