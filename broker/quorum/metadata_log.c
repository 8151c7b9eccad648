/*
 * Drives consensus (raft/raft.h) on the metadata log: carries out its effects in order, and tells
 * the client what is committed.
 *
 * quorum_run() is the one place where effects are taken. It is called after every input, is not
 * entered twice (a client that proposes from inside a call-back is served by the run that called
 * it), and stops at a barrier until the disk has answered.
 *
 * Group commit: at most one wait for the disk is under way. While the disk syncs, appends are held
 * back: should the sync fail, what it covered may be lost, and nothing may lie behind the gap. They
 * share the next sync, so that any number of proposals costs at most two syncs one after another.
 *
 * A failed append or sync fails the log for good (storage/log.h); the client is told and ends the
 * process, because what the quorum promised can no longer be kept.
 */
#include "broker/quorum/metadata_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/node.h"
#include "broker/quorum/quorum_internal.h"
#include "runtime/log.h"

/* How long a truncation waits for a sync that is under way before it is tried again. */
#define RETRY_MS 2

int64_t quorum_now_ms(const struct quorum *quorum) {
    return shard_now_ms(quorum->shard);
}

void quorum_fail(struct quorum *quorum, int error) {
    if (!quorum->failed) {
        quorum->failed = true;
        quorum->leading = false;
        timer_stop(&quorum->timer);
        quorum->client.failed(quorum->client.ctx, error);
    }
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void deliver(struct quorum *quorum, struct quorum_batch *batch) {
    quorum->last_timestamp_ms = batch->timestamp_ms;
    quorum->delivered = batch->last_offset + 1;
    batch->kraft_version = voter_history_at(&quorum->voters, batch->last_offset + 1)->kraft_version;
    quorum->has_records = quorum->has_records || batch->count > 0;
    quorum->client.committed(quorum->client.ctx, batch);
}

void quorum_deliver_snapshot(struct quorum *quorum, const struct record_list *values,
                             struct snapshot_id id, int64_t timestamp_ms) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    struct record_list copy;
    record_list_init(&copy, &batch->arena);
    for (int i = 0; i < values->count; i++) {
        record_list_add_value(&copy, values->values[i]);
    }
    batch->snapshot = true;
    batch->values = copy.values;
    batch->count = copy.count;
    batch->last_offset = id.end_offset - 1;
    batch->epoch = id.epoch;
    batch->timestamp_ms = timestamp_ms;
    deliver(quorum, batch);
}

static bool deliver_stored(struct quorum *quorum, struct slice bytes, const struct batch *header) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    struct record_list values;
    record_list_init(&values, &batch->arena);
    bool control = (header->attributes & BATCH_ATTR_CONTROL) != 0;
    if (!control && !metadata_values_read(bytes, header, &values)) {
        quorum_batch_free(batch);
        return false;
    }
    batch->values = values.values;
    batch->count = values.count;
    batch->base_offset = header->base_offset;
    batch->last_offset = batch_last_offset(header);
    batch->epoch = header->partition_leader_epoch;
    batch->timestamp_ms = header->max_timestamp;
    quorum->bytes_since_snapshot += control ? 0 : (int64_t)bytes.len;
    deliver(quorum, batch);
    return true;
}

/* What was proposed here is at hand; all else is read. */
static void deliver_committed(struct quorum *quorum) {
    while (quorum->delivered < quorum->high_watermark && !quorum->failed &&
           quorum->closed == NULL) {
        int64_t limit = quorum->high_watermark;
        if (!list_empty(&quorum->inflight)) {
            struct quorum_batch *batch = LIST_FIRST(&quorum->inflight, struct quorum_batch, link);
            if (batch->base_offset == quorum->delivered) {
                list_remove(&batch->link);
                quorum->bytes_since_snapshot += (int64_t)batch->bytes;
                int64_t took_ms = clock_wall_ms(quorum->machine) - batch->timestamp_ms;
                quorum->counts.commits++;
                quorum->counts.commit_ms += took_ms > 0 ? (uint64_t)took_ms : 0;
                deliver(quorum, batch);
                continue;
            }
            limit = batch->base_offset < limit ? batch->base_offset : limit;
        }
        int64_t before = quorum->delivered;
        int result = metadata_log_scan(quorum, before, limit, deliver_stored);
        if (result == 0 && quorum->delivered == before) {
            result = -EUCLEAN;
        }
        if (result != 0) {
            LOG_ERROR(quorum->machine, "quorum", "metadata log cannot be read",
                      "dir=%s offset=%" PRId64 " reason=\"%s\"", quorum->dir, before,
                      strerror(-result));
            quorum_fail(quorum, result);
        }
    }
}

static void opened(struct quorum *quorum, int result) {
    void (*done)(void *ctx, int result) = quorum->done;
    quorum->done = NULL;
    quorum->errmsg = NULL;
    if (done != NULL) {
        done(quorum->ctx, result);
    }
}

static void tell_caught_up(struct quorum *quorum) {
    if (!quorum->caught_up) {
        quorum->caught_up = true;
        if (quorum->client.caught_up != NULL) {
            quorum->client.caught_up(quorum->client.ctx);
        }
    }
}

/* Everything that was committed when the leader was first heard has been told. */
static void check_caught_up(struct quorum *quorum) {
    if (quorum->caught_up_at >= 0 && quorum->delivered >= quorum->caught_up_at &&
        quorum->closed == NULL) {
        tell_caught_up(quorum);
        opened(quorum, 0);
    }
}

static void tell_leader(struct quorum *quorum) {
    int32_t leader_id = raft_leader_id(quorum->raft);
    int32_t epoch = raft_epoch(quorum->raft);
    if (leader_id == quorum->told_leader_id && epoch == quorum->told_epoch) {
        return;
    }
    quorum->told_leader_id = leader_id;
    quorum->told_epoch = epoch;
    if (quorum->client.leader_changed != NULL) {
        quorum->client.leader_changed(quorum->client.ctx, leader_id, epoch);
    }
}

/* ---- Syncs ----------------------------------------------------------------------------------- */

static void on_synced(struct log_waiter *waiter, int result);

static void wait_for_sync(struct quorum *quorum) {
    int64_t end = log_end_offset(quorum->log);
    if (quorum->waiting || quorum->failed || quorum->closing_log || end <= quorum->synced) {
        return;
    }
    quorum->waiting = true;
    quorum->wait_offset = end;
    quorum->wait_generation = quorum->generation;
    log_when_synced(quorum->log, &quorum->waiter, end, on_synced);
}

static void on_synced(struct log_waiter *waiter, int result) {
    struct quorum *quorum = CONTAINER_OF(waiter, struct quorum, waiter);
    quorum->waiting = false;
    if (result != 0) {
        if (result != -ECANCELED) {
            quorum_fail(quorum, result);
            quorum_close_step(quorum);
        }
        return;
    }
    quorum->synced = quorum->wait_offset;
    wait_for_sync(quorum);
    raft_synced(quorum->raft, quorum_now_ms(quorum), quorum->wait_generation, quorum->synced);
    quorum_run(quorum);
}

/* ---- Appends --------------------------------------------------------------------------------- */

static int append_control(struct quorum *quorum, const struct raft_append *append) {
    bool first = append->kind == RAFT_APPEND_LEADER_CHANGE;
    struct metadata_control_batch batch = {
        .base_offset = append->base_offset,
        .epoch = append->epoch,
        .timestamp_ms = clock_wall_ms(quorum->machine),
        .type = first                ? CONTROL_LEADER_CHANGE
                : append->count == 2 ? CONTROL_KRAFT_VERSION
                                     : CONTROL_KRAFT_VOTERS,
        .voters = first && append->count == 1 ? NULL : voter_history_last(&quorum->voters),
        .leader_id = quorum->self.key.id,
        .keys = raft_voters(quorum->raft),
    };
    struct buffer bytes;
    buffer_init(&bytes, METADATA_BATCH_MAX);
    int count = metadata_control_build(&batch, &bytes);
    ASSERT(count == append->count);
    int result = log_append_as_is(quorum->log, bytes.data, bytes.len);
    buffer_release(&bytes);
    return result;
}

static void proposal_free(struct proposal *proposal) {
    list_remove(&proposal->link);
    buffer_release(&proposal->bytes);
    if (proposal->batch != NULL) {
        quorum_batch_free(proposal->batch);
    }
    free(proposal);
}

static int append_proposal(struct quorum *quorum, uint64_t token) {
    ASSERT(!list_empty(&quorum->proposals));
    struct proposal *proposal = LIST_FIRST(&quorum->proposals, struct proposal, link);
    ASSERT(proposal->token == token);
    int result = log_append_as_is(quorum->log, proposal->bytes.data, proposal->bytes.len);
    if (result == 0) {
        quorum->counts.appended_records += (uint64_t)proposal->batch->count;
        list_append(&quorum->inflight, &proposal->batch->link);
        proposal->batch = NULL;
    }
    proposal_free(proposal);
    return result;
}

static int append_fetched(struct quorum *quorum, uint64_t id, const struct raft_append *append) {
    struct fetched *fetched = &quorum->fetched;
    ASSERT(fetched->id == id && append->count <= fetched->count);
    for (int i = 0; i < append->count; i++) {
        if (quorum_note_voters(quorum, fetched->batches[i].base_offset, &fetched->controls[i])) {
            quorum_forget_learned(quorum);
        }
    }
    int64_t end = log_end_offset(quorum->log);
    int result =
        log_append_as_is(quorum->log, fetched->bytes.data, fetched->ends[append->count - 1]);
    quorum->counts.fetched_records += (uint64_t)(log_end_offset(quorum->log) - end);
    return result;
}

static void do_append(struct quorum *quorum, const struct raft_effect *effect) {
    const struct raft_append *append = &effect->append;
    int result = 0;
    switch (append->kind) {
    case RAFT_APPEND_VOTERS:
        if (quorum->change_set != NULL) {
            voter_history_add(&quorum->voters, append->base_offset, quorum->change_set);
            quorum->change_set = NULL;
        }
        result = append_control(quorum, append);
        if (result == 0) {
            quorum_voters_appended(quorum, effect->id);
        }
        break;
    case RAFT_APPEND_LEADER_CHANGE:
        if (append->count > 1) {
            voter_history_add(&quorum->voters, append->base_offset,
                              voter_set_copy(voter_history_last(&quorum->voters)));
        }
        result = append_control(quorum, append);
        break;
    case RAFT_APPEND_PROPOSAL:
        result = append_proposal(quorum, effect->id);
        break;
    case RAFT_APPEND_FETCHED:
        result = append_fetched(quorum, effect->id, append);
        break;
    }
    quorum->generation = append->generation;
    if (result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "metadata log cannot be written",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-result));
        quorum_fail(quorum, result);
    }
}

static void drop_inflight(struct quorum *quorum) {
    LIST_FOREACH_SAFE(it, &quorum->inflight) {
        struct quorum_batch *batch = CONTAINER_OF(it, struct quorum_batch, link);
        list_remove(&batch->link);
        quorum_batch_free(batch);
    }
}

/* ---- Barriers -------------------------------------------------------------------------------- */

static void persist_run(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, persist);
    char *path = NULL;
    int len = asprintf(&path, "%s/quorum-state", quorum->dir);
    ASSERT(len >= 0);
    quorum->persist_result = quorum_state_write(quorum->machine, path, &quorum->state);
    free(path);
}

static void persist_done(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, persist);
    quorum->barrier = false;
    if (quorum->persist_result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "quorum-state cannot be written",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-quorum->persist_result));
        quorum_fail(quorum, quorum->persist_result);
    }
    quorum_run(quorum);
    quorum_close_step(quorum);
}

static void persist(struct quorum *quorum, const struct raft_ballot *ballot) {
    const struct voter_set *voters = voter_history_last(&quorum->voters);
    bool old = voters->kraft_version == 0 && voters->count > 0;
    quorum->state = (struct quorum_state){
        .data_version = old ? 0 : 1,
        .leader_id = ballot->leader_id,
        .leader_epoch = ballot->epoch,
        .voted_id = ballot->voted.id,
        .voted_directory_id = ballot->voted.directory_id,
        .voter_count = voters->count,
    };
    if (old && ballot->leader_id >= 0) {
        quorum->state.voted_id = -1; /* as Apache Kafka has it in this version */
    }
    for (int i = 0; i < voters->count; i++) {
        quorum->state.voter_ids[i] = voters->voters[i].key.id;
    }
    quorum->barrier = true;
    work_submit(quorum->shard, &quorum->persist, persist_run, persist_done);
}

static void truncate_log(struct quorum *quorum, int64_t offset) {
    if (quorum->waiting) {
        log_waiter_cancel(&quorum->waiter);
        quorum->waiting = false;
    }
    int result = log_truncate(quorum->log, offset);
    if (result == -EBUSY) {
        quorum->barrier = true;
        quorum->blocked = (struct raft_effect){.kind = RAFT_TRUNCATE, .offset = offset};
        timer_start(&quorum->retry, RETRY_MS);
        return;
    }
    if (result == 0 && log_end_offset(quorum->log) != offset) {
        result = -EUCLEAN; /* the leader's divergence is not where a batch of ours begins */
    }
    if (result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "metadata log cannot be truncated",
                  "dir=%s offset=%" PRId64 " reason=\"%s\"", quorum->dir, offset,
                  strerror(-result));
        quorum_fail(quorum, result);
        return;
    }
    LOG_INFO(quorum->machine, "quorum", "metadata log truncated", "offset=%" PRId64, offset);
    voter_history_truncate(&quorum->voters, offset);
    quorum->synced = quorum->synced < offset ? quorum->synced : offset;
}

static void on_retry(struct timer *timer) {
    struct quorum *quorum = CONTAINER_OF(timer, struct quorum, retry);
    quorum->barrier = false;
    truncate_log(quorum, quorum->blocked.offset);
    quorum_run(quorum);
}

/* ---- Effects --------------------------------------------------------------------------------- */

/* Of ballots that follow one another only the last has to be written. */
static bool next_effect(struct quorum *quorum, struct raft_effect *out) {
    if (quorum->has_held) {
        *out = quorum->held;
        quorum->has_held = false;
    } else if (!raft_next_effect(quorum->raft, out)) {
        return false;
    }
    while (out->kind == RAFT_PERSIST && raft_next_effect(quorum->raft, &quorum->held)) {
        if (quorum->held.kind != RAFT_PERSIST) {
            quorum->has_held = true;
            break;
        }
        *out = quorum->held;
    }
    return true;
}

/* Whether an append must wait for the end of a sync; on_synced() goes on with it. */
static bool holds_back(const struct quorum *quorum) {
    return quorum->waiting && log_sync_runs(quorum->log);
}

static void on_leading(struct quorum *quorum, int32_t epoch) {
    if (quorum->closed != NULL) {
        return;
    }
    quorum->leading = true;
    quorum->caught_up_at = quorum->delivered;
    tell_caught_up(quorum);
    quorum->client.leading(quorum->client.ctx, epoch);
}

static void on_lost(struct quorum *quorum) {
    drop_inflight(quorum);
    if (quorum->leading) {
        quorum->leading = false;
        quorum->client.lost(quorum->client.ctx);
    }
}

static void carry_out(struct quorum *quorum, const struct raft_effect *effect) {
    switch (effect->kind) {
    case RAFT_SEND:
        quorum_send(quorum, effect);
        break;
    case RAFT_REPLY:
        quorum_reply(quorum, effect);
        break;
    case RAFT_PERSIST:
        persist(quorum, &effect->ballot);
        break;
    case RAFT_APPEND:
        do_append(quorum, effect);
        break;
    case RAFT_TRUNCATE:
        truncate_log(quorum, effect->offset);
        break;
    case RAFT_GET_SNAPSHOT:
        snapshot_fetch_start(quorum, effect->to, effect->position);
        break;
    case RAFT_HIGH_WATERMARK:
        quorum->high_watermark = effect->offset;
        log_raise_high_watermark(quorum->log, effect->offset);
        wait_for_sync(quorum);
        deliver_committed(quorum);
        break;
    case RAFT_LEADING:
        on_leading(quorum, effect->epoch);
        break;
    case RAFT_LOST:
        on_lost(quorum);
        break;
    case RAFT_VOTERS_CHANGED:
        quorum_voters_changed(quorum, effect->id, effect->error);
        break;
    case RAFT_FATAL:
        LOG_ERROR(quorum->machine, "quorum", "committed metadata records would be lost",
                  "dir=%s offset=%" PRId64, quorum->dir, effect->offset);
        quorum_fail(quorum, -EUCLEAN);
        break;
    }
}

static void arm_timer(struct quorum *quorum) {
    int64_t delay = raft_deadline_ms(quorum->raft) - quorum_now_ms(quorum);
    timer_start(&quorum->timer, delay > 0 ? delay : 0);
}

static void on_timer(struct timer *timer) {
    struct quorum *quorum = CONTAINER_OF(timer, struct quorum, timer);
    raft_tick(quorum->raft, quorum_now_ms(quorum));
    quorum_run(quorum);
}

void quorum_run(struct quorum *quorum) {
    if (quorum->running || quorum->raft == NULL || quorum->closing_log) {
        return;
    }
    struct raft_effect effect;
    quorum->running = true;
    while (!quorum->barrier && !quorum->failed && next_effect(quorum, &effect)) {
        if (effect.kind == RAFT_APPEND && holds_back(quorum)) {
            quorum->held = effect;
            quorum->has_held = true;
            break;
        }
        carry_out(quorum, &effect);
    }
    quorum->running = false;
    if (quorum->failed) {
        return;
    }
    wait_for_sync(quorum);
    tell_leader(quorum);
    arm_timer(quorum);
    check_caught_up(quorum);
    quorum_close_step(quorum);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void start_raft(struct quorum *quorum) {
    const struct config *config = quorum->config;
    struct raft_config options = {
        .self = quorum->self.key,
        .election_timeout_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
        .fetch_timeout_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS),
        .backoff_max_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
        .retry_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_RETRY_BACKOFF_MS),
        .fetch_wait_ms = 500, /* as Apache Kafka's */
        .seed = random_u64(quorum->machine),
        .voter_records = quorum->voters.sets[0].set->kraft_version == 1,
    };
    options.election_timeout_ms = options.election_timeout_ms > 0 ? options.election_timeout_ms : 1;
    options.fetch_timeout_ms = options.fetch_timeout_ms > 0 ? options.fetch_timeout_ms : 1;
    quorum->raft = raft_new(&options, &quorum->stored, quorum_now_ms(quorum));
    free(quorum->epochs);
    quorum->epochs = NULL;
}

static void on_loaded(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, work);
    quorum->opening = false;
    if (quorum->closed != NULL) {
        if (quorum->log != NULL) {
            log_start_on(quorum->log, quorum->shard);
        }
        quorum_close_step(quorum);
        return;
    }
    if (quorum->result != 0) {
        opened(quorum, quorum->result);
        return;
    }
    log_start_on(quorum->log, quorum->shard);
    if (quorum->stale) {
        int result = log_restart_at(quorum->log, quorum->stored.start.offset);
        if (result != 0) {
            errmsg_set(quorum->errmsg, "cannot empty the metadata log %s: %s", quorum->dir,
                       strerror(-result));
            opened(quorum, result);
            return;
        }
    }
    quorum->synced = log_end_offset(quorum->log);
    quorum->high_watermark = quorum->stored.start.offset;
    quorum->delivered = quorum->stored.start.offset;
    quorum->has_records = false; /* from here on: told ones */
    if (quorum->snapshots.found) {
        snapshot_kept(quorum, quorum->snapshots.latest, quorum->snapshot_bytes,
                      quorum->snapshot_timestamp_ms);
        quorum_deliver_snapshot(quorum, &quorum->snapshot_values, quorum->snapshots.latest,
                                quorum->snapshot_timestamp_ms);
        record_list_init(&quorum->snapshot_values, &quorum->arena);
    }
    start_raft(quorum);
    quorum_join_start(quorum);
    quorum_run(quorum);
}

struct quorum *metadata_log_open(const struct metadata_log_options *options, struct errmsg *errmsg,
                                 void (*done)(void *ctx, int result), void *ctx) {
    struct quorum *quorum = NEW(struct quorum);
    quorum->shard = options->shard;
    quorum->node_shard = options->node_shard;
    quorum->machine = shard_machine(options->shard);
    quorum->config = options->config;
    quorum->client = options->client;
    quorum->metadata_dir = xstrdup(options->metadata_dir);
    int len = asprintf(&quorum->dir, "%s/__cluster_metadata-0", options->metadata_dir);
    ASSERT(len >= 0);
    quorum->host = (char *)xcalloc(1, HOST_SIZE);
    quorum->self.key.id = options->node_id;
    list_init(&quorum->proposals);
    list_init(&quorum->inflight);
    list_init(&quorum->asks);
    list_init(&quorum->peers);
    list_init(&quorum->calls);
    timer_init(&quorum->timer, quorum->shard, on_timer);
    timer_init(&quorum->retry, quorum->shard, on_retry);
    quorum_voters_init(quorum);
    buffer_init(&quorum->snapshot.bytes, SIZE_MAX);
    quorum->snapshot.quorum = quorum;
    quorum->fetch.quorum = quorum;
    arena_init(&quorum->fetch.arena, SIZE_MAX);
    arena_init(&quorum->fetch.values_arena, SIZE_MAX);
    buffer_init(&quorum->fetched.bytes, SIZE_MAX);
    arena_init(&quorum->arena, SIZE_MAX);
    record_list_init(&quorum->snapshot_values, &quorum->arena);
    record_list_init(&quorum->bootstrap_values, &quorum->arena);
    quorum->told_leader_id = -1;
    quorum->caught_up_at = -1;
    quorum->next_token = 1;
    quorum->errmsg = errmsg;
    if (errmsg != NULL) {
        errmsg->text[0] = '\0';
    }
    quorum->done = done;
    quorum->ctx = ctx;
    quorum->opening = true;
    work_submit(quorum->shard, &quorum->work, metadata_log_open_run, on_loaded);
    return quorum;
}

/* ---- Proposing ------------------------------------------------------------------------------- */

static struct quorum_batch *remember(const struct slice *values, int count, int64_t base_offset) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    batch->values = (struct slice *)arena_array(&batch->arena, (size_t)count, sizeof(struct slice));
    for (int i = 0; i < count; i++) {
        batch->values[i] = arena_dup(&batch->arena, values[i]);
    }
    batch->count = count;
    batch->base_offset = base_offset;
    batch->last_offset = base_offset + count - 1;
    return batch;
}

int quorum_propose(struct quorum *quorum, const struct slice *values, int count,
                   int64_t *base_offset) {
    ASSERT(count > 0);
    if (!quorum->leading || quorum->failed || quorum->closed != NULL) {
        return -EAGAIN;
    }
    struct proposal *proposal = NEW(struct proposal);
    list_init(&proposal->link);
    int64_t now_ms = clock_wall_ms(quorum->machine);
    int32_t epoch = raft_epoch(quorum->raft);
    buffer_init(&proposal->bytes, METADATA_BATCH_MAX + 4096);
    *base_offset = raft_end_offset(quorum->raft);
    int result = metadata_values_build(values, count, *base_offset, epoch, now_ms, &proposal->bytes)
                     ? 0
                     : -EMSGSIZE;
    if (result == 0) {
        proposal->token = quorum->next_token++;
        result = raft_propose(quorum->raft, quorum_now_ms(quorum), proposal->token, count,
                              base_offset) == ERROR_NONE
                     ? 0
                     : -EAGAIN;
    }
    if (result != 0) {
        proposal_free(proposal);
        return result;
    }
    proposal->batch = remember(values, count, *base_offset);
    proposal->batch->epoch = epoch;
    proposal->batch->timestamp_ms = now_ms;
    proposal->batch->bytes = proposal->bytes.len;
    list_append(&quorum->proposals, &proposal->link);
    quorum_run(quorum);
    return quorum->failed ? -EIO : 0;
}

int64_t quorum_end_offset(const struct quorum *quorum) {
    return quorum->raft == NULL ? 0 : raft_end_offset(quorum->raft);
}

int64_t quorum_high_watermark(const struct quorum *quorum) {
    return quorum->high_watermark;
}

int32_t quorum_leader(const struct quorum *quorum) {
    return quorum->raft == NULL ? -1 : raft_leader_id(quorum->raft);
}

int32_t quorum_epoch(const struct quorum *quorum) {
    return quorum->raft == NULL ? 0 : raft_epoch(quorum->raft);
}

bool quorum_leader_address(const struct quorum *quorum, const char **host, int *port) {
    int32_t leader = quorum_leader(quorum);
    return leader >= 0 && quorum_address(quorum, leader, host, port);
}

void metadata_log_bootstrap(const struct quorum *quorum, const struct slice **values, int *count) {
    *values = quorum->bootstrap_values.values;
    *count = quorum->has_records ? 0 : quorum->bootstrap_values.count;
}

int16_t metadata_log_kraft_version(const struct quorum *quorum) {
    return voter_history_kraft_version(&quorum->voters);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_closed(struct log *log, int result, void *ctx) {
    struct quorum *quorum = (struct quorum *)ctx;
    (void)log;
    if (result != 0) {
        LOG_ERROR(quorum->machine, "quorum", "metadata log not closed cleanly",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-result));
    }
    quorum->closed(quorum->ctx);
}

/* A leader of several voters hands over first: nobody has to wait for a time-out then. */
static bool hands_over(const struct quorum *quorum) {
    if (quorum->failed || quorum_now_ms(quorum) >= quorum->close_by_ms ||
        (quorum->raft != NULL && raft_is_stranded(quorum->raft))) {
        return false;
    }
    LIST_FOREACH(it, &quorum->calls) {
        if (CONTAINER_OF(it, struct quorum_call, link)->request.kind == RAFT_END_EPOCH) {
            return true;
        }
    }
    return false;
}

void quorum_close_step(struct quorum *quorum) {
    if (quorum->closed == NULL || quorum->closing_log || quorum->running) {
        return;
    }
    bool held = quorum->has_held && !quorum->failed && holds_back(quorum);
    if (quorum->opening || quorum->barrier || held || quorum->snapshot.running ||
        hands_over(quorum)) {
        return; /* the end of each of them calls this again */
    }
    if (!quorum->peers_closed) {
        quorum->peers_closed = true;
        timer_stop(&quorum->timer);
        timer_stop(&quorum->retry);
        timer_stop(&quorum->close_timer);
        snapshot_fetch_stop(quorum);
        quorum_join_stop(quorum);
        quorum_peers_close(quorum);
        quorum_end_asks(quorum);
    }
    if (quorum->fetch.working) {
        return;
    }
    quorum->closing_log = true;
    if (quorum->log == NULL) {
        quorum->closed(quorum->ctx);
        return;
    }
    log_close(quorum->log, true, on_closed, quorum);
}

static void on_close_timer(struct timer *timer) {
    quorum_close_step(CONTAINER_OF(timer, struct quorum, close_timer));
}

/* How long a leader that goes waits for the others to have heard it. */
#define HAND_OVER_MS 1000

void metadata_log_close(struct quorum *quorum, void (*done)(void *ctx), void *ctx) {
    quorum->closed = done;
    quorum->ctx = ctx;
    quorum->done = NULL;
    quorum->leading = false;
    timer_init(&quorum->close_timer, quorum->shard, on_close_timer);
    if (quorum->raft != NULL && !quorum->failed && raft_voters(quorum->raft)->count > 1 &&
        raft_role(quorum->raft) == RAFT_LEADER) {
        quorum->close_by_ms = quorum_now_ms(quorum) + HAND_OVER_MS;
        timer_start(&quorum->close_timer, HAND_OVER_MS);
        raft_resign(quorum->raft, quorum_now_ms(quorum));
        quorum_run(quorum);
    }
    quorum_close_step(quorum);
}

void metadata_log_free(struct quorum *quorum) {
    if (quorum == NULL) {
        return;
    }
    LIST_FOREACH_SAFE(it, &quorum->proposals) {
        proposal_free(CONTAINER_OF(it, struct proposal, link));
    }
    drop_inflight(quorum);
    quorum_peers_free(quorum);
    snapshot_fetch_free(quorum);
    quorum_join_free(quorum);
    fetched_release(&quorum->fetched);
    raft_free(quorum->raft);
    voter_history_release(&quorum->voters);
    quorum_voters_free(quorum);
    metadata_control_release(&quorum->control);
    free(quorum->epochs);
    if (quorum->log != NULL) {
        log_free(quorum->log);
    }
    buffer_release(&quorum->snapshot.bytes);
    arena_release(&quorum->arena);
    free(quorum->host);
    free(quorum->metadata_dir);
    free(quorum->dir);
    free(quorum);
}
