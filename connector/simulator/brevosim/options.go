package brevosim

import (
	"fmt"
	"log/slog"
	"time"
)

// Tier is the rate limit class of an account (facts/brevo.md 6).
type Tier string

// The tiers of Brevo's table. TierNone has no limits and sends no limit headers; the empty tier means TierGeneral.
const (
	TierGeneral  Tier = "general"
	TierAdvanced Tier = "advanced"
	TierExtended Tier = "extended"
	TierNone     Tier = "none"
)

// ParseTier reads the name of a tier; the empty name means general.
func ParseTier(name string) (Tier, error) {
	switch t := Tier(name); t {
	case "":
		return TierGeneral, nil
	case TierGeneral, TierAdvanced, TierExtended, TierNone:
		return t, nil
	}
	return "", fmt.Errorf("tier %q: want general, advanced, extended or none", name)
}

// Options describes the account to simulate. The zero Options is an account of the general tier that accepts any key,
// never fails, and shows every write at once.
type Options struct {
	// APIKey is the key the account accepts; empty accepts any key, but not a missing one.
	APIKey string
	// OAuth, if set, lets callers fetch bearer tokens as well.
	OAuth *OAuthClient
	// Tier decides the rate limits.
	Tier Tier
	// Clock tells the time of writes, windows, tokens and imports; nil means time.Now. Latency is always waited for by
	// the process's own timers.
	Clock func() time.Time
	// Seed makes random choices repeatable.
	Seed uint64
	// Faults is how the account misbehaves from the start; see SetFaults.
	Faults Faults
	// Quirks chooses what is not known of the real account; see SetQuirks.
	Quirks Quirks
	// ReadLag is the longest time a write may stay invisible to GET /events and GET /contacts; each write draws its own.
	ReadLag time.Duration
	// Logger receives one debug line per request, without any contact data; nil discards them.
	Logger *slog.Logger
}

// OAuthClient is an application that may fetch tokens by client credentials (facts/brevo.md 7).
type OAuthClient struct {
	// ID and Secret are the client's credentials.
	ID, Secret string
	// Scopes were granted to the client; empty means all that this simulator knows.
	Scopes []string
	// TokenLife is how long a token is good; zero means one hour.
	TokenLife time.Duration
}

// Quirks chooses between the answers Brevo may give where facts/brevo.md marks the real one as not known, and says
// which deeds the caller's operator has invited. The zero Quirks is the cautious reading of every open question.
type Quirks struct {
	// UnknownContact is what an event for an unknown contact meets (facts/brevo.md 4.3).
	UnknownContact UnknownContact `json:"unknown_contact"`
	// BatchInEvents counts POST /events/batch in the bucket of POST /events instead of the hourly one (4.2, 10).
	BatchInEvents bool `json:"batch_in_events"`
	// OversizeStatus answers a batch above 512 KB; zero means 413 (4.2).
	OversizeStatus int `json:"oversize_status"`
	// TooEarlyFor is how long after its creation a contact answers updates with 425 (8).
	TooEarlyFor time.Duration `json:"-"`
	// ImportTime is how long an import takes, a third of it queued; zero means three seconds, below zero none.
	ImportTime time.Duration `json:"-"`
	// ImportFails ends every import as failed, with nothing of it carried out (1.5).
	ImportFails bool `json:"import_fails"`
	// ImportLoses leaves every so-manieth row of an import out, without a word; zero means none.
	ImportLoses int `json:"import_loses"`
	// ReportsExpired answers the CSV reports of an import as a file store does once a link has expired (1.5).
	ReportsExpired bool `json:"reports_expired"`
	// Clear is what removes the value of an attribute (1.3).
	Clear ClearBy `json:"clear"`
	// IDOnUpdate answers an upsert with getId by 201 and the id, instead of 204 without one (1.2).
	IDOnUpdate bool `json:"id_on_update"`
	// BareConflicts leaves the metadata out of conflict answers, as older reports have it (1.6).
	BareConflicts bool `json:"bare_conflicts"`
	// ReportHour puts the hour window into the limit headers where both windows are in force (6).
	ReportHour bool `json:"report_hour"`
	// FloorReset rounds x-sib-ratelimit-reset down, so that it may read 0 (6).
	FloorReset bool `json:"floor_reset"`
	// LagSingleReads makes GET /contacts/{identifier} lag as the paged reads do.
	LagSingleReads bool `json:"lag_single_reads"`
	// RefusedPhones are beginnings, digits only, of numbers that are well formed and refused all the same (1.8).
	RefusedPhones []string `json:"refused_phones"`
	// CustomObjects are the types of custom objects that were made in the account, each with the attributes that it has,
	// none meaning any; nil means that the plan has no custom objects (5).
	CustomObjects map[string][]string `json:"custom_objects"`
	// ObjectTypeMissing answers an upsert to another type; zero means 400 (5).
	ObjectTypeMissing int `json:"object_type_missing"`
	// ObjectProcessesFail is how many upserts of the account, from the first one, are accepted and fail later (5).
	ObjectProcessesFail int `json:"object_processes_fail"`
	// RefusedRecords are beginnings of ext_ids that make a whole upsert a 400 (5).
	RefusedRecords []string `json:"refused_records"`
	// CRM says that the plan has the CRM (5); HTMLNotes shows notes as pages, as an editor would keep them.
	CRM       bool `json:"crm"`
	HTMLNotes bool `json:"html_notes"`
	// Allow lists what is then no violation.
	Allow Allow `json:"allow"`
}

// Allow says which deeds that Violations would report are wanted by the operator of the connector under test.
type Allow struct {
	UpdateEnabled    bool `json:"update_enabled"`    // upserts by POST /contacts
	ForceMerge       bool `json:"force_merge"`       // merges of two contacts
	BlocklistFlags   bool `json:"blocklist_flags"`   // consent sent with a contact
	IdentifierChange bool `json:"identifier_change"` // another email or phone for a contact that has one
	Recreation       bool `json:"recreation"`        // a new contact for one that marketing deleted
	Relisting        bool `json:"relisting"`         // back on a list that marketing took the contact off
	Import           bool `json:"import"`            // POST /contacts/import, which merges
}

// UnknownContact is what becomes of an event whose contact does not exist.
type UnknownContact string

// The possible fates of such an event; the empty value means UnknownIgnored.
const (
	UnknownIgnored UnknownContact = "ignored" // 204 or 202, and the event is lost
	UnknownRefused UnknownContact = "refused" // 400, or a failed position of the batch
)

// ClearBy is the value that empties an attribute.
type ClearBy string

// The possible ways; the empty value means ClearByEmpty.
const (
	ClearByEmpty  ClearBy = "empty"  // "" clears, null is ignored
	ClearByNull   ClearBy = "null"   // null clears, "" is a value of text and else a wrong type
	ClearByEither ClearBy = "either" // both clear
	ClearByNone   ClearBy = "none"   // neither does
)

// Bucket names a group of endpoints that share a rate limit (facts/brevo.md 6).
type Bucket string

// The three buckets that the connector's calls fall into.
const (
	BucketContacts Bucket = "contacts"
	BucketEvents   Bucket = "events"
	BucketOther    Bucket = "other"
)
