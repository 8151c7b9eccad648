/*
 * The inside of a partition, for the files of broker/replica/ and the handlers of its APIs
 * (broker/api/): everything here runs on the shard that owns the partition.
 *
 * What moves the high watermark of a leader: every member of the ISR has the records. Of itself it
 * counts what is synced in durable mode, so that no consumer ever sees a record that a power cut
 * takes back, or the log end in page-cache mode, as Kafka does it; of a follower the offset that it
 * fetches from, which in durable mode is its synced end. While the ISR is smaller than
 * min.insync.replicas it stands still (KIP-966). acks=all is answered when the high watermark has
 * passed the batch. A follower's high watermark is what its leader last told.
 *
 * Nothing is called from inside an append: a partition whose state moved is put on the manager's
 * list, and at the end of the turn the list is drained once (replica_manager_drain): produces that
 * are committed are ended, fetches that have enough are woken.
 */
#ifndef BROKER_REPLICA_PARTITION_H
#define BROKER_REPLICA_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/config/config.h"
#include "broker/replica/replica.h"
#include "protocol/errors.h"
#include "protocol/records.h"
#include "storage/log.h"

/* Of one record in memory, decompressed: a frame cannot hold more of them uncompressed. */
#define RECORD_SIZE_LIMIT ((size_t)128 * 1024 * 1024)

enum partition_state {
    PARTITION_LOADING, /* no log yet */
    PARTITION_ONLINE,
    PARTITION_MOVING, /* to another log dir, the last step (partition_move.c): who wants it waits */
    PARTITION_OFFLINE, /* the log dir failed; `log` may be NULL */
    PARTITION_CLOSED,  /* the manager closes; the log is being closed or gone */
};

/* What consumers, read_committed ones, and replicas may read up to. */
enum fetch_limit { FETCH_TO_HIGH_WATERMARK, FETCH_TO_STABLE_OFFSET, FETCH_TO_LOG_END };

struct partition_creation; /* replica_create.c */
struct partition_move;     /* partition_move.c */

/*
 * What the leader knows of another replica. All but the membership is forgotten with each leader
 * epoch, and of replicas outside of the ISR with each partition epoch: what counts was fetched in
 * the state that is now.
 */
struct partition_follower {
    int32_t id;
    bool in_isr;  /* committed by the controller */
    bool joining; /* asked for; counts as a member already */
    bool leaving; /* asked for; counts as a member until it is committed */

    bool fetched;         /* since it was forgotten: the rest is known */
    int64_t end;          /* everything below this it has; -1 unknown */
    int64_t log_start;    /* -1 unknown */
    int64_t leader_end;   /* our log end when it fetched last */
    int64_t fetched_ms;   /* shard time */
    int64_t caught_up_ms; /* when it last had all that we had */
    int64_t broker_epoch; /* of the broker that fetched; -1: it did not say */
};

struct partition {
    struct hmap_node node; /* replica_manager.partitions */
    struct replica_manager *manager;
    struct uuid topic_id;
    struct slice topic; /* heap */
    int32_t index;
    enum partition_state state;

    /* As the image has it, or newer: what the controller answered (AlterPartition). */
    int32_t leader; /* -1 for none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t replica_count;
    bool leader_preferred;                /* the leader is the first replica */
    int32_t isr_count;                    /* committed */
    bool sole_isr;                        /* this node is the whole ISR, and nobody is joining */
    struct partition_follower *followers; /* heap; the other replicas */
    int32_t follower_count;

    int32_t role_epoch;  /* the leader epoch in which the log leads or follows; -1 not yet */
    int64_t epoch_start; /* of a leader: its log end when the epoch began */
    struct list led;     /* in replica_manager.led: a leader with followers */

    struct following *following; /* how it follows its leader (replica_fetcher.h); or NULL */

    bool isr_pending;     /* a change of the ISR was asked for and is not decided */
    struct list isr_link; /* in isr_changes.waiting: to be sent */
    struct list dir_link; /* in dir_reports.waiting or .reported */

    int dir; /* index of the log dir; -1 while it is not known */
    struct log *log;
    bool refused; /* the log could not be loaded; what the checkpoints said of it: */
    int64_t refused_recovery_point;
    int64_t refused_log_start;
    int64_t refused_high_watermark;
    struct topic_config config;
    bool throttled_sending;              /* this replica is listed: as a leader, */
    bool throttled_fetching;             /* as a follower */
    struct partition_creation *creation; /* NULL unless a log is being made */
    struct partition_move *move;         /* NULL unless it moves to another log dir */
    struct list arrivals;                /* partition_arrival.link: waits for that log */

    struct list appends;   /* partition_append.link, by next_offset */
    struct list deletions; /* partition_deletion.link */
    struct list fetches;   /* fetch_interest.link */
    struct list moved;     /* in replica_manager.moved */
    struct log_waiter sync_waiter;
    bool sync_waiting;
};

/* ---- State ----------------------------------------------------------------------------------- */

bool partition_is_leader(const struct partition *partition);

/* Leadership and configuration as this shard's image has them; assigns the leader epoch. */
void partition_refresh(struct partition *partition);

/* Takes the log: assigns the epoch, moves the high watermark. */
void partition_set_log(struct partition *partition, struct log *log, int dir);

/* The last step of its move begins: the log is the move's alone until partition_moved(). Waits for
 * commit and of fetches stay. */
void partition_hold(struct partition *partition);

/* Goes on with that log, which is to be started if it is not the one that it had; it has the same
 * records, and the role is as it was, unless the image says otherwise now. */
void partition_moved(struct partition *partition, struct log *log, int dir, bool start);

/* Raises a leader's high watermark to what is committed, arms the wait for the next sync. Call
 * after whatever may have moved it. */
void partition_advance(struct partition *partition);

/* The log has grown: followers want to know; and the above. */
void partition_grown(struct partition *partition);

/* Have the waits looked at, at the end of this turn. */
void partition_mark_moved(struct partition *partition);

/* Ends the waits for commit with `error`, wakes all fetches (which read again, and see). */
void partition_end_waits(struct partition *partition, enum kafka_error error);

/* All but the fetches. */
void partition_end_appends(struct partition *partition, enum kafka_error error);

/* The drain's part: ends the waits for commit that are over. */
void partition_complete_appends(struct partition *partition);

/* FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or none; -1 is not checked. */
enum kafka_error partition_check_epoch(const struct partition *partition, int32_t leader_epoch);

int64_t partition_fetch_limit(const struct partition *partition, enum fetch_limit limit);

/* Whether the ISR is large enough for acks=all: min.insync.replicas, but no more than there are
 * replicas. `joining`: with those that were asked for. */
bool partition_isr_suffices(const struct partition *partition, bool joining);

/* ---- Followers (partition_leader.c) ---------------------------------------------------------- */

/* A fetch of another replica. */
struct partition_visit {
    int32_t replica_id;
    int64_t broker_epoch; /* -1: not said */
    int32_t leader_epoch; /* in which it fetches; -1: not said */
    int64_t offset;
    int64_t log_start; /* -1: not said */
};

/* Whether that replica may fetch here: UNKNOWN_LEADER_EPOCH or NOT_LEADER_OR_FOLLOWER from a node
 * that is not known as a replica, NOT_LEADER_OR_FOLLOWER from one that was restarted since. */
enum kafka_error partition_visit_check(const struct partition *partition,
                                       const struct partition_visit *visit);

/* Takes note of a fetch whose offset is valid: may move the high watermark and the ISR. */
void partition_visited(struct partition *partition, const struct partition_visit *visit);

/* Whether records are held back from that replica: those out of sync are throttled. */
bool partition_holds_back(const struct partition *partition, int32_t replica_id);

/* The smallest log start of this node's and the living replicas'; -1 while one is not known. */
int64_t partition_low_watermark(const struct partition *partition);

/* A wait for the low watermark to reach an offset, embedded in what waits; list_remove(&link)
 * cancels. */
struct partition_deletion {
    struct list link; /* partition.deletions */
    int64_t offset;
    void (*fn)(struct partition_deletion *deletion, enum kafka_error error, int64_t low_watermark);
};

/* Calls fn once, never before this returns: when the low watermark is there, or with an error when
 * this node does not lead any more. */
void partition_await_deletion(struct partition *partition, struct partition_deletion *deletion,
                              void (*fn)(struct partition_deletion *deletion,
                                         enum kafka_error error, int64_t low_watermark));

/* The drain's part. */
void partition_complete_deletions(struct partition *partition);
void partition_end_deletions(struct partition *partition, enum kafka_error error);

/* The rack-aware choice of a replica to read from (KIP-392): -1 for this one. */
int32_t partition_preferred_replica(const struct partition *partition, struct slice rack,
                                    int64_t offset);

/* Within the partition: */
void partition_take_followers(struct partition *partition, const int32_t *replicas, int32_t count);
void partition_take_isr(struct partition *partition, const int32_t *isr, int32_t count);
void partition_forget_visits(struct partition *partition, bool of_isr_too);
int64_t partition_replicated(const struct partition *partition, int64_t own);
struct partition_follower *partition_find_follower(const struct partition *partition, int32_t id);

/* ---- Changes of the ISR (partition_isr.c) ---------------------------------------------------- */

/* Whether the controller would take this replica into the ISR: not fenced, not shutting down, and
 * still the one that fetched. */
bool partition_follower_eligible(const struct partition *partition,
                                 const struct partition_follower *follower);

/* Asks for it when it has caught up. */
void partition_consider_joining(struct partition *partition,
                                const struct partition_follower *follower);

/* Asks for those to leave who were not caught up within replica.lag.time.max.ms. */
void partition_consider_leaving(struct partition *partition);

/* Back to what is committed. */
void partition_drop_isr_change(struct partition *partition);

/* ---- Waiting for the log of a new partition -------------------------------------------------- */

/* Embedded in what waits; list_remove(&link) cancels. */
struct partition_arrival {
    struct list link;
    void (*fn)(struct partition_arrival *arrival);
};

/*
 * Whether this shard is making the log of that partition, or is about to end its move to another
 * log dir: clients hear of a new topic as soon as the image has it. Then fn is called later, once,
 * when there is a log or none will come; replica_leader() tells which.
 */
bool partition_await_log(struct replica_manager *manager, struct uuid topic_id, int32_t index,
                         struct partition_arrival *arrival,
                         void (*fn)(struct partition_arrival *arrival));

/* Calls those who wait, and forgets them. */
void partition_arrivals_tell(struct list *arrivals);

/* ---- Appending ------------------------------------------------------------------------------- */

/* Calls fn when the high watermark reaches append->next_offset, or earlier with an error; never
 * before this returns. */
void partition_await(struct partition *partition, struct partition_append *append,
                     void (*fn)(struct partition_append *append, enum kafka_error error));

/* Whether records are there that only this node's own sync keeps from being committed: soon. */
bool partition_syncing(const struct partition *partition);

/* fn will not be called. */
void partition_append_cancel(struct partition_append *append);

/* A batch of a client. */
struct partition_produce {
    struct slice records; /* of the request, for this partition */
    uint8_t *data;        /* the same bytes, which are the caller's alone and may be changed */
    int16_t acks;
    bool zstd_allowed;
    struct arena *arena; /* for record errors */

    /* Results; message is constant text or NULL. */
    enum kafka_error error;
    const char *message;
    struct record_error *record_errors;
    int32_t record_error_count;
    int64_t base_offset;
    int64_t next_offset; /* commit is when the high watermark has reached it */
    int64_t append_time_ms;
    int64_t log_start_offset;

    struct produce_rules rules; /* private: from the head to the end of the check */
    struct produce_verdict verdict;
    size_t rebuilt_max;
    uint8_t *rebuilt; /* heap: the batch in the topic's compression */
    size_t rebuilt_len;
};

/*
 * Checks and appends as Kafka's leader does (KIP-98, KIP-467); partition_produce.c. False when the
 * check takes longer than the loop should: then partition_produce_check() is to run on a worker,
 * and partition_produce_end() on the shard again, with whatever partition it is by then.
 * produce_task.h does that.
 */
MUST_CHECK bool partition_produce(struct partition *partition, struct partition_produce *produce);

/* Any thread: looks at nothing but `produce`. */
void partition_produce_check(struct partition_produce *produce);

void partition_produce_end(struct partition *partition, struct partition_produce *produce);

/* The results of what is not appended. */
void partition_produce_fail(struct partition_produce *produce, enum kafka_error error,
                            const char *message);

#endif
