/*
 * The metadata log of this node, __cluster_metadata-0, as a quorum of one (raft/quorum.h): this
 * node leads from the start, each start in a new epoch, and what is synced is committed.
 *
 * Opening reads the latest snapshot and the log behind it, makes a new epoch durable (quorum-state
 * first, then a LEADER_CHANGE batch), tells everything that is committed, and then leading(). A
 * directory whose quorum has voters other than this node is refused.
 */
#ifndef BROKER_QUORUM_METADATA_LOG_H
#define BROKER_QUORUM_METADATA_LOG_H

#include "base/errmsg.h"
#include "base/uuid.h"
#include "broker/metadata/metadata_record.h"
#include "raft/quorum.h"

struct config;
struct shard;

struct metadata_log_options {
    struct shard *shard;
    const struct config *config;
    int32_t node_id;
    const char *metadata_dir; /* parent of __cluster_metadata-0; copied */
    struct quorum_client client;
};

/* done(ctx, 0) after leading(), or done(ctx, negative errno) with errmsg. Then free it. */
struct quorum *metadata_log_open(const struct metadata_log_options *options, struct errmsg *errmsg,
                                 void (*done)(void *ctx, int result), void *ctx);

/* Syncs and closes. Proposals that were not told as committed yet are not told any more. */
void metadata_log_close(struct quorum *quorum, void (*done)(void *ctx), void *ctx);

/* Memory only. */
void metadata_log_free(struct quorum *quorum);

/* What a new log has to begin with, as the directory was formatted; empty when the log is not new.
 * Valid until the first proposal. */
void metadata_log_bootstrap(const struct quorum *quorum, const struct slice **values, int *count);

/* Bytes of records that were committed since the last snapshot. */
int64_t metadata_log_bytes_since_snapshot(const struct quorum *quorum);

/* Writes a snapshot of what was committed up to last_offset (a batch boundary) in the background,
 * then drops the log below. Values are copied. Nothing happens while another is being written. A
 * failure is logged and nothing is dropped. */
void metadata_log_snapshot(struct quorum *quorum, const struct record_list *values,
                           int64_t last_offset, int32_t epoch);

/* For DescribeQuorum. */
struct uuid metadata_log_directory_id(const struct quorum *quorum);
int16_t metadata_log_kraft_version(const struct quorum *quorum);

#endif
