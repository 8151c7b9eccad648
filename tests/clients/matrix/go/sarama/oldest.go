//go:build old

package main

import "github.com/IBM/sarama"

// The old version loses the count of its batches when a connection breaks: Kafka then answers
// OUT_OF_ORDER_SEQUENCE_NUMBER, and the client gives up. It sends without idempotence.
const idempotence = false

// The old version has no cooperative assignor; that scenario is not run.
func makeCooperative(*sarama.Config) {}
