package store

import (
	"context"
	"time"
)

// Importer keeps what was handed to a destination as a bulk import. Contacts of an
// import keep waiting in the outbox: nobody claims them for a while, and what an import
// brought about is settled by delivering them as ever.
type Importer interface {
	// LoadImportable returns waiting contacts of a backfill, by customer: those of the
	// connector that were never tried nor imported and of whom no contact in the
	// destination is known, of customers behind after.
	LoadImportable(ctx context.Context, account, connector string, after int64, limit int) ([]Delivery, error)
	// BeginImport keeps an import that is about to be handed over, with those of its rows
	// that may still be imported, and puts their contacts off until a moment. It returns the
	// import's id and the deliveries that are in it; without any it keeps nothing and the id
	// is 0. It writes under the lease or returns ErrLeaseLost.
	BeginImport(ctx context.Context, lease Lease, i Import, rows []ImportRow, until time.Time) (id int64, taken []int64, err error)
	// AcceptImport notes the process by which the destination works on an import.
	AcceptImport(ctx context.Context, lease Lease, id, process int64) error
	// LoadImportsUnderWay returns the account's imports that have not ended, oldest first.
	LoadImportsUnderWay(ctx context.Context, account string) ([]Import, error)
	// LoadImports returns the latest imports of a connector, newest first.
	LoadImports(ctx context.Context, connector string, limit int) ([]Import, error)
	// LoadImported returns the waiting contacts of an import, by id, of deliveries behind
	// after; Held says which of them are known to be there by now.
	LoadImported(ctx context.Context, id, after int64, limit int) ([]Delivery, error)
	// Importing says whether one of the customers is in an import that has not ended.
	Importing(ctx context.Context, customers []int64) (bool, error)
	// ReleaseUrgent lets go those of an import of whose customers something more urgent
	// than a backfill waits, and returns how many that were.
	ReleaseUrgent(ctx context.Context, lease Lease, id int64, now time.Time) (int, error)
	// EndImport writes how an import ended and lets its contacts go. Of those that are
	// known to be in the destination it is noted that the import sent them. Unless it was
	// lost none of them is imported again. It returns how many are known, and does nothing
	// for an import that has ended.
	EndImport(ctx context.Context, lease Lease, i Import, call string, now time.Time) (found int, err error)
}

// ImportState is where an import stands.
type ImportState string

// The states of an import. docs/states.md has the drawing.
const (
	ImportHanded   ImportState = "handed"   // its call is under way, or its answer was lost
	ImportAccepted ImportState = "accepted" // the destination works on it
	ImportDone     ImportState = "done"     // final: it was carried out
	ImportFailed   ImportState = "failed"   // final: the destination gave it up
	ImportOverdue  ImportState = "overdue"  // final: it did not end in time
	ImportRefused  ImportState = "refused"  // final: the destination did not take it
	ImportLost     ImportState = "lost"     // final: nothing of it came there
)

// Import is one bulk import.
type Import struct {
	ID                 int64
	Account, Connector string
	State              ImportState
	// ProcessID is the destination's, 0 while it is not known.
	ProcessID int64
	// Contacts is how many were handed over, Found how many of them were there after it.
	Contacts, Found   int
	HandedAt, EndedAt time.Time
	// Reports counts what the destination reported of rows, by the report's name; -1
	// where a report could not be read.
	Reports map[string]int
}

// ImportRow is one contact of an import.
type ImportRow struct {
	DeliveryID, CustomerID int64
	// Sent names the values that the import sends of it.
	Sent []string
}
