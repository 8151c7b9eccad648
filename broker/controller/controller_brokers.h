/*
 * The active controller and the brokers: sessions driven by the clock and by connections, fencing
 * of who is lost, and what is decided from time to time (preferred leaders, unclean elections).
 * The rules: broker_sessions.h. Shard 0.
 */
#ifndef BROKER_CONTROLLER_CONTROLLER_BROKERS_H
#define BROKER_CONTROLLER_CONTROLLER_BROKERS_H

#include <stdint.h>

struct broker_sessions;
struct controller;
struct controller_brokers;
struct node;

struct controller_brokers *controller_brokers_new(struct controller *controller);
void controller_brokers_free(struct controller_brokers *brokers);

/* This node leads; its image is complete. `led_before` is the leader of the epoch before, or -1. */
void controller_brokers_begin(struct controller_brokers *brokers, int32_t led_before);

/* It leads no more, or stops. Also when it did not lead. */
void controller_brokers_end(struct controller_brokers *brokers);

const struct broker_sessions *controller_brokers_sessions(const struct controller_brokers *brokers);

/* ---- For handlers; nothing happens where this node does not lead ----------------------------- */

/* A registration or heartbeat of the broker was accepted (broker_sessions_heard). */
void controller_broker_heard(struct node *node, int32_t id, int64_t epoch, int64_t metadata_offset,
                             uint64_t connection);

/* It is in controlled shutdown by what is decided now. */
void controller_broker_stopping(struct node *node, int32_t id);

/* It is gone by its own wish. */
void controller_broker_gone(struct node *node, int32_t id);

/* For server_on_connection_closed(); ctx is the node. */
void controller_broker_disconnected(void *ctx, uint64_t connection);

#endif
