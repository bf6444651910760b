//go:build !no_crm

package main

import (
	"flexbrevo/connector/crm"
	"flexbrevo/connector/part"
)

// crmPart writes notes and tasks on timelines in Brevo's CRM.
func crmPart() part.Maker { return crm.New }
