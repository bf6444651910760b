package storetest

import (
	"reflect"
	"time"

	"flexbrevo/connector/store"
)

var answerTests = map[string]func(*fixture){
	"the last answer to each question is kept, by account": func(f *fixture) {
		save := func(account string, answers ...store.Answer) {
			f.must(f.s.SaveAnswers(f.ctx, account, answers))
		}
		at := func(question, answer string, at time.Time) store.Answer {
			return store.Answer{Question: question, Answer: answer, SeenAt: at}
		}
		save(account, at("b", "two", noon), at("a", "one", noon))
		save("other", at("a", "otherwise", noon))
		save(account)
		save(account, at("b", "three", noon.Add(time.Hour)))
		got, err := f.s.LoadAnswers(f.ctx, account)
		f.must(err)
		if want := []store.Answer{at("a", "one", noon), at("b", "three", noon.Add(time.Hour))}; !reflect.DeepEqual(got, want) {
			f.Errorf("got %+v, want %+v", got, want)
		}
		if none, err := f.s.LoadAnswers(f.ctx, "nobody's"); err != nil || len(none) != 0 {
			f.Errorf("of no account: %+v, %v", none, err)
		}
	},
}
