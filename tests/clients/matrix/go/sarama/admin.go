package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"barnabas.invalid/matrix/scenario"
)

// ManyTopics: it creates them one after the other.
func (c *client) ManyTopics() int { return 1000 }

func (c *client) Idempotence() bool { return idempotence }

// Without idempotence it may send a batch again behind the next (IBM/sarama issue 2619).
func (c *client) KeepsOrder() bool { return idempotence }

func (c *client) TellsEmpty() bool { return true }

// CanReset: there is no policy for offsets that were never committed but where to begin.
func (c *client) CanReset(policy string, beyond bool) bool { return policy != "none" || beyond }

func (c *client) Close() { _ = c.admin.Close() } // and with it the client

func (c *client) Commit(group, topic string, offsets map[int32]int64) error {
	manager, err := sarama.NewOffsetManagerFromClient(group, c.Client)
	if err != nil {
		return err
	}
	for partition, at := range offsets {
		p, err := manager.ManagePartition(topic, partition)
		if err != nil {
			return err
		}
		p.MarkOffset(at, "")  // forwards
		p.ResetOffset(at, "") // backwards
		defer p.Close()
	}
	manager.Commit()
	return manager.Close()
}

func (c *client) Committed(group, topic string) (map[int32]int64, error) {
	partitions, err := c.Client.Partitions(topic)
	if err != nil {
		return nil, err
	}
	answer, err := c.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: partitions})
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, p := range partitions {
		block := answer.GetBlock(topic, p)
		if block == nil {
			return nil, fmt.Errorf("partition %d is not in the answer", p)
		}
		if block.Err != sarama.ErrNoError {
			return nil, block.Err
		}
		offsets[p] = block.Offset
	}
	return offsets, nil
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
	offset, err := c.GetOffset(topic, partition, at)
	if err == nil && offset < 0 {
		return c.GetOffset(topic, partition, scenario.End)
	}
	return offset, err
}

func (c *client) CreateTopics(topics []string, partitions int32, replication int16) error {
	for _, topic := range topics {
		detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replication}
		if err := c.admin.CreateTopic(topic, detail, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) DeleteTopics(topics []string) error {
	for _, topic := range topics {
		if err := c.admin.DeleteTopic(topic); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) ListTopics() ([]string, error) {
	topics, err := c.admin.ListTopics()
	return slices.Collect(maps.Keys(topics)), err
}

func (c *client) Partitions(topic string) (int, error) {
	topics, err := c.admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, err
	}
	if topics[0].Err != sarama.ErrNoError {
		return 0, topics[0].Err
	}
	return len(topics[0].Partitions), nil
}

func (c *client) TopicConfig(topic, key string) (string, error) {
	entries, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource,
		Name: topic, ConfigNames: []string{key}})
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Name == key {
			return e.Value, nil
		}
	}
	return "", fmt.Errorf("%s is not in the answer", key)
}

// SetConfig alters what it is told with a protocol that can, and otherwise everything.
func (c *client) SetConfig(topic, key, value string) error {
	var err error
	if c.Config().Version.IsAtLeast(sarama.V2_3_0_0) {
		err = c.admin.IncrementalAlterConfig(sarama.TopicResource, topic,
			map[string]sarama.IncrementalAlterConfigsEntry{
				key: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false)
	} else {
		err = c.admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{key: &value}, false)
	}
	var code sarama.KError
	if err != nil && !errors.As(err, &code) {
		return codeless{err}
	}
	return err
}

func (c *client) AddPartitions(topic string, total int) error {
	return c.admin.CreatePartitions(topic, int32(total), nil, false)
}

func (c *client) DeleteRecords(topic string, partition int32, before int64) error {
	return c.admin.DeleteRecords(topic, map[int32]int64{partition: before})
}

func (c *client) ListGroups() ([]string, error) {
	groups, err := c.admin.ListConsumerGroups()
	return slices.Collect(maps.Keys(groups)), err
}

func (c *client) DescribeGroup(group string) (scenario.Group, error) {
	groups, err := c.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return scenario.Group{}, err
	}
	if groups[0].Err != sarama.ErrNoError {
		return scenario.Group{}, groups[0].Err
	}
	return scenario.Group{State: groups[0].State, Members: len(groups[0].Members)}, nil
}

func (c *client) DeleteGroup(group string) error { return c.admin.DeleteConsumerGroup(group) }
