package world

import (
	"slices"
	"strings"
	"time"
)

// SyncMap is the unique name of the world's one Sync map, in which an agent's plugin keeps dispositions by
// task SID: those of one disposed task in five, equal to the task's Outcome. Sync has no common shape for
// such things (facts/twilio.md 4.5), so this one is made up.
const SyncMap = "dispositions"

// SyncItem is one item of the map.
type SyncItem struct {
	Key       string // the task's SID
	Task      int
	WrittenAt time.Time
	Data      Fields
}

// SyncMapSID returns the SID of the map.
func (w *World) SyncMapSID() string { return w.sids.of(prefixMap, 0) }

// SyncItems returns the items that exist at a moment, in the order of their keys, as Sync lists them.
func (w *World) SyncItems(at time.Time) []SyncItem {
	var items []SyncItem
	for i := range w.Tasks {
		t := &w.Tasks[i]
		if t.ID%5 != 0 || t.Outcome == "" || t.DisposedAt.After(at) {
			continue
		}
		items = append(items, SyncItem{Key: t.SID, Task: t.ID, WrittenAt: t.DisposedAt, Data: Fields{
			{"taskSid", t.SID}, {"disposition", t.Outcome}, {"notes", "Noted by the agent"}, {"submittedAt", t.DisposedAt},
		}})
	}
	slices.SortFunc(items, func(a, b SyncItem) int { return strings.Compare(a.Key, b.Key) })
	return items
}
