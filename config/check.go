package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"flexbrevo/mapping"
)

// check runs the checks of single values, which stand as tags beside the fields.
func (l *loader) check() {
	var failures validator.ValidationErrors
	if err := l.validator().Struct(l.root); !errors.As(err, &failures) {
		return
	}
	for _, failure := range failures {
		if inherited := strings.Contains(failure.StructNamespace(), "].Brevo."); inherited {
			if _, given := l.places[failure.StructNamespace()]; !given {
				continue // reported for the common account
			}
		}
		p := l.place(failure.StructNamespace())
		message, expected := explain(failure)
		if text, ok := failure.Value().(string); ok && text != "" && !p.hidden && failure.Tag() != "e164" && failure.Tag() != "email" {
			message = fmt.Sprintf("%q %s", text, message)
		} else {
			message = "the value " + message
		}
		if text, ok := failure.Value().(string); failure.Tag() == "required" || (ok && text == "") {
			message = "no value"
		}
		l.fail(p.at, message, expected)
	}
}

// explain puts a failed check into words: what the value is not, and what was expected.
func explain(failure validator.FieldError) (message, expected string) {
	parameter := failure.Param()
	switch failure.Tag() {
	case "oneof":
		choices := strings.Fields(parameter)
		if text, ok := failure.Value().(string); ok {
			if near := mapping.Nearest(text, choices); near != "" {
				return "is none of the choices", "is " + near + " meant?"
			}
		}
		return "is none of the choices", "expected one of " + strings.Join(choices, ", ")
	case "sid":
		return "is no SID of this kind", fmt.Sprintf("expected %s and 32 letters or digits", parameter)
	case "min":
		return "is too small", "expected at least " + parameter
	case "gt":
		return "is too small", "expected more than " + parameter
	case "max":
		return "is too large", "expected at most " + parameter
	}
	if e, ok := explanations[failure.Tag()]; ok {
		return e[0], e[1]
	}
	return "is wrong", "expected " + failure.Tag()
}

// explanations are for checks without a parameter; the map is never written.
var explanations = map[string][2]string{
	"required":         {"is missing", "expected a value"},
	"base_url":         {"is no address that may be used", "expected https://…, or http:// for this machine only"},
	"iso3166_1_alpha2": {"is no country", "expected two capital letters, such as FR"},
	"zone":             {"is no time zone", "expected a name such as Europe/Paris, or UTC"},
	"channel":          {"is no name of a channel", "expected one such as voice, sms, whatsapp, webchat, in lower case"},
	"email":            {"is no email address", "expected one such as operations@example.com"},
	"e164":             {"is no phone number", "expected + and the digits with country code, such as +33612345678"},
	"listen":           {"is no address to listen on", "expected host:port, or :port for every address"},
	"store_url":        {"is no database", "expected sqlite://file.db or postgres://user@host/database"},
	"connector_name":   {"is no name for a connector", "expected letters, digits, _ and -, at most 64"},
	"redact_path":      {"is no path", "expected keys joined by dots, such as attributes.notes"},
	"link":             {"is no link", "expected https://… with {task_sid} or {conversation_sid} in it, and nothing else in braces"},
	"object_type":      {"is no name of a type of custom object", "expected lower-case letters, digits and _, at most 32"},
	"kinesis_stream":   {"is no name of a Kinesis stream", "expected letters, digits, _, - and ., at most 128"},
	"aws_region":       {"is no AWS region", "expected one such as eu-west-1"},
	"arn":              {"is no Amazon resource name", "expected one such as arn:aws:kinesis:eu-west-1:123456789012:stream/twilio-events"},
	"schedule":         {"is no schedule", "expected a cron spec such as */5 * * * *, or @every 15s"},
}

func (l *loader) validator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("yaml") })
	v.RegisterCustomTypeFunc(func(field reflect.Value) any { return field.Interface().(Secret).Reveal() }, Secret{})
	for tag, holds := range map[string]func(text, parameter string) bool{
		"sid":            isSID,
		"base_url":       func(text, _ string) bool { return isBaseURL(text) },
		"zone":           func(text, _ string) bool { return isZone(text) },
		"channel":        func(text, _ string) bool { return channelPattern.MatchString(text) },
		"listen":         func(text, _ string) bool { return isListenAddress(text) },
		"store_url":      func(text, _ string) bool { return isStoreURL(text) },
		"connector_name": func(text, _ string) bool { return connectorPattern.MatchString(text) },
		"object_type":    func(text, _ string) bool { return objectTypePattern.MatchString(text) },
		"link":           func(text, _ string) bool { return isLink(text) },
		"redact_path":    func(text, _ string) bool { return redactPattern.MatchString(text) },
		"kinesis_stream": func(text, _ string) bool { return streamPattern.MatchString(text) },
		"aws_region":     func(text, _ string) bool { return regionPattern.MatchString(text) },
		"arn":            func(text, _ string) bool { return arnPattern.MatchString(text) },
		"schedule": func(text, _ string) bool {
			return l.options.ScheduleCheck == nil || l.options.ScheduleCheck(text) == nil
		},
	} {
		// The tags are our own constants: an error here is a programmer's mistake.
		if err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool {
			return holds(f.Field().String(), f.Param())
		}); err != nil {
			panic(err)
		}
	}
	return v
}

var (
	sidPattern       = regexp.MustCompile(`^[A-Z]{2}[0-9A-Za-z]{32}$`)
	channelPattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	connectorPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	redactPattern    = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

func isSID(text, prefix string) bool {
	return sidPattern.MatchString(text) && strings.HasPrefix(text, prefix)
}

// isBaseURL accepts plain http only where nothing leaves the machine.
func isBaseURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && isLoopback(u.Hostname()))
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isZone refuses "" and "Local", which mean something else on every machine.
func isZone(text string) bool {
	_, err := time.LoadLocation(text)
	return err == nil && text != "" && text != "Local"
}

// isLink wants a place for at least one SID, and no other place.
func isLink(text string) bool {
	filled := strings.NewReplacer("{task_sid}", "WT", "{conversation_sid}", "CH").Replace(text)
	u, err := url.Parse(filled)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && filled != text && !strings.ContainsAny(filled, "{} ")
}

func isListenAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(number, 10) == port
}

func isStoreURL(text string) bool {
	if path, ok := strings.CutPrefix(text, "sqlite://"); ok {
		return path != "" && !strings.ContainsAny(path, "?#")
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Hostname() != ""
}

// crossCheck looks at values together.
func (l *loader) crossCheck() {
	l.locateFiles()
	l.checkAuthority()
	l.checkServer()
	l.checkForget()
	enabled := 0
	for i, c := range l.root.Connectors {
		if c.Enabled {
			enabled++
			l.checkConnector(fmt.Sprintf("Config.Connectors[%d]", i), c)
		}
	}
	if enabled == 0 && len(l.root.Connectors) > 0 {
		l.warn(l.place("Config.Connectors").at, "no connector is enabled", "nothing will be read")
	}
	l.checkSharedTargets()
	l.checkPublishedTwice()
}

func (l *loader) locateFiles() {
	if path, ok := strings.CutPrefix(l.root.Store.URL.Reveal(), "sqlite://"); ok {
		l.root.Store.SQLitePath = besides(l.file, filepath.FromSlash(path))
	}
	for _, path := range []*string{&l.root.TLS.CAFile, &l.root.Secrets.File} {
		if *path != "" {
			*path = besides(l.file, *path)
		}
	}
}

func (l *loader) checkServer() {
	server := l.root.Server
	host, _, err := net.SplitHostPort(server.AdminListen)
	if err == nil && !isLoopback(host) && !server.ConsolePassword.IsSet() {
		l.fail(l.place("Config.Server.ConsolePassword").at,
			"the console listens beyond this machine without a password",
			"set console_password, or listen on 127.0.0.1")
	}
}

func (l *loader) checkConnector(namespace string, c *Connector) {
	if c.AccountSID == "" {
		l.fail(l.place(namespace+".AccountSID").at, "no value", "expected the Twilio account, here or as TWILIO_ACCOUNT_SID")
	}
	l.checkTwilioCredentials(namespace, c)
	l.checkBrevoCredentials(namespace, c)
	l.checkSyncObjects(namespace, c)
	l.checkSyncPublish(namespace, c)
	l.checkChannels(namespace, c)
	l.checkCustomObjects(namespace, c)
	l.checkEventStreams(namespace+".EventStreams", c.EventStreams)
	if c.OperationsContact != "" && !c.Sync.AgentActivity && !c.Sync.QueueAnalytics {
		l.warn(l.place(namespace+".OperationsContact").at, "no figures are kept that it could be told",
			"switch on sync.agent_activity or sync.queue_analytics")
	}
	if len(c.FieldMapping) == 0 && len(c.EventMapping) == 0 {
		l.warn(l.place(namespace).at, "neither field_mapping nor event_mapping", "only identifiers and lists will reach Brevo")
	}
}

func (l *loader) checkTwilioCredentials(namespace string, c *Connector) {
	token := l.place(namespace + ".AuthToken").at
	switch {
	case c.APIKeySID != "" && !c.APIKey.IsSet():
		l.fail(l.place(namespace+".APIKey").at, "an API key without its secret", "expected api_key_secret as well")
	case c.APIKeySID == "" && c.APIKey.IsSet():
		l.fail(l.place(namespace+".APIKeySID").at, "the secret of an API key without its SID", "expected api_key_sid as well")
	case !c.hasCredentials():
		l.fail(token, "no credentials for Twilio",
			"expected auth_token, or api_key_sid and api_key_secret, here or as TWILIO_AUTH_TOKEN")
	case len(c.SigningTokens()) == 0:
		l.warn(token, "webhooks cannot be verified without an auth token", "set auth_token as well")
	}
}

// checkBrevoCredentials blames the common block unless the connector has credentials of its own.
func (l *loader) checkBrevoCredentials(namespace string, c *Connector) {
	within := namespace + ".Brevo"
	if common := l.root.Brevo; c.Brevo.APIKey == common.APIKey && c.Brevo.OAuth == common.OAuth {
		within = "Config.Brevo"
	}
	b := c.Brevo
	switch {
	case b.APIKey.IsSet() && b.OAuth != (OAuth{}):
		l.fail(l.place(within+".OAuth").at, "both an API key and an OAuth client for Brevo", "expected one of the two")
	case (b.OAuth.ClientID != "") != b.OAuth.ClientSecret.IsSet():
		l.fail(l.place(within+".OAuth").at, "half an OAuth client", "expected client_id and client_secret")
	case !b.hasCredentials():
		l.fail(l.place(within+".APIKey").at, "no credentials for Brevo", "expected api_key or oauth, here or as BREVO_API_KEY")
	}
}

func (l *loader) checkSyncObjects(namespace string, c *Connector) {
	for i, object := range c.SyncObjects {
		named := 0
		for _, name := range []string{object.Map, object.List, object.Document} {
			if name != "" {
				named++
			}
		}
		if named != 1 {
			l.fail(l.place(fmt.Sprintf("%s.SyncObjects[%d]", namespace, i)).at,
				"not one Sync object", "expected exactly one of map, list, document")
		}
	}
}

func (l *loader) checkChannels(namespace string, c *Connector) {
	for i, channel := range c.Channels {
		c.Channels[i] = canonicalChannel(channel)
		p := l.place(fmt.Sprintf("%s.Channels[%d]", namespace, i))
		near := mapping.Nearest(c.Channels[i], knownChannels())
		if near != "" && near != c.Channels[i] && !p.hidden {
			l.warn(p.at, fmt.Sprintf("%q is a channel of your own", channel), "if "+near+" is meant, write that")
		}
	}
}

func knownChannels() []string {
	return []string{"voice", "sms", "whatsapp", "webchat", "messenger", "email", "video"}
}

// canonicalChannel gives the name that records carry (design section 3.2).
func canonicalChannel(name string) string {
	switch name {
	case "web", "chat":
		return "webchat"
	}
	return name
}

// checkSharedTargets finds attributes of one Brevo account that two connectors write: without a word on which value
// counts, they would overwrite each other for ever.
func (l *loader) checkSharedTargets() {
	type attribute struct{ account, name string }
	type writer struct{ connector, line int }
	first := map[attribute]writer{}
	for i, c := range l.root.Connectors {
		if !c.Enabled {
			continue
		}
		for j, rule := range c.FieldMapping {
			key := attribute{c.Brevo.account(), strings.ToUpper(rule.To)}
			if isIdentifierTarget(key.name) || rule.Shared != "" {
				continue
			}
			at := l.place(fmt.Sprintf("Config.Connectors[%d].FieldMapping[%d]", i, j)).at
			other, taken := first[key]
			if !taken {
				first[key] = writer{i, at.Line}
			} else if other.connector != i {
				l.fail(at, fmt.Sprintf("%s is written by connector %s too, on line %d", rule.To, l.root.Connectors[other.connector].Name, other.line),
					"expected another attribute, or shared: newest in both rules")
			}
		}
	}
}

func isIdentifierTarget(upper string) bool {
	return mapping.IsIdentifier(upper) || mapping.IsIdentifier(strings.ToLower(upper))
}

// account tells accounts apart as far as the configuration can.
func (b *Brevo) account() string {
	return strings.Join([]string{strings.TrimRight(b.BaseURL, "/"), b.APIKey.Reveal(), b.OAuth.ClientID}, "\n")
}
