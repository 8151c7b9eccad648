package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"barnabas.invalid/matrix/scenario"
)

type admin struct{ *kadm.Client }

const patience = 60 * time.Second

func (a *admin) Commit(group, topic string, offsets map[int32]int64) error {
	ctx, cancel := within(patience)
	defer cancel()
	all := kadm.Offsets{}
	for partition, at := range offsets {
		all.AddOffset(topic, partition, at, -1)
	}
	return a.CommitAllOffsets(ctx, group, all)
}

func (a *admin) Committed(group, topic string) (map[int32]int64, error) {
	ctx, cancel := within(patience)
	defer cancel()
	fetched, err := a.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for partition, o := range fetched[topic] {
		offsets[partition] = o.At
	}
	return offsets, fetched.Error()
}

func (a *admin) Progress(group, topic string) (map[int32]scenario.Progress, error) {
	ctx, cancel := within(patience)
	defer cancel()
	lags, err := a.Lag(ctx, group)
	if err != nil {
		return nil, err
	}
	described := lags[group]
	progress := map[int32]scenario.Progress{}
	for partition, l := range described.Lag[topic] {
		if l.Err != nil {
			return nil, l.Err
		}
		progress[partition] = scenario.Progress{Committed: l.Commit.At, End: l.End.Offset, Lag: l.Lag}
	}
	return progress, described.Error()
}

func (a *admin) OffsetAt(topic string, partition int32, at int64) (int64, error) {
	ctx, cancel := within(patience)
	defer cancel()
	var listed kadm.ListedOffsets
	var err error
	switch at {
	case scenario.Start:
		listed, err = a.ListStartOffsets(ctx, topic)
	case scenario.End:
		listed, err = a.ListEndOffsets(ctx, topic)
	default:
		listed, err = a.ListOffsetsAfterMilli(ctx, at, topic)
	}
	if err != nil {
		return 0, err
	}
	found, ok := listed.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("partition %d is not in the answer", partition)
	}
	return found.Offset, found.Err
}

func (a *admin) CreateTopics(topics []string, partitions int32, replication int16) error {
	ctx, cancel := within(patience)
	defer cancel()
	answers, err := a.Client.CreateTopics(ctx, partitions, replication, nil, topics...)
	return cmp.Or(err, answers.Error())
}

func (a *admin) DeleteTopics(topics []string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answers, err := a.Client.DeleteTopics(ctx, topics...)
	return cmp.Or(err, answers.Error())
}

func (a *admin) ListTopics() ([]string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	topics, err := a.Client.ListTopics(ctx)
	return topics.Names(), err
}

func (a *admin) Partitions(topic string) (int, error) {
	ctx, cancel := within(patience)
	defer cancel()
	topics, err := a.Client.ListTopics(ctx, topic)
	return len(topics[topic].Partitions), cmp.Or(err, topics[topic].Err)
}

func (a *admin) TopicConfig(topic, key string) (string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	configs, err := a.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	described, err := configs.On(topic, nil)
	if err != nil {
		return "", err
	}
	for _, c := range described.Configs {
		if c.Key == key {
			return c.MaybeValue(), described.Err
		}
	}
	return "", cmp.Or(described.Err, fmt.Errorf("%s is not in the answer", key))
}

func (a *admin) SetConfig(topic, key, value string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answers, err := a.AlterTopicConfigs(ctx,
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	if err != nil {
		return err
	}
	answer, err := answers.On(topic, nil)
	return cmp.Or(err, answer.Err)
}

func (a *admin) AddPartitions(topic string, total int) error {
	ctx, cancel := within(patience)
	defer cancel()
	answers, err := a.UpdatePartitions(ctx, total, topic)
	return cmp.Or(err, answers.Error())
}

func (a *admin) DeleteRecords(topic string, partition int32, before int64) error {
	ctx, cancel := within(patience)
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, before, -1)
	answers, err := a.Client.DeleteRecords(ctx, offsets)
	return cmp.Or(err, answers.Error())
}

func (a *admin) ListGroups() ([]string, error) {
	ctx, cancel := within(patience)
	defer cancel()
	groups, err := a.Client.ListGroups(ctx)
	return groups.Groups(), err
}

func (a *admin) DescribeGroup(group string) (scenario.Group, error) {
	ctx, cancel := within(patience)
	defer cancel()
	groups, err := a.DescribeGroups(ctx, group)
	described := groups[group]
	return scenario.Group{State: described.State, Members: len(described.Members)},
		cmp.Or(err, described.Err)
}

func (a *admin) DeleteGroup(group string) error {
	ctx, cancel := within(patience)
	defer cancel()
	answers, err := a.DeleteGroups(ctx, group)
	return cmp.Or(err, answers.Error())
}
