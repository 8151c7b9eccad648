/*
 * Snapshots: this node's own, written from what is committed, and the leader's, fetched when this
 * node is behind the begin of the leader's log.
 *
 * After one of its own is written, metadata.max.retention.* says how many of the oldest go, and the
 * log begins where the oldest that stays ends: who is behind that gets it, and the log from there.
 *
 * A fetched one goes to a .part file, is synced, read whole, and only then gets its name; after
 * that the log is emptied. A crash between the two leaves a log that parts from the snapshot, which
 * the next start notices (metadata_log_open.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/quorum/quorum_internal.h"
#include "protocol/generated/fetch_snapshot_request.h"
#include "protocol/generated/fetch_snapshot_response.h"
#include "protocol/message.h"
#include "runtime/file.h"
#include "runtime/log.h"

enum { KEY_FETCH_SNAPSHOT = 59 };

#define RETRY_MS 2

/* ---- This node's own ------------------------------------------------------------------------- */

int64_t metadata_log_bytes_since_snapshot(const struct quorum *quorum) {
    return quorum->bytes_since_snapshot;
}

void snapshot_kept(struct quorum *quorum, struct snapshot_id id, int64_t bytes,
                   int64_t timestamp_ms) {
    if (quorum->kept_count == quorum->kept_cap) {
        quorum->kept_cap = quorum->kept_cap == 0 ? 4 : quorum->kept_cap * 2;
        quorum->kept = xrealloc(quorum->kept, (size_t)quorum->kept_cap * sizeof(*quorum->kept));
    }
    quorum->kept[quorum->kept_count++] =
        (struct kept_snapshot){.id = id, .bytes = bytes, .timestamp_ms = timestamp_ms};
}

/* How many of the oldest snapshots retention lets go; the last one always stays. */
static int too_many(const struct quorum *quorum) {
    int64_t bytes_max = config_int(quorum->config, CONFIG_METADATA_MAX_RETENTION_BYTES);
    int64_t age_max = config_int(quorum->config, CONFIG_METADATA_MAX_RETENTION_MS);
    int64_t now_ms = clock_wall_ms(quorum->machine);
    int64_t bytes = log_bytes(quorum->log);
    for (int i = 0; i < quorum->kept_count; i++) {
        bytes += quorum->kept[i].bytes;
    }
    int go = 0;
    for (; go + 1 < quorum->kept_count; go++) {
        const struct kept_snapshot *oldest = &quorum->kept[go];
        bool large = bytes_max >= 0 && bytes > bytes_max;
        bool old = age_max >= 0 && now_ms - oldest->timestamp_ms > age_max;
        if (!large && !old) {
            break;
        }
        bytes -= oldest->bytes;
    }
    return go;
}

static void remove_run(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    struct quorum *quorum = snapshot->quorum;
    snapshot->result = snapshot_remove_below(quorum->machine, quorum->dir, snapshot->remove_below);
}

static void remove_done(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    snapshot->running = false;
    if (snapshot->result != 0) {
        LOG_WARN(snapshot->quorum->machine, "quorum", "older snapshots stay", "reason=\"%s\"",
                 strerror(-snapshot->result));
    }
    quorum_close_step(snapshot->quorum);
}

/* The log begins where the oldest snapshot ends that retention keeps; what is older goes. Whether
 * there was something; then a worker is at it. */
static bool clean(struct quorum *quorum) {
    int go = too_many(quorum);
    if (go == 0) {
        return false;
    }
    struct snapshot_id first = quorum->kept[go].id;
    int result = first.end_offset > log_start_offset(quorum->log)
                     ? log_raise_start(quorum->log, first.end_offset)
                     : 0;
    if (result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "metadata log keeps what is old",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-result));
        return false;
    }
    quorum->kept_count -= go;
    memmove(quorum->kept, quorum->kept + go, (size_t)quorum->kept_count * sizeof(*quorum->kept));
    raft_log_started(quorum->raft,
                     (struct raft_position){.offset = first.end_offset, .epoch = first.epoch});
    voter_history_cut_start(&quorum->voters, first.end_offset);
    LOG_INFO(quorum->machine, "quorum", "metadata log cut", "start_offset=%" PRId64,
             first.end_offset);
    quorum->snapshot.remove_below = first.end_offset;
    work_submit(quorum->shard, &quorum->snapshot.work, remove_run, remove_done);
    return true;
}

static void snapshot_run(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    struct quorum *quorum = snapshot->quorum;
    snapshot->result =
        snapshot_write(quorum->machine, quorum->dir, snapshot->id, buffer_slice(&snapshot->bytes));
}

static int64_t newest_end(const struct quorum *quorum) {
    return quorum->kept_count == 0 ? 0 : quorum->kept[quorum->kept_count - 1].id.end_offset;
}

static void snapshot_done(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    struct quorum *quorum = snapshot->quorum;
    int64_t bytes = (int64_t)snapshot->bytes.len;
    bool ok = snapshot->result == 0;
    snapshot->running = false;
    buffer_release(&snapshot->bytes);
    if (ok) {
        LOG_INFO(quorum->machine, "controller", "snapshot written",
                 "end_offset=%" PRId64 " epoch=%" PRId32, snapshot->id.end_offset,
                 snapshot->id.epoch);
    } else {
        LOG_ERROR(quorum->machine, "controller", "snapshot failed", "dir=%s reason=\"%s\"",
                  quorum->dir, strerror(-snapshot->result));
    }
    /* Meanwhile a later one may have come from the leader. */
    bool news = ok && snapshot->id.end_offset > newest_end(quorum) &&
                snapshot->id.end_offset > log_start_offset(quorum->log);
    if (news) {
        snapshot_kept(quorum, snapshot->id, bytes, snapshot->timestamp_ms);
    }
    snapshot->running = news && !quorum->failed && quorum->closed == NULL && clean(quorum);
    quorum_close_step(quorum);
}

void metadata_log_snapshot(struct quorum *quorum, const struct record_list *values,
                           int64_t last_offset, int32_t epoch) {
    struct snapshot_work *snapshot = &quorum->snapshot;
    if (snapshot->running || quorum->failed || quorum->fetch.active ||
        last_offset < log_start_offset(quorum->log) || last_offset < newest_end(quorum)) {
        return;
    }
    ASSERT(last_offset < quorum->high_watermark);
    snapshot->running = true;
    snapshot->id = (struct snapshot_id){last_offset + 1, epoch};
    snapshot->timestamp_ms = quorum->last_timestamp_ms;
    quorum->bytes_since_snapshot = 0;
    buffer_reset(&snapshot->bytes);
    const struct voter_set *voters = voter_history_at(&quorum->voters, last_offset + 1);
    snapshot_build(values->values, values->count, snapshot->id, quorum->last_timestamp_ms,
                   voters->kraft_version == 1 ? voters : NULL, &snapshot->bytes);
    work_submit(quorum->shard, &snapshot->work, snapshot_run, snapshot_done);
}

/* ---- The leader's ---------------------------------------------------------------------------- */

static void drop_part(struct snapshot_fetch *fetch) {
    struct quorum *quorum = fetch->quorum;
    file_unref(fetch->file);
    fetch->file = NULL;
    if (fetch->part != NULL) {
        if (path_unlink(quorum->machine, fetch->part) != 0) {
            LOG_WARN(quorum->machine, "quorum", "half a snapshot stays until the next start",
                     "path=%s", fetch->part);
        }
        free(fetch->part);
        fetch->part = NULL;
    }
    metadata_control_release(&fetch->control);
    arena_reset(&fetch->values_arena);
}

static void fetch_failed(struct snapshot_fetch *fetch, const char *reason) {
    struct quorum *quorum = fetch->quorum;
    LOG_WARN(quorum->machine, "quorum", "snapshot not fetched",
             "leader=%" PRId32 " end_offset=%" PRId64 " reason=\"%s\"", fetch->from,
             fetch->id.end_offset, reason);
    drop_part(fetch);
    fetch->active = false;
    if (quorum->raft != NULL && !quorum->peers_closed) {
        raft_snapshot_failed(quorum->raft, quorum_now_ms(quorum));
        quorum_run(quorum);
    }
}

/* On a worker: durable, read whole, and only then under its name. */
static int settle(struct snapshot_fetch *fetch) {
    struct quorum *quorum = fetch->quorum;
    int result = file_sync(fetch->file);
    if (result != 0) {
        return result;
    }
    result = snapshot_read(quorum->machine, fetch->part, &fetch->values, &fetch->control,
                           &fetch->timestamp_ms, &fetch->errmsg);
    if (result == 0 && fetch->control.has_kraft_version &&
        (fetch->control.kraft_version < 0 || fetch->control.kraft_version > 1)) {
        errmsg_set(&fetch->errmsg, "its kraft.version is not known");
        result = -EINVAL;
    }
    if (result != 0) {
        return result;
    }
    char *path = snapshot_path(quorum->dir, fetch->id);
    result = path_rename(quorum->machine, fetch->part, path);
    free(path);
    return result != 0 ? result : directory_sync(quorum->machine, quorum->dir);
}

static void settle_run(struct work *work) {
    struct snapshot_fetch *fetch = CONTAINER_OF(work, struct snapshot_fetch, work);
    fetch->result = settle(fetch);
}

/* The older snapshots are of no use any more. */
static void sweep_run(struct work *work) {
    struct snapshot_fetch *fetch = CONTAINER_OF(work, struct snapshot_fetch, work);
    struct quorum *quorum = fetch->quorum;
    fetch->result = snapshot_remove_below(quorum->machine, quorum->dir, fetch->id.end_offset);
}

static void sweep_done(struct work *work) {
    struct snapshot_fetch *fetch = CONTAINER_OF(work, struct snapshot_fetch, work);
    fetch->working = false;
    if (fetch->result != 0) {
        LOG_WARN(fetch->quorum->machine, "quorum", "older snapshots stay", "reason=\"%s\"",
                 strerror(-fetch->result));
    }
    quorum_close_step(fetch->quorum);
}

/* The log is empty and starts at the snapshot. */
static void installed(struct snapshot_fetch *fetch) {
    struct quorum *quorum = fetch->quorum;
    struct voter_set *voters = metadata_control_take_voters(&fetch->control);
    if (voters == NULL) {
        voters = voter_set_copy(voter_history_at(&quorum->voters, 0)); /* static ones */
    }
    if (fetch->control.has_kraft_version) {
        voters->kraft_version = fetch->control.kraft_version;
    }
    voter_history_reset(&quorum->voters, voters);
    struct raft_voters keys;
    voter_set_keys(voters, &keys);
    quorum->synced = fetch->id.end_offset;
    quorum->bytes_since_snapshot = 0;
    quorum->kept_count = 0;
    snapshot_kept(quorum, fetch->id, fetch->position, fetch->timestamp_ms);
    free(fetch->part);
    fetch->part = NULL;
    file_unref(fetch->file);
    fetch->file = NULL;
    fetch->active = false;
    LOG_INFO(quorum->machine, "quorum", "snapshot fetched",
             "leader=%" PRId32 " end_offset=%" PRId64 " epoch=%" PRId32 " bytes=%" PRId64,
             fetch->from, fetch->id.end_offset, fetch->id.epoch, fetch->position);
    quorum->high_watermark = fetch->id.end_offset;
    quorum_deliver_snapshot(quorum, &fetch->values, fetch->id, fetch->timestamp_ms);
    arena_reset(&fetch->values_arena);
    raft_snapshot_installed(
        quorum->raft, quorum_now_ms(quorum),
        (struct raft_position){.offset = fetch->id.end_offset, .epoch = fetch->id.epoch}, &keys);
    fetch->working = true;
    work_submit(quorum->shard, &fetch->work, sweep_run, sweep_done);
    quorum_run(quorum);
}

static void restart_log(struct snapshot_fetch *fetch) {
    struct quorum *quorum = fetch->quorum;
    if (quorum->waiting) {
        log_waiter_cancel(&quorum->waiter);
        quorum->waiting = false;
    }
    int result = log_restart_at(quorum->log, fetch->id.end_offset);
    if (result == -EBUSY) {
        timer_start(&fetch->retry, RETRY_MS);
        return;
    }
    if (result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "metadata log cannot be emptied",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-result));
        quorum_fail(quorum, result);
        return;
    }
    installed(fetch);
}

static void on_retry(struct timer *timer) {
    restart_log(CONTAINER_OF(timer, struct snapshot_fetch, retry));
}

static void settled(struct work *work) {
    struct snapshot_fetch *fetch = CONTAINER_OF(work, struct snapshot_fetch, work);
    struct quorum *quorum = fetch->quorum;
    fetch->working = false;
    if (quorum->closed != NULL || quorum->failed) {
        quorum_close_step(quorum);
        return;
    }
    if (fetch->result != 0) {
        fetch_failed(fetch,
                     fetch->errmsg.text[0] != '\0' ? fetch->errmsg.text : strerror(-fetch->result));
        return;
    }
    restart_log(fetch);
}

static const void *build(struct peer_call *call, int16_t version) {
    struct snapshot_fetch *fetch = CONTAINER_OF(call, struct snapshot_fetch, call);
    const struct quorum *quorum = fetch->quorum;
    (void)version;
    arena_reset(&fetch->arena);
    struct fetch_snapshot_request *request =
        ARENA_NEW(&fetch->arena, struct fetch_snapshot_request);
    message_init(&fetch_snapshot_request_desc, request);
    request->cluster_id =
        quorum->cluster_id[0] == '\0' ? SLICE_NULL : slice_str(quorum->cluster_id);
    request->replica_id = quorum->self.key.id;
    request->max_bytes =
        (int32_t)config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES);
    request->topics_count = 1;
    request->topics = ARENA_NEW(&fetch->arena, struct fetch_snapshot_request_topic_snapshot);
    request->topics->name = SLICE_LIT("__cluster_metadata");
    request->topics->partitions_count = 1;
    request->topics->partitions =
        ARENA_NEW(&fetch->arena, struct fetch_snapshot_request_partition_snapshot);
    *request->topics->partitions = (struct fetch_snapshot_request_partition_snapshot){
        .snapshot_id = {.end_offset = fetch->id.end_offset, .epoch = fetch->id.epoch},
        .position = fetch->position,
        .current_leader_epoch = raft_epoch(quorum->raft),
        .replica_directory_id = quorum->self.key.directory_id,
    };
    return request;
}

static void next_piece(struct snapshot_fetch *fetch);

/* NULL, or why the fetch ends here. */
static const char *take_piece(struct snapshot_fetch *fetch,
                              const struct fetch_snapshot_response *response, bool *complete) {
    if (response->error_code != ERROR_NONE) {
        return error_name(response->error_code);
    }
    if (response->topics_count == 0 || response->topics->partitions_count == 0) {
        return "an answer without snapshot";
    }
    const struct fetch_snapshot_response_partition_snapshot *piece = response->topics->partitions;
    if (piece->error_code != ERROR_NONE) {
        return error_name(piece->error_code);
    }
    if (piece->position != fetch->position || piece->size < 0 ||
        piece->unaligned_records.len == 0 ||
        (int64_t)piece->unaligned_records.len > piece->size - fetch->position) {
        return "pieces that do not fit";
    }
    int result = file_write_at(fetch->file, piece->unaligned_records.data,
                               piece->unaligned_records.len, fetch->position);
    if (result != 0) {
        return strerror(-result);
    }
    fetch->position += (int64_t)piece->unaligned_records.len;
    *complete = fetch->position == piece->size;
    return NULL;
}

static void on_piece(struct peer_call *call, const struct peer_answer *answer) {
    struct snapshot_fetch *fetch = CONTAINER_OF(call, struct snapshot_fetch, call);
    struct quorum *quorum = fetch->quorum;
    bool complete = false;
    fetch->calling = false;
    const char *why = answer->result != 0 ? strerror(-answer->result)
                                          : take_piece(fetch, answer->response, &complete);
    if (why == NULL && raft_leader_id(quorum->raft) != fetch->from) {
        why = "another leader";
    }
    if (why != NULL) {
        fetch_failed(fetch, why);
        return;
    }
    raft_snapshot_progress(quorum->raft, quorum_now_ms(quorum));
    if (!complete) {
        next_piece(fetch);
        quorum_run(quorum);
        return;
    }
    record_list_init(&fetch->values, &fetch->values_arena);
    fetch->control = METADATA_CONTROL_NONE;
    fetch->errmsg.text[0] = '\0';
    fetch->working = true;
    work_submit(quorum->shard, &fetch->work, settle_run, settled);
    quorum_run(quorum);
}

static void next_piece(struct snapshot_fetch *fetch) {
    struct quorum *quorum = fetch->quorum;
    struct peer *peer = quorum_wait_peer(quorum, fetch->from);
    if (peer == NULL) {
        fetch_failed(fetch, "the leader's address is not known");
        return;
    }
    fetch->call = (struct peer_call){
        .api_key = KEY_FETCH_SNAPSHOT,
        .version_min = 0,
        .version_max = 1,
        .timeout_ms = config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
        .build = build,
        .fn = on_piece,
    };
    fetch->calling = true;
    peer_call(peer, &fetch->call);
}

void snapshot_fetch_start(struct quorum *quorum, int32_t from, struct raft_position position) {
    struct snapshot_fetch *fetch = &quorum->fetch;
    if (fetch->active || fetch->working || quorum->closed != NULL) {
        raft_snapshot_failed(quorum->raft, quorum_now_ms(quorum));
        return;
    }
    fetch->active = true;
    fetch->from = from;
    fetch->id = (struct snapshot_id){position.offset, position.epoch};
    fetch->position = 0;
    timer_init(&fetch->retry, quorum->shard, on_retry);
    int len =
        asprintf(&fetch->part, "%s/%020" PRId64 "-%010" PRId32 "-%016" PRIx64 ".checkpoint.part",
                 quorum->dir, fetch->id.end_offset, fetch->id.epoch, random_u64(quorum->machine));
    ASSERT(len >= 0);
    int result = file_open(quorum->machine, fetch->part, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE,
                           &fetch->file);
    if (result != 0) {
        fetch->file = NULL;
        fetch_failed(fetch, strerror(-result));
        return;
    }
    next_piece(fetch);
}

void snapshot_fetch_stop(struct quorum *quorum) {
    struct snapshot_fetch *fetch = &quorum->fetch;
    if (!fetch->active) {
        return;
    }
    if (fetch->calling) {
        peer_cancel(&fetch->call);
        fetch->calling = false;
    }
    timer_stop(&fetch->retry);
}

void snapshot_fetch_free(struct quorum *quorum) {
    struct snapshot_fetch *fetch = &quorum->fetch;
    file_unref(fetch->file);
    free(fetch->part);
    free(quorum->kept);
    metadata_control_release(&fetch->control);
    arena_release(&fetch->values_arena);
    arena_release(&fetch->arena);
}
