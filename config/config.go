// Package config reads connector.yaml and the environment into one checked struct.
//
// The order is: defaults, file, references to the environment, the environment's own defaults for what the file leaves
// out, checks. Every mistake is reported at once, each with file, line, column and path, what is wrong and what was
// expected; unknown keys are mistakes at every depth. No value that came from the environment or is a secret appears in
// an error.
//
// A text may refer to the environment: ${NAME} must be set, ${NAME:-default} need not, $$ is a plain $. Every secret
// may come from a file instead, under the same key with _file at its end.
package config

import (
	"strconv"
	"time"

	"flexbrevo/mapping"
)

// The struct tags of this package: yaml is the key; desc is the line in the JSON Schema; validate is for validator/v10.
// A slice with keyed holds a mapping's entries in file order and keeps each key in the named field; short names the
// field that takes the value when an entry is a plain value instead of a mapping.

// Config is the whole of connector.yaml, checked, with every default filled in.
type Config struct {
	Brevo      Brevo        `yaml:"brevo" desc:"the Brevo account"`
	Secrets    Secrets      `yaml:"secrets" desc:"an encrypted file behind ${NAME}"`
	Connectors []*Connector `yaml:"connectors" keyed:"Name" validate:"required,min=1,dive" desc:"the connectors by name"`
	Store      Store        `yaml:"store" desc:"where the state is kept"`
	Server     Server       `yaml:"server" desc:"the HTTP listeners"`
	TLS        TLS          `yaml:"tls" desc:"trust of outgoing connections"`
	Retention  Retention    `yaml:"retention" desc:"how long what is kept"`
	Forget     Forget       `yaml:"forget" desc:"how the forgotten are remembered"`
	Log        Log          `yaml:"log" desc:"the log"`
	Traces     Traces       `yaml:"traces" desc:"OpenTelemetry traces"`

	// File is the path the configuration was read from.
	File string `yaml:"-"`
	// Warnings are what the operator should look at though everything can start.
	Warnings Problems `yaml:"-"`
}

// Connector is one Flex account whose customers go to one Brevo account.
type Connector struct {
	// Name is the connector's key in the file.
	Name string `yaml:"-" validate:"connector_name"`

	Type        string   `yaml:"type" validate:"oneof=twilio_flex" desc:"the kind of source"`
	Enabled     bool     `yaml:"enabled" desc:"false checks the connector and does not run it"`
	AccountSID  string   `yaml:"account_sid" validate:"omitempty,sid=AC" desc:"Twilio account; environment TWILIO_ACCOUNT_SID"`
	AuthToken   Secret   `yaml:"auth_token" desc:"Twilio auth token, also signs webhooks; environment TWILIO_AUTH_TOKEN"`
	AuthTokens  []Secret `yaml:"auth_tokens" desc:"further auth tokens that webhooks may be signed with, while rotating"`
	APIKeySID   string   `yaml:"api_key_sid" validate:"omitempty,sid=SK" desc:"Twilio API key; environment TWILIO_API_KEY_SID"`
	APIKey      Secret   `yaml:"api_key_secret" desc:"secret of the API key; environment TWILIO_API_KEY_SECRET"`
	Workspace   string   `yaml:"workspace_sid" validate:"omitempty,sid=WS" desc:"TaskRouter workspace; empty is read from the Flex configuration"`
	FlexFlowSID string   `yaml:"flex_flow_sid" validate:"omitempty,sid=FO" desc:"Flex flow; environment TWILIO_FLEX_FLOW_SID"`
	BaseURL     string   `yaml:"base_url" validate:"omitempty,base_url" desc:"where a stand-in for Twilio listens"`

	Region             string        `yaml:"region" validate:"omitempty,iso3166_1_alpha2" desc:"default region of phone numbers, such as FR"`
	Timezone           string        `yaml:"timezone" validate:"zone" desc:"zone of dates, cron specs and days"`
	InitialLookback    time.Duration `yaml:"initial_lookback" validate:"min=0,max=720h" desc:"how far the first pull goes back"`
	ConversationSettle time.Duration `yaml:"conversation_settle" validate:"min=0,max=1h" desc:"how long after its last task a conversation may go on"`
	OperationsContact  string        `yaml:"operations_contact" validate:"omitempty,email" desc:"email of the contact in Brevo that is told the figures of agents and queues, as events; empty for none"`

	CustomObjects CustomObjects `yaml:"custom_objects" desc:"custom objects in Brevo that are told the figures of agents and queues"`

	CRM []CRMRule `yaml:"crm" keyed:"Name" validate:"dive" desc:"notes and tasks on contacts' timelines in Brevo's CRM, by name"`

	Sync         Sync           `yaml:"sync" desc:"what is read"`
	Channels     []string       `yaml:"channels" validate:"dive,channel" desc:"the channels that count; empty means all"`
	Lists        Lists          `yaml:"lists" desc:"Brevo lists, by number or name"`
	Schedule     Schedule       `yaml:"schedule" desc:"when each stream is pulled: a cron spec or @every"`
	Identity     Identity       `yaml:"identity" desc:"who becomes a contact"`
	Events       Events         `yaml:"events" desc:"which events are sent"`
	EventStreams EventStreams   `yaml:"event_streams" desc:"how Twilio's Event Streams reach flexbrevo"`
	CSATScale    float64        `yaml:"csat_scale" validate:"min=0,max=1000" desc:"bring all scores to this scale; 0 leaves them as given"`
	CSAT         []CSAT         `yaml:"csat" validate:"dive" desc:"where satisfaction scores are found, tried in order"`
	Surveys      Surveys        `yaml:"surveys" desc:"which tasks are surveys, beside those that say so"`
	SyncObjects  []SyncObject   `yaml:"sync_objects" validate:"dive" desc:"Twilio Sync objects that are read"`
	SyncPublish  SyncPublish    `yaml:"sync_publish" desc:"what is written to Twilio Sync: see docs/publish.md"`
	Capture      Capture        `yaml:"capture" desc:"what is kept of the records"`
	Abandoned    string         `yaml:"abandoned_when" desc:"condition of an abandoned task"`
	FieldMapping []FieldRule    `yaml:"field_mapping" keyed:"Source" desc:"customer values to Brevo attributes"`
	EventMapping []EventRule    `yaml:"event_mapping" keyed:"On" desc:"Twilio events to Brevo events"`
	Brevo        Brevo          `yaml:"brevo" desc:"another Brevo account for this connector; what it leaves out is as below brevo"`
	Debug        bool           `yaml:"debug" desc:"log every step of this connector"`
	LogLevel     string         `yaml:"log_level" validate:"omitempty,oneof=verbose debug info warn error" desc:"log level of this connector"`
	LogAPICalls  bool           `yaml:"log_api_calls" desc:"log every call to Twilio and Brevo, masked"`
	Rules        *mapping.Rules `yaml:"-" validate:"-"`
	Location     *time.Location `yaml:"-" validate:"-"`
}

// Sync says what is read from Twilio.
type Sync struct {
	Conversations  bool `yaml:"conversations" desc:"Conversations threads"`
	Tasks          bool `yaml:"tasks" desc:"TaskRouter tasks"`
	Customers      bool `yaml:"customers" desc:"keep Brevo contacts"`
	CSAT           bool `yaml:"csat" desc:"satisfaction scores"`
	AgentActivity  bool `yaml:"agent_activity" desc:"agents and their activity"`
	QueueAnalytics bool `yaml:"queue_analytics" desc:"queue statistics"`
}

// Lists are the Brevo lists that contacts are put on. A zero List means none.
type Lists struct {
	SupportContacts List `yaml:"support_contacts" desc:"every contact of the centre"`
	CSATRespondents List `yaml:"csat_respondents" desc:"those who answered a survey"`
	// Rules put contacts on further lists and take them off.
	Rules []ListRule `yaml:"rules" desc:"further lists that customers join and leave"`
}

// ListRule says who joins a list and who leaves it. Membership is sent when it begins
// or ends by the rule, so that what people change in Brevo stays.
type ListRule struct {
	List       List   `yaml:"list" desc:"the list, by number or name"`
	When       string `yaml:"when" desc:"condition of joining; without it and without remove_when every contact joins"`
	RemoveWhen string `yaml:"remove_when" desc:"condition of leaving, which goes before joining"`
}

// List is a Brevo list by its number, or by a name that is found or created.
type List struct {
	ID   int64
	Name string
}

// String is the list's number or name, "" for none.
func (l List) String() string {
	if l.ID != 0 {
		return strconv.FormatInt(l.ID, 10)
	}
	return l.Name
}

// IsSet tells whether a list is named at all.
func (l List) IsSet() bool { return l.ID != 0 || l.Name != "" }

// Schedule says when each stream is pulled, as cron specs or "@every 15s".
type Schedule struct {
	Events        string `yaml:"events" validate:"schedule" desc:"TaskRouter events"`
	Conversations string `yaml:"conversations" validate:"schedule" desc:"conversations"`
	Workers       string `yaml:"workers" validate:"schedule" desc:"agents and queues"`
	Statistics    string `yaml:"statistics" validate:"schedule" desc:"queue statistics"`
	Sync          string `yaml:"sync" validate:"schedule" desc:"Twilio Sync objects"`
}

// The values of Identity.Create, WithoutAddress, OnConflict and OnDeleted.
const (
	CreateAll          = "all"
	CreateExistingOnly = "existing_only"
	WithoutAddressWait = "wait"
	WithoutAddressID   = "ext_id"
	OnConflictDrop     = "drop"
	OnConflictMerge    = "merge"
	OnDeletedLeave     = "leave"
	OnDeletedRecreate  = "recreate"
)

// Identity says who becomes a contact in Brevo (design section 3.3).
type Identity struct {
	Create         string   `yaml:"create" validate:"oneof=all existing_only" desc:"all, or existing_only: write only to contacts that Brevo already has"`
	WithoutAddress string   `yaml:"without_address" validate:"oneof=wait ext_id" desc:"a customer without email and phone waits, or becomes a contact by ext_id"`
	SharedPhones   []string `yaml:"shared_phones" validate:"dive,e164" desc:"phones of switchboards and families, which link nobody"`
	OnConflict     string   `yaml:"on_conflict" validate:"oneof=drop merge" desc:"an identifier that another contact holds is dropped; merge lets flexbrevo merge have both made one in Brevo"`
	OnDeleted      string   `yaml:"on_deleted" validate:"oneof=leave recreate" desc:"a contact that was deleted in Brevo stays deleted, or is made again with the customer's next change"`
}

// Events says which events are sent.
type Events struct {
	MaxAge time.Duration `yaml:"max_age" validate:"min=0" desc:"older events are not sent"`
	// ScoreWait and Link are about conversation.ended.
	ScoreWait time.Duration `yaml:"score_wait" validate:"min=0,max=24h" desc:"how long conversation.ended waits for a survey answer"`
	Link      string        `yaml:"link" validate:"omitempty,link" desc:"where people look a conversation up, with {task_sid} or {conversation_sid}; Flex Insights' own link goes first"`
}

// CSAT is one place of satisfaction scores.
type CSAT struct {
	Preset string  `yaml:"preset" validate:"omitempty,oneof=post_call_survey post_task_survey" desc:"a known survey instead of from: post_call_survey (Twilio's voice survey) or post_task_survey (the messaging one)"`
	From   string  `yaml:"from" desc:"expression of the score: of a task, or of a thread below conversation.attributes"`
	When   string  `yaml:"when" desc:"condition"`
	Scale  float64 `yaml:"scale" validate:"max=1000" desc:"the highest score that can be given there"`
}

// The values of CSAT.Preset.
const (
	PresetPostCall = "post_call_survey"
	PresetPostTask = "post_task_survey"
)

// Surveys names tasks that are surveys although their attributes do not say so. A survey is
// no contact, is never abandoned, and is asked for the score of the contact before it.
type Surveys struct {
	Queues    []string `yaml:"queues" desc:"names or SIDs of queues that only surveys go through"`
	Workflows []string `yaml:"workflows" desc:"names or SIDs of workflows that only surveys go through"`
}

// SyncObject is one map, list or document of Twilio Sync that is read.
type SyncObject struct {
	Service  string `yaml:"service" validate:"required" desc:"Sync service SID, or default"`
	Map      string `yaml:"map" desc:"unique name of a map"`
	List     string `yaml:"list" desc:"unique name of a list"`
	Document string `yaml:"document" desc:"unique name of a document"`
	As       string `yaml:"as" validate:"required,oneof=disposition survey customer" desc:"what the items are"`
	Key      string `yaml:"key" validate:"required" desc:"what an item's key is, such as task_sid"`
}

// Capture says what is kept of the records.
type Capture struct {
	Redact []string `yaml:"redact" validate:"dive,redact_path" desc:"paths that are taken out before a record is stored"`
}

// FieldRule is one line of field_mapping, in its short form only Source and To.
type FieldRule struct {
	Source    string `yaml:"-"`
	To        string `yaml:"to" short:"true" desc:"Brevo attribute, or email, or ext_id"`
	Overwrite *bool  `yaml:"overwrite" desc:"false fills only what is empty in Brevo"`
	Type      string `yaml:"type" desc:"text, date, float, boolean, category or multiple-choice"`
	Default   any    `yaml:"default" desc:"value when the source is empty or the condition false"`
	When      string `yaml:"when" desc:"condition"`
	Clear     bool   `yaml:"clear" desc:"empty the attribute when the rule gives no value"`
	Shared    string `yaml:"shared" desc:"newest: several connectors may write this attribute"`
}

// EventRule is one line of event_mapping, in its short form only On and Event.
type EventRule struct {
	On         string     `yaml:"-"`
	Event      string     `yaml:"event" short:"true" desc:"name of the event in Brevo"`
	When       string     `yaml:"when" desc:"condition"`
	Properties []Property `yaml:"properties" keyed:"Name" desc:"the event's properties instead of the default ones"`
}

// Property is one property of an event.
type Property struct {
	Name  string `yaml:"-"`
	Value string `yaml:"value" short:"true" desc:"expression"`
}

// The values of Brevo.Tier, BulkImport and BulkRows.
const (
	TierAuto       = "auto"
	TierNone       = "none"
	ImportNever    = "never"
	ImportBackfill = "backfill"
	RowsEmail      = "email"
	RowsAll        = "all"
)

// Brevo is one Brevo account.
type Brevo struct {
	APIKey      Secret        `yaml:"api_key" desc:"API key; environment BREVO_API_KEY"`
	OAuth       OAuth         `yaml:"oauth" desc:"OAuth client, instead of an API key"`
	BaseURL     string        `yaml:"base_url" validate:"base_url" desc:"the API, or where a stand-in listens"`
	Tier        string        `yaml:"tier" validate:"oneof=auto general advanced extended none" desc:"rate limits of the plan; none for stand-ins"`
	Share       float64       `yaml:"share" validate:"gt=0,max=1" desc:"part of the account's limits that may be used"`
	LookupAfter time.Duration `yaml:"lookup_after" validate:"min=0,max=10m" desc:"when a delivery of unknown outcome counts as absent"`
	BulkImport  string        `yaml:"bulk_import" validate:"oneof=never backfill" desc:"whether backfills may use Brevo's import, which merges contacts"`
	BulkRows    string        `yaml:"bulk_rows" validate:"oneof=email all" desc:"what an import knows contacts by: their address alone, or phones beside it, which may merge contacts"`
	BulkLeast   int           `yaml:"bulk_least" validate:"min=1" desc:"how many contacts for the same lists make an import worth it"`
	BulkWait    time.Duration `yaml:"bulk_wait" validate:"min=1s,max=24h" desc:"how long an import may take before its contacts are written one by one"`
	Provision   bool          `yaml:"provision" desc:"create missing attributes and lists at start"`
}

// OAuth is a client of Brevo's machine-to-machine sign-in (facts/brevo.md 7).
type OAuth struct {
	ClientID     string `yaml:"client_id" desc:"client id"`
	ClientSecret Secret `yaml:"client_secret" desc:"client secret"`
}

// Secrets is an encrypted file of values for ${NAME}.
type Secrets struct {
	File    string `yaml:"file" desc:"the encrypted file; empty means none"`
	KeyFrom string `yaml:"key_from" validate:"oneof=env file keyring" desc:"where its key comes from"`
}

// Store is the database.
type Store struct {
	// URL is a Secret because a postgres URL carries a password.
	URL Secret `yaml:"url" validate:"store_url" desc:"sqlite://path beside this file, or postgres://"`
	// SQLitePath is the path of an sqlite URL, taken beside the configuration file; empty for postgres.
	SQLitePath string `yaml:"-"`
}

// Server is the two HTTP listeners.
type Server struct {
	Listen          string `yaml:"listen" validate:"listen" desc:"webhooks and probes"`
	PublicURL       string `yaml:"public_url" validate:"omitempty,base_url" desc:"how senders reach the webhooks"`
	SurveySecret    Secret `yaml:"survey_secret" desc:"bearer token of posted surveys; environment SURVEY_SECRET"`
	AdminListen     string `yaml:"admin_listen" validate:"listen" desc:"console, API and metrics"`
	ConsolePassword Secret `yaml:"console_password" desc:"needed where admin_listen is not loopback; environment CONSOLE_PASSWORD"`
	ConsoleReadOnly bool   `yaml:"console_read_only" desc:"the console changes nothing"`
}

// TLS is the trust of outgoing connections.
type TLS struct {
	CAFile string `yaml:"ca_file" desc:"further certificate authorities, PEM, beside this file"`
}

// Retention says how long what is kept.
type Retention struct {
	Records    Age `yaml:"records" desc:"records as they came"`
	Deliveries Age `yaml:"deliveries" desc:"settled deliveries"`
	Customers  Age `yaml:"customers" desc:"customers without contact for that long are forgotten whole; or keep"`
}

// Log is the log's level and form.
type Log struct {
	Level  string `yaml:"level" validate:"oneof=debug info warn error" desc:"least level that is written"`
	Format string `yaml:"format" validate:"oneof=json text" desc:"json or text"`
}

// Traces says which traces go where.
type Traces struct {
	Endpoint string  `yaml:"endpoint" validate:"omitempty,base_url" desc:"where a collector takes OTLP over HTTP, without /v1/traces; empty means none"`
	Sample   float64 `yaml:"sample" validate:"min=0,max=1" desc:"part of the traces that is kept, 0 to 1"`
}

// Problem is one mistake, and Problems are all of them; Load returns Problems as its error.
type (
	Problem  = mapping.Problem
	Problems = mapping.Problems
)

func defaults() *Config {
	return &Config{
		Brevo: Brevo{
			BaseURL: "https://api.brevo.com/v3", Tier: TierAuto, Share: 0.8, LookupAfter: 10 * time.Second,
			BulkImport: ImportNever, BulkRows: RowsEmail, BulkLeast: 500, BulkWait: time.Hour, Provision: true,
		},
		Secrets:   Secrets{KeyFrom: "env"},
		Store:     Store{URL: NewSecret("sqlite://flexbrevo.db")},
		Server:    Server{Listen: ":8080", AdminListen: "127.0.0.1:8081"},
		Retention: Retention{Records: Age(30 * 24 * time.Hour), Deliveries: Age(30 * 24 * time.Hour)},
		Log:       Log{Level: "info", Format: "json"},
		Traces:    Traces{Sample: 1},
	}
}

// defaultConnector gives a connector that reads all a first user wants and writes to the account brevo.
func defaultConnector(brevo Brevo) Connector {
	// Credentials belong together; a block with its own takes none of these (see inheritAccount).
	brevo.APIKey, brevo.OAuth = Secret{}, OAuth{}
	return Connector{
		Type: "twilio_flex", Enabled: true, Timezone: "UTC",
		InitialLookback: 48 * time.Hour, ConversationSettle: 5 * time.Second,
		Sync: Sync{Conversations: true, Tasks: true, Customers: true, CSAT: true},
		Schedule: Schedule{
			Events: "@every 15s", Conversations: "@every 1m", Workers: "@every 10m", Statistics: "0 * * * *", Sync: "@every 1m",
		},
		Identity: Identity{Create: CreateAll, WithoutAddress: WithoutAddressWait, OnConflict: OnConflictDrop, OnDeleted: OnDeletedLeave},
		Events:   Events{MaxAge: 72 * time.Hour},

		CustomObjects: CustomObjects{Since: 72 * time.Hour},
		EventStreams:  EventStreams{Via: ViaWebhook},
		Brevo:         brevo,
		SyncPublish:   defaultSyncPublish(),
	}
}
