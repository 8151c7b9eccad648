/*
 * The metadata log of this node, __cluster_metadata-0: opening and closing of the quorum that
 * raft/quorum.h describes, of any number of voters. This node is one of them, or an observer.
 *
 * Opening reads the latest snapshot and the log behind it, and takes part from then on: it votes,
 * stands for election, fetches. Requests of peers come through quorum_requests.h.
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
    struct node_shard *node_shard; /* of `shard`; NULL when there is no other node to talk to */
    const struct config *config;
    int32_t node_id;
    const char *metadata_dir; /* parent of __cluster_metadata-0; copied */
    struct quorum_client client;
};

/*
 * done(ctx, 0) when everything has been told that the leader knew to be committed when this node
 * first heard it; where this node leads, after leading(). That needs a majority of the voters and
 * may take for ever. done(ctx, negative errno) with errmsg when the directory cannot be used; then
 * free it.
 */
struct quorum *metadata_log_open(const struct metadata_log_options *options, struct errmsg *errmsg,
                                 void (*done)(void *ctx, int result), void *ctx);

/* Hands over when this node leads others, syncs and closes; at any time after opening began, and
 * then `done` of opening is not called any more. Nothing is told to the client any more. */
void metadata_log_close(struct quorum *quorum, void (*done)(void *ctx), void *ctx);

/* Memory only. */
void metadata_log_free(struct quorum *quorum);

/* What a leader has to begin a new log with, as the directory was formatted; empty when the log is
 * not new. Valid until the first proposal. */
void metadata_log_bootstrap(const struct quorum *quorum, const struct slice **values, int *count);

/* Bytes of records that were committed since the last snapshot. */
int64_t metadata_log_bytes_since_snapshot(const struct quorum *quorum);

/*
 * Writes a snapshot of what was committed up to last_offset (a batch boundary) in the background,
 * then drops older ones and the log below as metadata.max.retention.* says; the last snapshot
 * stays. Values are copied. Nothing happens while another is being written, nor when there is one
 * that ends there. A failure is logged and nothing is dropped.
 */
void metadata_log_snapshot(struct quorum *quorum, const struct record_list *values,
                           int64_t last_offset, int32_t epoch);

/* For DescribeQuorum. */
int16_t metadata_log_kraft_version(const struct quorum *quorum);

#endif
