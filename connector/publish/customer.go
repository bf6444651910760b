package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"
	"unicode"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/pipeline"
	"flexbrevo/connector/store"
	"flexbrevo/connector/twilio"
)

// Why nothing stands of a customer. They are shown and counted.
const (
	reasonMerged   = "merged into another customer"
	reasonNone     = "no contact with the centre"
	reasonOld      = "no contact for longer than ttl"
	reasonNoKey    = "nothing to be found by"
	reasonShared   = "phone of several customers"
	reasonTaken    = "key of another customer"
	reasonBadKey   = "key that Sync does not take"
	reasonTooLarge = "too large for Sync"
	reasonRefused  = "refused by Sync"
)

// reasonOf names a failure for the count of those who wait.
func reasonOf(fail *failure.Error) string {
	if fail.Reason == failure.Gone {
		return "service missing"
	}
	return string(fail.Reason)
}

// remedyOf says what the operator can do about a reason; "" for nothing.
func remedyOf(reason string) string {
	switch reason {
	case "service missing":
		return "check sync_publish.service: this account has no such Sync service"
	case string(failure.Unauthorized), string(failure.Forbidden):
		return "check the connector's credentials; a Restricted API key does not cover Sync"
	case reasonTooLarge:
		return "show fewer fields: 16 KiB is the limit of Sync"
	case reasonRefused:
		return "see the log at this time for what Sync said"
	}
	return ""
}

// bring makes Sync hold what it should of one customer, and saves that it does.
func (s *shift) bring(ctx context.Context, row *store.Published) error {
	if row.State == store.PublishedLeaving {
		if err := s.clear(ctx, row); err != nil {
			return err
		}
		return s.save(ctx, store.Published{CustomerID: row.CustomerID, State: store.PublishedGone}, 0)
	}
	c, err := s.customer(ctx, row.CustomerID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // erased meanwhile, and with them the row
	}
	if err != nil {
		return err
	}
	key, why := s.keyOf(c)
	var data []byte
	if why == "" {
		data, why = s.screen(c)
	}
	if why != "" {
		return s.leaveOut(ctx, row, why)
	}
	if why, err = s.claim(ctx, row, key); err != nil || why != "" {
		if err == nil {
			err = s.leaveOut(ctx, row, why)
		}
		return err
	}
	return s.write(ctx, row, data)
}

// keyOf is what a customer is found by, or why by nothing.
func (s *shift) keyOf(c *pipeline.Customer) (key, why string) {
	switch {
	case c.MergedInto != 0:
		return "", reasonMerged
	case c.Profile.Contacts == 0 && !c.Profile.Surveyed:
		return "", reasonNone
	case s.cfg.TTL > 0 && s.clock().Sub(lastMoment(c)) > s.cfg.TTL:
		return "", reasonOld
	}
	key = c.Profile.Phone
	if s.cfg.Key == "identity" {
		key = c.Profile.Identity
	}
	switch {
	case key == "":
		return "", reasonNoKey
	case s.cfg.Key == "phone" && c.Profile.SharedPhones[key]:
		return "", reasonShared
	case !takenBySync(s.cfg.Documents + key):
		return "", reasonBadKey
	}
	return key, ""
}

// takenBySync says whether Sync takes a name and gives it back: one with a slash could be
// made and not be read again, and a leading dot would be taken for a path.
func takenBySync(name string) bool {
	return len(name) <= twilio.MaxSyncName && !strings.HasPrefix(name, ".") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r == '/' || r == '\\' || unicode.IsControl(r) || r == unicode.ReplacementChar
		})
}

// lastMoment is when anything last happened to a customer.
func lastMoment(c *pipeline.Customer) time.Time {
	if n := len(c.Moments); n > 0 {
		return c.Moments[n-1].At
	}
	return c.CreatedAt
}

// leaveOut sees to it that nothing stands of a customer, and notes why.
func (s *shift) leaveOut(ctx context.Context, row *store.Published, why string) error {
	if err := s.clear(ctx, row); err != nil {
		return err
	}
	return s.save(ctx, store.Published{CustomerID: row.CustomerID, State: store.PublishedLeftOut, Reason: why}, 0)
}

// clear takes away what stands, or may stand, of a customer.
func (s *shift) clear(ctx context.Context, row *store.Published) error {
	if row.Key == "" {
		return nil
	}
	if err := store.Trusted(ctx); err != nil {
		return err
	}
	return s.sync.DeleteSyncValue(ctx, s.placeOf(row.Key))
}

func (s *shift) save(ctx context.Context, p store.Published, takenFrom int64) error {
	return s.store.SavePublished(ctx, s.lease, s.connector, p, takenFrom, s.clock())
}

func (s *shift) placeOf(key string) twilio.SyncPlace {
	return twilio.SyncPlace{Service: s.cfg.Service, Map: s.cfg.Map, Key: s.cfg.Documents + key}
}

// claim makes a key the customer's before anything is written there, so that whatever a
// dead process wrote is found again. One that another customer still goes by stays
// theirs: an agent must never see somebody else.
func (s *shift) claim(ctx context.Context, row *store.Published, key string) (why string, err error) {
	if row.Key == key {
		return "", nil
	}
	if err := s.clear(ctx, row); err != nil {
		return "", err
	}
	fresh := store.Published{CustomerID: row.CustomerID, State: store.PublishedWaiting, Key: key, DueAt: row.DueAt, Attempts: row.Attempts}
	holder, err := s.store.LoadPublishedAt(ctx, s.connector, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return "", err
	default:
		released, err := s.releases(ctx, holder, key)
		if err != nil {
			return "", err
		}
		if !released {
			row.Key = ""
			return reasonTaken, nil
		}
		fresh.Revision = holder.Revision
	}
	if err := s.save(ctx, fresh, holder.CustomerID); err != nil {
		return "", err
	}
	*row = fresh
	return "", nil
}

// errLeaving: whoever is forgotten is taken away first.
var errLeaving = errors.New("its holder is being taken away")

// releases says whether the holder of a key goes by it no more.
func (s *shift) releases(ctx context.Context, holder store.Published, key string) (bool, error) {
	if holder.State == store.PublishedLeaving {
		return false, &failure.Error{Op: "claim key", Reason: failure.Transient, Err: errLeaving}
	}
	c, err := s.customer(ctx, holder.CustomerID)
	if err != nil {
		return false, err
	}
	held, why := s.keyOf(c)
	return why != "" || held != key, nil
}

// write makes the customer's place hold data, if it does not, and saves that it does.
func (s *shift) write(ctx context.Context, row *store.Published, data []byte) error {
	hash := s.fingerprint(data)
	now := s.clock()
	lives := row.ExpiresAt.IsZero() || now.Before(row.ExpiresAt)
	if row.State == store.PublishedWritten && row.Hash == hash && lives {
		row.DueAt, row.Attempts, row.Reason = time.Time{}, 0, ""
		return s.save(ctx, *row, 0)
	}
	v, err := s.put(ctx, s.placeOf(row.Key), data, row.Revision)
	if err != nil {
		return err
	}
	row.State, row.Hash, row.Revision = store.PublishedWritten, hash, v.Revision
	row.DueAt, row.Attempts, row.Reason, row.ExpiresAt = time.Time{}, 0, "", time.Time{}
	if s.cfg.TTL > 0 {
		row.ExpiresAt = now.Add(s.cfg.TTL)
	}
	return s.save(ctx, *row, 0)
}

// fingerprint is of data and of where it stands, so that a new map is filled again.
func (s *shift) fingerprint(data []byte) string {
	sum := sha256.New()
	for _, of := range [...]string{s.cfg.Service, s.cfg.Map, s.cfg.Documents, s.cfg.TTL.String()} {
		sum.Write([]byte(of + "\x00"))
	}
	sum.Write(data)
	return base64.RawStdEncoding.EncodeToString(sum.Sum(nil)[:18])
}

// put makes a place hold data whatever stands there: under the revision that is known, or
// as something new; and where somebody was faster, or an earlier call was done after all,
// under the revision that is read then. It may be repeated.
func (s *shift) put(ctx context.Context, at twilio.SyncPlace, data []byte, revision string) (twilio.SyncValue, error) {
	if err := store.Trusted(ctx); err != nil {
		return twilio.SyncValue{}, err
	}
	if revision != "" {
		v, err := s.sync.UpdateSyncValue(ctx, at, data, s.ttlOf(at), revision)
		switch {
		case errors.Is(err, twilio.ErrSyncChanged):
			return s.putOver(ctx, at, data)
		case failure.ReasonOf(err) != failure.Gone:
			return v, err
		}
	}
	v, err := s.create(ctx, at, data)
	if errors.Is(err, twilio.ErrSyncExists) {
		return s.putOver(ctx, at, data)
	}
	return v, err
}

// create makes something new, and the map with it where it is missing.
func (s *shift) create(ctx context.Context, at twilio.SyncPlace, data []byte) (twilio.SyncValue, error) {
	v, err := s.sync.CreateSyncValue(ctx, at, data, s.ttlOf(at))
	if failure.ReasonOf(err) != failure.Gone || at.Map == "" {
		return v, err
	}
	if err := s.sync.MakeSyncMap(ctx, at.Service, at.Map); err != nil {
		return v, err
	}
	s.logger.Info("sync map made", "map", at.Map)
	return s.sync.CreateSyncValue(ctx, at, data, s.ttlOf(at))
}

// putOver replaces what stands at a place, unless it is the same.
func (s *shift) putOver(ctx context.Context, at twilio.SyncPlace, data []byte) (twilio.SyncValue, error) {
	stands, err := s.sync.FetchSyncValue(ctx, at)
	if err != nil || same(stands.Data, data) {
		return stands, err
	}
	return s.sync.UpdateSyncValue(ctx, at, data, s.ttlOf(at), stands.Revision)
}

// ttlOf is how long something lives: only customers' items expire.
func (s *shift) ttlOf(at twilio.SyncPlace) time.Duration {
	if at.Map == "" && at.Key == s.cfg.Status {
		return 0
	}
	return s.cfg.TTL
}

// same compares two texts of JSON by what they say.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
