//go:build no_bulkimport

package main

import (
	"errors"

	"flexbrevo/config"
	"flexbrevo/connector/part"
)

// bulkimportPart refuses a configuration that asks for what this build lacks.
func bulkimportPart() part.Maker {
	return func(site part.Site) (part.Part, error) {
		if site.Config.Brevo.BulkImport == config.ImportBackfill {
			return nil, errors.New("brevo.bulk_import: backfill: this flexbrevo was built without bulkimport; take another build, or say never")
		}
		return nil, nil
	}
}
