package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
)

//go:embed page.html login.html app.css app.js
var files embed.FS

// assets are the embedded files; the style sheet and the script carry a part of
// their hash in their address, so that a browser may keep them for good.
type assets struct {
	pages *template.Template
	named map[string][]byte // by name with hash
	urls  map[string]string
}

func newAssets() *assets {
	a := &assets{pages: template.Must(template.ParseFS(files, "*.html")), named: map[string][]byte{}, urls: map[string]string{}}
	for _, name := range []string{"app.css", "app.js"} {
		content, err := files.ReadFile(name)
		if err != nil {
			panic("console: " + err.Error()) // it is embedded
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		hashed := name[:len(name)-len(ext)] + "-" + hex.EncodeToString(sum[:6]) + ext
		a.named[hashed], a.urls[name] = content, "static/"+hashed
	}
	return a
}

func (a *assets) url(name string) string { return a.urls[name] }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := a.named[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
	w.Header().Set("Content-Type", types[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // the browser may be gone
}

func (a *assets) render(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := a.pages.ExecuteTemplate(&b, name, data); err != nil {
		panic("console: " + err.Error()) // our own template with our own values
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}
