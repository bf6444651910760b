//go:build !no_kinesis

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"flexbrevo/connector/simulator/brevosim"
	"flexbrevo/connector/simulator/twiliosim"
)

const kinesisStream = "twilio-events"

// kinesisServer is a Kinesis on loopback that holds one stream, reached by the daemon through a line that can be cut.
type kinesisServer struct {
	t    *testing.T
	api  *kinesis.Client
	line *line
}

// newKinesis starts a server, with a stream of two shards.
func newKinesis(t *testing.T) *kinesisServer {
	t.Helper()
	dir := installed(t, "kinesalite")
	cmd := exec.Command("node", filepath.Join("..", "..", "testdata", "kinesalite", "server.js"), dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // which ends it
		if err := cmd.Wait(); err != nil || stderr.String() != "" {
			t.Errorf("the Kinesis server ended with %v\n%s", err, tail(stderr.String(), 2000))
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the Kinesis server names no port: %v\n%s", err, stderr.String())
	}
	address := "127.0.0.1:" + strings.TrimSpace(port)
	k := &kinesisServer{t: t, line: newLine(t, address), api: kinesis.New(kinesis.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://" + address), Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})}
	if _, err := k.api.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(kinesisStream), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	k.settled()
	return k
}

// settled waits until the stream may be changed, and returns its shards.
func (k *kinesisServer) settled() []types.Shard {
	k.t.Helper()
	var shards []types.Shard
	eventually(k.t, 10*time.Second, "the stream is active", func() bool {
		out, err := k.api.DescribeStream(k.t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String(kinesisStream)})
		if err != nil {
			k.t.Fatal(err)
		}
		shards = out.StreamDescription.Shards
		return out.StreamDescription.StreamStatus == types.StreamStatusActive
	})
	return shards
}

// open are the shards that are written to, in the order of their keys.
func (k *kinesisServer) open() (open []types.Shard) {
	for _, s := range k.settled() {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open = append(open, s)
		}
	}
	return open
}

// split splits an open shard in its middle.
func (k *kinesisServer) split(at int) {
	k.t.Helper()
	s := k.open()[at]
	from, _ := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
	to, _ := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
	middle := new(big.Int).Rsh(new(big.Int).Add(from, to), 1)
	if _, err := k.api.SplitShard(k.t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(kinesisStream), ShardToSplit: s.ShardId, NewStartingHashKey: aws.String(middle.String()),
	}); err != nil {
		k.t.Fatal(err)
	}
	k.settled()
}

// merge merges the two open shards with adjacent keys that were made last.
func (k *kinesisServer) merge() {
	k.t.Helper()
	open := k.open()
	for _, one := range open {
		for _, other := range open {
			end, _ := new(big.Int).SetString(*one.HashKeyRange.EndingHashKey, 10)
			if new(big.Int).Add(end, big.NewInt(1)).String() != *other.HashKeyRange.StartingHashKey {
				continue
			}
			if _, err := k.api.MergeShards(k.t.Context(), &kinesis.MergeShardsInput{
				StreamName: aws.String(kinesisStream), ShardToMerge: one.ShardId, AdjacentShardToMerge: other.ShardId,
			}); err != nil {
				k.t.Fatal(err)
			}
			k.settled()
			return
		}
	}
	k.t.Fatal("no two shards are adjacent")
}

// put writes records under keys that spread over the shards.
func (k *kinesisServer) put(bodies ...[]byte) {
	k.t.Helper()
	if err := k.write(bodies...); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kinesisServer) write(bodies ...[]byte) error {
	for len(bodies) > 0 {
		var entries []types.PutRecordsRequestEntry
		for _, body := range bodies[:min(200, len(bodies))] {
			entries = append(entries, types.PutRecordsRequestEntry{Data: body, PartitionKey: aws.String(string(body[:min(len(body), 200)]))})
		}
		out, err := k.api.PutRecords(k.t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(kinesisStream), Records: entries})
		if err != nil {
			return err
		}
		if n := *out.FailedRecordCount; n > 0 {
			return fmt.Errorf("%d of %d records were refused", n, len(entries))
		}
		bodies = bodies[len(entries):]
	}
	return nil
}

// line carries connections to an address until it is cut.
type line struct {
	address string
	to      string
	mu      sync.Mutex
	cut     bool
	open    map[net.Conn]bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{address: listener.Addr().String(), to: to, open: map[net.Conn]bool{}}
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			carrying.Go(func() { l.carry(in) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.set(true)
		carrying.Wait()
	})
	return l
}

func (l *line) carry(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer out.Close()
	if !l.add(in) {
		return
	}
	var half sync.WaitGroup
	half.Go(func() {
		_, _ = io.Copy(out, in) // ends when either side does
		_ = out.Close()
	})
	_, _ = io.Copy(in, out)
	_ = in.Close()
	half.Wait()
}

func (l *line) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return !l.cut
}

// set cuts the line, with all that it carries, or mends it.
func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for c := range l.open {
		_ = c.Close()
		delete(l.open, c)
	}
}

// byKinesis is a lab whose TaskRouter events come by Kinesis alone: Twilio's own list of them never answers.
func byKinesis(t *testing.T, k *kinesisServer, s setup) *lab {
	t.Helper()
	l := newLab(t, s)
	l.env["TWILIO_URL"] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Events") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		l.twilio.ServeHTTP(w, r)
	}))
	text := strings.Replace(l.configuration("connector.yaml"), "    region: FR\n",
		"    region: FR\n    event_streams: {via: kinesis, stream: "+kinesisStream+", region: eu-west-1, endpoint: \"http://"+k.line.address+
			"\", access_key_id: AKIATEST, secret_access_key: \"${AWS_SECRET}\"}\n", 1)
	l.env["AWS_SECRET"] = "kinesis-secret"
	if s.shared {
		text = strings.Replace(text, "shared_phones: []", "shared_phones: [\"+33140000000\"]", 1)
	}
	l.write("connector.yaml", text)
	return l
}

// cloudEvents are the events of a lab's world, shuffled, some twice, alone and in arrays.
func (l *lab) cloudEvents(from, until time.Time) (bodies [][]byte) {
	random := rand.New(rand.NewPCG(9, 9))
	for e := range l.world.Events(from, until) {
		body := l.twilio.CloudEvent(&e).AppendJSON(nil)
		switch random.IntN(5) {
		case 0:
			bodies = append(bodies, body, body)
		case 1:
			bodies = append(bodies, []byte("["+string(body)+"]"))
		default:
			bodies = append(bodies, body)
		}
	}
	random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	return bodies
}

// partStatus is what status says of the part.
type partStatus struct {
	Name    string
	Counts  map[string]int64
	Notices []string
}

func (d *daemon) partStatus() partStatus {
	d.t.Helper()
	var status struct {
		Connectors []struct {
			Streams map[string]any
			Parts   []partStatus
		}
	}
	response, err := http.Get("http://" + d.admin + "/api/v1/status")
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		d.t.Fatal(err)
	}
	for stream := range status.Connectors[0].Streams {
		if strings.Contains(stream, "kinesis") {
			d.t.Errorf("a shard's checkpoint is shown as the stream %s", stream)
		}
	}
	for _, p := range status.Connectors[0].Parts {
		if p.Name == "kinesis" {
			return p
		}
	}
	d.t.Fatal("status does not know the part")
	return partStatus{}
}

// TestKinesis brings a day by Kinesis alone, shuffled and with repeats, while shards are split and merged, the daemon
// is killed and Kinesis is away for a while: Brevo holds what the calculation says, and what cannot be read is shown.
func TestKinesis(t *testing.T) {
	t.Parallel()
	k := newKinesis(t)
	options := aDay(31, 120, false)
	l := byKinesis(t, k, setup{world: options, brevo: brevosim.Options{ReadLag: 200 * time.Millisecond}, env: map[string]string{"LOOKUP_AFTER": "1s"}})
	bodies := l.cloudEvents(options.Start.Add(-time.Hour), today())
	fifth := len(bodies) / 5
	k.put(bodies[:fifth]...)
	d := l.run()
	k.put([]byte("not JSON at all \xff"))
	k.split(0)
	k.put(bodies[fifth : 2*fifth]...)
	eventually(t, 20*time.Second, "the children are read", func() bool { return d.partStatus().Counts["shards_ended"] >= 1 })
	k.put(bodies[2*fifth : 3*fifth]...)
	d.kill()

	k.merge()
	k.split(0)
	d = l.run()
	k.put(bodies[3*fifth : 4*fifth]...)
	k.line.set(true)
	k.put(bodies[4*fifth:]...)
	eventually(t, 20*time.Second, "status says that Kinesis is away", func() bool {
		return strings.Contains(strings.Join(d.partStatus().Notices, " "), "Kinesis stream "+kinesisStream)
	})
	k.line.set(false)

	s := liveSettings(today())
	s.SharedPhones = nil
	l.eventuallyEqual(s, 90*time.Second, d)
	eventually(t, 20*time.Second, "all shards are read and nothing is wrong", func() bool {
		p := d.partStatus()
		return len(p.Notices) == 0 && p.Counts["shards_ended"] == 4 && p.Counts["shards_read"] == 3
	})
	if dead := l.must(0, "dead", "list").stdout; strings.Count(dead, "unknown") != 1 {
		t.Errorf("the record that cannot be read is not shown once:\n%s", dead)
	}
	if !strings.Contains(l.flexbrevo("test").stdout, "✓ kinesis") {
		t.Errorf("test does not tell of kinesis:\n%s", l.flexbrevo("test").stdout)
	}
	if metrics := d.page("/metrics"); !strings.Contains(metrics, `flexbrevo_part{connector="twilio_flex",part="kinesis",what="lag_seconds"}`) {
		t.Error("no metric tells how far the reading is behind")
	}
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr.String())
	}
	l.mustEqual(s)
	if strings.Contains(d.stderr.String(), "kinesis-secret") {
		t.Error("the secret is in the log")
	}
}

// TestProvisionKinesis sets Twilio's side of a Kinesis sink up: it is validated by the test event that the daemon reads
// from the stream, and only then subscribed to, as Twilio wants.
func TestProvisionKinesis(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/" + kinesisStream
	k := newKinesis(t)
	l := byKinesis(t, k, setup{world: aDay(1, 10, false), twilio: twiliosim.Options{PutKinesis: func(to string, data []byte) {
		if to != arn {
			return
		}
		if err := k.write(data); err != nil {
			t.Errorf("write the test event: %v", err)
		}
	}}})
	if out := l.must(0, "provision").stdout; !strings.Contains(out, "event_streams.sink is not set") || len(l.twilio.Sinks()) != 0 {
		t.Errorf("%d sinks\n%s", len(l.twilio.Sinks()), out)
	}
	l.env["EXTERNAL_ID"] = "external-secret"
	l.write("connector.yaml", strings.Replace(readFile(t, filepath.Join(l.dir, "connector.yaml")), "{via: kinesis, ",
		"{via: kinesis, sink: {stream_arn: \""+arn+"\", role_arn: \"arn:aws:iam::123456789012:role/twilio\", external_id: \"${EXTERNAL_ID}\"}, ", 1))

	early := l.must(0, "provision", "--patience", "300ms").stdout
	if len(l.twilio.Sinks()) != 1 || len(l.twilio.Subscriptions()) != 0 || !strings.Contains(early, "nothing is subscribed yet") {
		t.Fatalf("%d sinks, %d subscriptions before the daemon runs\n%s", len(l.twilio.Sinks()), len(l.twilio.Subscriptions()), early)
	}
	d := l.run()
	eventually(t, 20*time.Second, "the first test event is read", func() bool {
		var status struct {
			Connectors []struct{ Webhooks map[string]any }
		}
		if err := json.Unmarshal([]byte(d.page("/api/v1/status")), &status); err != nil {
			t.Fatal(err)
		}
		return status.Connectors[0].Webhooks["kinesis"] != nil
	})
	made := l.must(0, "provision").stdout
	sinks, subscriptions := l.twilio.Sinks(), l.twilio.Subscriptions()
	if len(sinks) != 1 || sinks[0].Type != "kinesis" || sinks[0].Destination != arn || !sinks[0].Validated || len(subscriptions) != 1 {
		t.Errorf("sinks %+v, subscriptions %+v\n%s", sinks, subscriptions, made)
	}
	if again := l.must(0, "provision").stdout; len(l.twilio.Sinks()) != 1 || strings.Contains(again, "created  twilio") {
		t.Errorf("a second run made something:\n%s", again)
	}
	l.must(0, "provision", "--remove")
	if left := len(l.twilio.Sinks()) + len(l.twilio.Subscriptions()); left != 0 {
		t.Errorf("%d sinks and subscriptions are left", left)
	}
	if said := early + made + d.stderr.String(); strings.Contains(said, "external-secret") {
		t.Errorf("the external id is shown:\n%s", said)
	}
}
