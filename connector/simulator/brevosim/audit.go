package brevosim

// audit notes what a contact write must not contain, whatever becomes of it.
func (a *account) audit(w *contactWrite) {
	name := w.call.endpoint.method + " " + w.call.endpoint.path
	allow := w.call.quirks.Allow
	if w.EmailBlocked != nil && !allow.BlocklistFlags {
		a.violate("blocklist flag emailBlacklisted in %s", name)
	}
	if w.SMSBlocked != nil && !allow.BlocklistFlags {
		a.violate("blocklist flag smsBlacklisted in %s", name)
	}
	if w.UpdateEnabled && !allow.UpdateEnabled {
		a.violate("updateEnabled in %s", name)
	}
	if w.ForceMerge && !allow.ForceMerge {
		a.violate("forceMerge in %s", name)
	}
}

// auditUpdate notes what a write is about to do to a contact that it must not do.
func (a *account) auditUpdate(w *contactWrite, c *contact) {
	for k := range kinds {
		a.auditIdentifier(w, c, k)
	}
	for _, id := range w.ListIDs {
		a.auditListing(c, id, w.call.quirks)
	}
}

func (a *account) auditIdentifier(w *contactWrite, c *contact, k kind) {
	value, held := w.set[k], c.ids[k]
	replaced := value != "" && held != "" && value != held || w.cleared[k] && held != ""
	if replaced && !w.call.quirks.Allow.IdentifierChange {
		a.violate("%s of contact %d replaced", k.attribute(), c.id)
	}
	if k == kindEmail && value != "" && value != held && c.emailBlocked {
		a.violate("blocklisting of contact %d removed by a change of its email", c.id)
	}
}

// auditListing notes a contact that is put back on a list it was taken off.
func (a *account) auditListing(c *contact, id int64, q *Quirks) {
	if _, was := a.takenOff[listing{c.id, id}]; was && !q.Allow.Relisting {
		a.violate("contact %d put back on list %d", c.id, id)
	}
}
