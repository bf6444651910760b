// Package brevosim is a Brevo account in memory that answers as the real API does, its quirks, limits and failures
// included, so that everything this project promises about Brevo can be tested, and tried out, without an account.
//
// A [Server] is an [http.Handler]: hand it to an HTTP server on loopback, or use [Server.Transport] to reach it inside
// the process (which also works in a testing/synctest bubble). It serves Brevo's paths at the root and again under
// /v3/, and a control plane for people under /_sim/. What it does follows facts/brevo.md; where the real answer is not
// known, a field of [Quirks] chooses between the possible ones, and where the real account misbehaves, a field of
// [Faults] says how often this one does.
//
// Besides answering, the server watches its caller: what a well-behaved connector must never send, a blocklist flag or
// an uninvited merge for example, is carried out as Brevo would and reported by [Server.Violations].
//
// Everything is deterministic for a given seed and sequence of requests. The server starts no goroutines: whatever
// happens later, such as the end of an import, is done by the first request that comes after its time.
package brevosim
