package twiliosim

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// SignatureHeader carries the proof that a request comes from Twilio.
const SignatureHeader = "X-Twilio-Signature"

// SignForm returns the signature of a form post to an address, exactly as it is configured at Twilio, by
// the account's token; facts/twilio.md 7.1. With a nil form it is that of a GET.
func SignForm(authToken, address string, form url.Values) string {
	text := []byte(address)
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range form[name] {
			text = append(append(text, name...), value...)
		}
	}
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write(text)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// SignJSON returns the address to post a JSON body to, which is that given with the body's hash as the
// parameter bodySHA256, and the signature of it; facts/twilio.md 7.1.
func SignJSON(authToken, address string, body []byte) (signedAddress, signature string) {
	hash := sha256.Sum256(body)
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	signedAddress = address + separator + "bodySHA256=" + hex.EncodeToString(hash[:])
	return signedAddress, SignForm(authToken, signedAddress, nil)
}

// SignForm signs a form post with the token of the server's account.
func (s *Server) SignForm(address string, form url.Values) string {
	return SignForm(s.world.AuthToken, address, form)
}

// SignJSON signs a JSON post with the token of the server's account.
func (s *Server) SignJSON(address string, body []byte) (signedAddress, signature string) {
	return SignJSON(s.world.AuthToken, address, body)
}
