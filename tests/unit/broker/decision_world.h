/* An image and the decisions on it: brokers come and go, topics are made, all without a quorum. */
#ifndef TESTS_UNIT_BROKER_DECISION_WORLD_H
#define TESTS_UNIT_BROKER_DECISION_WORLD_H

#include "broker/controller/broker_sessions.h"
#include "broker/controller/decision.h"
#include "broker/controller/partition_change.h"
#include "protocol/generated/broker_heartbeat_response.h"
#include "protocol/generated/broker_registration_response.h"

struct decision_world {
    struct machine *machine;
    struct config *config;
    struct broker_config *broker;
    struct broker_sessions *sessions;
    struct image *image;
    struct arena arena;
    struct decision d;
    int64_t now_ms;
    int incarnation; /* counts up with each registration */
    uint64_t random; /* for tests that draw */
};

/* With metadata.version as the latest, and ELR at this level. */
void world_start(struct decision_world *world, int16_t elr, const char *const *overrides,
                 int count);
void world_stop(struct decision_world *world);

/* Applies what was decided, as the controller does, and begins the next decision. */
void world_commit(struct decision_world *world);

/* A new incarnation; committed when it was accepted. */
struct broker_registration_response world_register(struct decision_world *world, int32_t id,
                                                   int64_t previous_epoch);

/* A heartbeat of the broker's present epoch that has all metadata; committed. */
struct broker_heartbeat_response world_heartbeat(struct decision_world *world, int32_t id,
                                                 bool want_fence, bool want_shut_down);

/* Registered and unfenced. */
void world_add_broker(struct decision_world *world, int32_t id);
void world_fence(struct decision_world *world, int32_t id);

/* A topic of one partition on these brokers; committed. */
const struct image_partition *world_topic(struct decision_world *world, const char *name,
                                          const int32_t *replicas, int32_t count);

/* The partition 0 of the topic as it is now. */
const struct image_partition *world_partition(const struct decision_world *world, const char *name);

/* One config value of a topic (by IncrementalAlterConfigs); committed. */
void world_set_topic(struct decision_world *world, const char *topic, const char *key,
                     const char *value);

/* AlterPartition by the leader with these members and their present epochs; committed. */
int world_alter_isr(struct decision_world *world, const char *topic, const int32_t *isr,
                    int32_t count);

/* A reassignment; count -1 cancels. Committed. */
int world_reassign(struct decision_world *world, const char *topic, const int32_t *replicas,
                   int32_t count);

/* ElectLeaders of one partition: 0 preferred, 1 unclean. Committed. */
int world_elect(struct decision_world *world, const char *topic, int8_t type);

#define IDS(...) ((const int32_t[]){__VA_ARGS__}), (int32_t)(sizeof((int32_t[]){__VA_ARGS__}) / 4)

/* Fails the test when ids differ, also in their order. */
void world_expect(const char *what, const int32_t *ids, int32_t count, const int32_t *expected,
                  int32_t expected_count);
#define EXPECT_IDS(partition, field, ...)                                                          \
    world_expect(#field, (partition)->field, (partition)->field##_count, IDS(__VA_ARGS__))
#define EXPECT_NONE(partition, field)                                                              \
    world_expect(#field, NULL, (partition)->field##_count, NULL, 0)

#endif
