// The driver of sarama, both of its newest version and of an old one (build tag `old`).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"barnabas.invalid/matrix/scenario"
)

type client struct {
	sarama.Client
	admin     sarama.ClusterAdmin
	bootstrap []string
}

// problems shows what of the client's log is about a problem: it has no levels. What it does about
// one is left out, the cause has a line of its own.
type problems struct{}

var problem = regexp.MustCompile(`(?i)error|fail|retry|abandon|lost|unable|cannot|not |because|giving up|` +
	`unexpected|invalid|warning|violated|skipping`)

var remedy = regexp.MustCompile(`state change to \[(retrying|flushing)-|abandoning broker|retrying after`)

func (problems) Print(v ...any)                 { show(fmt.Sprint(v...)) }
func (problems) Printf(format string, v ...any) { show(fmt.Sprintf(format, v...)) }
func (problems) Println(v ...any)               { show(fmt.Sprintln(v...)) }

func show(text string) {
	if problem.MatchString(text) && !remedy.MatchString(text) {
		fmt.Fprintln(os.Stderr, "WARN", strings.TrimSpace(text))
	}
}

type nothing struct{}

func (nothing) Print(...any)          {}
func (nothing) Printf(string, ...any) {}
func (nothing) Println(...any)        {}

// configuration is the client's default; SARAMA_VERSION sets Config.Version, as users do.
func configuration(least sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "matrix" // the default makes it warn
	if text := os.Getenv("SARAMA_VERSION"); text != "" {
		version, err := sarama.ParseKafkaVersion(text)
		if err != nil {
			panic(err)
		}
		c.Version = version
	}
	if !c.Version.IsAtLeast(least) {
		c.Version = least
	}
	return c
}

// codeless is an error of the broker of which the client keeps only the text.
type codeless struct{ error }

func (c *client) Code(err error) int16 {
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		err = topic.Err
	}
	var partition *sarama.TopicPartitionError
	if errors.As(err, &partition) {
		err = partition.Err
	}
	var code sarama.KError
	if errors.As(err, &code) {
		return int16(code)
	}
	var text codeless
	if errors.As(err, &text) {
		return scenario.Codeless
	}
	for code := sarama.KError(1); code < 100; code++ { // wrapped by its text alone
		if errors.Is(err, code) {
			return int16(code)
		}
	}
	return -1
}

// ---- Producer ----------------------------------------------------------------------------------

type producer struct{ sarama.SyncProducer }

func (p producer) Close() { _ = p.SyncProducer.Close() }

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func (c *client) Producer(o scenario.ProducerOptions) (scenario.Producer, error) {
	least := sarama.V0_11_0_0
	if o.Codec == "zstd" {
		least = sarama.V2_1_0_0
	}
	config := configuration(least)
	config.Producer.Return.Successes = true // SyncProducer asks for it
	config.Producer.Compression = codecs[o.Codec]
	if o.MaxBytes > 0 {
		config.Producer.MaxMessageBytes = o.MaxBytes
	}
	if o.Idempotent || os.Getenv("MATRIX_SAFE") != "" { // nodes die meanwhile
		config.Producer.Idempotent = idempotence
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1
		config.Producer.Retry.Max = 20 // more than connections are cut
		config.Metadata.Retry.Max = 20
	}
	p, err := sarama.NewSyncProducer(c.bootstrap, config)
	for i := 0; i < 10 && errors.Is(err, sarama.ErrOffsetsLoadInProgress); i++ { // a new broker
		time.Sleep(500 * time.Millisecond)
		p, err = sarama.NewSyncProducer(c.bootstrap, config)
	}
	return producer{p}, err
}

func encoder(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func (p producer) Send(records []*scenario.Record) error {
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		messages[i] = &sarama.ProducerMessage{Topic: r.Topic, Key: encoder(r.Key),
			Value: encoder(r.Value), Timestamp: r.Time}
		for _, h := range r.Headers {
			messages[i].Headers = append(messages[i].Headers,
				sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
		}
	}
	err := p.SendMessages(messages)
	var all sarama.ProducerErrors
	if errors.As(err, &all) {
		err = fmt.Errorf("%d records, the first: %w", len(all), all[0].Err)
	}
	for i, r := range records {
		r.Partition, r.Offset = messages[i].Partition, messages[i].Offset
	}
	return err
}

// ---- Reading -----------------------------------------------------------------------------------

func ours(m *sarama.ConsumerMessage) *scenario.Record {
	r := &scenario.Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key,
		Value: m.Value, Time: m.Timestamp}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, scenario.Header{Key: string(h.Key), Value: h.Value})
	}
	return r
}

type reader struct {
	consumer  sarama.Consumer
	now       sarama.PartitionConsumer
	topic     string
	partition int32
}

// Offsets with a meaning are the same numbers in the client.
func (c *client) Reader(topic string, partition int32, from int64, small bool) (scenario.Reader, error) {
	config := configuration(sarama.V0_11_0_0)
	if small {
		config.Consumer.Fetch.Default = 32 << 10
		config.ChannelBufferSize = 1
	}
	consumer, err := sarama.NewConsumer(c.bootstrap, config)
	if err != nil {
		return nil, err
	}
	r := &reader{consumer: consumer, topic: topic, partition: partition}
	return r, r.open(from)
}

func (r *reader) open(from int64) (err error) {
	r.now, err = r.consumer.ConsumePartition(r.topic, r.partition, from)
	return err
}

func (r *reader) SeekTo(at int64) error {
	if err := r.now.Close(); err != nil {
		return err
	}
	return r.open(at)
}

func (r *reader) Next(ctx context.Context) (*scenario.Record, error) {
	select {
	case m := <-r.now.Messages():
		return ours(m), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reader) Close() {
	_ = r.now.Close()
	_ = r.consumer.Close()
}

func (c *client) ReadTopics(topics []string) ([]*scenario.Record, error) {
	consumer, err := sarama.NewConsumer(c.bootstrap, configuration(sarama.V0_11_0_0))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	received := make(chan *scenario.Record, len(topics))
	var open sync.WaitGroup
	defer open.Wait()
	for _, topic := range topics {
		p, err := consumer.ConsumePartition(topic, 0, scenario.Start)
		if err != nil {
			return nil, err
		}
		defer p.AsyncClose()
		open.Add(1)
		go func() {
			defer open.Done()
			for m := range p.Messages() {
				received <- ours(m)
			}
		}()
	}
	var records []*scenario.Record
	for limit := time.After(2 * time.Minute); len(records) < len(topics); {
		select {
		case r := <-received:
			records = append(records, r)
		case <-limit:
			return records, fmt.Errorf("%d of %d topics came", len(records), len(topics))
		}
	}
	return records, nil
}

// ---- Members of groups -------------------------------------------------------------------------

type member struct {
	group   sarama.ConsumerGroup
	process func(*scenario.Record)
	mutex   sync.Mutex
	has     []int32
	changes int
	err     error
	ended   chan struct{}
	cancel  context.CancelFunc
}

func (c *client) Member(group, topic string, o scenario.MemberOptions,
	process func(*scenario.Record)) (scenario.Member, error) {
	config := configuration(sarama.V0_11_0_0)
	if o.Instance != "" {
		config = configuration(sarama.V2_3_0_0)
		config.Consumer.Group.InstanceId = o.Instance
	}
	if o.Cooperative {
		config = configuration(sarama.V2_4_0_0)
		makeCooperative(config)
	}
	if o.Session > 0 {
		config.Consumer.Group.Session.Timeout = o.Session
	}
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	switch o.Reset {
	case "latest":
		config.Consumer.Offsets.Initial = sarama.OffsetNewest
	case "none":
		config.Consumer.Group.ResetInvalidOffsets = false
	}
	g, err := sarama.NewConsumerGroup(c.bootstrap, group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: g, process: process, ended: make(chan struct{}), cancel: cancel}
	go func() {
		for err := range g.Errors() {
			m.fail(err)
		}
	}()
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, m); err != nil {
				m.fail(err)
				if !ofAFailover(err) {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m, nil
}

func (m *member) Setup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.changes++
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.mutex.Lock()
	m.has = append(m.has, claim.Partition())
	m.mutex.Unlock()
	defer func() {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.has = slices.DeleteFunc(m.has, func(p int32) bool { return p == claim.Partition() })
	}()
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.process(ours(message))
			s.MarkMessage(message, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

// ofAFailover is whether the client tells its user of a node that died, and can go on: it does not
// retry by itself.
func ofAFailover(err error) bool {
	if os.Getenv("MATRIX_SAFE") == "" {
		return false
	}
	var broken *net.OpError
	var code sarama.KError
	return errors.Is(err, io.EOF) || errors.As(err, &broken) || errors.Is(err, sarama.ErrNotConnected) ||
		errors.Is(err, sarama.ErrOutOfBrokers) || errors.As(err, &code) && slices.Contains([]sarama.KError{
		sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrNotCoordinatorForConsumer,
		sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress}, code)
}

func (m *member) fail(err error) {
	if ofAFailover(err) {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err == nil {
		m.err = err
	}
}

func (m *member) Partitions() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	has := slices.Clone(m.has)
	slices.Sort(has)
	return has
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
	_ = m.group.Close()
}

// some reads so many records in a group, and no more.
type some struct {
	mutex   sync.Mutex
	wanted  int
	records []*scenario.Record
	done    context.CancelFunc
}

func (*some) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*some) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *some) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open || !h.take(s, message) {
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (h *some) take(s sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if len(h.records) == h.wanted {
		return false
	}
	h.records = append(h.records, ours(message))
	s.MarkMessage(message, "")
	if len(h.records) == h.wanted {
		h.done()
		return false
	}
	return true
}

func (c *client) ReadInGroup(group, topic string, n int) ([]*scenario.Record, error) {
	config := configuration(sarama.V0_11_0_0)
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	g, err := sarama.NewConsumerGroup(c.bootstrap, group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h := &some{wanted: n, done: cancel}
	for ctx.Err() == nil {
		if err = g.Consume(ctx, []string{topic}, h); err != nil && !ofAFailover(err) {
			break
		}
	}
	return h.records, errors.Join(err, g.Close())
}

func main() {
	sarama.Logger, sarama.DebugLogger = problems{}, nothing{}
	scenario.Run(func(bootstrap string) (scenario.Client, error) {
		brokers := strings.Split(bootstrap, ",")
		cl, err := sarama.NewClient(brokers, configuration(sarama.V1_0_0_0))
		if err != nil {
			return nil, err
		}
		admin, err := sarama.NewClusterAdminFromClient(cl)
		return &client{cl, admin, brokers}, err
	})
}
