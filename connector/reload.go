package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"flexbrevo/config"
)

// Reloads let a running service take over a changed configuration. The zero value
// never does.
type Reloads struct {
	// Asked gets a value for each wish to reload.
	Asked <-chan struct{}
	// Load reads and checks the configuration anew and says where to log. Its error
	// is logged; the configuration at hand stays.
	Load func() (*config.Config, *slog.Logger, error)
}

// errReloading is the cause of the context of work that a reload hands over. What
// is cut short by it goes on under the new configuration.
var errReloading = errors.New("the configuration is reloaded")

// drainOnStop is how long a generation that is being handed over still has when
// the process is asked to stop meanwhile: both must end within one grace period.
const drainOnStop = 3 * time.Second

// RunReloading is Run that takes over a changed configuration whenever it is asked
// to. A new one that cannot be loaded, listened on, or is refused by every side is
// logged and left; the old one runs on. A good one is taken over in this order:
// webhooks are answered by the new one from one request to the next, the old one
// takes nothing new and finishes what it holds, and the new one begins its work.
// What it would take to move the store is a restart.
func (s *Service) RunReloading(ctx context.Context, abort <-chan struct{}, r Reloads) error {
	public, admin, err := s.listen()
	if err != nil {
		return err
	}
	h := &house{ctx: ctx, abort: abort, reloads: r, public: &door{listener: public}, admin: &door{listener: admin}}
	defer h.close()
	if err := s.greet(ctx); err != nil {
		return err
	}
	d, err := h.admit(s)
	if err != nil {
		return err
	}
	h.now = d
	defer func() { h.now.s.Close() }() // again, harmless, where the caller does too
	h.public.open(s.o.Logger)
	h.admin.open(s.o.Logger)
	d.begin()
	s.o.Logger.Info("ready", "listen", public.Addr().String(), "admin_listen", admin.Addr().String(), "connectors", len(s.flows))
	for {
		select {
		case <-ctx.Done():
			h.now.s.o.Logger.Info("stopping; held work is finished first")
			return h.stop()
		case <-r.Asked:
			h.reload()
		}
	}
}

// house is what outlives the generations of a service: its doors and the one that
// lives there now.
type house struct {
	ctx           context.Context
	abort         <-chan struct{}
	reloads       Reloads
	public, admin *door
	now           *daemon
	replaced      []*door // whose address is not used any more
}

// close gives everything back that is still open; after a clean stop nothing is.
func (h *house) close() {
	for _, d := range append(h.replaced, h.public, h.admin) {
		d.close()
	}
	if h.now != nil {
		h.now.cut(nil)
	}
}

// admit makes a generation ready to take requests, and lets it in.
func (h *house) admit(s *Service) (*daemon, error) {
	d := newDaemon(h.ctx, s)
	handler, err := s.webhooks()
	if err != nil {
		d.cut(errStopped)
		return nil, err
	}
	d.takeIn()
	public := handler.Server(h.public.listener.Addr().String())
	public.Handler = s.o.Metrics.Requests(public.Handler)
	h.public.lead(public)
	h.admin.lead(s.admin())
	return d, nil
}

// stop closes the doors, ends the present generation and then what is cut.
func (h *house) stop() error {
	return h.now.stop(h.abort, func(grace context.Context) {
		h.public.shut(grace)
		h.admin.shut(grace)
	})
}

// reload takes over the configuration as it is now, or says why not.
func (h *house) reload() {
	old := h.now
	next, logger, err := h.next(old.s)
	if err != nil {
		old.s.o.Logger.Error("changed configuration is not taken over; the one at hand runs on", "err", err)
		return
	}
	d, err := h.move(next)
	if err != nil {
		next.Close()
		logger.Error("changed configuration is not taken over; the one at hand runs on", "err", err)
		return
	}
	h.handOver(old, d)
	h.now = d
	d.begin()
	logger.Info("configuration reloaded", "connectors", len(next.flows))
}

// next makes the service of the changed configuration and asks whether the other
// sides know it.
func (h *house) next(old *Service) (*Service, *slog.Logger, error) {
	cfg, logger, err := h.reloads.Load()
	if err != nil {
		return nil, nil, err
	}
	if cfg.Store != old.o.Config.Store {
		return nil, nil, errors.New("store.url has changed; that needs a restart")
	}
	if err := proveKey(h.ctx, cfg, old.o.Store); err != nil {
		return nil, nil, err
	}
	o := old.o
	o.Config, o.Logger = cfg, logger
	next, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	next.history, next.sessions = old.history, old.sessions
	if err := next.greet(h.ctx); err != nil {
		next.Close()
		return nil, nil, err
	}
	return next, logger, nil
}

// move lets the new generation answer, at new doors where the addresses changed.
func (h *house) move(next *Service) (*daemon, error) {
	was, is := h.now.s.o.Config.Server, next.o.Config.Server
	public, admin := h.public, h.admin
	if is.Listen != was.Listen {
		l, err := net.Listen("tcp", is.Listen)
		if err != nil {
			return nil, fmt.Errorf("server.listen: %w", err)
		}
		public = &door{listener: l}
	}
	if is.AdminListen != was.AdminListen {
		l, err := net.Listen("tcp", is.AdminListen)
		if err != nil {
			if public != h.public {
				public.close()
			}
			return nil, fmt.Errorf("server.admin_listen: %w", err)
		}
		admin = &door{listener: l}
	}
	moved := &house{ctx: h.ctx, public: public, admin: admin}
	d, err := moved.admit(next)
	for _, pair := range [][2]*door{{h.public, public}, {h.admin, admin}} {
		switch {
		case pair[0] == pair[1]:
		case err != nil:
			pair[1].close()
		default:
			pair[1].open(next.o.Logger)
			h.replaced = append(h.replaced, pair[0])
		}
	}
	if err != nil {
		return nil, err
	}
	h.public, h.admin = public, admin
	return d, nil
}

// handOver ends the old generation, whose requests are answered first, and gives
// what it still meant to read to the new one.
func (h *house) handOver(old, next *daemon) {
	stopping := context.AfterFunc(h.ctx, func() {
		t := time.NewTimer(drainOnStop)
		defer t.Stop()
		select {
		case <-t.C:
			old.cut(errStopped)
		case <-old.hard.Done():
		}
	})
	defer stopping()
	err := old.stop(h.abort, func(grace context.Context) {
		for _, d := range h.replaced {
			d.shut(grace)
		}
		h.public.answered(grace)
		h.admin.answered(grace)
	})
	h.replaced = nil
	if err != nil {
		next.s.o.Logger.Warn("work under the old configuration was cut short and goes on under the new one", "err", err)
	}
	for _, f := range old.s.flows {
		i := slices.IndexFunc(next.s.flows, func(n *flow) bool { return n.cfg.Name == f.cfg.Name })
		for waiting := true; waiting && i >= 0; {
			select {
			case hint := <-f.hints:
				next.s.flows[i].hint(hint)
			default:
				waiting = false
			}
		}
	}
	old.s.Close()
}

// door is a listener whose handler can be exchanged between two requests.
type door struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

	mu      sync.RWMutex
	inside  *inside
	leaving []*inside
}

// inside is one generation's handler with the requests it still has.
type inside struct {
	http.Handler
	requests sync.WaitGroup
}

// lead exchanges the handler; the first call also takes the server's limits.
func (d *door) lead(server *http.Server) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside != nil {
		d.leaving = append(d.leaving, d.inside)
	}
	d.inside = &inside{Handler: server.Handler}
	if d.server == nil {
		d.server = server
		d.server.Handler = d
	}
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.RLock()
	in := d.inside
	in.requests.Add(1)
	d.mu.RUnlock()
	defer in.requests.Done()
	in.ServeHTTP(w, r)
}

// open serves; it returns at once.
func (d *door) open(logger *slog.Logger) {
	d.serving.Go(func() {
		if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("listener ended", "listen", d.listener.Addr().String(), "err", err)
		}
	})
}

// answered waits until the handlers that were exchanged have answered everything.
func (d *door) answered(grace context.Context) {
	d.mu.Lock()
	leaving := d.leaving
	d.leaving = nil
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, in := range leaving {
			in.requests.Wait()
		}
	}()
	select {
	case <-done:
	case <-grace.Done(): // a request ends by the server's own limits at the latest
	}
}

// shut stops taking connections and waits for what is being answered; what is left
// at the end of grace is cut.
func (d *door) shut(grace context.Context) {
	if err := d.server.Shutdown(grace); err != nil {
		_ = d.server.Close() // cut
	}
}

func (d *door) close() {
	if d.server != nil {
		_ = d.server.Close() // again, harmless, after a clean stop
	}
	_ = d.listener.Close()
	d.serving.Wait()
}
