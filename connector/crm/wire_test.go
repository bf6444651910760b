package crm

import (
	"reflect"
	"testing"
)

func TestRowsOf(t *testing.T) {
	t.Parallel()
	one := []written{{ID: "a", Text: "x"}}
	for body, want := range map[string]struct {
		rows []written
		ok   bool
	}{
		`[{"id":"a","text":"x"}]`:            {one, true},
		`{"items":[{"id":"a","text":"x"}]}`:  {one, true},
		`[]`:                                 {[]written{}, true},
		`{"items":[]}`:                       {[]written{}, true},
		``:                                   {},
		`{}`:                                 {},
		`"x"`:                                {},
		`{"items":null}`:                     {},
		`{"code":"other","message":"maybe"}`: {},
	} {
		if rows, ok := rowsOf([]byte(body)); ok != want.ok || ok && !reflect.DeepEqual(rows, want.rows) {
			t.Errorf("%s: %v, %v", body, rows, ok)
		}
	}
}

func TestTypesOf(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`[{"id":"1","title":"Call"},{"id":"2","title":"Email"}]`, `{"items":[{"id":"1","title":"Call"}]}`, `{"id":"1","title":"Call"}`,
	} {
		if got := typesOf([]byte(body)); got["call"] != "1" {
			t.Errorf("%s: %v", body, got)
		}
	}
	if got := typesOf([]byte(`<html>`)); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{
		"Left after 5 s & gave 1 < 2", "<p>Left after 5 s &amp; gave 1 &lt; 2</p>", "<p>Left after 5&nbsp;s &amp; gave<br>1 &lt; 2</p>\n",
	} {
		if got := plain(kept); got != plain("Left after 5 s & gave 1 < 2") {
			t.Errorf("%q is %q", kept, got)
		}
	}
}
