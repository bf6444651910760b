package webhook

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Difference is a part of a signed request that Twilio wrote differently from how
// it was checked here.
type Difference string

// The differences.
const (
	DiffScheme   Difference = "scheme"
	DiffHost     Difference = "host"
	DiffPort     Difference = "port"
	DiffPrefix   Difference = "prefix" // a path that a proxy takes away
	DiffSlash    Difference = "slash"
	DiffEncoding Difference = "encoding"
	DiffToken    Difference = "token"
	DiffBodyHash Difference = "body_hash"
	DiffForm     Difference = "form"
)

// NamedToken is a key that may have signed, with the setting it comes from.
type NamedToken struct {
	Setting string
	Token   string
}

// Question is a signature that did not match, with everything that may have been
// different where it was made.
type Question struct {
	// Signature is the header's value.
	Signature string
	// PublicURL is the setting; URI the path and query as received.
	PublicURL, URI string
	// Method is the request's; Form its decoded body, nil if it is none. Body may be
	// nil where it is not known.
	Method string
	Form   url.Values
	Body   []byte
	// Schemes, Hosts (with or without port) and Prefixes are what else the URL may
	// have had: from the Host header, from a proxy's headers, from a pasted URL.
	Schemes, Hosts, Prefixes []string
	// Tokens are those that were checked; Suspects are others of the configuration
	// that may have been mixed up with them.
	Tokens, Suspects []NamedToken
}

// Diagnosis says how a signature would have matched.
type Diagnosis struct {
	// Found is false when nothing that was tried matches.
	Found bool
	// Differs is empty when the signature matches as it is checked.
	Differs []Difference
	// Setting is the token that signed, by its setting.
	Setting string
	// Advice says in whole sentences which setting to change, and to what. It repeats
	// of the request only scheme, host and path.
	Advice string
}

// Diagnose tries every way in which the request may have been signed and returns
// the one that differs least from how it is checked. It costs some thousand
// hashes of the URL and the form.
func Diagnose(q Question) Diagnosis {
	if q.Signature == "" {
		return Diagnosis{Advice: "The request carries no X-Twilio-Signature: it did not come from Twilio, or a proxy takes the header away."}
	}
	best := Diagnosis{}
	var found guess
	forms, tokens := q.forms(), q.tokens()
	for _, origin := range q.origins() {
		for _, uri := range q.uris() {
			for _, form := range forms {
				for _, token := range tokens {
					differs := slices.Concat(origin.differs, uri.differs, form.differs, token.differs)
					if best.Found && len(differs) >= len(best.Differs) {
						continue
					}
					made := sign(token.text, origin.text, uri.text, form.text)
					if subtle.ConstantTimeCompare([]byte(made), []byte(q.Signature)) == 1 {
						best = Diagnosis{Found: true, Differs: differs, Setting: token.setting}
						found = guess{origin.text, uri.text, token.setting}
					}
				}
			}
		}
	}
	best.Advice = best.advice(found)
	return best
}

// guess is what matched.
type guess struct{ base, uri, setting string }

// variant is one way of writing a part of what is signed.
type variant struct {
	text    string
	setting string
	differs []Difference
}

// variants is a list without repeats; of the same text the first stays.
type variants []variant

func (v *variants) add(text, setting string, differs ...Difference) {
	if slices.ContainsFunc(*v, func(o variant) bool { return o.text == text }) {
		return
	}
	*v = append(*v, variant{text, setting, differs})
}

// origins are the ways to write everything up to the path that arrives here.
func (q Question) origins() variants {
	var out variants
	bases, err := publicBases(q.PublicURL)
	if err != nil {
		bases = nil
	}
	for _, base := range bases {
		out.add(base, "")
	}
	public, err := url.Parse(q.PublicURL)
	if err != nil {
		public = &url.URL{}
	}
	prefix := strings.TrimRight(public.EscapedPath(), "/")
	for _, p := range append([]string{prefix, ""}, q.Prefixes...) {
		p = strings.TrimRight(p, "/")
		for _, host := range append([]string{public.Host}, q.Hosts...) {
			for _, scheme := range append([]string{public.Scheme, "https", "http"}, q.Schemes...) {
				if host == "" || scheme == "" {
					continue
				}
				for _, h := range portVariants(scheme, host) {
					out.add(scheme+"://"+h+p, "", differsFrom(public, prefix, scheme, h, p)...)
				}
			}
		}
	}
	return out
}

// portVariants are a host as given, without its port, and with the scheme's own.
func portVariants(scheme, host string) []string {
	u := url.URL{Host: host}
	bare := strings.TrimSuffix(host, ":"+u.Port())
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return []string{host, bare, bare + port}
}

func differsFrom(public *url.URL, publicPrefix, scheme, host, prefix string) []Difference {
	var out []Difference
	u := url.URL{Host: host}
	if scheme != public.Scheme {
		out = append(out, DiffScheme)
	}
	if !strings.EqualFold(u.Hostname(), public.Hostname()) {
		out = append(out, DiffHost)
	} else if host != public.Host && u.Port() != public.Port() {
		out = append(out, DiffPort)
	}
	if prefix != publicPrefix {
		out = append(out, DiffPrefix)
	}
	return out
}

// uris are the ways to write the path and query.
func (q Question) uris() variants {
	var out variants
	path, query, has := strings.Cut(q.URI, "?")
	for _, p := range pathVariants(path) {
		for _, s := range queryVariants(query, has) {
			out.add(p.text+s.text, "", slices.Concat(p.differs, s.differs)...)
		}
		if has && len(q.Body) > 0 && q.Form == nil {
			sum := sha256.Sum256(q.Body)
			out.add(p.text+"?"+withHash(query, hex.EncodeToString(sum[:])), "", append(slices.Clone(p.differs), DiffBodyHash)...)
		}
		if has && q.Form == nil {
			out.add(p.text+withQuestion(withHash(query, "")), "", append(slices.Clone(p.differs), DiffBodyHash)...)
		}
	}
	return out
}

func pathVariants(path string) variants {
	var out variants
	out.add(path, "")
	if strings.HasSuffix(path, "/") {
		out.add(strings.TrimRight(path, "/"), "", DiffSlash)
	} else {
		out.add(path+"/", "", DiffSlash)
	}
	if decoded, err := url.PathUnescape(path); err == nil {
		out.add(decoded, "", DiffEncoding)
		out.add((&url.URL{Path: decoded}).EscapedPath(), "", DiffEncoding)
	}
	return out
}

func queryVariants(query string, has bool) variants {
	var out variants
	if !has {
		out.add("", "")
		return out
	}
	out.add("?"+query, "")
	out.add("?"+strings.ReplaceAll(query, "+", "%20"), "", DiffEncoding)
	out.add("?"+strings.ReplaceAll(query, "%20", "+"), "", DiffEncoding)
	if decoded, err := url.QueryUnescape(query); err == nil {
		out.add("?"+decoded, "", DiffEncoding)
	}
	if values, err := url.ParseQuery(query); err == nil {
		out.add("?"+values.Encode(), "", DiffEncoding)
	}
	return out
}

// withHash puts a body hash in the place of a query's, or takes it out.
func withHash(query, hash string) string {
	var parts []string
	for _, part := range strings.Split(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != bodyHashField && part != "" {
			parts = append(parts, part)
		}
	}
	if hash != "" {
		parts = append(parts, bodyHashField+"="+hash)
	}
	return strings.Join(parts, "&")
}

func withQuestion(query string) string {
	if query == "" {
		return ""
	}
	return "?" + query
}

// forms are the ways in which a form's fields may have been read where they were
// signed or passed on.
func (q Question) forms() variants {
	var out variants
	if q.Form == nil || q.Method == "GET" {
		out.add("", "")
		return out
	}
	out.add(formText(q.Form), "")
	trimmed, first := url.Values{}, url.Values{}
	for name, values := range q.Form {
		first[name] = values[:1]
		for _, v := range values {
			trimmed.Add(strings.TrimSpace(name), strings.TrimSpace(v))
		}
	}
	out.add(formText(trimmed), "", DiffForm)
	out.add(formText(first), "", DiffForm)
	out.add("", "", DiffForm)
	return out
}

// tokens are the keys, as they are and without the space that was pasted along.
func (q Question) tokens() variants {
	var out variants
	for _, t := range q.Tokens {
		if t.Token != "" {
			out.add(t.Token, t.Setting)
		}
	}
	for _, t := range append(slices.Clone(q.Tokens), q.Suspects...) {
		for _, text := range []string{t.Token, strings.TrimSpace(t.Token), strings.ToLower(strings.TrimSpace(t.Token))} {
			if text != "" {
				out.add(text, t.Setting, DiffToken)
			}
		}
	}
	return out
}

// advice puts a diagnosis into sentences.
func (d Diagnosis) advice(g guess) string {
	switch {
	case !d.Found:
		return "Nothing that was tried matches: no URL with this host, scheme, port, path or encoding, and no key of this configuration. " +
			"Either the account's primary auth token is not configured (set auth_token, and auth_tokens while rotating; each subaccount signs with its own), " +
			"or the request is forged."
	case len(d.Differs) == 0:
		return "The signature matches as it is checked now."
	}
	var out []string
	say := func(text string, when ...Difference) {
		if slices.ContainsFunc(when, func(w Difference) bool { return slices.Contains(d.Differs, w) }) {
			out = append(out, text)
		}
	}
	path, _, _ := strings.Cut(g.uri, "?")
	say(fmt.Sprintf("Twilio signed for %s: set server.public_url to %q.", g.base, g.base), DiffScheme, DiffHost, DiffPort, DiffPrefix)
	say(fmt.Sprintf("The path at Twilio is %s: write it there as flexbrevo has it.", path), DiffSlash)
	say("A proxy rewrites the path or the query: let it pass them on as they came.", DiffEncoding)
	say(fmt.Sprintf("It was signed with the key of %s: put that key into this connector's auth_token, or the URL into the account that it belongs to.", g.setting), DiffToken)
	say("The body, or the hash in the URL, is not what was signed: let no proxy change bodies or add to the query, and give Twilio the URL without bodySHA256.", DiffBodyHash)
	say("A proxy changes the form (trimmed, repeated or missing fields): let it pass bodies on as they came.", DiffForm)
	return strings.Join(out, " ")
}

// adviceFor says what to do about a refusal for which nothing has to be tried; ""
// for other reasons.
func adviceFor(reason string) string {
	return cmp.Or(map[string]string{
		ErrNoPublicURL.Error():           "Set server.public_url to the address that Twilio was given, up to /webhooks or /c/.",
		ErrNoAuthToken.Error():           "Set auth_token of the connector: API keys cannot check signatures.",
		ErrSignatureMissing.Error():      "The request carries no X-Twilio-Signature: it did not come from Twilio, or a proxy takes the header away.",
		ErrBodyHashMissing.Error():       "Twilio signs JSON only by bodySHA256 in the URL: let no proxy take it away; senders other than Event Streams must add it.",
		ErrBodyHashWrong.Error():         "The signature holds, but the body is not the one that was signed: let no proxy change it (compression, character sets, pretty printing).",
		"proof missing":                  "The request carries no proof at all: it did not come from Twilio or the plugin, or a proxy takes X-Twilio-Signature or Authorization away.",
		"Flex user token refused":        "Twilio says that the agent's token is not valid. It must belong to the account of this connector; an hour after login an old one is normal, and the plugin tries again.",
		"no survey secret is configured": "Set server.survey_secret, and give the survey tool the same.",
		"survey secret does not match":   "Give the survey tool the secret of server.survey_secret.",
	}[reason])
}
