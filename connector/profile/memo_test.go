package profile_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"flexbrevo/connector/fact"
	"flexbrevo/connector/profile"
)

func TestMemoChangesNothing(t *testing.T) {
	memo := &profile.Memo{}
	for round := range 2 { // the second is answered from memory
		for n := range 5000 { // more than it remembers
			for _, text := range [...]string{fmt.Sprintf("+336%08d", n), fmt.Sprintf("06 %08d", n), "junk", "anonymous", ""} {
				f := &fact.Fact{Kind: fact.Task, SID: "WT1"}
				f.SetAttributes(map[string]any{"phone": text}, time.UnixMilli(1))
				for _, region := range [...]string{"FR", "US"} {
					want := profile.Identifiers(f, &profile.Options{Region: region})
					if got := profile.Identifiers(f, &profile.Options{Region: region, Memo: memo}); !reflect.DeepEqual(got, want) {
						t.Fatalf("round %d: %q in %s gives %v, without memory %v", round, text, region, got, want)
					}
				}
			}
			if round == 1 && n > 50 {
				break
			}
		}
	}
}
