/*
 * What handlers of Kafka's quorum APIs (broker/api/) ask of the quorum. On shard 0.
 */
#ifndef BROKER_QUORUM_QUORUM_REQUESTS_H
#define BROKER_QUORUM_QUORUM_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/peer/peer.h"
#include "broker/quorum/voter_set.h"
#include "raft/quorum.h"
#include "raft/raft.h"
#include "storage/log.h"

struct file;

#define METADATA_TOPIC_ID uuid_from_halves(0, 1)

/* A question of a peer; embedded in what answers it, valid until fn was called. */
struct quorum_ask {
    struct list link; /* private, with the next */
    uint64_t token;
    void (*fn)(struct quorum_ask *ask, const struct raft_reply *reply);
};

/* fn follows once, perhaps before this returns, perhaps much later (a fetch waits). Before the
 * quorum has read its log, and when it closes: BROKER_NOT_AVAILABLE. */
void quorum_ask(struct quorum *quorum, struct quorum_ask *ask, const struct raft_request *request,
                void (*fn)(struct quorum_ask *ask, const struct raft_reply *reply));

/* Whether a request that carries this one may be meant for this cluster (null may). */
bool quorum_is_cluster(const struct quorum *quorum, struct slice cluster_id);

/* Where a node of the quorum is reached; valid until the next call into the quorum. */
bool quorum_node_address(const struct quorum *quorum, int32_t id, const char **host, int *port);

/* A leader said where it is reached. */
void quorum_learn_address(struct quorum *quorum, int32_t id, struct slice host, int port);

/* The name of this node's controller listener, by which endpoints are chosen. */
struct slice quorum_listener_name(const struct quorum *quorum);

/* Records for a fetch that was answered with RAFT_FETCH_RECORDS: at most max_bytes of whole
 * batches, or one larger one. The file reference of *out is the caller's. */
MUST_CHECK int quorum_read(struct quorum *quorum, int64_t offset, int64_t end_offset,
                           size_t max_bytes, struct log_range *out);

/* Opens a snapshot that others may fetch. -ENOENT when there is no such. */
MUST_CHECK int quorum_snapshot_open(struct quorum *quorum, int64_t end_offset, int32_t epoch,
                                    struct file **out, int64_t *size);

/* A replica reads a snapshot: it listens to this leader. */
void quorum_snapshot_fetched(struct quorum *quorum, struct raft_key replica);

int64_t quorum_log_start(const struct quorum *quorum);

/* Epoch and leader as a FetchSnapshot needs them: as for a fetch. */
enum kafka_error quorum_check_leader(const struct quorum *quorum, int32_t epoch);

/* ---- Voters ---------------------------------------------------------------------------------- */

/* A change of the voters; valid until fn was called. */
struct quorum_change {
    struct list link; /* private, with the next three */
    uint64_t token;
    int64_t deadline_ms;
    bool early;         /* ends when it is appended */
    const char *reason; /* for people, of an error: constant; NULL: nothing more than the error */
    void (*fn)(struct quorum_change *change, enum kafka_error error);
};

/*
 * fn follows when the change is committed or refused, perhaps at once. UNSUPPORTED_VERSION with
 * kraft.version 0, where an update is remembered by this leader and no more; REQUEST_TIMED_OUT
 * while another change is under way, and when this one is not committed in the time of a request
 * (controller.quorum.request.timeout.ms); otherwise the errors of raft_change_voters().
 *
 * A new voter is asked first which levels of kraft.version it knows; those are written, not the
 * ones in `voter`. INVALID_REQUEST when the finalized one is not among them, REQUEST_TIMED_OUT when
 * it does not answer, and when it has not caught up. `committed`: whether fn waits for the commit;
 * else it follows when the record is appended, as it does for an update.
 */
void quorum_add_voter(struct quorum *quorum, struct quorum_change *change,
                      const struct voter *voter, bool committed,
                      void (*fn)(struct quorum_change *change, enum kafka_error error));
void quorum_remove_voter(struct quorum *quorum, struct quorum_change *change, struct raft_key key,
                         void (*fn)(struct quorum_change *change, enum kafka_error error));
void quorum_update_voter(struct quorum *quorum, struct quorum_change *change,
                         const struct voter *voter,
                         void (*fn)(struct quorum_change *change, enum kafka_error error));

/*
 * kraft.version from 0 to 1: the voters of the configuration are written into the log, with the
 * directory ids that they told this leader. The refusal, a text for people, is NULL when it can be
 * done. quorum_upgrade() appends and may fail with what raft_change_voters() does, or
 * UNKNOWN_SERVER_ERROR with a log that failed; it is done when what ends at quorum_end_offset()
 * afterwards is committed.
 */
const char *quorum_upgrade_refusal(struct quorum *quorum);
MUST_CHECK enum kafka_error quorum_upgrade(struct quorum *quorum);

/* ---- Counting -------------------------------------------------------------------------------- */

/* What this node's part in the quorum has done; only grows. */
struct quorum_counts {
    uint64_t appended_records; /* as a leader */
    uint64_t fetched_records;
    uint64_t commits; /* of batches that were appended here as a leader, and their time: */
    uint64_t commit_ms;
    struct peer_counts peers; /* requests of this node to others of the quorum */
};

struct quorum_status {
    enum raft_role role;
    bool voter;
    int32_t leader; /* -1: unknown */
    int32_t epoch;
    int32_t voted; /* in this epoch; -1: for nobody */
    int64_t high_watermark;
    int64_t end_offset;
    int32_t end_epoch;
    struct quorum_counts counts;
};

/* False before the quorum has read its log. */
bool quorum_status(const struct quorum *quorum, struct quorum_status *out);

/* ---- Questions ------------------------------------------------------------------------------- */

int16_t quorum_kraft_version(const struct quorum *quorum);
const struct voter_set *quorum_voters(const struct quorum *quorum); /* NULL: not read yet */

/* Nobody will lead while the others stay as they are (raft_is_stranded()); a leader asks them, so
 * that it is known at the next call. */
bool quorum_is_stranded(struct quorum *quorum);

/* This node with its endpoints, whether it is a voter or not. */
const struct voter *quorum_self(const struct quorum *quorum);

/* The i-th replica that the leader knows, this node first; false behind the last, and when this
 * node does not lead. Times are ms of the wall clock. */
bool quorum_replica_at(const struct quorum *quorum, int i, struct raft_replica *out);

#endif
