// The driver of franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"barnabas.invalid/matrix/scenario"
)

type client struct {
	*admin
	bootstrap string
}

// warnings shows what the client logs, from its warnings upward.
type warnings struct{}

func (warnings) Level() kgo.LogLevel { return kgo.LogLevelWarn }
func (warnings) Log(_ kgo.LogLevel, text string, pairs ...any) {
	fmt.Fprintln(os.Stderr, "WARN", text, fmt.Sprint(pairs...))
}

func within(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func (c *client) connect(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...), kgo.WithLogger(warnings{}))...)
}

func (c *client) Code(err error) int16 {
	var e *kerr.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

// ---- Producer ----------------------------------------------------------------------------------

type producer struct{ *kgo.Client }

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (c *client) Producer(o scenario.ProducerOptions) (scenario.Producer, error) {
	var options []kgo.Opt // idempotent is the default
	if o.Codec != "" {
		options = append(options, kgo.ProducerBatchCompression(codecs[o.Codec]))
	}
	if o.MaxBytes > 0 {
		options = append(options, kgo.ProducerBatchMaxBytes(int32(o.MaxBytes)))
	}
	cl, err := c.connect(options...)
	return producer{cl}, err
}

func (p producer) Send(records []*scenario.Record) error {
	ctx, cancel := within(90 * time.Second)
	defer cancel()
	sent := make([]*kgo.Record, len(records))
	for i, r := range records {
		sent[i] = &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Time}
		for _, h := range r.Headers {
			sent[i].Headers = append(sent[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	err := p.ProduceSync(ctx, sent...).FirstErr()
	for i, r := range records {
		r.Partition, r.Offset = sent[i].Partition, sent[i].Offset
	}
	return err
}

// ---- Reading -----------------------------------------------------------------------------------

func ours(r *kgo.Record) *scenario.Record {
	record := &scenario.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key,
		Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, scenario.Header{Key: h.Key, Value: h.Value})
	}
	return record
}

func offset(at int64) kgo.Offset {
	switch at {
	case scenario.Start:
		return kgo.NewOffset().AtStart()
	case scenario.End:
		return kgo.NewOffset().AtEnd()
	}
	return kgo.NewOffset().At(at)
}

type reader struct {
	*kgo.Client
	topic     string
	partition int32
}

func (c *client) Reader(topic string, partition int32, from int64, small bool) (scenario.Reader, error) {
	options := []kgo.Opt{kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {partition: offset(from)}})}
	if small {
		options = append(options, kgo.FetchMaxBytes(64<<10), kgo.FetchMaxPartitionBytes(32<<10))
	}
	cl, err := c.connect(options...)
	return &reader{cl, topic, partition}, err
}

func (r *reader) Next(ctx context.Context) (*scenario.Record, error) {
	fetches := r.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		return nil, err
	}
	return ours(fetches.Records()[0]), nil
}

func (r *reader) SeekTo(at int64) error {
	if at >= 0 {
		r.SetOffsets(map[string]map[int32]kgo.EpochOffset{
			r.topic: {r.partition: {Epoch: -1, Offset: at}}})
		return nil
	}
	partitions := map[string][]int32{r.topic: {r.partition}}
	r.RemoveConsumePartitions(partitions)
	r.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {r.partition: offset(at)}})
	return nil
}

func (c *client) ReadTopics(topics []string) ([]*scenario.Record, error) {
	cl, err := c.connect(kgo.ConsumeTopics(topics...))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := within(2 * time.Minute)
	defer cancel()
	var records []*scenario.Record
	for len(records) < len(topics) {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, err
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, ours(r)) })
	}
	return records, nil
}

func (c *client) ReadInGroup(group, topic string, n int) ([]*scenario.Record, error) {
	cl, err := c.connect(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := within(time.Minute)
	defer cancel()
	var records []*scenario.Record
	for len(records) < n {
		fetches := cl.PollRecords(ctx, n-len(records))
		if err := fetches.Err(); err != nil {
			return records, err
		}
		for _, r := range fetches.Records() {
			records = append(records, ours(r))
		}
		if err := cl.CommitRecords(ctx, fetches.Records()...); err != nil {
			return records, err
		}
	}
	return records, nil
}

// ---- Members of groups -------------------------------------------------------------------------

type member struct {
	*kgo.Client
	mutex   sync.Mutex
	has     []int32
	changes int
	err     error
	ended   chan struct{}
	cancel  context.CancelFunc
}

func (c *client) Member(group, topic string, o scenario.MemberOptions,
	process func(*scenario.Record)) (scenario.Member, error) {
	m := &member{ended: make(chan struct{})}
	gained := func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.change(p[topic], nil) }
	lost := func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.change(nil, p[topic]) }
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.OnPartitionsAssigned(gained), kgo.OnPartitionsLost(lost),
		kgo.OnPartitionsRevoked(func(ctx context.Context, cl *kgo.Client, p map[string][]int32) {
			lost(ctx, cl, p)
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				m.fail(err)
			}
		})}
	if !o.Cooperative { // cooperative is the client's default
		options = append(options, kgo.Balancers(kgo.RangeBalancer()))
	}
	if o.Instance != "" {
		options = append(options, kgo.InstanceID(o.Instance))
	}
	if o.Session > 0 {
		options = append(options, kgo.SessionTimeout(o.Session))
	}
	switch o.Reset {
	case "latest":
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	case "none":
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtCommitted()))
	}
	var err error
	if m.Client, err = c.connect(options...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go m.read(ctx, process)
	return m, nil
}

func (m *member) read(ctx context.Context, process func(*scenario.Record)) {
	defer close(m.ended)
	for {
		fetches := m.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) { m.fail(err) })
		fetches.EachRecord(func(r *kgo.Record) { process(ours(r)) })
	}
}

func (m *member) fail(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err == nil {
		m.err = err
	}
}

func (m *member) change(gained, lost []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.has = slices.DeleteFunc(m.has, func(p int32) bool { return slices.Contains(lost, p) })
	m.has = append(m.has, gained...)
	slices.Sort(m.has)
	if len(gained)+len(lost) > 0 {
		m.changes++
	}
}

func (m *member) Partitions() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.has)
}

func (m *member) Changes() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.changes
}

func (m *member) Err() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.err
}

func (m *member) Close() {
	m.cancel()
	<-m.ended
	m.Client.Close()
}

func (c *client) ManyTopics() int { return 2000 }

func (c *client) Idempotence() bool { return true }

func (c *client) KeepsOrder() bool { return true }

func (c *client) TellsEmpty() bool { return true }

func (c *client) CanReset(string, bool) bool { return true }

func main() {
	scenario.Run(func(bootstrap string) (scenario.Client, error) {
		c := &client{bootstrap: bootstrap}
		cl, err := c.connect()
		if err != nil {
			return nil, err
		}
		c.admin = &admin{kadm.NewClient(cl)}
		return c, nil
	})
}
