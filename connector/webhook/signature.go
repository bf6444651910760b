package webhook

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	signatureHeader = "X-Twilio-Signature"
	bodyHashField   = "bodySHA256"
)

// Why a signature does not hold. The texts go to the operator, never to the
// sender.
var (
	ErrNoPublicURL      = errors.New("server.public_url is not set")
	ErrNoAuthToken      = errors.New("no auth token is configured")
	ErrSignatureMissing = errors.New("signature missing")
	ErrSignatureWrong   = errors.New("signature does not match")
	ErrBodyHashMissing  = errors.New("bodySHA256 missing")
	ErrBodyHashWrong    = errors.New("bodySHA256 does not match the body")
)

// Signed is what a signature may cover.
type Signed struct {
	Method string
	// URI is the path and query exactly as received.
	URI    string
	Header http.Header
	// Body is the body's bytes.
	Body []byte
	// Form is the decoded body of a form; nil for any other body.
	Form url.Values
}

// Verifier says whether a request was signed by whom it should be. An error's
// text is shown to the operator and must be constant.
type Verifier interface {
	Verify(Signed) error
}

// TwilioSignature checks X-Twilio-Signature as facts/twilio.md 7.1 describes it.
type TwilioSignature struct {
	bases  []string
	tokens func() []string
}

var _ Verifier = (*TwilioSignature)(nil)

// NewTwilioSignature returns a verifier for requests to publicURL that any one
// of the tokens may have signed. The tokens are asked for at every request.
func NewTwilioSignature(publicURL string, tokens func() []string) (*TwilioSignature, error) {
	bases, err := publicBases(publicURL)
	if err != nil {
		return nil, err
	}
	return &TwilioSignature{bases: bases, tokens: tokens}, nil
}

// Verify checks the signature, and the hash of a body that is not a form, which
// the signature covers only through the URL.
func (v *TwilioSignature) Verify(r Signed) error {
	given := r.Header.Get(signatureHeader)
	switch {
	case given == "":
		return ErrSignatureMissing
	case len(v.bases) == 0:
		return ErrNoPublicURL
	}
	if err := v.match(given, r.URI, appendedTo(r)); err != nil {
		return err
	}
	if r.Form == nil && r.Method != http.MethodGet {
		return checkBodyHash(r)
	}
	return nil
}

// match tries every token with every way of writing the URL.
func (v *TwilioSignature) match(given, uri, appended string) error {
	usable := false
	for _, token := range v.tokens() {
		if token == "" {
			// Anybody can sign with the empty key.
			continue
		}
		usable = true
		for _, base := range v.bases {
			if subtle.ConstantTimeCompare([]byte(sign(token, base, uri, appended)), []byte(given)) == 1 {
				return nil
			}
		}
	}
	if !usable {
		return ErrNoAuthToken
	}
	return ErrSignatureWrong
}

// checkBodyHash requires the hash in the URL: without it a signature says
// nothing of the body, and one signature would do for any.
func checkBodyHash(r Signed) error {
	_, query, _ := strings.Cut(r.URI, "?")
	values, err := url.ParseQuery(query)
	if err != nil || len(values[bodyHashField]) != 1 {
		return ErrBodyHashMissing
	}
	sum := sha256.Sum256(r.Body)
	if subtle.ConstantTimeCompare([]byte(values.Get(bodyHashField)), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return ErrBodyHashWrong
	}
	return nil
}

// appendedTo is what the signature covers after the URL: a form's fields by
// name, each with its decoded value; nothing for GET and JSON.
//
// Every value of a repeated field is covered, unlike in twilio-go, which looks at
// the first only: somebody who saw a signed form could else append values to it.
func appendedTo(r Signed) string {
	if r.Form == nil || r.Method == http.MethodGet {
		return ""
	}
	return formText(r.Form)
}

func formText(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		for _, value := range form[name] {
			b.WriteString(name)
			b.WriteString(value)
		}
	}
	return b.String()
}

// Sign returns the X-Twilio-Signature of a request to a complete URL. The form is
// nil for GET and for JSON, whose URL then carries bodySHA256.
func Sign(token, completeURL string, form url.Values) string {
	return sign(token, completeURL, "", formText(form))
}

func sign(token, base, uri, appended string) string {
	mac := hmac.New(sha1.New, []byte(token))
	for _, s := range []string{base, uri, appended} {
		_, _ = io.WriteString(mac, s)
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// publicBases returns the ways in which Twilio may have written the public URL
// when it signed: as configured, and with and without the port, because it is
// inconsistent there (facts/twilio.md 7.2). An empty URL has none.
func publicBases(publicURL string) ([]string, error) {
	if publicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return nil, errors.New("expected https://HOST")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("expected neither user, query nor fragment")
	}
	port := ":443"
	if u.Scheme == "http" {
		port = ":80"
	}
	bare := strings.TrimSuffix(u.Host, ":"+u.Port())
	bases := []string{strings.TrimRight(publicURL, "/")}
	for _, host := range []string{bare, bare + port} {
		if u.Port() != "" && host != bare {
			continue // the port as written is among them already
		}
		base := u.Scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/")
		if !slices.Contains(bases, base) {
			bases = append(bases, base)
		}
	}
	return bases, nil
}
