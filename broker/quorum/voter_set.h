/*
 * The voters of the metadata quorum with what consensus does not look at: where they are reached
 * and which kraft.version they know. And the history of the sets that a log holds, beside that of
 * keys in raft/.
 */
#ifndef BROKER_QUORUM_VOTER_SET_H
#define BROKER_QUORUM_VOTER_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "raft/raft.h"

/* Of a controller listener. */
struct metadata_endpoint {
    struct slice name;
    struct slice host;
    uint16_t port;
};

struct voter {
    struct raft_key key;
    const struct metadata_endpoint *endpoints;
    int endpoint_count;
    int16_t kraft_version_min;
    int16_t kraft_version_max;
};

struct voter_set {
    struct arena arena;    /* holds the endpoints */
    int16_t kraft_version; /* finalized with it; 0: of the configuration, without directory ids */
    int count;
    struct voter voters[RAFT_VOTERS_MAX];
};

struct voter_set *voter_set_new(void);
struct voter_set *voter_set_copy(const struct voter_set *set);
void voter_set_free(struct voter_set *set); /* NULL is allowed */

/* Copies the voter; there is room for it. */
void voter_set_add(struct voter_set *set, const struct voter *voter);
void voter_set_remove(struct voter_set *set, int index);
void voter_set_replace(struct voter_set *set, int index, const struct voter *voter);

/* The index of the voter with this node id; -1: none. */
int voter_set_find(const struct voter_set *set, int32_t id);
void voter_set_keys(const struct voter_set *set, struct raft_voters *out);

/* From the value of a VotersRecord, which comes with kraft.version 1. NULL when it cannot be read,
 * is not of a known version, has too many voters or one twice. */
struct voter_set *voter_set_decode(struct slice value);

/* Appends the value of a VotersRecord. */
void voter_set_encode(const struct voter_set *set, struct buffer *out);

/* The endpoint of the listener `name`, else the first; NULL when there is none. */
const struct metadata_endpoint *voter_endpoint(const struct voter *voter, struct slice name);

/* ---- History --------------------------------------------------------------------------------- */

struct voter_set_at {
    int64_t offset; /* of the batch */
    struct voter_set *set;
};

/* Sets by offset; the first at -1, before any record. Owns them. */
struct voter_history {
    struct voter_set_at *sets; /* heap */
    int count;
    int cap;
};

/* Forgets everything and begins with this set. */
void voter_history_reset(struct voter_history *history, struct voter_set *set);

/* The first set is this one, which was not known when the history began. */
void voter_history_set_first(struct voter_history *history, struct voter_set *set);
void voter_history_release(struct voter_history *history);
void voter_history_add(struct voter_history *history, int64_t offset, struct voter_set *set);
void voter_history_truncate(struct voter_history *history, int64_t offset);
void voter_history_cut_start(struct voter_history *history, int64_t offset);

/* The kraft.version of the newest set; 0 while there is none. */
int16_t voter_history_kraft_version(const struct voter_history *history);

/* The newest, and the newest below an offset. */
const struct voter_set *voter_history_last(const struct voter_history *history);
const struct voter_set *voter_history_at(const struct voter_history *history, int64_t offset);

#endif
