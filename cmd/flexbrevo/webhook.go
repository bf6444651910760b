package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
	"flexbrevo/connector/webhook"
)

func (c *cli) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Find out why webhooks are refused",
		Long:  "See `flexbrevo webhook doctor`.\n\n" + exitHelp,
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.webhookDoctor())
	return cmd
}

// doctor is one examination.
type doctor struct {
	c         *cli
	url       string
	signature string
	body      string
	limit     int
	asJSON    bool
}

func (c *cli) webhookDoctor() *cobra.Command {
	d := &doctor{c: c}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say why webhooks were refused, and which setting to change",
		Long: "Without flags it goes through the requests that were refused lately; the store remembers\n" +
			"the latest 500 of each connector, without bodies and with values masked.\n\n" +
			"With --url and --signature it examines one request: the URL exactly as it is configured\n" +
			"at Twilio, and the value of X-Twilio-Signature, as Twilio's debugger shows both. A form or\n" +
			"JSON body is read from the file of --body, or from standard input with --body -.\n\n" + exitHelp,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if d.url != "" || d.signature != "" || d.body != "" {
				return d.examine(cfg)
			}
			return d.ring(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.url, "url", "", "the `URL` as it is configured at Twilio, with its query")
	f.StringVar(&d.signature, "signature", "", "the `value` of X-Twilio-Signature")
	f.StringVar(&d.body, "body", "", "`file` with the request's body, - for standard input")
	f.IntVar(&d.limit, "limit", 500, "how many of the latest refusals to look at")
	f.BoolVar(&d.asJSON, "json", false, "print as JSON")
	return cmd
}

// examination is what is found of a pasted request.
type examination struct {
	Found   bool                 `json:"found"`
	Differs []webhook.Difference `json:"differs"`
	Setting string               `json:"setting,omitempty"`
	Advice  string               `json:"advice"`
}

// examine looks at a pasted request.
func (d *doctor) examine(cfg *config.Config) error {
	if d.url == "" || d.signature == "" {
		return usage(errors.New("--url and --signature belong together"))
	}
	pasted, err := webhook.ParsePasted(d.url)
	if err != nil {
		return usage(fmt.Errorf("--url: %w", err))
	}
	q, err := d.question(cfg, pasted)
	if err != nil {
		return err
	}
	found := webhook.Diagnose(q)
	out := examination{found.Found, found.Differs, found.Setting, found.Advice}
	if found.Found && !d.known(cfg, pasted.Path()) {
		out.Advice += fmt.Sprintf(" But flexbrevo takes nothing on %s; it does on %s.", pasted.Path(), strings.Join(d.paths(cfg), ", "))
	}
	if d.asJSON {
		return d.c.print(out)
	}
	if found.Found {
		fmt.Fprintf(d.c.out, "signed with: %s\n", out.Setting)
	}
	if len(out.Differs) > 0 {
		fmt.Fprintf(d.c.out, "differs in: %s\n", joined(out.Differs))
	}
	fmt.Fprintln(d.c.out, out.Advice)
	return nil
}

func (d *doctor) question(cfg *config.Config, p webhook.Pasted) (webhook.Question, error) {
	q := webhook.Question{
		Signature: strings.TrimSpace(d.signature), PublicURL: cfg.Server.PublicURL, URI: p.URI, Method: http.MethodPost,
		Schemes: []string{p.Scheme}, Hosts: []string{p.Host}, Prefixes: []string{p.Prefix},
		Tokens: connector.Keys(cfg, d.c.connector),
	}
	if d.c.connector != "" {
		q.Suspects = connector.Keys(cfg, "")
	}
	body, err := d.readBody()
	if err != nil {
		return q, err
	}
	text := strings.TrimSpace(string(body))
	switch {
	case d.body == "":
		q.Method = http.MethodGet
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["):
		q.Body = body
	default:
		if q.Form, err = url.ParseQuery(text); err != nil {
			return q, usage(errors.New("--body: it is neither JSON nor a form"))
		}
	}
	return q, nil
}

func (d *doctor) readBody() ([]byte, error) {
	const most = 1 << 20 // flexbrevo takes no larger one either
	switch d.body {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(io.LimitReader(d.c.in, most))
	}
	f, err := os.Open(d.body)
	if err != nil {
		return nil, usage(fmt.Errorf("--body: %w", err))
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// paths are those on which the daemon takes posts.
func (d *doctor) paths(cfg *config.Config) []string {
	var enabled []string
	for _, k := range cfg.Connectors {
		if k.Enabled {
			enabled = append(enabled, k.Name)
		}
	}
	var out []string
	for _, p := range webhook.Paths() {
		if len(enabled) == 1 {
			out = append(out, p)
			continue
		}
		for _, name := range enabled {
			out = append(out, "/c/"+name+p)
		}
	}
	return out
}

func (d *doctor) known(cfg *config.Config, path string) bool {
	for _, k := range cfg.Connectors {
		if rest, ok := strings.CutPrefix(path, "/c/"+k.Name); ok && k.Enabled {
			return slices.Contains(webhook.Paths(), rest)
		}
	}
	return slices.Contains(d.paths(cfg), path)
}

// ring goes through what was refused lately.
func (d *doctor) ring(ctx context.Context, cfg *config.Config) error {
	st, err := connector.OpenStore(ctx, cfg, d.c.logger(cfg), false, true)
	if err != nil {
		return err
	}
	all, err := d.refusals(ctx, cfg, st)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	if d.asJSON {
		return d.c.print(all)
	}
	if len(all) == 0 {
		fmt.Fprintln(d.c.out, "No webhook was refused lately. If none arrive at all, see `flexbrevo status`, and the URL at Twilio.")
		return nil
	}
	d.say(groupRefusals(all))
	return nil
}

func (d *doctor) refusals(ctx context.Context, cfg *config.Config, st connector.Refusals) ([]webhook.Refusal, error) {
	all := []webhook.Refusal{}
	for _, k := range cfg.Connectors {
		if d.c.connector != "" && d.c.connector != k.Name {
			continue
		}
		some, err := connector.LoadRefusals(ctx, st, k.Name, d.limit)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b webhook.Refusal) int { return b.At.Compare(a.At) })
	return all, nil
}

// refusalGroup are refusals of one kind, with the latest of them.
type refusalGroup struct {
	latest webhook.Refusal
	count  int
}

// groupRefusals puts together what has one reason and one advice, the latest first.
// A group whose cause was found stands for those of its sender that were not tried.
func groupRefusals(all []webhook.Refusal) []*refusalGroup {
	type key struct {
		connector, reason, advice string
		sender                    webhook.Sender
	}
	groups := map[key]*refusalGroup{}
	var out []*refusalGroup
	for _, r := range all {
		k := key{r.Connector, r.Reason, r.Advice, r.Sender}
		if groups[k] == nil {
			groups[k] = &refusalGroup{latest: r}
			out = append(out, groups[k])
		}
		groups[k].count++
	}
	return out
}

func (d *doctor) say(groups []*refusalGroup) {
	now := time.Now()
	for i, g := range groups {
		r := g.latest
		if i > 0 {
			fmt.Fprintln(d.c.out)
		}
		fmt.Fprintf(d.c.out, "%d × %s, %s: %s (%d), last %s\n", g.count, r.Connector, r.Sender, r.Reason, r.Status, ago(&r.At, now))
		w := tabwriter.NewWriter(d.c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  checked against\t%s %s\n", r.Method, r.URL)
		for _, line := range [][2]string{{"arrived for", r.Host}, {"a proxy says", strings.TrimSpace(r.ForwardedProto + " " + r.ForwardedHost)}, {"differs in", joined(r.Differs)}, {"content type", r.ContentType}} {
			if line[1] != "" {
				fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
			}
		}
		_ = w.Flush() // standard output; a failure shows nowhere else either
		switch {
		case r.Advice != "":
			fmt.Fprintf(d.c.out, "  → %s\n", r.Advice)
		case r.Reason == webhook.ErrSignatureWrong.Error():
			fmt.Fprintln(d.c.out, "  → Not tried: only a few small requests a second are. If others of this sender are explained here, it is the same; else use --url and --signature.")
		}
	}
}

func joined(differs []webhook.Difference) string {
	var out []string
	for _, one := range differs {
		out = append(out, string(one))
	}
	return strings.Join(out, ", ")
}
