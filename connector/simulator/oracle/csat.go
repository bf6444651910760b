package oracle

import (
	"fmt"
	"time"

	"flexbrevo/connector/simulator/world"
)

// CSATDays counts the survey answers that are kept on tasks, by the local day on which
// their task ended, and score: "2026-11-20 4".
func CSATDays(w *world.World, location *time.Location) map[string]string {
	counts := map[string]int{}
	for i := range w.Tasks {
		if t := &w.Tasks[i]; t.Scored && !t.EndedAt.IsZero() {
			counts[fmt.Sprintf("%s %g", t.EndedAt.In(location).Format(time.DateOnly), t.Score)]++
		}
	}
	out := map[string]string{}
	for key, n := range counts {
		out[key] = fmt.Sprint(n)
	}
	return out
}
