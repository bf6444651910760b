package connector

import (
	"context"
	"log/slog"

	"flexbrevo/connector/store/sqlstore"
)

// CopiedTable is a table of a store that was copied and compared.
type CopiedTable = sqlstore.CopiedTable

// CopyStore copies the store behind one URL, as it is at one moment, into the empty
// or new one behind another, and compares the two. The first may be in use.
func CopyStore(ctx context.Context, from, to string, logger *slog.Logger, told func(table string)) ([]CopiedTable, error) {
	return sqlstore.CopyStore(ctx, from, to, sqlstore.Options{Logger: logger}, told)
}
