/*
 * Following: this node's replicas copy what their leaders have.
 *
 * A shard has num.replica.fetchers fetchers for each broker that leads partitions it follows, among
 * which the partitions are spread; each has one connection, one fetch session (KIP-227), one fetch
 * under way. What an answer brings is appended as it is; in
 * durable mode the next fetch goes out only when all of it is synced, so that the offset it asks
 * from says what this node will still have after a power cut.
 *
 * Where a log went another way than its leader's, the leader says so by epoch, and it is cut there
 * (KIP-101, KIP-279, KIP-595): never by the high watermark, except where a log has no epochs.
 *
 *     READY -> (a fetch) -> SYNCING -> READY
 *                        -> CUTTING -> CHECKPOINTING -> READY
 *                        -> LOST (the leader does not have our end: it is asked what it has)
 *                        -> DELAYED, STOPPED
 *
 * One shard; nothing is shared.
 */
#ifndef BROKER_REPLICA_REPLICA_FETCHER_H
#define BROKER_REPLICA_REPLICA_FETCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/uuid.h"
#include "broker/peer/peer.h"
#include "broker/replica/replica_internal.h"
#include "runtime/machine.h"
#include "storage/log.h"

struct fetch_request;
struct fetch_response;
struct fetch_response_partition_data;
struct list_offsets_request;
struct list_offsets_response;
struct partition;
struct replica_manager;

/* ---- For partitions -------------------------------------------------------------------------- */

/* Begins to follow the partition's leader, in the leader epoch that is now. */
void partition_follow(struct partition *partition);

/* Nothing is appended or cut any more. Does nothing when it does not follow. */
void partition_unfollow(struct partition *partition);

/* num.replica.fetchers may have changed: partitions that belong to other fetchers now go there. */
void replica_fetchers_reconfigure(struct replica_manager *manager);

/* Brokers have come, gone or moved. */
void replica_fetchers_refresh(struct replica_manager *manager);

/* Ends all connections; partitions follow no more. */
void replica_fetchers_close(struct replica_manager *manager);

/* Memory only. */
void replica_fetchers_free(struct replica_manager *manager);

/* ---- Inside ---------------------------------------------------------------------------------- */

enum following_state {
    FOLLOWING_READY,
    FOLLOWING_SYNCING,       /* what is appended is being synced */
    FOLLOWING_CUTTING,       /* a sync is under way: the cut is tried again at due_ms */
    FOLLOWING_CHECKPOINTING, /* cut below the recovery point, which has to be written first */
    FOLLOWING_LOST,          /* our end is out of the leader's range */
    FOLLOWING_DELAYED,       /* until due_ms, after an error */
    FOLLOWING_STOPPED,       /* until the metadata says something new */
};

/* A partition that follows. */
struct following {
    struct list all;  /* replica_manager.followings */
    struct list link; /* replica_fetcher.followings */
    struct replica_fetcher *fetcher;
    struct partition *partition; /* NULL: only a checkpoint is still waited for */
    struct replica_manager *manager;
    enum following_state state;
    int64_t due_ms;
    int failures; /* in a row */

    bool asked;      /* in the fetch that is under way */
    bool in_session; /* the leader remembers what was asked last: */
    int64_t sent_offset;
    int64_t sent_log_start;
    int32_t sent_epoch; /* the leader epoch in which we fetch */
    int32_t sent_last_epoch;

    bool in_sync; /* it had all below the leader's high watermark when it last fetched */

    int64_t cut_to;
    bool restart;       /* not a cut: the log begins anew at cut_to */
    int64_t leader_end; /* while LOST: what the leader answered; -1 not yet */

    struct log_waiter waiter;
    bool waiting;
    struct checkpoint_wait checkpoint;
    bool checkpointing;
};

/* What left the session while it was not asked for. */
struct forgotten {
    struct list link;
    struct uuid topic_id;
    int32_t partition;
};

struct replica_fetcher {
    struct list link; /* replica_manager.fetchers */
    struct replica_manager *manager;
    int32_t leader;
    int64_t number;    /* below num.replica.fetchers */
    struct peer *peer; /* NULL while it is not known where the leader is */
    struct list followings;
    struct list forgotten;
    struct deferred step;
    struct timer timer; /* the earliest due_ms */
    struct timer hurry; /* partitions joined while a fetch waits at the leader */
    int64_t hurried_ms;

    struct peer_call fetch;
    bool fetching;
    bool sent; /* the fetch is on its way: what joins now is not in it */
    int32_t session_id;
    int32_t session_epoch; /* of the next fetch; 0: a new session */

    struct peer_call ends; /* ListOffsets of those that are lost: ends, then starts */
    struct peer_call starts;
    bool asking;

    struct arena arena; /* of the request that is being built */
};

/* following.c */
void following_settle(struct following *following); /* READY, when what is there is synced */
void following_take(struct following *following, const struct fetch_response_partition_data *data);
void following_cut(struct following *following, int64_t offset, bool restart);
void following_try_cut(struct following *following);
void following_delay(struct following *following);
void following_free(struct following *following);

/* replica_fetcher_request.c */
void fetcher_send_fetch(struct replica_fetcher *fetcher);
void fetcher_ask_offsets(struct replica_fetcher *fetcher);
void fetcher_forget_session(struct replica_fetcher *fetcher);
void fetcher_clear_forgotten(struct replica_fetcher *fetcher);

#endif
