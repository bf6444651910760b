package connector

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"flexbrevo/config"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/store"
)

// graves remembers the forgotten as keyed digests. The key is in the configuration's
// environment and never in the store: there are so few phone numbers that a digest
// without a key, or with the key beside it, would be as good as the number.
type graves struct {
	key   []byte
	store store.Forgetter

	mu    sync.Mutex
	asked map[string]time.Time // by connector, when nobody was found to be forgotten
}

// anyFor is how long it is taken for granted that nobody was forgotten, where the digest
// looks once more.
const anyFor = time.Second

var _ pipeline.Graves = (*graves)(nil)

// newGraves returns nil without a key: then nobody can have been forgotten, which
// OpenStore makes sure of.
func newGraves(c *config.Config, s store.Forgetter) *graves {
	if !c.Forget.Key.IsSet() {
		return nil
	}
	return &graves{key: []byte(c.Forget.Key.Reveal()), store: s, asked: map[string]time.Time{}}
}

func (g *graves) digest(parts ...string) string {
	mac := hmac.New(sha256.New, g.key)
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part) // a hash takes every write
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// proof tells one key from another.
func (g *graves) proof() string {
	if g == nil {
		return ""
	}
	return g.digest("flexbrevo forget key")
}

// Any implements pipeline.Graves.
func (g *graves) Any(ctx context.Context, connector string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.asked[connector]) < anyFor {
		return false, nil
	}
	any, err := g.store.AnyTombs(ctx, connector)
	if err == nil && !any {
		g.asked[connector] = time.Now()
	}
	return any, err
}

// SaveTombs implements pipeline.Graves.
func (g *graves) SaveTombs(ctx context.Context, connector string, tombs []store.Tomb) error {
	return g.store.SaveTombs(ctx, connector, tombs)
}

// Tomb implements pipeline.Graves.
func (g *graves) Tomb(connector string, token store.Token, until time.Time) store.Tomb {
	return store.Tomb{Kind: token.Kind, Digest: g.digest(connector, string(token.Kind), token.Value), Until: until}
}

// Hide implements pipeline.Graves.
func (g *graves) Hide(connector, key string) string {
	return "forgotten:" + g.digest(connector, "record", key)
}

// LoadBuried implements pipeline.Graves.
func (g *graves) LoadBuried(ctx context.Context, connector string, tokens []store.Token) (map[store.Token]time.Time, error) {
	if any, err := g.store.AnyTombs(ctx, connector); err != nil || !any {
		return nil, err // so that nobody pays for it before somebody is forgotten
	}
	asked, of := make([]store.Tomb, len(tokens)), make(map[store.Tomb]store.Token, len(tokens))
	for i, token := range tokens {
		asked[i] = g.Tomb(connector, token, time.Time{})
		of[asked[i]] = token
	}
	found, err := g.store.LoadTombs(ctx, connector, asked)
	if err != nil {
		return nil, err
	}
	buried := make(map[store.Token]time.Time, len(found))
	for _, tomb := range found {
		until := tomb.Until
		tomb.Until = time.Time{}
		buried[of[tomb]] = until
	}
	return buried, nil
}

// proveKey makes sure that a pipeline knows those again whom it must not bring back.
func proveKey(ctx context.Context, c *config.Config, s store.Forgetter) error {
	err := s.ProveKey(ctx, newGraves(c, s).proof(), false)
	if err != nil {
		return fmt.Errorf("forget.key: %w; expected the key (FLEXBREVO_FORGET_KEY) that was set when they were", err)
	}
	return nil
}
