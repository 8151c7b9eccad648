package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func admin(t *test) {
	adminTopics(t)
	adminConfigs(t)
	adminRecords(t)
	adminGroups(t)
	must(t.DeleteTopics([]string{made(t)}), "delete a topic")
	wait("the deleted topic is gone", 10*time.Second, func() bool {
		topics, err := t.ListTopics()
		must(err, "list topics")
		return !slices.Contains(topics, made(t))
	})
	t.refused(t.DeleteTopics([]string{made(t)}), "delete a topic twice", unknownTopicOrPartition)
}

// made is the topic that this scenario makes itself.
func made(t *test) string { return t.topic + "-made" }

func adminTopics(t *test) {
	must(t.CreateTopics([]string{made(t)}, 3, 1), "create a topic")
	t.refused(t.CreateTopics([]string{made(t)}, 3, 1), "create it again", topicAlreadyExists)
	for _, name := range []string{"not a name", "..", "ü", strings.Repeat("n", 250)} {
		t.refused(t.CreateTopics([]string{name}, 1, 1), fmt.Sprintf("create %q", name), invalidTopic)
	}
	t.refused(t.CreateTopics([]string{t.topic + "-0"}, 0, 1), "no partitions", invalidPartitions)
	t.refused(t.CreateTopics([]string{t.topic + "-5"}, 1, 5), "5 replicas", invalidReplicationFactor)
	wait("the topic is listed", 10*time.Second, func() bool {
		topics, err := t.ListTopics()
		must(err, "list topics")
		return slices.Contains(topics, made(t)) && slices.Contains(topics, t.topic)
	})
	n, err := t.Partitions(made(t))
	must(err, "describe a topic")
	check(n == 3, "%d partitions", n)
	_, err = t.Partitions(t.topic + "-unknown")
	t.refused(err, "describe an unknown topic", unknownTopicOrPartition)

	must(t.AddPartitions(made(t), 5), "more partitions")
	wait("there are more partitions", 10*time.Second, func() bool {
		n, err := t.Partitions(made(t))
		must(err, "describe a topic")
		return n == 5
	})
	t.refused(t.AddPartitions(made(t), 4), "fewer partitions", invalidPartitions)
	t.refused(t.AddPartitions(made(t), 5), "as many partitions", invalidPartitions)
	t.refused(t.AddPartitions(t.topic+"-unknown", 5), "partitions of an unknown topic",
		unknownTopicOrPartition)
}

func adminConfigs(t *test) {
	config := func(key string) string {
		value, err := t.TopicConfig(made(t), key)
		must(err, "describe configs")
		return value
	}
	check(config("retention.ms") == "604800000", "retention.ms is %s", config("retention.ms"))
	check(config("cleanup.policy") == "delete", "cleanup.policy is %s", config("cleanup.policy"))
	must(t.SetConfig(made(t), "retention.ms", "1234567"), "alter a config")
	wait("the config is changed", 10*time.Second, func() bool {
		return config("retention.ms") == "1234567"
	})
	t.refused(t.SetConfig(made(t), "retention.ms", "soon"), "a wrong value", invalidConfig)
	t.refused(t.SetConfig(made(t), "no.such.key", "1"), "an unknown key", invalidConfig)
	t.refused(t.SetConfig(t.topic+"-unknown", "retention.ms", "1"), "configs of an unknown topic",
		unknownTopicOrPartition)
}

func adminRecords(t *test) {
	const n = 20
	r := numbered(t.topic, 0, n)
	t.send(r) // one partition
	wait("the end is behind what was sent", 10*time.Second, func() bool {
		return t.offset(t.topic, 0, End) == n
	})
	check(t.offset(t.topic, 0, Start) == 0, "starts at %d", t.offset(t.topic, 0, Start))
	err := t.DeleteRecords(t.topic, 0, 12)
	if errors.Is(err, ErrLacks) {
		return
	}
	must(err, "delete records")
	check(t.offset(t.topic, 0, Start) == 12, "starts at %d", t.offset(t.topic, 0, Start))
	reader := t.reader(t.topic, 0, Start)
	same(r[12], take(reader, 1)[0])
	reader.Close()
	t.refused(t.DeleteRecords(t.topic, 0, 1000), "delete records beyond the end", offsetOutOfRange)
}

func adminGroups(t *test) {
	_, err := t.DescribeGroup(t.group)
	check(err == nil || t.Code(err) == groupIDNotFound, "describe an unknown group: %v", err)
	member := t.watch(t.group, MemberOptions{})
	wait("the member reads", 30*time.Second, func() bool { return member.first() != nil })
	groups, err := t.ListGroups()
	must(err, "list groups")
	check(slices.Contains(groups, t.group), "%s is not among %v", t.group, groups)
	group, err := t.DescribeGroup(t.group)
	must(err, "describe a group")
	check(group.State == "Stable" && group.Members == 1, "%+v", group)
	t.refused(t.DeleteGroup(t.group), "delete a group with a member", nonEmptyGroup)
	member.Close()
	wait("the group is empty", 20*time.Second, func() bool {
		group, err := t.DescribeGroup(t.group)
		must(err, "describe a group")
		return group.State == "Empty" && group.Members == 0
	})
	must(t.DeleteGroup(t.group), "delete a group")
	t.refused(t.DeleteGroup(t.group), "delete a group twice", groupIDNotFound)
	groups, err = t.ListGroups()
	must(err, "list groups")
	check(!slices.Contains(groups, t.group), "%s is still listed", t.group)
}

func manyTopics(t *test) {
	const chunk = 500
	var topics []string
	for i := 0; i < t.ManyTopics(); i++ {
		topics = append(topics, fmt.Sprintf("%s-%04d", t.topic, i))
	}
	for some := range slices.Chunk(topics, chunk) {
		must(t.CreateTopics(some, 1, 1), "create topics")
		last := some[len(some)-1]
		wait(last+" has a leader", time.Minute, func() bool {
			_, err := t.OffsetAt(last, 0, End)
			return err == nil
		})
	}
	p := t.producer(ProducerOptions{})
	sent := map[string]*Record{}
	for some := range slices.Chunk(topics, chunk) {
		var records []*Record
		for _, topic := range some {
			r := &Record{Topic: topic, Key: []byte("key"), Value: []byte("for " + topic)}
			records, sent[topic] = append(records, r), r
		}
		must(p.Send(records), "send")
	}
	p.Close()
	got, err := t.ReadTopics(topics)
	must(err, "read")
	for _, r := range got {
		check(sent[r.Topic] != nil, "%s: twice or never sent", r.Topic)
		same(sent[r.Topic], r)
		delete(sent, r.Topic)
	}
	check(len(sent) == 0, "%d topics gave nothing", len(sent))
	for some := range slices.Chunk(topics, chunk) {
		_ = t.DeleteTopics(some) // only to tidy up; Kafka may take longer than the client waits
	}
}
