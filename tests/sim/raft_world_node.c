/* A node: effects carried out, a disk, crashes and restarts. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/sim/raft_world_internal.h"

/* ---- The disk -------------------------------------------------------------------------------- */

int32_t disk_set(struct disk *disk) {
    if (disk->set_generation != disk->generation || disk->set_end == 0) {
        disk->set = disk->start_set;
        disk->set_end = disk->start.offset;
        disk->set_generation = disk->generation;
    }
    for (; disk->set_end < disk->end; disk->set_end++) {
        int32_t set = disk->entries[disk->set_end].set;
        disk->set = set != NO_SET ? set : disk->set;
    }
    return disk->set;
}

static int64_t disk_delay(struct world *world, const struct node *node) {
    int64_t delay = random_stream_range(&world->disk, 0, world->rates.sync_max_ms);
    return world->now_ms < node->slow_until ? delay * 20 : delay;
}

static void sync_later(struct world *world, struct node *node, uint64_t generation) {
    struct event *event = event_new(EVENT_SYNCED, node);
    event->id = node->disk.generation;
    event->generation = generation;
    event->offset = node->disk.end;
    schedule(world, event, disk_delay(world, node));
}

static void append_entry(struct world *world, struct node *node, struct entry entry) {
    struct disk *disk = &node->disk;
    if (disk->end == ENTRIES_MAX) {
        world_fail(world, "too many records");
        return;
    }
    disk->undead_end = 0;
    disk->entries[disk->end++] = entry;
    check_appended(world, node, disk->end - 1);
}

static void truncate_disk(struct world *world, struct node *node, int64_t offset) {
    struct disk *disk = &node->disk;
    TRACE(world, "node %d truncates to %" PRId64, node->id, offset);
    world->out->truncations++;
    disk->undead_end = disk->undead_end > disk->end ? disk->undead_end : disk->end;
    disk->end = offset;
    disk->synced = disk->synced < offset ? disk->synced : offset;
    disk->generation++;
}

/* ---- Effects --------------------------------------------------------------------------------- */

static int32_t set_new(struct world *world, const struct raft_voters *voters) {
    if (world->set_count == SETS_MAX) {
        world_fail(world, "too many changes of voters");
        return 0;
    }
    for (int i = 0; world->trace && i < voters->count; i++) {
        TRACE(world, "  voter %d of directory %d", voters->keys[i].id,
              voters->keys[i].directory_id.bytes[0]);
    }
    world->sets[world->set_count] = *voters;
    return world->set_count++;
}

/* `fetched`: the records of the answer that the effect speaks of. */
static void do_append(struct world *world, struct node *node, const struct raft_effect *effect,
                      const struct entry *fetched) {
    const struct raft_append *append = &effect->append;
    if (append->kind == RAFT_APPEND_LEADER_CHANGE) {
        check_elected(world, node, append->epoch);
    }
    if (append->base_offset != node->disk.end) {
        world_fail(world, "node %d appends at %" PRId64 " to a log that ends at %" PRId64, node->id,
                   append->base_offset, node->disk.end);
        return;
    }
    for (int i = 0; i < append->count; i++) {
        struct entry entry = {.epoch = append->epoch, .set = NO_SET};
        bool voters = append->kind == RAFT_APPEND_VOTERS ||
                      (append->kind == RAFT_APPEND_LEADER_CHANGE && append->count > 1);
        if (append->kind == RAFT_APPEND_FETCHED) {
            entry = fetched[i];
        } else if (voters && i == 0) { /* of the batch */
            entry.set = set_new(world, &append->voters);
        } else if (append->kind == RAFT_APPEND_PROPOSAL) {
            entry.value = effect->id;
        }
        append_entry(world, node, entry);
    }
    sync_later(world, node, append->generation);
}

static void get_snapshot(struct world *world, struct node *node, const struct raft_effect *effect) {
    if (node->getting_snapshot) {
        world_fail(world, "node %d gets a second snapshot at once", node->id);
    }
    node->getting_snapshot = true;
    int64_t delay = 2 + random_stream_range(&world->net, 0, world->rates.snapshot_max_ms);
    for (int i = 0; i < 2; i++) {
        struct event *event = event_new(i == 0 ? EVENT_SNAPSHOT_PART : EVENT_SNAPSHOT, node);
        event->from = effect->to;
        event->position = effect->position;
        schedule(world, event, i == 0 ? delay / 2 : delay);
    }
}

static void do_leading(struct world *world, struct node *node, const struct raft_effect *effect) {
    node->leads = true;
    check_leading(world, node, effect->epoch);
}

static void do_voters_changed(struct world *world, struct node *node,
                              const struct raft_effect *effect) {
    if (node->change != effect->id) {
        world_fail(world, "node %d ends a change of voters that is not under way", node->id);
    }
    node->change = 0;
    world->out->voter_changes += effect->error == ERROR_NONE;
}

static void start_barrier(struct world *world, struct node *node,
                          const struct raft_effect *effect) {
    int64_t delay = disk_delay(world, node);
    schedule(world, event_new(EVENT_BARRIER, node), delay);
    if (effect->kind == RAFT_PERSIST && effect->ballot.voted.id >= 0) {
        world_crash_soon(world, node, random_stream_range(&world->disk, 0, delay));
    }
}

/* One effect; true when it is a barrier that is not done yet. */
static bool do_effect(struct world *world, struct node *node, const struct raft_effect *effect,
                      const struct entry *fetched) {
    switch (effect->kind) {
    case RAFT_SEND:
        net_request(world, node, effect);
        break;
    case RAFT_REPLY:
        net_reply(world, node, effect);
        break;
    case RAFT_PERSIST:
    case RAFT_TRUNCATE:
        start_barrier(world, node, effect);
        return true;
    case RAFT_APPEND:
        do_append(world, node, effect, fetched);
        break;
    case RAFT_GET_SNAPSHOT:
        get_snapshot(world, node, effect);
        break;
    case RAFT_HIGH_WATERMARK:
        check_high_watermark(world, node, effect->offset);
        break;
    case RAFT_LEADING:
        do_leading(world, node, effect);
        break;
    case RAFT_LOST:
        node->leads = false;
        break;
    case RAFT_VOTERS_CHANGED:
        do_voters_changed(world, node, effect);
        break;
    case RAFT_FATAL:
        world_fail(world, "node %d would lose committed records", node->id);
        break;
    }
    return false;
}

/* Queues an effect behind a barrier. The records of a fetch are at hand only while its answer is
 * handled, so they are copied. */
static void enqueue(struct world *world, struct node *node, const struct raft_effect *effect,
                    const struct entry *fetched) {
    if (node->queued == QUEUE_MAX) {
        world_fail(world, "too many effects behind a barrier");
        return;
    }
    struct waiting *waiting = &node->queue[node->queued++];
    waiting->effect = *effect;
    waiting->fetched = NULL;
    if (effect->kind == RAFT_APPEND && effect->append.kind == RAFT_APPEND_FETCHED) {
        size_t size = (size_t)effect->append.count * sizeof(*fetched);
        waiting->fetched = xmalloc(size);
        memcpy(waiting->fetched, fetched, size);
    }
}

static void take_effect(struct world *world, struct node *node, const struct raft_effect *effect,
                        const struct entry *fetched) {
    if (node->queued > 0 || do_effect(world, node, effect, fetched)) {
        enqueue(world, node, effect, fetched);
    }
}

static void tick_later(struct world *world, struct node *node) {
    int64_t deadline = raft_deadline_ms(node->raft);
    deadline = deadline > world->now_ms ? deadline : world->now_ms + 1;
    if (deadline < node->tick_at) {
        node->tick_at = deadline;
        schedule(world, event_new(EVENT_TICK, node), deadline - world->now_ms);
    }
}

void node_settle(struct world *world, struct node *node, const struct entry *fetched) {
    struct raft_effect effect;
    while (raft_next_effect(node->raft, &effect)) {
        take_effect(world, node, &effect, fetched);
    }
    check_node(world, node);
    if (world->trace && raft_role(node->raft) != node->told_role) {
        node->told_role = raft_role(node->raft);
        TRACE(world, "node %d has role %d, epoch %d, leader %d", node->id, (int)node->told_role,
              raft_epoch(node->raft), raft_leader_id(node->raft));
    }
    tick_later(world, node);
}

static void keep_ballot(struct world *world, struct node *node, const struct raft_ballot *ballot) {
    if (world->canary != RAFT_CANARY_VOTES) {
        node->disk.ballot = *ballot;
    }
}

static void barrier_done(struct world *world, struct node *node) {
    struct waiting *queue = xmalloc(sizeof(node->queue));
    int count = node->queued;
    memcpy(queue, node->queue, (size_t)count * sizeof(*queue));
    node->queued = 0;
    const struct raft_effect *barrier = &queue[0].effect;
    if (barrier->kind == RAFT_TRUNCATE) {
        truncate_disk(world, node, barrier->offset);
    } else {
        keep_ballot(world, node, &barrier->ballot);
        if (barrier->ballot.voted.id == node->id) {
            check_vote(world, node, barrier->ballot.voted, barrier->ballot.epoch);
        }
    }
    for (int i = 1; i < count; i++) {
        take_effect(world, node, &queue[i].effect, queue[i].fetched);
        free(queue[i].fetched);
    }
    free(queue);
}

/* ---- Crashes and restarts -------------------------------------------------------------------- */

void node_start(struct world *world, struct node *node) {
    struct disk *disk = &node->disk;
    struct raft_epoch_start epochs[ENTRIES_MAX];
    struct raft_voters_at records[SETS_MAX];
    struct raft_stored stored = {
        .ballot = disk->ballot,
        .start = disk->start,
        .end_offset = disk->end,
        .epochs = epochs,
        .voters = world->sets[disk->start_set],
        .voter_records = records,
    };
    for (int64_t i = disk->start.offset; i < disk->end; i++) {
        const struct entry *entry = &disk->entries[i];
        if (stored.epoch_count == 0 || epochs[stored.epoch_count - 1].epoch < entry->epoch) {
            epochs[stored.epoch_count++] = (struct raft_epoch_start){entry->epoch, i};
        }
        if (entry->set != NO_SET) {
            records[stored.voter_record_count++] =
                (struct raft_voters_at){i, world->sets[entry->set]};
        }
    }
    disk->synced = disk->end;
    int timeout_ms = world->rates.timeout_ms;
    struct raft_config config = {
        .self = disk->key,
        .election_timeout_ms = timeout_ms,
        .fetch_timeout_ms = 2 * timeout_ms,
        .backoff_max_ms = timeout_ms,
        .retry_ms = 20,
        .fetch_wait_ms = timeout_ms / 2,
        .seed = random_stream_next(&world->work),
        .voter_records = world->voter_records,
    };
    node->incarnation++;
    node->high_watermark = 0;
    node->tick_at = INT64_MAX;
    node->change = 0;
    node->leads = false;
    node->getting_snapshot = false;
    node->raft = raft_new(&config, &stored, world->now_ms);
    TRACE(world, "node %d starts in directory %d, epoch %d, leader %d, log %" PRId64 "..%" PRId64,
          node->id, disk->key.directory_id.bytes[0], disk->ballot.epoch, disk->ballot.leader_id,
          disk->start.offset, disk->end);
    node_settle(world, node, NULL);
}

void node_stop(struct node *node) {
    raft_free(node->raft);
    node->raft = NULL;
    node->incarnation++;
    node->sent_count = 0;
    for (int i = 0; i < node->queued; i++) {
        free(node->queue[i].fetched);
    }
    node->queued = 0;
}

/* What was being made durable when the power went: the ballot is the old one or the new one, the
 * log's tail is whatever part of it was written, and a truncation may not have happened. */
void node_crash(struct world *world, struct node *node) {
    struct disk *disk = &node->disk;
    TRACE(world, "node %d crashes", node->id);
    world->out->crashes++;
    if (node->queued > 0 && random_stream_chance(&world->disk, 500)) {
        const struct raft_effect *barrier = &node->queue[0].effect;
        if (barrier->kind == RAFT_PERSIST) {
            keep_ballot(world, node, &barrier->ballot);
        } else {
            truncate_disk(world, node, barrier->offset);
        }
    }
    if (disk->undead_end > disk->end && random_stream_chance(&world->disk, 250)) {
        disk->end = disk->undead_end;
    } else {
        disk->end = random_stream_range(&world->disk, disk->synced, disk->end);
    }
    disk->undead_end = 0;
    disk->synced = disk->end;
    disk->generation++;
    node_stop(node);
}

void node_new_directory(struct world *world, struct disk *disk) {
    for (int i = 0; i < 8; i++) {
        disk->key.directory_id.bytes[i] = (uint8_t)random_stream_range(&world->disk, 1, 255);
    }
}

/* sets[0] is the set of nobody: a new disk is told of no voters but those of the configuration. */
void node_wipe(struct world *world, struct node *node) {
    struct disk *disk = &node->disk;
    if (world->lost_count == (int)ARRAY_LEN(world->lost)) {
        return;
    }
    TRACE(world, "node %d loses its disk", node->id);
    world->out->wipes++;
    world->out->wipes_upgraded += !world->known;
    world->lost[world->lost_count++] = (struct lost_disk){.key = disk->key, .synced = disk->synced};
    node_new_directory(world, disk);
    disk->ballot = (struct raft_ballot){.leader_id = -1, .voted = RAFT_KEY_NONE};
    disk->start = (struct raft_position){0};
    disk->start_set = world->known ? 0 : 1;
    disk->end = 0;
    disk->synced = 0;
    disk->generation++;
    disk->voted_epoch = 0;
}

/* ---- What it is told ------------------------------------------------------------------------- */

static void on_snapshot(struct world *world, struct node *node, const struct event *event) {
    const struct node *from = event->from >= 0 ? &world->nodes[event->from] : NULL;
    node->getting_snapshot = false;
    bool there = from != NULL && from->raft != NULL && from->queued == 0 && node->queued == 0 &&
                 from->disk.start.offset >= event->position.offset &&
                 !net_loses(world, event->from, node->id);
    if (!there) {
        raft_snapshot_failed(node->raft, world->now_ms);
        return;
    }
    struct disk *disk = &node->disk;
    disk->start = from->disk.start;
    disk->start_set = from->disk.start_set;
    disk->end = disk->start.offset;
    disk->synced = disk->end;
    disk->undead_end = 0;
    disk->generation++;
    memcpy(disk->entries, world->committed, (size_t)disk->end * sizeof(*disk->entries));
    world->out->snapshots_installed++;
    TRACE(world, "node %d installs a snapshot at %" PRId64, node->id, disk->end);
    raft_snapshot_installed(node->raft, world->now_ms, disk->start, &world->sets[disk->start_set]);
}

static void on_snapshot_part(struct world *world, struct node *node, const struct event *event) {
    struct node *from = event->from >= 0 ? &world->nodes[event->from] : NULL;
    if (from != NULL && from->raft != NULL && !net_loses(world, node->id, event->from)) {
        raft_snapshot_fetched(from->raft, world->now_ms, node->disk.key);
        node_settle(world, from, NULL);
        raft_snapshot_progress(node->raft, world->now_ms);
    }
}

static void on_request(struct world *world, struct node *node, const struct message *message) {
    if (world->token_count == world->token_cap) {
        world->token_cap = world->token_cap == 0 ? 256 : world->token_cap * 2;
        world->tokens = xrealloc(world->tokens, world->token_cap * sizeof(*world->tokens));
    }
    const struct raft_request *request = &message->request;
    struct token *token = &world->tokens[world->token_count];
    *token = (struct token){
        .from = message->from,
        .incarnation = message->from_incarnation,
        .id = message->id,
        .kind = request->kind,
    };
    if (request->kind == RAFT_VOTE) {
        token->pre_vote = request->vote.pre_vote;
        token->epoch = request->vote.epoch;
        token->candidate = request->vote.candidate;
    }
    raft_request(node->raft, world->now_ms, world->token_count++, request);
}

static void on_synced(struct world *world, struct node *node, const struct event *event) {
    struct disk *disk = &node->disk;
    if (event->id == disk->generation && event->offset > disk->synced &&
        world->canary != RAFT_CANARY_SYNCS) {
        disk->synced = event->offset;
    }
    raft_synced(node->raft, world->now_ms, event->generation, event->offset);
}

/* An answer that nobody waits for any more is no business of the machine's, and must not matter. */
static bool reaches_machine(struct world *world, struct node *node, uint64_t id) {
    return net_ended(node, id) || random_stream_chance(&world->net, world->rates.stale_answers);
}

static void on_tick(struct world *world, struct node *node) {
    if (node->tick_at <= world->now_ms) {
        node->tick_at = INT64_MAX;
        raft_tick(node->raft, world->now_ms);
    }
}

void node_handle(struct world *world, struct node *node, const struct event *event) {
    const struct entry *fetched = NULL;
    switch (event->kind) {
    case EVENT_TICK:
        on_tick(world, node);
        break;
    case EVENT_BARRIER:
        barrier_done(world, node);
        break;
    case EVENT_SYNCED:
        on_synced(world, node, event);
        break;
    case EVENT_REQUEST:
        on_request(world, node, event->message);
        break;
    case EVENT_ANSWER:
        if (reaches_machine(world, node, event->message->id)) {
            if (event->message->reply.kind == RAFT_VOTE) {
                TRACE(world, "node %d hears of node %d: %s, epoch %d", node->id,
                      event->message->from, event->message->reply.granted ? "granted" : "rejected",
                      event->message->reply.epoch);
            }
            fetched = event->message->entries;
            raft_answer(node->raft, world->now_ms, event->message->id, &event->message->reply,
                        event->message->batches, event->message->batch_count);
        }
        break;
    case EVENT_TIMEOUT:
    case EVENT_BROKEN:
        if (net_ended(node, event->id)) {
            TRACE(world, "node %d gets no answer: %s", node->id,
                  event->kind == EVENT_BROKEN ? "broken" : "timed out");
            raft_request_failed(node->raft, world->now_ms, event->id, event->kind == EVENT_BROKEN);
        }
        break;
    case EVENT_SNAPSHOT:
        on_snapshot(world, node, event);
        break;
    case EVENT_SNAPSHOT_PART:
        on_snapshot_part(world, node, event);
        break;
    case EVENT_PROPOSE:
    case EVENT_FAULT:
    case EVENT_RESTART:
    case EVENT_CRASH:
        return;
    }
    node_settle(world, node, fetched);
}
