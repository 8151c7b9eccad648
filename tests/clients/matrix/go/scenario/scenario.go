// Package scenario holds the scenarios of the client matrix, written once for all Go clients: each
// client is wrapped, as thinly as can be, to look like a Client.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"time"
)

// Offsets with a meaning, as in the protocol's ListOffsets.
const (
	End   int64 = -1
	Start int64 = -2
)

// Codes of the protocol's errors that scenarios expect.
const (
	offsetOutOfRange         int16 = 1
	unknownTopicOrPartition  int16 = 3
	messageTooLarge          int16 = 10
	invalidTopic             int16 = 17
	topicAlreadyExists       int16 = 36
	invalidPartitions        int16 = 37
	invalidReplicationFactor int16 = 38
	invalidConfig            int16 = 40
	nonEmptyGroup            int16 = 68
	groupIDNotFound          int16 = 69
)

// Codeless stands for any code.
const Codeless int16 = -2

// ErrLacks is what a wrapper returns where its client has no such call; that step is left out.
var ErrLacks = errors.New("the client has no such call")

type Header struct {
	Key   string
	Value []byte
}

type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []Header
	Time      time.Time // zero: the client's own
}

type ProducerOptions struct {
	Codec      string // none, gzip, snappy, lz4, zstd; empty: the client's default
	Idempotent bool   // and patient; without Idempotence at least acks=all and in order
	MaxBytes   int    // limit of the client's own for a batch; 0: its default
}

type Producer interface {
	// Send returns when all records are acknowledged, with their partitions and offsets filled in,
	// or with the first error.
	Send(records []*Record) error
	Close()
}

// Reader reads one partition, outside any group.
type Reader interface {
	Next(ctx context.Context) (*Record, error)
	// SeekTo moves to an offset, Start or End.
	SeekTo(offset int64) error
	Close()
}

type MemberOptions struct {
	Cooperative bool
	Instance    string        // group.instance.id
	Session     time.Duration // 0: the client's default
	Reset       string        // earliest (also when empty), latest, none
}

// Member is in a group, reads what it is assigned, and commits what it has read.
type Member interface {
	Partitions() []int32 // what it has at the moment, sorted
	Changes() int        // how often it was given or lost partitions
	Err() error          // the first error that a user would see
	Close()              // leaves the group, but for a static member
}

type Progress struct{ Committed, End, Lag int64 }

type Group struct {
	State   string
	Members int
}

type Client interface {
	Producer(ProducerOptions) (Producer, error)
	// Reader reads from an offset, Start or End; small asks for small buffers.
	Reader(topic string, partition int32, from int64, small bool) (Reader, error)
	Member(group, topic string, options MemberOptions, process func(*Record)) (Member, error)
	// ReadInGroup joins, reads n records, commits exactly these, and leaves.
	ReadInGroup(group, topic string, n int) ([]*Record, error)
	// ReadTopics reads the first record of each topic.
	ReadTopics(topics []string) ([]*Record, error)
	// ManyTopics is how many topics the client bears in a scenario's time.
	ManyTopics() int
	// Idempotence is whether an idempotent producer writes each record once.
	Idempotence() bool
	// KeepsOrder is whether a batch that is sent again comes before those that followed it.
	KeepsOrder() bool
	// TellsEmpty is whether the client gives back what is empty as empty, not as null.
	TellsEmpty() bool
	// CanReset tells whether a member can be made to follow a reset policy, without any committed
	// offset or with one beyond the end.
	CanReset(policy string, beyond bool) bool

	Commit(group, topic string, offsets map[int32]int64) error
	Committed(group, topic string) (map[int32]int64, error)
	Progress(group, topic string) (map[int32]Progress, error)
	// OffsetAt finds the first offset at or after a time in milliseconds, or Start's or End's; the
	// end where there is none.
	OffsetAt(topic string, partition int32, at int64) (int64, error)

	CreateTopics(topics []string, partitions int32, replication int16) error
	DeleteTopics(topics []string) error
	ListTopics() ([]string, error)
	Partitions(topic string) (int, error)
	TopicConfig(topic, key string) (string, error)
	SetConfig(topic, key, value string) error
	AddPartitions(topic string, total int) error
	DeleteRecords(topic string, partition int32, before int64) error
	ListGroups() ([]string, error)
	DescribeGroup(group string) (Group, error)
	DeleteGroup(group string) error

	// Code is the protocol's error code in what the client returned; -1 where there is none, and
	// Codeless where the client kept only the text of the broker's error.
	Code(err error) int16
	Close()
}

// Run is a driver's main: SCENARIO BOOTSTRAP TOPIC GROUP.
func Run(connect func(bootstrap string) (Client, error)) {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: driver SCENARIO BOOTSTRAP TOPIC GROUP")
		os.Exit(2)
	}
	os.Exit(run(connect))
}

type test struct {
	Client
	topic, group string
}

var scenarios = map[string]func(*test){
	"codecs":            codecs,
	"headers_and_nulls": headersAndNulls,
	"sizes":             sizes,
	"idempotent":        idempotent,
	"eager":             func(t *test) { rebalances(t, false) },
	"cooperative":       func(t *test) { rebalances(t, true) },
	"static":            static,
	"seek_by_time":      seekByTime,
	"replay":            replay,
	"lag":               lag,
	"offset_reset":      offsetReset,
	"admin":             admin,
	"many_topics":       manyTopics,
	"slow_consumer":     slowConsumer,
	"many_groups":       manyGroups,
}

// failure is what a failed check panics with, to be caught in run.
type failure string

func run(connect func(bootstrap string) (Client, error)) (code int) {
	name, bootstrap := os.Args[1], os.Args[2]
	scenario, known := scenarios[name]
	if !known {
		fmt.Fprintln(os.Stderr, "there is no scenario", name)
		return 2
	}
	client, err := connect(bootstrap)
	if err != nil {
		fmt.Fprintln(os.Stderr, "connect:", err)
		return 1
	}
	defer client.Close()
	defer func() {
		if said := recover(); said != nil {
			failed, ours := said.(failure)
			if !ours {
				panic(said)
			}
			fmt.Fprintln(os.Stderr, name+":", string(failed))
			code = 1
		}
	}()
	scenario(&test{Client: client, topic: os.Args[3], group: os.Args[4]})
	return 0
}

func fail(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

func check(holds bool, format string, args ...any) {
	if !holds {
		fail(format, args...)
	}
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// refused checks that a call failed with one of the codes, or that the client has no such call.
func (t *test) refused(err error, what string, codes ...int16) {
	if errors.Is(err, ErrLacks) {
		return
	}
	check(err != nil, "%s: no error, expected %v", what, codes)
	for _, code := range codes {
		if t.Code(err) == code || t.Code(err) == Codeless {
			return
		}
	}
	fail("%s: error %d (%v), expected %v", what, t.Code(err), err, codes)
}

// wait polls a condition that a client gives no event for.
func wait(what string, limit time.Duration, holds func() bool) {
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(20 * time.Millisecond) {
		check(time.Now().Before(deadline), "waited %v in vain: %s", limit, what)
	}
}

func (t *test) producer(options ProducerOptions) Producer {
	p, err := t.Producer(options)
	must(err, "producer")
	return p
}

func (t *test) send(records []*Record) {
	p := t.producer(ProducerOptions{})
	defer p.Close()
	must(p.Send(records), "send")
}

func (t *test) reader(topic string, partition int32, from int64) Reader {
	r, err := t.Reader(topic, partition, from, false)
	must(err, "reader")
	return r
}

// take reads n records within a minute.
func take(r Reader, n int) []*Record {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var records []*Record
	for len(records) < n {
		record, err := r.Next(ctx)
		must(err, fmt.Sprintf("read, after %d of %d records", len(records), n))
		records = append(records, record)
	}
	return records
}

func numbered(topic string, from, n int) []*Record {
	var records []*Record
	for i := from; i < from+n; i++ {
		key, value := fmt.Sprintf("key-%d", i), fmt.Sprintf("value-%d", i)
		records = append(records, &Record{Topic: topic, Key: []byte(key), Value: []byte(value)})
	}
	return records
}

func sorted(partitions []int32) []int32 {
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	return partitions
}
