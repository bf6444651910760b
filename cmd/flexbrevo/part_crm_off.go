//go:build no_crm

package main

import (
	"errors"

	"flexbrevo/connector/part"
)

// crmPart refuses a configuration that asks for what was left out.
func crmPart() part.Maker {
	return func(site part.Site) (part.Part, error) {
		if len(site.Config.CRM) > 0 {
			return nil, errors.New("crm: this flexbrevo was built without crm; leave the block out or use a build that has it")
		}
		return nil, nil
	}
}
