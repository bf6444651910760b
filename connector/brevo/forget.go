package brevo

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"flexbrevo/connector/failure"
)

// DeleteContact deletes a contact, which takes its history in Brevo with it, and says
// whether there was one (facts/brevo.md 1.9). It may be repeated.
func (d *Destination) DeleteContact(ctx context.Context, id int64) (bool, error) {
	_, err := d.call(ctx, opDelete, write, http.MethodDelete, contactPath(strconv.FormatInt(id, 10), "contact_id"), nil)
	if failure.ReasonOf(err) == failure.Gone {
		return false, nil
	}
	return err == nil, err
}

// FindContact returns the id of the contact that has an email, or else an SMS number in E.164;
// 0 for none.
func (d *Destination) FindContact(ctx context.Context, address, phone string) (int64, error) {
	value, kind := address, identifierType(email)
	if value == "" {
		value, kind = phone, identifierType(sms)
	}
	got, err := d.call(ctx, opRead, read, http.MethodGet, contactPath(value, kind), nil)
	if failure.ReasonOf(err) == failure.Gone {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var c contactAnswer
	if json.Unmarshal(got.body, &c) != nil || c.ID <= 0 {
		return 0, unreadable(opRead, read, got.status)
	}
	return c.ID, nil
}
