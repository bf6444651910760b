package webhook

import (
	"log/slog"
	"net/http"
	"time"
)

// Server returns a server for the handler on addr with every limit set: time for
// header, body, answer and idling, and the size of a header. The caller serves
// and shuts it down.
func (h *Handler) Server(addr string) *http.Server {
	l := h.limits
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: l.HeaderTimeout,
		ReadTimeout:       l.HeaderTimeout + l.BodyTimeout,
		// Counted from the end of the header: body, check and storing come before
		// the answer can be written.
		WriteTimeout:                 l.BodyTimeout + l.CheckTimeout + l.KeepTimeout + 5*time.Second,
		IdleTimeout:                  l.IdleTimeout,
		MaxHeaderBytes:               l.MaxHeader,
		DisableGeneralOptionsHandler: true,
		// What net/http writes here is about single connections and names their
		// addresses.
		ErrorLog: slog.NewLogLogger(h.options.Logger.Handler(), slog.LevelDebug),
	}
}
