package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/config/secretfile"
	"flexbrevo/connector"
	"flexbrevo/connector/failure"
)

//go:embed init.yaml
var initTemplate string

// question is one thing that init has to know.
type question struct {
	name   string // of the variable, in the environment and on standard input
	flag   string
	text   string
	secret bool
	// preset answers where nobody does; "" with required false means it may stay empty.
	preset   string
	required bool
}

// questions in the order in which a person is asked.
var questions = [...]question{
	{name: "TWILIO_ACCOUNT_SID", flag: "account-sid", text: "Twilio account SID (AC…)", required: true},
	{name: "TWILIO_AUTH_TOKEN", flag: "auth-token", text: "Twilio auth token (empty with an API key)", secret: true},
	{name: "TWILIO_API_KEY_SID", flag: "api-key-sid", text: "Twilio API key SID (SK…, empty: the auth token is used)"},
	{name: "TWILIO_API_KEY_SECRET", flag: "api-key-secret", text: "Secret of the API key", secret: true},
	{name: "TWILIO_FLEX_FLOW_SID", flag: "flex-flow-sid", text: "Flex flow SID (FO…, may stay empty)"},
	{name: "BREVO_API_KEY", flag: "brevo-api-key", text: "Brevo API key", secret: true, required: true},
	{name: "REGION", flag: "region", text: "Country of phone numbers written without a country code, such as FR (may stay empty)"},
	{name: "TIMEZONE", flag: "timezone", text: "Time zone of dates and days, such as Europe/Paris", preset: "UTC"},
	{name: "CREATE", flag: "create", preset: config.CreateAll, text: "May contacts be made that Brevo does not have yet?\n" +
		"  A caller has not opted in, and a contact made without flags can be mailed.\n" +
		"  all: every customer with an address; existing_only: only those Brevo already has"},
}

// initial is one init on its way.
type initial struct {
	c       *cli
	flags   map[string]*string // by name of the question
	answers map[string]string
	reader  *bufio.Reader
	// terminal is set when a person can be asked.
	terminal *os.File

	twilioURL, brevoURL string
	keyFrom             string
	// keyKept says that the forget key is with the credentials.
	keyKept bool
	found   connector.Discovered
}

func (c *cli) initCommand() *cobra.Command {
	i := &initial{c: c, flags: map[string]*string{}, answers: map[string]string{}}
	names := []string{}
	for _, q := range questions {
		names = append(names, q.name)
	}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Ask for the credentials, look around, write connector.yaml",
		Long: "Takes what it needs from the environment, then from a prompt; without a terminal, from lines\n" +
			"NAME=VALUE on standard input. The names: " + strings.Join(names[:5], ", ") + ",\n" + strings.Join(names[5:], ", ") + ".\n" +
			"Both sides are asked before anything is written. The configuration is never written over an\n" +
			"existing one; credentials are kept encrypted beside it, see `flexbrevo secrets --help`.\n\n" + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return i.run(cmd.Context()) },
	}
	for _, q := range questions {
		text := strings.TrimSpace(strings.SplitN(q.text, "\n", 2)[0])
		if q.secret {
			text += "; shows in process lists, better leave it out"
		}
		i.flags[q.name] = cmd.Flags().String(q.flag, "", text)
	}
	cmd.Flags().StringVar(&i.twilioURL, "twilio-url", "", "where a stand-in for Twilio listens")
	cmd.Flags().StringVar(&i.brevoURL, "brevo-url", "", "where a stand-in for Brevo listens")
	cmd.Flags().StringVar(&i.keyFrom, "key-from", "", "where the key of the credentials is kept: file (default) or env")
	return cmd
}

func (i *initial) run(ctx context.Context) error {
	if _, err := os.Lstat(i.c.file); err == nil {
		return fmt.Errorf("%s exists, and init never writes over one; --config names another", i.c.file)
	}
	box, err := i.box()
	if err != nil {
		return err
	}
	i.reader = bufio.NewReader(i.c.in)
	i.terminal = i.c.asked()
	if err := i.gather(ctx); err != nil {
		return err
	}
	if err := i.prove(ctx); err != nil {
		return err
	}
	return i.write(box)
}

// box is the encrypted file beside the configuration; its key comes from the
// environment where one is there.
func (i *initial) box() (secretfile.Box, error) {
	if key, ok := i.c.env(secretfile.KeyVariable); i.keyFrom == "" && ok && key != "" {
		i.keyFrom = secretfile.FromEnv
	}
	switch i.keyFrom {
	case "":
		i.keyFrom = secretfile.FromFile
	case secretfile.FromFile, secretfile.FromEnv:
	default:
		return secretfile.Box{}, usage(fmt.Errorf("--key-from %s: expected file or env", i.keyFrom))
	}
	return secretfile.Box{Path: filepath.Join(filepath.Dir(i.c.file), "secrets.age"), KeyFrom: i.keyFrom, Env: i.c.env}, nil
}

// gather takes answers from flags, then the environment, then standard input.
func (i *initial) gather(ctx context.Context) error {
	for _, q := range questions {
		if value := strings.TrimSpace(*i.flags[q.name]); value != "" {
			if q.secret {
				fmt.Fprintf(i.c.err, "warning: --%s shows in process lists and in the shell's history; give it at the prompt, on standard input or as %s instead\n", q.flag, q.name)
			}
			i.answers[q.name] = value
		} else if value, ok := i.c.env(q.name); ok {
			i.answers[q.name] = strings.TrimSpace(value)
		}
	}
	if i.terminal != nil {
		return i.askAll(ctx)
	}
	if len(i.missing()) > 0 {
		if err := i.readLines(); err != nil {
			return err
		}
	}
	if missing := i.missing(); len(missing) > 0 {
		return usage(fmt.Errorf("not known: %s; set them in the environment, or give lines NAME=VALUE on standard input", strings.Join(missing, ", ")))
	}
	for _, q := range questions {
		if i.answers[q.name] == "" {
			i.answers[q.name] = q.preset
		}
	}
	return nil
}

// missing names what cannot be done without.
func (i *initial) missing() []string {
	var names []string
	for _, q := range questions {
		if q.required && i.answers[q.name] == "" {
			names = append(names, q.name)
		}
	}
	switch {
	case i.answers["TWILIO_API_KEY_SID"] != "" && i.answers["TWILIO_API_KEY_SECRET"] == "":
		names = append(names, "TWILIO_API_KEY_SECRET")
	case i.answers["TWILIO_API_KEY_SID"] == "" && i.answers["TWILIO_AUTH_TOKEN"] == "":
		names = append(names, "TWILIO_AUTH_TOKEN")
	}
	return names
}

// readLines reads NAME=VALUE until the end of standard input.
func (i *initial) readLines() error {
	lines := bufio.NewScanner(io.LimitReader(i.reader, 64<<10))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if _, known := i.flags[name]; !ok || !known {
			return usage(fmt.Errorf("standard input, line %d: expected NAME=VALUE with a name that `flexbrevo init --help` lists", n))
		}
		if i.answers[name] == "" {
			i.answers[name] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return lines.Err()
}

func (i *initial) askAll(ctx context.Context) error {
	for _, q := range questions {
		if i.answers[q.name] != "" || !i.applies(q) {
			continue
		}
		if err := i.ask(ctx, q); err != nil {
			return err
		}
	}
	if missing := i.missing(); len(missing) > 0 {
		return usage(fmt.Errorf("not answered: %s", strings.Join(missing, ", ")))
	}
	return nil
}

// applies says whether a question makes sense after the answers so far.
func (i *initial) applies(q question) bool {
	switch q.name {
	case "TWILIO_API_KEY_SID":
		return i.answers["TWILIO_AUTH_TOKEN"] == ""
	case "TWILIO_API_KEY_SECRET":
		return i.answers["TWILIO_API_KEY_SID"] != ""
	}
	return true
}

func (i *initial) ask(ctx context.Context, q question) error {
	prompt := q.text
	if q.preset != "" {
		prompt += " [" + q.preset + "]"
	}
	fmt.Fprintf(i.c.err, "%s: ", prompt)
	read := func() (string, error) { return i.reader.ReadString('\n') }
	if q.secret {
		read = hidden(i.terminal)
	}
	value, err := hear(ctx, i.terminal, read)
	if q.secret || err != nil {
		fmt.Fprintln(i.c.err) // the line's own end was not shown
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if value == "" {
		value = q.preset
	}
	i.answers[q.name] = value
	return nil
}

// prove loads the configuration as it will be written and asks both sides. At a
// terminal a refused credential is asked for again.
func (i *initial) prove(ctx context.Context) error {
	const tries = 3
	for try := 1; ; try++ {
		side, err := i.try(ctx)
		if err == nil || i.terminal == nil || try == tries || !failure.ReasonOf(err).Stops() {
			return err
		}
		fmt.Fprintf(i.c.err, "%v\n", err)
		for _, q := range questions {
			if strings.HasPrefix(q.name, side) && i.applies(q) && q.name != "TWILIO_FLEX_FLOW_SID" {
				if err := i.ask(ctx, q); err != nil {
					return err
				}
			}
		}
	}
}

// try asks both sides once, and names the one that failed by the beginning of its
// variables.
func (i *initial) try(ctx context.Context) (side string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("no answer within a minute"))
	defer cancel()
	text, err := i.text()
	if err != nil {
		return "", err
	}
	o := i.c.configOptions()
	o.Secrets = func(string, string) (func(string) (string, bool), error) {
		return func(name string) (string, bool) { v, ok := i.answers[name]; return v, ok }, nil
	}
	o.Env = func(name string) (string, bool) { // the answers are asked, not what else the environment holds
		v, ok := i.answers[name]
		return v, ok && v != ""
	}
	cfg, err := config.Parse(i.c.file, text, o)
	if err != nil {
		return "", &configError{err}
	}
	s, err := connector.New(connector.Options{Config: cfg, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer s.Close()
	found, err := s.DiscoverTwilio(ctx)
	if err != nil {
		return "TWILIO_", err
	}
	i.found = found[0]
	fmt.Fprintf(i.c.err, "Twilio: workspace %s, chat service %s, %s\n", i.found.Workspace, i.found.ChatService, countOf(len(i.found.Queues), "queue"))
	if err := s.PingBrevo(ctx); err != nil {
		return "BREVO_", err
	}
	fmt.Fprintln(i.c.err, "Brevo: the key is accepted")
	return "", nil
}

func countOf(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// text is the configuration with what is known so far.
func (i *initial) text() ([]byte, error) {
	t, err := template.New("connector.yaml").Parse(initTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Schema": schemaName(i.c.file), "SecretsFile": "secrets.age", "KeyFrom": i.keyFrom,
		"AccountSID": quoted(i.answers["TWILIO_ACCOUNT_SID"]), "HasToken": i.answers["TWILIO_AUTH_TOKEN"] != "",
		"APIKeySID": quoted(i.answers["TWILIO_API_KEY_SID"]), "FlowSID": quoted(i.answers["TWILIO_FLEX_FLOW_SID"]),
		"TwilioURL": quoted(i.twilioURL), "BrevoURL": quoted(i.brevoURL),
		"Region": cmp.Or(quoted(i.answers["REGION"]), `""`), "Timezone": quoted(i.answers["TIMEZONE"]), "Create": quoted(i.answers["CREATE"]),
		"Workspace": i.found.Workspace, "ChatService": i.found.ChatService, "Queues": comment(strings.Join(i.found.Queues, ", ")),
	})
	return out.Bytes(), err
}

// quoted is a text as YAML takes it: plain where that is safe.
func quoted(s string) string {
	if s == "" || strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_-.", r))
	}) < 0 && strings.ContainsFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) && !looksOdd(s) {
		return s
	}
	b, err := json.Marshal(strings.ReplaceAll(s, "$", "$$"))
	if err != nil {
		panic("init: " + err.Error()) // a text can always be written
	}
	return string(b)
}

// looksOdd says whether YAML would read a word as something else: NO is Norway.
func looksOdd(s string) bool {
	switch strings.ToLower(s) {
	case "no", "yes", "on", "off", "y", "n", "true", "false", "null":
		return true
	}
	return false
}

// comment keeps a text on its line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

func schemaName(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base)) + ".schema.json"
}

// write keeps the credentials first and the configuration last: where it is there,
// all it refers to is.
func (i *initial) write(box secretfile.Box) error {
	text, err := i.text()
	if err != nil {
		return err
	}
	schema, err := config.Schema()
	if err != nil {
		return err
	}
	if err := i.keep(box); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(i.c.file), schemaName(i.c.file)), append(schema, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	f, err := os.OpenFile(i.c.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and init never writes over one", i.c.file)
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil { // half of one would be in the way of the next init
		return fmt.Errorf("write the configuration: %w", errors.Join(err, os.Remove(i.c.file)))
	}
	i.say()
	return nil
}

// keep stores the secret answers, with a key of their own if there is none.
func (i *initial) keep(box secretfile.Box) error {
	if !box.HasKey() {
		key, err := box.NewKey()
		if err != nil {
			return err
		}
		i.c.sayKey(box, key)
		if box.KeyFrom == secretfile.FromEnv {
			box.Env = func(string) (string, bool) { return key, true }
		}
	}
	values := map[string]string{}
	for _, q := range questions {
		if q.secret && i.answers[q.name] != "" {
			values[q.name] = i.answers[q.name]
		}
	}
	if err := i.makeForgetKey(box, values); err != nil {
		return err
	}
	return box.Set(values)
}

// forgetKey is the variable of the key under which the forgotten are remembered.
const forgetKey = "FLEXBREVO_FORGET_KEY"

// makeForgetKey adds a key under which people can be forgotten, unless there is one: it
// may be the one under which somebody was.
func (i *initial) makeForgetKey(box secretfile.Box, values map[string]string) error {
	held, err := box.Load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range [...]string{forgetKey, forgetKey + "_FILE"} {
		if value, ok := i.c.env(name); ok && value != "" {
			return nil
		}
	}
	if i.keyKept = true; held[forgetKey] != "" {
		return nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("make a forget key: %w", err)
	}
	values[forgetKey] = hex.EncodeToString(key)
	return nil
}

func (i *initial) say() {
	created := "every customer with an address becomes a contact (identity.create: all)"
	if i.answers["CREATE"] == config.CreateExistingOnly {
		created = "only contacts that Brevo already has are written to (identity.create: existing_only)"
	}
	w := i.c.err
	if i.keyKept {
		fmt.Fprintln(w, "back up secrets.age and, elsewhere, its key: the key under which people are forgotten is in it, and cannot be made again")
	}
	fmt.Fprintf(w, "wrote %s; %s\nnext: flexbrevo test, then flexbrevo sync or flexbrevo run\n", i.c.file, created)
}
