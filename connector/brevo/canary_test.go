package brevo_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/brevo"
	"flexbrevo/connector/simulator/brevosim"
)

func TestCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, brevosim.Options{})
	specs := []brevo.AttributeSpec{
		{Name: "last_support_date", Type: "date"}, {Name: "TICKETS", Type: "float"}, {Name: "ACTIVE", Type: "boolean"}, {Name: "NOTE"},
		{Name: "VIP_TIER", Type: "category"}, {Name: "TOPICS", Type: "multiple-choice"}, {Name: "email"}, {Name: "NOTE"},
		{Name: "NOWHERE"}, {Name: "TICKETS", Type: "float"}, {Name: "OTHER", Type: "text"},
	}
	w.sim.AddAttribute(brevosim.Attribute{Name: "OTHER", Type: "float"})
	report, err := w.Canary(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(report.Kept)
	if got := strings.Join(report.Kept, " "); got != "ACTIVE LAST_SUPPORT_DATE NOTE TICKETS TOPICS VIP_TIER" {
		t.Errorf("kept %s", got)
	}
	if len(report.Omissions) != 2 || report.Omissions[0].What != "NOWHERE" || report.Omissions[1].What != "OTHER" {
		t.Errorf("omissions %+v", report.Omissions)
	}
	if n := len(w.sim.Contacts()); n != 0 {
		t.Errorf("%d contacts are left", n)
	}
	w.sim.SetFaults(brevosim.Faults{Forbidden: 1, Only: []string{"DELETE"}})
	if _, err := w.Canary(t.Context(), specs); err == nil || !strings.Contains(err.Error(), "delete canary contact ") {
		t.Errorf("a canary that cannot be deleted: %v", err)
	}
}

func TestCanaryWaitsForReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, sim := bubble(t, brevosim.Options{ReadLag: 3 * time.Second, Quirks: brevosim.Quirks{LagSingleReads: true}})
		sim.AddAttribute(brevosim.Attribute{Name: "NOTE", Type: "text"})
		report, err := d.Canary(t.Context(), []brevo.AttributeSpec{{Name: "NOTE"}})
		if err != nil || len(report.Kept) != 1 || len(sim.Contacts()) != 0 {
			t.Errorf("%+v, %v, %d contacts left", report, err, len(sim.Contacts()))
		}
	})
}
