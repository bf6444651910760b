package config

import "regexp"

// The values of EventStreams.Via.
const (
	ViaWebhook = "webhook"
	ViaKinesis = "kinesis"
)

// EventStreams says how Twilio's Event Streams reach us: posted to the webhook, or by
// an Amazon Kinesis stream that is read.
type EventStreams struct {
	Via      string `yaml:"via" validate:"oneof=webhook kinesis" desc:"webhook, or kinesis: an Amazon Kinesis stream is read"`
	Stream   string `yaml:"stream" validate:"omitempty,kinesis_stream" desc:"name of the Kinesis stream"`
	Region   string `yaml:"region" validate:"omitempty,aws_region" desc:"AWS region of the stream, such as eu-west-1"`
	Endpoint string `yaml:"endpoint" validate:"omitempty,base_url" desc:"another address of Kinesis: a VPC endpoint, or where a stand-in listens"`
	// AccessKeyID and SecretAccessKey go before what AWS's own chain finds.
	AccessKeyID     string      `yaml:"access_key_id" desc:"AWS access key; empty takes what the environment, AWS's own files or the machine's role give"`
	SecretAccessKey Secret      `yaml:"secret_access_key" desc:"secret of the access key"`
	Sink            KinesisSink `yaml:"sink" desc:"what Twilio needs to write to the stream, for provision"`
}

// KinesisSink is what Twilio is told of a Kinesis stream (facts/twilio.md 6.1 and the
// Events API's own description of a sink).
type KinesisSink struct {
	StreamARN  string `yaml:"stream_arn" validate:"omitempty,arn" desc:"Amazon resource name of the stream"`
	RoleARN    string `yaml:"role_arn" validate:"omitempty,arn" desc:"Amazon resource name of the role that Twilio assumes to write to it"`
	ExternalID Secret `yaml:"external_id" desc:"external id that the role asks Twilio for"`
}

// IsSet says whether anything of the sink is given.
func (s KinesisSink) IsSet() bool { return s != KinesisSink{} }

var (
	streamPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)
	regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
	arnPattern    = regexp.MustCompile(`^arn:aws[a-z-]*:(kinesis|iam):[a-z0-9-]*:[0-9]+:[A-Za-z0-9_./+=,@-]+$`)
)

// checkEventStreams looks at what belongs together.
func (l *loader) checkEventStreams(namespace string, e EventStreams) {
	if e.Via != ViaKinesis {
		if e.Stream != "" || e.Region != "" || e.Endpoint != "" || e.AccessKeyID != "" || e.SecretAccessKey.IsSet() || e.Sink.IsSet() {
			l.warn(l.place(namespace).at, "the settings of a Kinesis stream are not used", "set via: kinesis to read it")
		}
		return
	}
	if e.Stream == "" {
		l.fail(l.place(namespace+".Stream").at, "no value", "expected the name of the Kinesis stream")
	}
	if e.Region == "" {
		l.fail(l.place(namespace+".Region").at, "no value", "expected the stream's AWS region, such as eu-west-1")
	}
	if (e.AccessKeyID == "") != !e.SecretAccessKey.IsSet() {
		l.fail(l.place(namespace+".AccessKeyID").at, "half an AWS access key", "expected access_key_id and secret_access_key, or neither")
	}
	if s := e.Sink; s.IsSet() && (s.StreamARN == "" || s.RoleARN == "" || !s.ExternalID.IsSet()) {
		l.fail(l.place(namespace+".Sink").at, "half a sink", "expected stream_arn, role_arn and external_id, or none of them")
	}
}
