package webhook

import (
	"io"
	"log/slog"
	"net/http"
)

// serveHealth answers /healthz and /readyz, which need no place in the queue and
// so stay responsive under any load. It returns false for other paths.
func (h *Handler) serveHealth(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	}
	status, text := http.StatusOK, "ok\n"
	if err := h.ready(r.URL.Path); err != nil {
		// Anybody may ask, so the reason stays in the log.
		h.options.Logger.DebugContext(r.Context(), "not ready", slog.Any("err", err))
		status, text = http.StatusServiceUnavailable, "not ready\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
	return true
}

func (h *Handler) ready(path string) error {
	if path == "/healthz" || h.options.Ready == nil {
		return nil
	}
	return h.options.Ready()
}
