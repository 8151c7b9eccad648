//go:build !old

package main

import "github.com/IBM/sarama"

func makeCooperative(config *sarama.Config) {
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{
		sarama.NewBalanceStrategyCooperativeSticky()}
}
