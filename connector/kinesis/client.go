package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"flexbrevo/config"
	"flexbrevo/connector/failure"
)

const (
	// callTimeout bounds one call to Kinesis.
	callTimeout = 15 * time.Second
	// readLimit is how many records one read takes at most, as many as a commit of
	// webhooks does.
	readLimit = 500
)

// errExpired says that an iterator is too old: a new one is to be had.
var errExpired = errors.New("the iterator has expired")

// errCredentials says that AWS's chain gave no credentials.
var errCredentials = errors.New("no AWS credentials")

// client asks Kinesis about one stream. It tries once: trying again is the reader's.
type client struct {
	api    *kinesis.Client
	stream string
}

// newClient makes no call; it may read AWS's own files.
func newClient(e config.EventStreams, transport http.RoundTripper) (*client, error) {
	provider, err := newCredentials(e)
	if err != nil {
		return nil, err
	}
	return &client{stream: e.Stream, api: kinesis.New(kinesis.Options{
		Region: e.Region, Credentials: aws.NewCredentialsCache(marked{provider}), HTTPClient: &http.Client{Transport: transport},
		Retryer: aws.NopRetryer{},
	}, func(o *kinesis.Options) {
		if e.Endpoint != "" {
			o.BaseEndpoint = aws.String(e.Endpoint)
		}
	})}, nil
}

// newCredentials are the configured ones, or what AWS's own chain finds when it is
// asked: the environment, shared files, a web identity, the container's or machine's
// role. The chain keeps its own HTTP client, which knows AWS's own settings and must
// not send what is for the machine through a proxy.
func newCredentials(e config.EventStreams) (aws.CredentialsProvider, error) {
	if e.AccessKeyID != "" {
		return credentials.NewStaticCredentialsProvider(e.AccessKeyID, e.SecretAccessKey.Reveal(), ""), nil
	}
	c, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion(e.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("read AWS's own configuration: %w", err)
	}
	return c.Credentials, nil
}

// marked tells a lack of credentials from a network that fails.
type marked struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (m marked) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, fmt.Errorf("%w: %w", errCredentials, err)
	}
	return c, nil
}

// description is what Kinesis says of a stream.
type description struct {
	// created tells the stream from another one of the same name.
	created time.Time
	// retention is how long it keeps a record.
	retention time.Duration
}

func (c *client) fetchDescription(ctx context.Context) (description, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	out, err := c.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &c.stream})
	if err != nil {
		return description{}, c.failed(ctx, "describe", err)
	}
	d := out.StreamDescriptionSummary
	if d == nil || d.StreamCreationTimestamp == nil || d.RetentionPeriodHours == nil {
		return description{}, &failure.Error{Op: "describe Kinesis stream " + c.stream, Reason: failure.Transient, Err: errors.New("the answer is not as expected")}
	}
	if d.StreamStatus == types.StreamStatusDeleting {
		return description{}, &failure.Error{Op: "describe Kinesis stream " + c.stream, Reason: failure.Gone, Remedy: remedyGone}
	}
	return description{d.StreamCreationTimestamp.UTC(), time.Duration(*d.RetentionPeriodHours) * time.Hour}, nil
}

// shard is a part of the stream with an order of its own.
type shard struct {
	id string
	// parents are the shards that it came out of by a split or a merge.
	parents []string
}

// fetchShards lists all shards whose records the stream may still hold.
func (c *client) fetchShards(ctx context.Context) ([]shard, error) {
	var out []shard
	in := &kinesis.ListShardsInput{StreamName: &c.stream}
	for {
		page, err := c.fetchShardsPage(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Shards {
			one := shard{id: aws.ToString(s.ShardId)}
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if aws.ToString(parent) != "" {
					one.parents = append(one.parents, *parent)
				}
			}
			out = append(out, one)
		}
		if aws.ToString(page.NextToken) == "" {
			return out, nil
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken} // which names the stream
	}
}

func (c *client) fetchShardsPage(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	out, err := c.api.ListShards(ctx, in)
	if err != nil {
		return nil, c.failed(ctx, "list the shards of", err)
	}
	return out, nil
}

// fetchIterator returns where to read on: after a sequence number, or where there is
// none from a moment on; the zero moment is the oldest record that is kept.
func (c *client) fetchIterator(ctx context.Context, shard, after string, from time.Time) (string, error) {
	in := &kinesis.GetShardIteratorInput{StreamName: &c.stream, ShardId: &shard}
	switch {
	case after != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &after
	case from.IsZero():
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	default:
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &from
	}
	ctx, cancel := timed(ctx)
	defer cancel()
	out, err := c.api.GetShardIterator(ctx, in)
	if err != nil {
		return "", c.failed(ctx, "begin to read shard "+shard+" of", err)
	}
	return aws.ToString(out.ShardIterator), nil
}

// reading is what one read gave.
type reading struct {
	records []types.Record
	// next is empty when the shard is closed and has been read to its end.
	next string
	// behind is how far the reading is behind the shard's newest record.
	behind time.Duration
}

func (c *client) fetchRecords(ctx context.Context, shard, iterator string) (reading, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	out, err := c.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &iterator, Limit: aws.Int32(readLimit)})
	if err != nil {
		return reading{}, c.failed(ctx, "read shard "+shard+" of", err)
	}
	return reading{out.Records, aws.ToString(out.NextShardIterator), time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond}, nil
}

func timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer from Kinesis in %s", callTimeout))
}

// The remedies.
const (
	remedyCredentials = "Check event_streams.access_key_id and secret_access_key, or the role and the files that AWS's own chain takes them from."
	remedyPermission  = "The credentials need kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream, and kms:Decrypt where it is encrypted with a key of your own."
	remedyGone        = "Check event_streams.stream and region; polling goes on."
)

// failed says why a call failed. The text of AWS's answer is left out: it may name
// the account's users.
func (c *client) failed(ctx context.Context, doing string, err error) error {
	out := &failure.Error{Op: doing + " Kinesis stream " + c.stream, Reason: failure.Transient}
	var refused smithy.APIError
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		out.Status = answer.HTTPStatusCode()
	}
	switch {
	case errors.Is(err, errCredentials):
		out.Reason, out.Err, out.Remedy = failure.Unauthorized, errCredentials, remedyCredentials
	case errors.As(err, &refused):
		out.Code = refused.ErrorCode()
		out.Reason, out.Remedy, out.Err = judge(out.Code)
	case ctx.Err() != nil:
		out.Err = context.Cause(ctx)
	default:
		out.Err = plain(err)
	}
	return out
}

// plain leaves out what the SDK says around a failure of the network.
func plain(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return fmt.Errorf("%s: %w", sent.URL, sent.Err)
	}
	return err
}

// judge knows the codes of Kinesis and of AWS's common errors.
func judge(code string) (failure.Reason, string, error) {
	switch code {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException", "KMSThrottlingException", "RequestLimitExceeded":
		return failure.RateLimited, "", nil
	case "ExpiredIteratorException":
		return failure.Transient, "", errExpired
	case "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
		"IncompleteSignatureException", "IncompleteSignature", "MissingAuthenticationTokenException", "MissingAuthenticationToken":
		return failure.Unauthorized, remedyCredentials, nil
	case "AccessDeniedException", "AccessDenied", "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
		"KMSOptInRequired", "OptInRequired", "NotAuthorized":
		return failure.Forbidden, remedyPermission, nil
	case "ResourceNotFoundException":
		return failure.Gone, remedyGone, nil
	case "InvalidArgumentException", "ValidationException", "SerializationException", "UnknownOperationException":
		return failure.Invalid, "", nil
	}
	return failure.Transient, "", nil
}
