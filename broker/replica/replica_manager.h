/* The replica manager of a shard, for the files of broker/replica/. */
#ifndef BROKER_REPLICA_REPLICA_MANAGER_H
#define BROKER_REPLICA_REPLICA_MANAGER_H

#include <stdbool.h>

#include "base/hmap.h"
#include "base/list.h"
#include "broker/node.h"
#include "broker/replica/dir_reports.h"
#include "broker/replica/isr_changes.h"
#include "broker/replica/lost_leaders.h"
#include "broker/replica/partition.h"
#include "broker/replica/produce_task.h"
#include "broker/replica/replica.h"
#include "runtime/machine.h"

struct fetch_sessions;
struct image_broker;
struct replication_rate;

struct replica_manager {
    struct node_shard *shard;
    struct hmap partitions; /* struct partition.node */
    bool loaded;            /* logs of the image's partitions were handed over */
    bool closing;

    struct list moved; /* struct partition.moved */
    struct list woken; /* struct fetch_wait.woken */
    struct deferred drain;

    struct list removals;  /* struct log_removal.link: logs of deleted partitions */
    struct list creations; /* struct partition_creation.link */
    struct list moves;     /* struct partition_move.link: to another log dir */
    int pieces;            /* of logs, in memory for moves */

    struct list led; /* struct partition.led: leaders with followers */
    struct timer isr_timer;
    struct isr_changes isr_changes;
    struct dir_reports dir_reports;

    struct lost_leaders lost;
    struct list fetchers;   /* struct replica_fetcher.link */
    struct list followings; /* struct following.all */
    struct produce_tasks produce_tasks;

    /* Throttles (replication_rate.h): what this node sends as leader, and fetches as follower. */
    struct replication_rate *sending; /* of the node; shard 0 owns them */
    struct replication_rate *fetching;
    int64_t sending_limit; /* bytes a second; INT64_MAX for none */
    int64_t fetching_limit;
    struct replication_rate *moving; /* between log dirs */
    int64_t moving_limit;

    bool rack_aware; /* replica.selector.class */
    struct fetch_sessions *sessions;

    int closing_logs;          /* steps that the end of closing waits for */
    struct partition **closes; /* heap: those whose logs are closed, a few at a time */
    size_t close_count;
    size_t close_next; /* the first not begun */
    int closes_under_way;
    bool close_clean;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* NULL when this shard does not have it. */
struct partition *replica_manager_find(const struct replica_manager *manager, struct uuid topic_id,
                                       int32_t index);

/* Whether consumers are sent to a replica in their rack (KIP-392). */
bool replica_selector_is_rack_aware(const struct replica_manager *manager);

/* The registration of this very process; NULL while the image does not have it: until then nobody
 * is told anything, for it would be taken for the word of the process before. */
const struct image_broker *replica_manager_self(const struct replica_manager *manager);

/* Counts what was sent of partitions that are throttled here. */
void replica_manager_count_sent(struct replica_manager *manager, int64_t bytes);

/* Takes a partition without log and without waits out of the map and frees it. */
void replica_manager_drop(struct partition *partition);

/* The last log that was waited for may be closed. */
void replica_manager_check_closed(struct replica_manager *manager);

/* Closes the log of a partition while the manager closes; it was not among those that are. */
void replica_manager_close_log(struct partition *partition);

/* ---- partition_isr.c ------------------------------------------------------------------------- */

void replica_manager_isr_init(struct replica_manager *manager);

/* The partition's followers are looked at now and then while it leads any. */
void replica_manager_watch_isr(struct partition *partition);

/* ---- replica_create.c ------------------------------------------------------------------------ */

/* Has the log manager make the partition's log; goes on when it is there. */
void partition_create_log(struct partition *partition);

/* The partition goes away; what is under way is dropped when it arrives. */
void partition_creation_abandon(struct partition *partition);

/* Frees what is under way, for replica_manager_free(). */
void partition_creations_free(struct replica_manager *manager);

/* ---- replica_remove.c ------------------------------------------------------------------------ */

/*
 * Closes a log that is no longer wanted, sets its directory aside as "-delete" and removes it after
 * file.delete.delay.ms. What a crash leaves is removed at the next start by the log manager.
 */
void log_remove(struct replica_manager *manager, struct log *log, int dir);

/* The same of a directory that was set aside already, and whose log is closed. Takes `path` (heap).
 */
void log_remove_aside(struct replica_manager *manager, int dir, char *path, int64_t delay_ms);

/* Frees what is under way, for replica_manager_free(). */
void log_removals_free(struct replica_manager *manager);

/* Waits no longer: removals that wait for their delay stay set aside for the next start. */
void log_removals_stop(struct replica_manager *manager);

#endif
