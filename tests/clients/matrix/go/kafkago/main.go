// The driver of segmentio/kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"barnabas.invalid/matrix/scenario"
)

type client struct {
	*kafka.Client
	brokers []string
}

var warnings = kafka.LoggerFunc(func(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "WARN", fmt.Sprintf(format, args...))
})

func within(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func (c *client) Code(err error) int16 {
	var all kafka.WriteErrors
	if errors.As(err, &all) {
		err = errors.Join(all...)
	}
	var code kafka.Error
	if errors.As(err, &code) {
		return int16(code)
	}
	return -1
}

func (c *client) Close() {}

// ---- Producer ----------------------------------------------------------------------------------

type producer struct{ *kafka.Writer }

func (p producer) Close() { _ = p.Writer.Close() }

var codecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func (c *client) Producer(o scenario.ProducerOptions) (scenario.Producer, error) {
	w := &kafka.Writer{
		Addr:         kafka.TCP(c.brokers...),
		RequiredAcks: kafka.RequireAll,      // by default it asks for no answer
		BatchTimeout: 10 * time.Millisecond, // by default it waits a second for more
		Compression:  codecs[o.Codec],
		ErrorLogger:  warnings,
		Completion: func(messages []kafka.Message, err error) {
			for _, m := range messages {
				r := m.WriterData.(*scenario.Record)
				r.Partition, r.Offset = int32(m.Partition), m.Offset
			}
		},
	}
	if o.MaxBytes > 0 {
		w.BatchBytes = int64(o.MaxBytes)
	}
	return producer{w}, nil
}

func (p producer) Send(records []*scenario.Record) error {
	ctx, cancel := within(90 * time.Second)
	defer cancel()
	messages := make([]kafka.Message, len(records))
	for i, r := range records {
		messages[i] = kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: r.Time,
			WriterData: r}
		for _, h := range r.Headers {
			messages[i].Headers = append(messages[i].Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	for {
		err := p.WriteMessages(ctx, messages...)
		var sent kafka.WriteErrors
		// The writer repeats batches, but not its look-up of the topic, before which nothing is sent.
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &sent) {
			return err
		}
	}
}

// ---- Reading -----------------------------------------------------------------------------------

func ours(m kafka.Message) *scenario.Record {
	r := &scenario.Record{Topic: m.Topic, Partition: int32(m.Partition), Offset: m.Offset, Key: m.Key,
		Value: m.Value, Time: m.Time}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, scenario.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

type reader struct{ *kafka.Reader }

// closing a reader takes as long as a fetch may wait, by default 10 s.
const closing = 2 * time.Second

// Offsets with a meaning are the same numbers in the client.
func (c *client) Reader(topic string, partition int32, from int64, small bool) (scenario.Reader, error) {
	config := kafka.ReaderConfig{Brokers: c.brokers, Topic: topic, Partition: int(partition),
		MaxWait: closing, ErrorLogger: warnings}
	if small {
		config.MaxBytes = 32 << 10
		config.QueueCapacity = 1
	}
	r := reader{kafka.NewReader(config)}
	return r, r.SetOffset(from)
}

func (r reader) Next(ctx context.Context) (*scenario.Record, error) {
	m, err := r.ReadMessage(ctx)
	return ours(m), err
}

func (r reader) SeekTo(at int64) error { return r.SetOffset(at) }

func (r reader) Close() { _ = r.Reader.Close() }

func (c *client) ReadTopics(topics []string) ([]*scenario.Record, error) {
	ctx, cancel := within(2 * time.Minute)
	defer cancel()
	var records []*scenario.Record
	for _, topic := range topics {
		answer, err := c.Fetch(ctx, &kafka.FetchRequest{Topic: topic, MinBytes: 1, MaxBytes: 1 << 20,
			MaxWait: time.Second})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return records, fmt.Errorf("%s: %w", topic, err)
		}
		r, err := answer.Records.ReadRecord()
		if err != nil {
			return records, fmt.Errorf("%s: %w", topic, err)
		}
		key, _ := io.ReadAll(r.Key)
		value, _ := io.ReadAll(r.Value)
		records = append(records, &scenario.Record{Topic: topic, Offset: r.Offset, Key: key,
			Value: value, Time: r.Time})
	}
	return records, nil
}

func (c *client) ReadInGroup(group, topic string, n int) ([]*scenario.Record, error) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: c.brokers, GroupID: group, Topic: topic,
		MaxWait: closing, ErrorLogger: warnings})
	defer r.Close()
	ctx, cancel := within(time.Minute)
	defer cancel()
	var records []*scenario.Record
	var messages []kafka.Message
	for len(records) < n {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return records, err
		}
		records, messages = append(records, ours(m)), append(messages, m)
	}
	return records, r.CommitMessages(ctx, messages...)
}

// ---- Members of groups -------------------------------------------------------------------------

type member struct {
	client  *client
	group   *kafka.ConsumerGroup
	topic   string
	options scenario.MemberOptions
	process func(*scenario.Record)
	mutex   sync.Mutex
	has     []int32
	changes int
	err     error
	ended   chan struct{}
}

func (c *client) Member(group, topic string, o scenario.MemberOptions,
	process func(*scenario.Record)) (scenario.Member, error) {
	config := kafka.ConsumerGroupConfig{ID: group, Brokers: c.brokers, Topics: []string{topic},
		StartOffset: kafka.FirstOffset, ErrorLogger: warnings}
	if o.Session > 0 {
		config.SessionTimeout = o.Session
	}
	if o.Reset == "latest" {
		config.StartOffset = kafka.LastOffset
	}
	g, err := kafka.NewConsumerGroup(config)
	if err != nil {
		return nil, err
	}
	m := &member{client: c, group: g, topic: topic, options: o, process: process,
		ended: make(chan struct{})}
	go m.run()
	return m, nil
}

func (m *member) run() {
	defer close(m.ended)
	for {
		generation, err := m.group.Next(context.Background())
		if errors.Is(err, kafka.ErrGroupClosed) {
			return
		}
		if err != nil { // it tries again
			warnings("next generation: %v", err)
			continue
		}
		assigned := generation.Assignments[m.topic]
		m.assign(assigned)
		generation.Start(func(ctx context.Context) {
			<-ctx.Done()
			m.assign(nil)
		})
		for _, a := range assigned {
			generation.Start(func(ctx context.Context) { m.read(ctx, generation, a) })
		}
	}
}

func (m *member) assign(assigned []kafka.PartitionAssignment) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.changes++
	m.has = nil
	for _, a := range assigned {
		m.has = append(m.has, int32(a.ID))
	}
	slices.Sort(m.has)
}

// read processes one partition until the generation ends, and commits now and then.
func (m *member) read(ctx context.Context, generation *kafka.Generation, a kafka.PartitionAssignment) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: m.client.brokers, Topic: m.topic, Partition: a.ID,
		MaxWait: closing, ErrorLogger: warnings, OffsetOutOfRangeError: m.options.Reset == "none"})
	defer r.Close()
	if err := r.SetOffset(a.Offset); err != nil {
		m.fail(err)
		return
	}
	next, committed := a.Offset, a.Offset
	commit := func() {
		if next != committed {
			err := generation.CommitOffsets(map[string]map[int]int64{m.topic: {a.ID: next}})
			if err != nil {
				m.fail(err)
			}
			committed = next
		}
	}
	for {
		message, err := r.ReadMessage(ctx)
		if errors.Is(err, kafka.ErrGenerationEnded) {
			commit()
			return
		}
		if err != nil {
			m.fail(err)
			<-ctx.Done()
			return
		}
		m.process(ours(message))
		next = message.Offset + 1
		if next%10 == 0 {
			commit()
		}
	}
}

func (m *member) fail(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.err == nil {
		m.err = err
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
	_ = m.group.Close()
	<-m.ended
}

func main() {
	scenario.Run(func(bootstrap string) (scenario.Client, error) {
		brokers := strings.Split(bootstrap, ",")
		return &client{&kafka.Client{Addr: kafka.TCP(brokers...)}, brokers}, nil
	})
}
