/*
 * Incremental fetch sessions (KIP-227): what a consumer fetches is remembered, so that its requests
 * and our answers name only what changed.
 *
 * Each shard keeps its own sessions, its share of max.incremental.fetch.session.cache.slots. A
 * session id says which shard has it (id modulo the number of shards), so that a client which
 * reconnected elsewhere is found again.
 *
 * Sessions are counted: one that is evicted while a fetch waits lives until that fetch is answered.
 */
#ifndef BROKER_REPLICA_FETCH_SESSION_H
#define BROKER_REPLICA_FETCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "protocol/errors.h"

struct machine;

#define FETCH_SESSION_EPOCH_NONE    (-1) /* no session, and close the one named */
#define FETCH_SESSION_EPOCH_INITIAL 0    /* create one */

/* Partitions of all sessions of a shard: what one client can make us remember is bounded. */
#define FETCH_SESSION_PARTITIONS_MAX 1000000

/* Kafka's: idle for this long, a session may go; and before this age it is not pushed out. */
#define FETCH_SESSION_EVICTION_MS 120000

/* What a client asked for in one partition. */
struct fetch_wanted {
    struct uuid topic_id; /* zero in sessions by name */
    struct slice topic;   /* null in sessions by id */
    int32_t partition;
    int64_t fetch_offset;
    int64_t log_start; /* of a replica's log; -1 for consumers */
    int32_t leader_epoch;
    int32_t last_fetched_epoch;
    int32_t bytes_max;
};

/* A partition of a session, in the order in which it is read. */
struct fetch_cached {
    struct hmap_node node; /* private */
    struct list link;      /* fetch_session.order */
    struct fetch_wanted wanted;
    int64_t high_watermark; /* last told to the client; -1 makes the next answer name it */
    int64_t log_start;
};

struct fetch_session {
    struct hmap_node by_id; /* all but `order` and `by_topic_id` private */
    struct list by_use;     /* fetch_sessions.by_use, least recently used first */
    struct fetch_sessions *sessions;
    int refs;
    bool cached;     /* in the cache, not evicted */
    bool privileged; /* a replica's: consumers do not push it out */
    int32_t id;
    int32_t epoch; /* that the next request must have */
    int64_t created_ms;
    int64_t used_ms;
    bool by_topic_id; /* made by a request of version 13 or above */
    struct hmap partitions;
    struct list order; /* struct fetch_cached.link */
};

struct fetch_sessions;

struct fetch_sessions *fetch_sessions_new(struct machine *machine, int shard_index, int shard_count,
                                          int64_t slots);
void fetch_sessions_free(struct fetch_sessions *sessions);
int fetch_sessions_count(const struct fetch_sessions *sessions);

/* The shard that has the session of this id. */
int fetch_session_shard(int32_t session_id, int shard_count);

/*
 * A new session for `count` partitions with one reference for the caller, or NULL when there is no
 * room: the client goes on without one. A privileged one (a replica's) finds room where only
 * consumers are. `wanted` may name a partition twice; the last counts.
 */
struct fetch_session *fetch_session_create(struct fetch_sessions *sessions, int64_t now_ms,
                                           bool by_topic_id, bool privileged,
                                           const struct fetch_wanted *wanted, int32_t count);

/*
 * The session of an incremental request, with one reference for the caller; its epoch moves on.
 * NULL and *error: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH,
 * FETCH_SESSION_TOPIC_ID_ERROR.
 */
struct fetch_session *fetch_session_continue(struct fetch_sessions *sessions, int64_t now_ms,
                                             int32_t id, int32_t epoch, bool by_topic_id,
                                             enum kafka_error *error);

/* Adds or changes a partition; false when there is no room for more. */
bool fetch_session_want(struct fetch_session *session, const struct fetch_wanted *wanted);

void fetch_session_forget(struct fetch_session *session, struct uuid topic_id, struct slice topic,
                          int32_t partition);

/* Takes it out of the cache: closed by its client, or empty. */
void fetch_session_close(struct fetch_session *session);

/* The same by id; unknown ids are ignored. */
void fetch_sessions_close(struct fetch_sessions *sessions, int32_t id);

void fetch_session_unref(struct fetch_session *session);

/* NULL when it was forgotten meanwhile. */
struct fetch_cached *fetch_session_find(struct fetch_session *session, struct uuid topic_id,
                                        struct slice topic, int32_t partition);

/* What an answer is about to say of a partition. */
struct fetch_told {
    enum kafka_error error;
    int64_t high_watermark;
    int64_t log_start;
    bool has_records;
};

/* Whether the answer must name the partition, because something is new; remembers what is told. A
 * partition with records moves to the end of the order, so that all get their turn. */
bool fetch_session_tell(struct fetch_session *session, struct fetch_cached *cached,
                        const struct fetch_told *told);

#endif
