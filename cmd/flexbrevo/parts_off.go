//go:build no_bulkimport || no_crm || no_kinesis || no_objects || no_publish

package main

import (
	"fmt"

	"flexbrevo/config"
	"flexbrevo/connector/part"
)

// leftOut stands for a part that this build lacks: it refuses a configuration that asks
// for it, by the key that does.
func leftOut(name, key string, asked func(*config.Connector) bool) part.Maker {
	return func(site part.Site) (part.Part, error) {
		if !asked(site.Config) {
			return nil, nil
		}
		return nil, &configError{fmt.Errorf("%s: this flexbrevo was built without %s; expected a build that has it, or a configuration without %[1]s", key, name)}
	}
}
