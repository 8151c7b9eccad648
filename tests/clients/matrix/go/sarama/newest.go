//go:build !old

package main

import "github.com/IBM/sarama"

const idempotence = true

func makeCooperative(config *sarama.Config) {
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{
		sarama.NewBalanceStrategyCooperativeSticky()}
}
