//go:build old

package main

import "github.com/IBM/sarama"

// The old version has no cooperative assignor; that scenario is not run.
func makeCooperative(*sarama.Config) {}
