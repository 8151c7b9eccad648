/* The follower: what a fetch brings. Its peers follow the voters in the log when it leaves this
 * role: before that it asks nobody but its leader. */
#include "raft/raft_internal.h"

/* The leader's log parts from ours: ours goes back to the last place that both have. */
static void truncate_to_divergence(struct raft *raft, struct raft_position diverging) {
    struct raft_position ours = raft_log_end_of_epoch(&raft->log, diverging.epoch);
    int64_t offset = ours.offset < diverging.offset ? ours.offset : diverging.offset;
    if (offset < raft->log.high_watermark || offset < raft->log.start.offset) {
        raft_emit(raft, RAFT_FATAL)->offset = offset;
        return;
    }
    if (offset >= raft->log.end_offset) {
        return; /* no divergence: the leader contradicts itself; asked again in a while */
    }
    raft_log_truncate(&raft->log, offset);
    raft_emit(raft, RAFT_TRUNCATE)->offset = offset;
}

/* Appends the batches that follow on our log; what does not is left. */
static void append_batches(struct raft *raft, uint64_t id, const struct raft_batch *batches,
                           int count) {
    int taken = 0;
    int64_t base_offset = raft->log.end_offset;
    while (taken < count) {
        const struct raft_batch *batch = &batches[taken];
        bool voters_possible = batch->voters == NULL || (batch->voters->count >= 1 &&
                                                         batch->voters->count <= RAFT_VOTERS_MAX);
        if (!voters_possible || batch->base_offset != raft->log.end_offset || batch->count <= 0 ||
            batch->epoch < raft_log_last(&raft->log).epoch || batch->epoch > raft->ballot.epoch) {
            break;
        }
        raft_log_append(&raft->log, batch->epoch, batch->count, batch->voters);
        taken++;
    }
    if (taken > 0) {
        struct raft_effect *effect = raft_emit(raft, RAFT_APPEND);
        effect->id = id;
        effect->append = (struct raft_append){.kind = RAFT_APPEND_FETCHED,
                                              .base_offset = base_offset,
                                              .count = taken,
                                              .epoch = raft->ballot.epoch,
                                              .generation = raft->log.generation};
    }
}

/* What is committed and here is committed here. */
static void take_high_watermark(struct raft *raft, int64_t told) {
    int64_t offset = told < raft->log.end_offset ? told : raft->log.end_offset;
    if (offset > raft->log.high_watermark) {
        raft->log.high_watermark = offset;
        raft_emit(raft, RAFT_HIGH_WATERMARK)->offset = offset;
    }
}

static void get_snapshot(struct raft *raft, struct raft_position snapshot) {
    if (snapshot.offset < raft->log.high_watermark) {
        return; /* of the past: nothing that is missing here */
    }
    raft->installing = true;
    raft->installing_epoch = raft->ballot.epoch;
    struct raft_effect *effect = raft_emit(raft, RAFT_GET_SNAPSHOT);
    effect->to = raft->ballot.leader_id;
    effect->position = snapshot;
}

void raft_on_fetch_reply(struct raft *raft, uint64_t id, const struct raft_reply *reply,
                         const struct raft_batch *batches, int batch_count) {
    raft->fetch_at_ms = raft->now_ms + raft->config.retry_ms;
    raft_observe(raft, reply->epoch, reply->leader_id);
    if (reply->error == ERROR_NOT_LEADER_OR_FOLLOWER && raft->role == RAFT_FOLLOWER &&
        reply->epoch == raft->ballot.epoch && raft->fetch_to == raft->ballot.leader_id) {
        raft_doubt_leader(raft); /* it says so itself: it has resigned */
    }
    if (reply->error != ERROR_NONE) {
        if (raft->ballot.leader_id >= 0 && reply->leader_id == raft->ballot.leader_id) {
            raft->astray = false; /* others know of no other leader */
        }
        return;
    }
    bool current = raft->role == RAFT_FOLLOWER && reply->epoch == raft->ballot.epoch &&
                   reply->leader_id == raft->ballot.leader_id && !raft->installing;
    if (!current) {
        return;
    }
    raft->fetched = true;
    raft->astray = false;
    raft->doubted = false;
    raft->doubt_round = 0;
    raft->timer_ms = raft->now_ms + raft->config.fetch_timeout_ms;
    int64_t end_before = raft->log.end_offset;
    switch (reply->fetch) {
    case RAFT_FETCH_DIVERGING:
        truncate_to_divergence(raft, reply->position);
        break;
    case RAFT_FETCH_SNAPSHOT:
        get_snapshot(raft, reply->position);
        break;
    case RAFT_FETCH_RECORDS:
        append_batches(raft, id, batches, batch_count);
        take_high_watermark(raft, reply->high_watermark);
        raft->fetch_at_ms = raft->now_ms;
        break;
    }
    if (raft->log.end_offset != end_before) {
        raft->fetch_at_ms = raft->now_ms;
    }
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

void raft_snapshot_installed(struct raft *raft, int64_t now_ms, struct raft_position snapshot,
                             const struct raft_voters *voters) {
    ASSERT(now_ms >= raft->now_ms);
    ASSERT(raft->installing && snapshot.offset >= raft->log.high_watermark);
    raft->now_ms = now_ms;
    raft_log_reset(&raft->log, snapshot, voters);
    raft_voters_apply(raft);
    raft_emit(raft, RAFT_HIGH_WATERMARK)->offset = snapshot.offset;
    raft->installing = false;
    raft->fetch_at_ms = now_ms;
    raft_poll(raft);
}

void raft_snapshot_failed(struct raft *raft, int64_t now_ms) {
    ASSERT(now_ms >= raft->now_ms);
    raft->now_ms = now_ms;
    raft->installing = false;
    raft->fetch_at_ms = now_ms + raft->config.retry_ms;
    raft_poll(raft);
}

void raft_snapshot_progress(struct raft *raft, int64_t now_ms) {
    ASSERT(now_ms >= raft->now_ms);
    raft->now_ms = now_ms;
    if (raft->installing && raft->role == RAFT_FOLLOWER &&
        raft->installing_epoch == raft->ballot.epoch) {
        raft->timer_ms = now_ms + raft->config.fetch_timeout_ms;
    }
}
