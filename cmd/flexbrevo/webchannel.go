package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"flexbrevo/config"
	"flexbrevo/connector"
)

func (c *cli) webchannelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webchannel",
		Short: "Begin a legacy web chat",
		Long:  "See `flexbrevo webchannel create`.\n\n" + exitHelp,
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.webchannelCreate())
	return cmd
}

// webchannel is one chat to be begun.
type webchannel struct {
	c      *cli
	w      connector.WebChannel
	yes    bool
	asJSON bool
}

func (c *cli) webchannelCreate() *cobra.Command {
	n := &webchannel{c: c}
	cmd := &cobra.Command{
		Use:   "create --identity ID --customer-name NAME",
		Short: "Begin a legacy web chat, which agents see",
		Long: "Makes one call of POST /v1/WebChannels, for accounts that still have legacy chat: a chat\n" +
			"begins, and by the Flex flow usually a task for an agent. Nothing else of flexbrevo makes\n" +
			"this call. It asks first on a terminal; elsewhere it needs --yes.\n\n" + exitHelp,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return n.create(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&n.w.Identity, "identity", "", "the customer's chat `identity`")
	f.StringVar(&n.w.CustomerName, "customer-name", "", "the customer's `name`, as agents see it")
	f.StringVar(&n.w.ChatName, "chat-name", "", "the chat's `name` (default the customer's)")
	f.StringVar(&n.w.UniqueName, "unique-name", "", "a `name` that no other chat has")
	f.StringVar(&n.w.PreEngagement, "pre-engagement-data", "", "what a form before the chat asked, as a `JSON` object")
	f.StringVar(&n.w.FlowSID, "flow", "", "the Flex flow's `SID` (default flex_flow_sid of the configuration)")
	f.BoolVar(&n.yes, "yes", false, "do not ask")
	f.BoolVar(&n.asJSON, "json", false, "print the result as JSON")
	return cmd
}

func (n *webchannel) create(ctx context.Context) error {
	if err := n.check(); err != nil {
		return usage(err)
	}
	cfg, err := n.c.load()
	if err != nil {
		return err
	}
	k, err := n.connector(cfg)
	if err != nil {
		return usage(err)
	}
	if n.w.FlowSID == "" {
		n.w.FlowSID = k.FlexFlowSID
	}
	if !flowPattern.MatchString(n.w.FlowSID) {
		return usage(errors.New("no Flex flow: give --flow, or set flex_flow_sid, to FO and 32 hexadecimal digits"))
	}
	if goes, err := n.agreed(ctx, k); err != nil || !goes {
		return err
	}
	s, err := connector.New(connector.Options{Config: cfg, Logger: n.c.logger(cfg), Connector: k.Name, Version: versionText()})
	if err != nil {
		return err
	}
	defer s.Close()
	sid, err := s.CreateWebChannel(ctx, n.w)
	if err != nil {
		return fmt.Errorf("begin web chat: %w", err)
	}
	if n.asJSON {
		return n.c.print(map[string]string{"sid": sid, "flex_flow_sid": n.w.FlowSID})
	}
	fmt.Fprintf(n.c.out, "begun: %s\n", sid)
	return nil
}

var flowPattern = regexp.MustCompile(`^FO[0-9a-fA-F]{32}$`)

// check finds what is wrong with the flags.
func (n *webchannel) check() error {
	for _, given := range []struct{ flag, value string }{{"--identity", n.w.Identity}, {"--customer-name", n.w.CustomerName}} {
		if strings.TrimSpace(given.value) == "" {
			return fmt.Errorf("%s is missing: Twilio needs one", given.flag)
		}
	}
	if n.w.ChatName == "" {
		n.w.ChatName = n.w.CustomerName
	}
	var object map[string]any
	if n.w.PreEngagement != "" && (json.Unmarshal([]byte(n.w.PreEngagement), &object) != nil || object == nil) {
		return errors.New(`--pre-engagement-data: expected a JSON object, such as '{"email":"zoe@example.com"}'`)
	}
	return nil
}

// connector is the one whose account the chat is begun on.
func (n *webchannel) connector(cfg *config.Config) (*config.Connector, error) {
	var found *config.Connector
	for _, k := range cfg.Connectors {
		if !k.Enabled || n.c.connector != "" && n.c.connector != k.Name {
			continue
		}
		if found != nil {
			return nil, connector.ErrSeveral
		}
		found = k
	}
	if found == nil {
		return nil, fmt.Errorf("there is no enabled connector %q", n.c.connector)
	}
	return found, nil
}

// agreed says what is going to happen and asks. Where nobody can be asked, --yes has to
// say it: agents see the chat, and nothing takes it back.
func (n *webchannel) agreed(ctx context.Context, k *config.Connector) (bool, error) {
	fmt.Fprintf(n.c.err, "begins a web chat on account %s by flow %s; agents will see it\n", k.AccountSID, n.w.FlowSID)
	if n.yes {
		return true, nil
	}
	terminal := n.c.asked()
	if terminal == nil {
		return false, usage(errors.New("nobody can be asked here: say --yes"))
	}
	return n.c.agrees(ctx, terminal, "Go ahead?")
}
