/* Between metadata_log.c and metadata_log_open.c. */
#ifndef BROKER_QUORUM_METADATA_LOG_INTERNAL_H
#define BROKER_QUORUM_METADATA_LOG_INTERNAL_H

#include "broker/quorum/metadata_log.h"
#include "broker/quorum/metadata_snapshot.h"
#include "runtime/machine.h"
#include "storage/log.h"

/* A snapshot on its way to the disk. */
struct snapshot_work {
    struct work work;
    struct quorum *quorum;
    struct snapshot_id id;
    struct buffer bytes;
    int result;
    bool running;
};

struct quorum {
    struct machine *machine;
    struct shard *shard;
    const struct config *config;
    struct quorum_client client;
    char *metadata_dir;
    char *dir; /* metadata_dir/__cluster_metadata-0 */

    struct log *log;
    struct metadata_voter voter; /* this node */
    struct metadata_control control;
    int16_t kraft_version;
    bool announce_voters; /* in the first batch of this epoch: none are in the log yet */
    int32_t epoch;
    int64_t high_watermark;
    bool leading;
    bool failed;

    struct list inflight; /* struct quorum_batch, appended and not yet committed */
    struct log_waiter waiter;
    bool waiting;
    int64_t wait_offset;
    int64_t bytes_since_snapshot;
    int64_t last_timestamp_ms; /* of the last batch that was told as committed */
    struct snapshot_work snapshot;

    struct arena arena; /* of the open: values of snapshot and bootstrap, endpoints */
    struct snapshot_list snapshots;
    struct record_list snapshot_values;
    int64_t snapshot_timestamp_ms;
    struct record_list bootstrap_values;
    struct work work;
    int result;
    struct errmsg *errmsg;
    void (*done)(void *ctx, int result);
    void (*closed)(void *ctx);
    void *ctx;
};

/* On a worker: everything up to a durable new epoch. quorum->result and errmsg say how it went. */
void metadata_log_open_run(struct work *work);

/* Calls fn for each batch of the log in [from, log end), bytes valid during the call. fn returns
 * false for damage: then -EUCLEAN and errmsg says where. */
MUST_CHECK int metadata_log_scan(struct quorum *quorum, int64_t from,
                                 bool (*fn)(struct quorum *quorum, struct slice bytes,
                                            const struct batch *batch));

#endif
