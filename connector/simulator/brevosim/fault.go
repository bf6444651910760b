package brevosim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults says how the account misbehaves. Each of the shares is the part of requests, from 0 to 1, that meet the fault;
// a request meets at most one, so that their sum should stay at or below 1. Whether a fault strikes before or after the
// request was carried out is what its comment says: "before" means that nothing happened in the account.
type Faults struct {
	BadKey            float64 `json:"bad_key"`             // 401 "Key not found", before
	UnknownIP         float64 `json:"unknown_ip"`          // 401 naming the address, before
	PaymentRequired   float64 `json:"payment_required"`    // 402, before
	Forbidden         float64 `json:"forbidden"`           // 403, before
	TooEarly          float64 `json:"too_early"`           // 425, before
	TooMany           float64 `json:"too_many"`            // 429 with headers, before
	ServerError       float64 `json:"server_error"`        // 500 with an HTML page, before
	BadGateway        float64 `json:"bad_gateway"`         // 502 with an HTML page, before
	BadGatewayApplied float64 `json:"bad_gateway_applied"` // the same, after
	Dropped           float64 `json:"dropped"`             // connection closed once the body was read, before
	DroppedApplied    float64 `json:"dropped_applied"`     // connection closed without an answer, after
	SlowApplied       float64 `json:"slow_applied"`        // the right answer, SlowFor late, after
	HTMLSuccess       float64 `json:"html_success"`        // 200 with the page of a captive proxy, before
	BrokenJSON        float64 `json:"broken_json"`         // the right status with half of the body, after
	EmptySuccess      float64 `json:"empty_success"`       // 204 without a body where 200, 201 or 202 was due, after

	// SlowFor is how long SlowApplied waits; zero means ten seconds.
	SlowFor time.Duration `json:"-"`
	// Latency and Jitter delay every request, before it is carried out: Latency always, Jitter up to that much more.
	Latency time.Duration `json:"-"`
	Jitter  time.Duration `json:"-"`
	// IP is the address that UnknownIP names; empty means 203.0.113.7.
	IP string `json:"ip"`
	// Only confines the faults to requests whose "METHOD /path/{template}" begins with one of these.
	Only []string `json:"only"`
	// AtMost ends the faults, though not the latency, after that many; zero means no end. SetFaults counts afresh.
	AtMost int `json:"at_most"`
}

// fault is one way to misbehave: in place of the work, or with the answer that the work gave.
type fault struct {
	share  float64
	before func(Faults) answer
	after  func(Faults, answer) answer
}

// drop is the status of an answer that is not sent: the connection closes instead.
const drop = 0

// table lists the faults with their shares in a fixed order, so that a seed keeps its meaning.
func (f *Faults) table() [15]fault {
	page := func(status int) func(Faults) answer {
		return func(Faults) answer { return htmlPage(status) }
	}
	return [15]fault{
		{share: f.BadKey, before: func(Faults) answer { return badKey() }},
		{share: f.UnknownIP, before: unknownIP},
		{share: f.PaymentRequired, before: func(Faults) answer {
			return refuse(http.StatusPaymentRequired, codeNoCredits, "You do not have enough credits, please upgrade your plan")
		}},
		{share: f.Forbidden, before: func(Faults) answer {
			return refuse(http.StatusForbidden, codeDenied, "You do not have permission to perform this action")
		}},
		{share: f.TooEarly, before: func(Faults) answer { return tooEarly() }},
		{share: f.TooMany, before: func(Faults) answer {
			a := tooMany()
			a.header = http.Header{}
			report{limit: 10, remaining: 0, reset: time.Second}.write(a.header, false)
			return a
		}},
		{share: f.ServerError, before: page(http.StatusInternalServerError)},
		{share: f.BadGateway, before: page(http.StatusBadGateway)},
		{share: f.BadGatewayApplied, after: func(Faults, answer) answer { return htmlPage(http.StatusBadGateway) }},
		{share: f.Dropped, before: func(Faults) answer { return empty(drop) }},
		{share: f.DroppedApplied, after: func(Faults, answer) answer { return empty(drop) }},
		{share: f.SlowApplied, after: func(_ Faults, a answer) answer { return a }},
		{share: f.HTMLSuccess, before: page(http.StatusOK)},
		{share: f.BrokenJSON, after: func(_ Faults, a answer) answer {
			a.body = a.body[:len(a.body)/2]
			return a
		}},
		{share: f.EmptySuccess, after: func(_ Faults, a answer) answer {
			if a.status >= 200 && a.status < 300 {
				return empty(http.StatusNoContent)
			}
			return a
		}},
	}
}

// slowFault is the position of SlowApplied in the table; it is the one fault that takes time.
const slowFault = 11

// none reports whether no fault has a share.
func (f *Faults) none() bool {
	table := f.table()
	return !slices.ContainsFunc(table[:], func(entry fault) bool { return entry.share > 0 })
}

// applies reports whether the faults concern an endpoint.
func (f *Faults) applies(method, path string) bool {
	if len(f.Only) == 0 {
		return true
	}
	name := method + " " + path
	return slices.ContainsFunc(f.Only, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// badKey is the answer to a wrong key (facts/brevo.md 7).
func badKey() answer { return refuse(http.StatusUnauthorized, codeUnauthorized, "Key not found") }

// unknownIP is the answer to an address that is not on the account's allow-list (facts/brevo.md 7).
func unknownIP(f Faults) answer {
	ip := f.IP
	if ip == "" {
		ip = "203.0.113.7"
	}
	return refuse(http.StatusUnauthorized, codeUnauthorized,
		"We have detected you are using an unrecognised IP address "+ip+
			". If you performed this action make sure to add the new IP address in this link: "+
			"https://app.brevo.com/security/authorised_ips")
}

// tooEarly is the 425 of a contact that is still being processed (facts/brevo.md 8).
func tooEarly() answer {
	return refuse(http.StatusTooEarly, codeInProcess, "Contact is being processed, please try again later")
}

// htmlPage is what an edge or a captive proxy answers in Brevo's place.
func htmlPage(status int) answer {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return answer{
		status:      status,
		contentType: "text/html; charset=utf-8",
		body:        []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}
}
