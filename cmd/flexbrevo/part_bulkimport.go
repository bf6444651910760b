//go:build !no_bulkimport

package main

import (
	"flexbrevo/connector/bulkimport"
	"flexbrevo/connector/part"
)

// bulkimportPart makes the bulk import of first loads; see docs/bulk-import.md.
func bulkimportPart() part.Maker { return bulkimport.New }
