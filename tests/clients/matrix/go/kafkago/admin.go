package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"barnabas.invalid/matrix/scenario"
)

const patience = 60 * time.Second

func (c *client) ManyTopics() int { return 2000 }

func (c *client) Idempotence() bool { return false }

func (c *client) KeepsOrder() bool { return true }

func (c *client) TellsEmpty() bool { return false }

// CanReset: an offset beyond the end can only be made an error; otherwise the client waits there.
func (c *client) CanReset(policy string, beyond bool) bool { return (policy == "none") == beyond }

func (c *client) Commit(group, topic string, offsets map[int32]int64) error {
	ctx, cancel := within(patience)
	defer cancel()
	var commits []kafka.OffsetCommit
	for partition, at := range offsets {
		commits = append(commits, kafka.OffsetCommit{Partition: int(partition), Offset: at})
	}
	answer, err := c.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: commits}})
	if err != nil {
		return err
	}
	for _, p := range answer.Topics[topic] {
		err = cmp.Or(err, p.Error)
	}
	return err
}

func (c *client) Committed(group, topic string) (map[int32]int64, error) {
	ctx, cancel := within(patience)
	defer cancel()
	n, err := c.Partitions(topic)
	if err != nil {
		return nil, err
	}
	var partitions []int
	for i := range n {
		partitions = append(partitions, i)
	}
	answer, err := c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group,
		Topics: map[string][]int{topic: partitions}})
	if err != nil {
		return nil, err
	}
	err = answer.Error
	offsets := map[int32]int64{}
	for _, p := range answer.Topics[topic] {
		offsets[int32(p.Partition)] = p.CommittedOffset
		err = cmp.Or(err, p.Error)
	}
	return offsets, err
}

func (c *client) Progress(group, topic string) (map[int32]scenario.Progress, error) {
	committed, err := c.Committed(group, topic)
	if err != nil {
		return nil, err
	}
	progress := map[int32]scenario.Progress{}
	for p, at := range committed {
		end, err := c.OffsetAt(topic, p, scenario.End)
		if err != nil {
			return nil, err
		}
		progress[p] = scenario.Progress{Committed: at, End: end, Lag: end - max(at, 0)}
	}
	return progress, nil
}

func (c *client) OffsetAt(topic string, partition int32, at int64) (int64, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {{Partition: int(partition), Timestamp: at}}}})
	if err != nil {
		return 0, err
	}
	if len(answer.Topics[topic]) != 1 {
		return 0, fmt.Errorf("%d partitions in the answer", len(answer.Topics[topic]))
	}
	p := answer.Topics[topic][0]
	switch at {
	case scenario.Start:
		return p.FirstOffset, p.Error
	case scenario.End:
		return p.LastOffset, p.Error
	}
	for offset := range p.Offsets {
		if offset >= 0 {
			return offset, p.Error
		}
	}
	return c.OffsetAt(topic, partition, scenario.End)
}

func first(errs map[string]error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *client) CreateTopics(topics []string, partitions int32, replication int16) error {
	ctx, cancel := within(patience)
	defer cancel()
	request := &kafka.CreateTopicsRequest{}
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: topic,
			NumPartitions: int(partitions), ReplicationFactor: int(replication)})
	}
	answer, err := c.Client.CreateTopics(ctx, request)
	if err != nil {
		return err
	}
	return first(answer.Errors)
}

func (c *client) DeleteTopics(topics []string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.Client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	if err != nil {
		return err
	}
	return first(answer.Errors)
}

func (c *client) ListTopics() ([]string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range answer.Topics {
		names = append(names, t.Name)
	}
	return names, nil
}

func (c *client) Partitions(topic string) (int, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	return len(answer.Topics[0].Partitions), answer.Topics[0].Error
}

func (c *client) TopicConfig(topic, key string) (string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}})
	if err != nil {
		return "", err
	}
	for _, e := range answer.Resources[0].ConfigEntries {
		if e.ConfigName == key {
			return e.ConfigValue, answer.Resources[0].Error
		}
	}
	return "", cmp.Or(answer.Resources[0].Error, fmt.Errorf("%s is not in the answer", key))
}

func (c *client) SetConfig(topic, key, value string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value,
				ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil {
		return err
	}
	return answer.Resources[0].Error
}

func (c *client) AddPartitions(topic string, total int) error {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(total)}}})
	if err != nil {
		return err
	}
	return first(answer.Errors)
}

func (c *client) DeleteRecords(string, int32, int64) error { return scenario.ErrLacks }

func (c *client) ListGroups() ([]string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.Client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range answer.Groups {
		names = append(names, g.GroupID)
	}
	return names, answer.Error
}

func (c *client) DescribeGroup(group string) (scenario.Group, error) {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return scenario.Group{}, err
	}
	g := answer.Groups[0]
	return scenario.Group{State: g.GroupState, Members: len(g.Members)}, g.Error
}

func (c *client) DeleteGroup(group string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answer, err := c.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return first(answer.Errors)
}
