package objects

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"flexbrevo/connector/part"
)

const (
	// comparedFor is how many days what was told is compared with the figures: records
	// of a day come up to a day late, survey answers some days.
	comparedFor = 7
	// compareEvery is how often that is done.
	compareEvery = 24 * time.Hour
	// notInPlanFor and noTypeFor are how long a refusal is believed.
	notInPlanFor = 24 * time.Hour
	noTypeFor    = time.Hour
	// processAge is how long an upsert is followed, processTries how often what
	// one failed to write is sent.
	processAge   = 24 * time.Hour
	processTries = 3
)

// kept is what is kept in the checkpoint.
type kept struct {
	// Told is by kind.
	Told map[string]*told `json:"told"`
	// Backfill is the run id of the last backfill that was told.
	Backfill int64 `json:"backfill"`
}

// told is what one type of custom object was told.
type told struct {
	Object string `json:"object"`
	// Began is the first period that was told, Through the first that was not.
	Began   string `json:"began"`
	Through string `json:"through"`
	// Sums are fingerprints of what was told of the last days' periods.
	Sums       map[string]string `json:"sums,omitempty"`
	ComparedAt time.Time         `json:"compared_at"`
	// Past are ranges before Through that are to be told again.
	Past      []span         `json:"past,omitempty"`
	Processes []upsert       `json:"processes,omitempty"`
	Failed    map[string]int `json:"failed,omitempty"` // processes that failed, by period
	// Refused is set while nothing is told.
	Refused *refusal `json:"refused,omitempty"`
	// Cursor is the last record that was told of a period that was not told whole, Step
	// how many records the next upsert has, 0 for as many as may be.
	Cursor cursor `json:"cursor"`
	Step   int    `json:"step,omitempty"`
	// Skipped are the periods of the records that Brevo refused since it last took one.
	Skipped []string `json:"skipped,omitempty"`

	Records    int64 `json:"records"`
	Again      int64 `json:"again"`
	LeftOut    int64 `json:"left_out"`
	Calls      int64 `json:"calls"`
	Unfollowed int64 `json:"unfollowed,omitempty"`
}

// span is a range of periods; Until is no part of it.
type span struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

// cursor is a record of a period.
type cursor struct {
	Period string `json:"period,omitempty"`
	ID     string `json:"id,omitempty"`
}

// upsert is one that Brevo has accepted and not done yet.
type upsert struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Periods []string  `json:"periods"`
}

// refusal is why nothing is told, and until when that is believed.
type refusal struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// of is what was told of a kind; a type that was not told before begins anew.
func (k *kept) of(of *kind, site part.Site) *told {
	t := k.Told[of.name]
	if t == nil || t.Object != of.object {
		began := of.period(site.Clock().Add(-site.Config.CustomObjects.Since), site.Config.Location)
		t = &told{Object: of.object, Began: began, Through: began}
		k.Told[of.name] = t
	}
	if t.Sums == nil {
		t.Sums = map[string]string{}
	}
	if t.Failed == nil {
		t.Failed = map[string]int{}
	}
	return t
}

// again has periods told again, up to, not including, one.
func (t *told) again(from, until string) {
	if from < until {
		t.Past = append(t.Past, span{from, until})
		t.Began = min(t.Began, from)
	}
}

// failed has the periods of a process that failed told again, unless they were often
// enough. It returns how many were given up.
func (t *told) failed(k *kind, periods []string) (givenUp int) {
	for _, period := range periods {
		t.Failed[period]++
		if t.Failed[period] >= processTries {
			delete(t.Failed, period)
			givenUp++
			continue
		}
		delete(t.Sums, period)
		t.again(period, k.next(period))
	}
	return givenUp
}

// step is how many records the next upsert has.
func (t *told) step() int {
	if t.Step == 0 {
		return mostRecords
	}
	return t.Step
}

// differs says that a period was not told as it is now.
func (t *told) differs(period, sum string) bool { return t.Sums[period] != sum }

// behind are the rows of a period that are still to be told.
func (t *told) behind(rows []row) []row {
	if t.Cursor.Period != rows[0].period {
		return rows
	}
	return rows[1+slices.IndexFunc(rows, func(r row) bool { return r.id == t.Cursor.ID }):]
}

// forgetOld drops fingerprints that are not compared any more.
func (t *told) forgetOld(oldest string) {
	for period := range t.Sums {
		if period < oldest {
			delete(t.Sums, period)
		}
	}
}

// notices say what the operator should know.
func (t *told) notices(k *kind, contact bool) []string {
	var out []string
	if r := t.Refused; r != nil {
		text := fmt.Sprintf("%s: not told to custom object %s since %s: %s; tried again after %s",
			k.name, k.object, r.At.UTC().Format(time.RFC3339), r.Why, r.Until.UTC().Format(time.RFC3339))
		if contact {
			text += "; the operations contact is told instead"
		}
		out = append(out, text)
	}
	if t.LeftOut > 0 {
		out = append(out, fmt.Sprintf("%s: Brevo did not take %d days, hours or records; compare the attributes of %s with docs/custom-objects.md",
			k.name, t.LeftOut, k.object))
	}
	if t.Unfollowed > 0 {
		out = append(out, fmt.Sprintf("%s: what became of %d accepted upserts could not be read", k.name, t.Unfollowed))
	}
	return out
}

// rangeOf reads a backfill's request.
func rangeOf(request []byte) (since, until time.Time, ok bool) {
	var r struct{ Since, Until time.Time }
	if json.Unmarshal(request, &r) != nil || r.Since.IsZero() {
		return since, until, false
	}
	if r.Until.IsZero() {
		r.Until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) // up to when it ran
	}
	return r.Since, r.Until, true
}

// periodsOf are the periods of rows, each once and in order.
func periodsOf(rows []row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.period)
	}
	return slices.Compact(out)
}
