/*
 * A node as far as groups see one: one shard, a metadata image with three topics, and one partition
 * of __consumer_offsets whose log is in memory. Requests go through the API handlers; answers are
 * encoded in the request's version and decoded again.
 */
#ifndef TESTS_UNIT_BROKER_GROUP_WORLD_H
#define TESTS_UNIT_BROKER_GROUP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "broker/group/group_manager.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "group_machine.h"
#include "protocol/message.h"

#define TOPIC_COUNT 3

struct stored_batch {
    size_t pos;
    size_t len;
    int64_t base_offset;
    int64_t next_offset;
};

struct world {
    struct machine machine;
    struct node node;
    struct image_topic topics[TOPIC_COUNT]; /* __consumer_offsets, "t" (4), "u" (2) */
    struct image_partition partitions[TOPIC_COUNT][4];
    bool topic_deleted[TOPIC_COUNT];
    struct image_endpoint endpoint;
    struct image_broker broker;
    bool broker_known;
    int created_topics; /* calls of controller_auto_create_topic() */
    int64_t retention_minutes;
    int64_t load_buffer;

    struct buffer log; /* all batches */
    struct stored_batch batches[4096];
    int batch_count;
    bool leads;
    enum kafka_error append_error; /* of the next appends */
    bool hold;                     /* appends are not committed until world_commit() */
    struct list pending;           /* struct partition_append */
};

/* There is one at a time. */
extern struct world world;

/* A node whose groups are loaded. */
void world_init(void);
void world_free(void);

/* The process ends and another one starts on the same log. `settle` false leaves it loading. */
void world_restart(bool settle);

/* Commits what is held, in order. */
void world_commit(void);

void world_advance(int64_t ms);
void world_delete_topic(int index);

/* Appends a batch as some other writer of the log, before a restart. */
void world_append_raw(const uint8_t *batch, size_t len);

struct group *world_group(const char *id);

/* What clients and administrators can know of all settled groups, as text; heap. */
char *world_dump(void);

/* ---- Requests -------------------------------------------------------------------------------- */

struct call {
    struct request request;
    bool done;
    void *response; /* decoded; in the arena */
    struct arena arena;
    struct buffer bytes;
};

/* `body` must live until the call is done. */
void call_start(struct call *call, void (*handler)(struct request *request), int16_t api_key,
                int16_t version, const void *body);
void call_free(struct call *call);

/* ---- Shorthands: answered at once ------------------------------------------------------------ */

enum kafka_error commit_at(const char *group, const char *member, int32_t generation,
                           const char *topic, int32_t partition, int64_t offset);
enum kafka_error commit_simple(const char *group, const char *topic, int32_t partition,
                               int64_t offset);

/* -1 when there is none. */
int64_t fetch_offset(const char *group, const char *topic, int32_t partition);

/* A dynamic member of an empty group: joins, waits for the initial delay, syncs. */
struct member {
    char id[128];
    int32_t generation;
};
void join_alone(const char *group, const char *topic, struct member *out);
enum kafka_error heartbeat_of(const char *group, const struct member *member);
enum kafka_error leave_of(const char *group, const struct member *member);
enum kafka_error delete_group_named(const char *group);

#endif
