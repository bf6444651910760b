package webhook

import (
	"crypto/sha256"
	"sync"
	"time"
)

// tokenDigest is the hash under which a token is known; tokens themselves are not
// held.
type tokenDigest = [sha256.Size]byte

// tokenCache remembers what was said of at most max tokens. The one remembered
// first goes first: lives are nearly equal, so it is also about the first to end.
type tokenCache struct {
	max int

	mu    sync.Mutex
	held  map[tokenDigest]heldToken
	order []tokenDigest // a ring once it is full
	next  int           // the oldest place of the ring
}

type heldToken struct {
	token Token
	until time.Time
}

func newTokenCache(limit int) *tokenCache {
	return &tokenCache{max: limit, held: map[tokenDigest]heldToken{}}
}

// load returns what is known of a token at a moment.
func (c *tokenCache) load(d tokenDigest, now time.Time) (Token, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.held[d]
	if !ok || !now.Before(h.until) {
		return Token{}, false
	}
	return h.token, true
}

// save remembers a token until a moment.
func (c *tokenCache) save(d tokenDigest, t Token, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[d]; !ok {
		c.makeRoom(d)
	}
	c.held[d] = heldToken{token: t, until: until}
}

func (c *tokenCache) makeRoom(d tokenDigest) {
	if len(c.order) < c.max {
		c.order = append(c.order, d)
		return
	}
	delete(c.held, c.order[c.next])
	c.order[c.next] = d
	c.next = (c.next + 1) % c.max
}
