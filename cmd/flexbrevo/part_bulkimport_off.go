//go:build no_bulkimport

package main

import (
	"flexbrevo/config"
	"flexbrevo/connector/part"
)

func bulkimportPart() part.Maker {
	return leftOut("bulkimport", "brevo.bulk_import: backfill", func(c *config.Connector) bool { return c.Brevo.BulkImport == config.ImportBackfill })
}
