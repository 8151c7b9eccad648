/*
 * A node as far as partitions see one: a few shards, an image of four topics, and logs in memory
 * whose syncs the test decides. It takes the place of the runtime, of storage and of the rest of
 * the broker at link time. Requests go through the API handlers; answers are encoded in the
 * request's version, with the file ranges put in, and decoded again.
 *
 * Topics: "a" and "b" with four partitions, "compact" and "__consumer_offsets" with one.
 */
#ifndef TESTS_UNIT_BROKER_REPLICA_WORLD_H
#define TESTS_UNIT_BROKER_REPLICA_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/peer/peer.h"
#include "broker/replica/partition.h"
#include "broker/server/request.h"
#include "runtime/machine.h"
#include "storage/epochs.h"
#include "storage/log.h"

struct alter_partition_request;
struct checkpoint_wait;
struct controller_call;
struct log_create;

#define WORLD_SHARDS_MAX     3
#define WORLD_TOPICS         4
#define WORLD_PARTITIONS_MAX 4
#define WORLD_BROKERS        3
#define WORLD_TIMERS_MAX     64
#define WALL_MS              INT64_C(1700000000000)
#define TOPIC_A              0
#define TOPIC_B              1
#define TOPIC_COMPACT        2
#define TOPIC_INTERNAL       3

struct shard {
    struct machine *machine;
    int index;
};

struct machine {
    struct shard shards[WORLD_SHARDS_MAX];
    int64_t now_ms;
    uint64_t random;
    struct timer *timers[WORLD_TIMERS_MAX];
    struct list deferred;
    struct list work;
    bool work_held; /* workers are busy with something else */
    int64_t clock_ns;
    int64_t clock_step_ns; /* from one look at the clock to the next */
    struct post *post_head;
    struct post *post_tail;
    int posts; /* since the start */
};

struct file {
    int refs;
};

struct log {
    struct log_config config;
    struct uuid topic_id;
    char directory[64];
    struct buffer bytes;
    struct log_range batches[256];
    int batch_count;
    int64_t start;
    int64_t end;
    int64_t synced;
    int64_t high_watermark;
    struct epochs epochs;
    int32_t epoch; /* the latest */
    bool busy;     /* a sync is under way: cannot be truncated */
    int truncations;
    struct list waiters; /* struct log_waiter.link */
    struct file file;
    int reads;
    bool closed;
};

struct world {
    struct machine machine;
    struct node node;
    struct image image;
    struct image_topic topics[WORLD_TOPICS];
    struct image_partition partitions[WORLD_TOPICS][WORLD_PARTITIONS_MAX];
    struct log *logs[WORLD_TOPICS][WORLD_PARTITIONS_MAX];
    bool deleted[WORLD_TOPICS];
    int32_t replicas[WORLD_BROKERS];
    int32_t isrs[WORLD_TOPICS][WORLD_PARTITIONS_MAX][WORLD_BROKERS];
    struct image_broker brokers[WORLD_BROKERS];
    struct controller_call *asked; /* AlterPartition on its way */
    struct image_endpoint inside[WORLD_BROKERS];
    struct list peers; /* connections to other brokers */
    int peers_made;
    bool checkpoint_held;
    struct checkpoint_wait *checkpoint; /* held */
    struct image_endpoint endpoint;
    bool durable;
    int64_t min_insync;
    int64_t fetchers;              /* num.replica.fetchers */
    bool throttled;                /* every replica is listed */
    int64_t throttled_rate;        /* both; INT64_MAX */
    int append_result;             /* of the next appends: a negative errno */
    enum kafka_error append_error; /* likewise */
    int64_t duplicate_of;          /* the next append is one of this offset; -1 */
    int create_result;             /* of the next logs to be made: a negative errno */
    bool create_held;              /* logs are made by world_create_held() only */
    struct log_create *held;
    int removed;            /* directories */
    uint64_t connection_id; /* of the next requests */
};

extern struct world world;

void world_init(int shards, bool durable);
void world_free(void);
void world_settle(void);
void world_advance(int64_t ms);
struct partition *world_partition(int topic, int32_t index);

/* Ends the sync that a log's waiters wait for, with a result. */
void world_sync(int topic, int32_t index, int result);
void world_delete_topic(int topic);

/* The brokers of the image are others. */
void world_brokers_changed(void);

/* Replicas are throttled to that many bytes a second, in both directions. */
void world_throttle(int64_t rate);

/* Another leader, in a new epoch. */
void world_elect(int topic, int32_t index, int32_t leader);

/* From now on it has all brokers as replicas; the ISR are the first `isr_count` of them. */
void world_replicate(int topic, int32_t index, int32_t leader, int isr_count);
void world_set_isr(int topic, int32_t index, int isr_count);

/* What of the ISR the controller was asked to change, one partition at a time, and its answer. */
const struct alter_partition_request *world_isr_asked(void);
void world_isr_answer(enum kafka_error error);

/* The oldest call to a broker that is under way, of that API; NULL when there is none. */
struct peer_call *world_call(int32_t broker, int16_t api_key);

/* Sends it: the request in that version. */
const void *world_send(struct peer_call *call, int16_t version);

/* Ends it; `response` is NULL with an errno. */
void world_answer(struct peer_call *call, int16_t version, int result, const void *response);

/* The connections to that broker break. */
void world_break(int32_t broker, int result);

/* The recovery points are on disk now. */
void world_checkpointed(void);

struct log *world_make_log(int topic, int32_t index);

/* A topic that the image has appears. */
void world_create_topic(int topic);
void world_create_held(void);

/* Of one record with that value. Fields beyond that: `options`. */
struct batch_options world_batch_options(void);
void world_batch(struct buffer *out, const struct batch_options *options, const char *key,
                 const char *value);

struct call {
    struct request request;
    bool done;
    bool nothing;
    bool closed;
    void *response; /* decoded; in the arena */
    struct arena arena;
    struct buffer bytes;
};

/* `body` must live until the call is done. */
void call_start(struct call *call, void (*handler)(struct request *request), int16_t api_key,
                int16_t version, const void *body);
void call_free(struct call *call);

/* One batch of one record to one partition. */
struct produce_call {
    struct call call;
    struct buffer batch;
    struct frame *frame;
    void *body;
    void *topic;
    void *partition;
};
void produce_start(struct produce_call *produce, int16_t version, int16_t acks, int topic,
                   int32_t index, struct slice records);
int16_t produce_error(const struct produce_call *produce);
int64_t produce_offset(const struct produce_call *produce);
void produce_free(struct produce_call *produce);

/* Produced with acks=1 and synced. */
void world_put(int topic, int32_t index, const char *value);

#endif
