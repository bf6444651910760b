//go:build no_crm

package main

import (
	"flexbrevo/config"
	"flexbrevo/connector/part"
)

func crmPart() part.Maker {
	return leftOut("crm", "crm", func(c *config.Connector) bool { return len(c.CRM) > 0 })
}
