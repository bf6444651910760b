package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flexbrevo/connector/failure"
	"flexbrevo/connector/simulator/twiliosim"
	"flexbrevo/connector/simulator/world"
)

// checkerWith asks a network of one function, at a moment that a test moves.
func checkerWith(network roundTrip, now *time.Time, change func(*Connector, *Limits)) *tokenChecker {
	c := Connector{AccountSID: accountSID, AuthTokens: func() []string { return []string{authToken} }, Transport: network}
	l := Limits{}
	if change != nil {
		change(&c, &l)
	}
	return newTokenChecker(c, l.withDefaults(), func() time.Time { return *now })
}

func valid(expires time.Time) string {
	return fmt.Sprintf(`{"valid":true,"code":0,"expiration":%q,"identity":"zoe_40example_2Ecom","roles":["agent"],"worker_sid":%q}`,
		expires.UTC().Format("2006-01-02T15:04:05.000Z"), workerSID)
}

func TestTokenCheckAsksTwilio(t *testing.T) {
	now := arrived
	var got *http.Request
	var body map[string]string
	c := checkerWith(func(r *http.Request) (*http.Response, error) {
		got = r
		return answerWith(http.StatusOK, valid(now.Add(time.Hour))), json.NewDecoder(r.Body).Decode(&body)
	}, &now, nil)
	token, err := c.Validate(t.Context(), goodToken)
	if err != nil || token.WorkerSID != workerSID || !token.MayPost() || !token.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v, %v", token, err)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != http.MethodPost || got.URL.String() != "https://iam.twilio.com/v1/Accounts/"+accountSID+"/Tokens/validate" ||
		user != accountSID || password != authToken || got.Header.Get("Content-Type") != jsonType || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("asked %s %s %v", got.Method, got.URL, got.Header)
	}
	if len(body) != 1 || body["token"] != goodToken {
		t.Errorf("sent %v", body)
	}
}

func TestTokenAnswersAreRemembered(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int
		life         time.Duration // how long the answer holds; 0 means not at all
		want         error
	}{
		{"good for an hour", valid(arrived.Add(time.Hour)), http.StatusOK, 5 * time.Minute, nil},
		{"good for a minute", valid(arrived.Add(time.Minute)), http.StatusOK, time.Minute, nil},
		{"good without an end", `{"valid":true,"roles":["agent"]}`, http.StatusOK, 5 * time.Minute, nil},
		{"good whatever the status", valid(arrived.Add(time.Hour)), http.StatusForbidden, 5 * time.Minute, nil},
		{"over", valid(arrived), http.StatusOK, time.Minute, ErrTokenRefused},
		{"not valid", `{"valid":false,"code":20101,"message":"Invalid Access Token"}`, http.StatusForbidden, time.Minute, ErrTokenRefused},
		{"not a token", `{"code":20001,"message":"?"}`, http.StatusBadRequest, time.Minute, ErrTokenRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, calls := arrived, 0
			checker := checkerWith(func(*http.Request) (*http.Response, error) {
				calls++
				return answerWith(c.status, c.answer), nil
			}, &now, nil)
			ask := func(want int) {
				t.Helper()
				if _, err := checker.Validate(t.Context(), goodToken); !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if calls != want {
					t.Errorf("%d calls, want %d", calls, want)
				}
			}
			ask(1)
			now = arrived.Add(c.life - time.Millisecond)
			ask(1)
			if _, err := checker.Validate(t.Context(), "another"); !errors.Is(err, c.want) || calls != 2 {
				t.Errorf("another token: %v after %d calls", err, calls)
			}
			if c.want == nil && c.life < tokenLife {
				return // the same answer would be out of date now
			}
			now = arrived.Add(c.life)
			ask(3)
		})
	}
}

func TestTokenCheckFailures(t *testing.T) {
	for name, c := range map[string]struct {
		network roundTrip
		reason  failure.Reason
	}{
		"our credential":     {func(*http.Request) (*http.Response, error) { return answerWith(401, `{"code":20003}`), nil }, failure.Unauthorized},
		"rate":               {func(*http.Request) (*http.Response, error) { return answerWith(429, `{"code":20429}`), nil }, failure.RateLimited},
		"a fault there":      {func(*http.Request) (*http.Response, error) { return answerWith(502, `<html>`), nil }, failure.Transient},
		"another page":       {func(*http.Request) (*http.Response, error) { return answerWith(200, `<html>`), nil }, failure.Transient},
		"valid as text":      {func(*http.Request) (*http.Response, error) { return answerWith(200, `{"valid":"true"}`), nil }, failure.Transient},
		"no word of valid":   {func(*http.Request) (*http.Response, error) { return answerWith(200, `{}`), nil }, failure.Transient},
		"no such address":    {func(*http.Request) (*http.Response, error) { return answerWith(404, `{"code":20404}`), nil }, failure.Transient},
		"sent elsewhere":     {func(*http.Request) (*http.Response, error) { return answerWith(302, ``), nil }, failure.Transient},
		"no network":         {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, failure.Transient},
		"cut short":          {func(*http.Request) (*http.Response, error) { return cut(), nil }, failure.Transient},
		"a page without end": {func(*http.Request) (*http.Response, error) { return answerWith(200, strings.Repeat(" ", 1<<20)), nil }, failure.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			now, calls := arrived, 0
			checker := checkerWith(func(r *http.Request) (*http.Response, error) { calls++; return c.network(r) }, &now, nil)
			for range 2 { // nothing is remembered of an answer that says nothing
				_, err := checker.Validate(t.Context(), goodToken)
				if failure.ReasonOf(err) != c.reason || errors.Is(err, ErrTokenRefused) {
					t.Errorf("got %v, want %s", err, c.reason)
				}
				for _, private := range []string{goodToken, authToken, accountSID} {
					if strings.Contains(err.Error(), private) {
						t.Errorf("the error tells %s: %v", private, err)
					}
				}
			}
			if calls != 2 {
				t.Errorf("%d calls, want 2", calls)
			}
		})
	}
}

// cut is an answer whose body breaks off.
func cut() *http.Response {
	r := answerWith(200, "")
	r.Body = http.MaxBytesReader(nil, answerWith(200, valid(arrived)).Body, 10)
	return r
}

func TestTokenCheckTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		checker := checkerWith(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, &now, nil)
		start := time.Now()
		_, err := checker.Validate(t.Context(), goodToken)
		if took := time.Since(start); took != 3*time.Second || !errors.Is(err, errCheckTimeout) {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// While rotating, the token that is not the primary is refused by Twilio.
func TestTokenCheckWhileRotating(t *testing.T) {
	now := arrived
	checker := checkerWith(func(r *http.Request) (*http.Response, error) {
		if _, password, _ := r.BasicAuth(); password != authToken {
			return answerWith(http.StatusUnauthorized, `{"code":20003}`), nil
		}
		return answerWith(http.StatusOK, valid(now.Add(time.Hour))), nil
	}, &now, func(c *Connector, _ *Limits) {
		c.AuthTokens = func() []string { return []string{"", "tocome", authToken} }
	})
	if _, err := checker.Validate(t.Context(), goodToken); err != nil {
		t.Error(err)
	}
}

func TestTokenCheckWithoutCredential(t *testing.T) {
	now := arrived
	checker := checkerWith(nil, &now, func(c *Connector, _ *Limits) { c.AuthTokens = func() []string { return []string{""} } })
	if _, err := checker.Validate(t.Context(), goodToken); !errors.Is(err, ErrNoAuthToken) {
		t.Errorf("got %v", err)
	}
}

func TestTokensThatNeedNoQuestion(t *testing.T) {
	now := arrived
	checker := checkerWith(func(*http.Request) (*http.Response, error) {
		t.Error("Twilio was asked")
		return nil, errors.ErrUnsupported
	}, &now, nil)
	for _, token := range []string{"", strings.Repeat("x", maxTokenBytes+1)} {
		if _, err := checker.Validate(t.Context(), token); !errors.Is(err, ErrTokenRefused) {
			t.Errorf("got %v", err)
		}
	}
}

// Many that ask about one token at once make one question, which goes on when
// the first of them leaves.
func TestOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, calls := time.Now(), atomic.Int32{}
		answer := make(chan struct{})
		checker := checkerWith(func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			select {
			case <-answer:
				return answerWith(http.StatusOK, valid(now.Add(time.Hour))), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}, &now, nil)
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = first
				}
				if _, err := checker.Validate(ctx, goodToken); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(answer)
		all.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d questions, want 1", n)
		}
	})
}

// Garbage that is never the same twice is bounded by the second.
func TestTokenChecksAreBounded(t *testing.T) {
	now, calls := arrived, 0
	checker := checkerWith(func(*http.Request) (*http.Response, error) {
		calls++
		return answerWith(http.StatusForbidden, `{"valid":false}`), nil
	}, &now, func(_ *Connector, l *Limits) { l.ChecksPerSecond = 5 })
	flood := func() {
		for i := range 1000 {
			_, err := checker.Validate(t.Context(), fmt.Sprint(now, i))
			if !errors.Is(err, ErrTokenRefused) && failure.ReasonOf(err) != failure.RateLimited {
				t.Fatal(err)
			}
		}
	}
	flood()
	if calls != 10 {
		t.Errorf("%d calls at first, want twice the rate", calls)
	}
	now = now.Add(time.Second)
	flood()
	if calls != 15 {
		t.Errorf("%d calls a second later, want 5 more", calls)
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	c := newTokenCache(3)
	digest := func(i int) tokenDigest { return sha256.Sum256([]byte{byte(i)}) }
	for i := range 10 {
		c.save(digest(i), Token{}, arrived.Add(time.Minute))
		c.save(digest(i), Token{WorkerSID: workerSID}, arrived.Add(time.Minute)) // again: no second place
	}
	for i := range 10 {
		token, ok := c.load(digest(i), arrived)
		if ok != (i >= 7) || ok && token.WorkerSID != workerSID {
			t.Errorf("token %d: %v %v", i, token, ok)
		}
	}
	if len(c.held) != 3 || len(c.order) != 3 {
		t.Errorf("%d held, %d in order", len(c.held), len(c.order))
	}
}

// The whole way, with the simulated Twilio in Twilio's place.
func TestFlexPostAgainstSimulatedTwilio(t *testing.T) {
	w := world.New(world.Options{Contacts: 1})
	sim := twiliosim.New(twiliosim.Options{World: w})
	server := httptest.NewServer(sim)
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	f := newFixture(t, func(o *Options, c *Connector) {
		c.AccountSID, c.BaseURL, c.Transport, c.Validate = w.AccountSID, server.URL+"/", transport, nil
		c.AuthTokens = func() []string { return []string{w.AuthToken} }
		o.Clock = time.Now
	})
	body := `{"TaskSid":"` + taskSID + `","workerSid":"` + workerSID + `"}`
	f.refused(t, bearerJSON(flexPath, body, "garbage"), http.StatusForbidden, "")
	f.refused(t, bearerJSON(flexPath, body, sim.IssueToken("WK00000000000000000000000000000009")), http.StatusForbidden, "")
	f.refused(t, bearerJSON(flexPath, body, sim.IssueToken(workerSID, "viewer")), http.StatusForbidden, "")
	f.one(t, bearerJSON(flexPath, body, sim.IssueToken(workerSID, "supervisor")))
}
