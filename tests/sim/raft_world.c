/*
 * One room of a thousand lines: network, disks, faults and invariants all read the same world, and
 * none of them is of use without the others.
 */
#include "tests/sim/raft_world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "raft/raft.h"
#include "runtime/sim/random.h"

#define NODES_MAX   5
#define ENTRIES_MAX 4096
#define EPOCHS_MAX  4096
#define BATCHES_MAX 16
#define CHAOS_MS    20000
#define HEAL_MS     60000
#define QUEUE_MAX   256

struct entry {
    int32_t epoch;
    uint64_t value; /* unique for each proposal; 0 for control records */
    bool has_voters;
    struct raft_voters voters;
};

/* What survives a crash, except what is not synced. */
struct disk {
    struct raft_key key;
    struct raft_ballot ballot;
    struct raft_position start;
    struct raft_voters start_voters;
    struct entry *entries; /* by offset; those below start are dropped */
    int64_t end;
    int64_t synced;
};

/* An effect, with the records of a fetch that it appends. */
struct waiting {
    struct raft_effect effect;
    struct entry *fetched; /* heap, or NULL */
};

struct node {
    int id;
    struct raft *raft; /* NULL: down */
    uint64_t incarnation;
    struct disk disk;
    struct waiting queue[QUEUE_MAX]; /* the barrier that is not done yet, and what is behind it */
    int queued;
    int64_t high_watermark;
    int32_t voted_epoch; /* of the votes that others saw, over all incarnations of this disk */
    struct raft_key voted;
};

enum event_kind {
    EVENT_TICK,
    EVENT_BARRIER,
    EVENT_SYNCED,
    EVENT_REQUEST,
    EVENT_ANSWER,
    EVENT_TIMEOUT,
    EVENT_SNAPSHOT,
    EVENT_PROPOSE,
    EVENT_FAULT,
    EVENT_RESTART,
};

struct event {
    int64_t at_ms;
    uint64_t sequence;
    enum event_kind kind;
    int node;
    uint64_t incarnation; /* of node */
    /* As the kind needs: */
    int from;
    uint64_t from_incarnation;
    uint64_t id;
    uint64_t generation;
    int64_t offset;
    struct raft_position position;
    struct raft_voters voters;
    struct raft_request request;
    struct raft_reply reply;
    struct raft_batch batches[BATCHES_MAX];
    struct entry *entries; /* heap: of the batches */
    int batch_count;
};

/* A request that came in: who is to be answered. */
struct token {
    int from;
    uint64_t incarnation;
    uint64_t id;
    struct raft_request request;
};

/* A disk that is gone: what it had synced may have been counted, and its voter votes no more. */
struct lost_disk {
    struct raft_key key;
    int64_t synced;
};

struct world {
    struct random_stream net, disk, faults, work;
    int64_t now_ms;
    uint64_t sequence;
    struct event **heap;
    int heap_count;
    int heap_cap;

    struct node nodes[NODES_MAX];
    int node_count;
    struct lost_disk lost[256];
    int lost_count;
    struct token *tokens;
    uint64_t token_count;
    uint64_t token_cap;

    /* Drawn for each seed. */
    int loss_per_mille;
    int delay_max_ms;
    int sync_max_ms;
    int crash_per_mille;
    int cut_per_mille;
    int isolate_per_mille;
    int timeout_ms;
    int wipe_per_mille;
    int snapshot_per_mille;
    int change_per_mille;
    int batch_max;
    bool healing;

    bool cut[NODES_MAX][NODES_MAX]; /* from, to */

    int32_t leader_of[EPOCHS_MAX]; /* by epoch, -1 unknown */
    struct entry committed[ENTRIES_MAX];
    int32_t committed_in[ENTRIES_MAX]; /* the epoch of the leader that did */
    int64_t committed_end;
    uint64_t next_value;

    bool trace;
    struct raft_outcome *out;
};

static void fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

static void fail(struct world *world, const char *format, ...) {
    if (world->out->failed) {
        return;
    }
    world->out->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(world->out->what, sizeof(world->out->what), format, args);
    va_end(args);
}

#define TRACE(world, ...)                                                                          \
    do {                                                                                           \
        if ((world)->trace) {                                                                      \
            fprintf(stderr, "%6" PRId64 " ", (world)->now_ms);                                     \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
        }                                                                                          \
    } while (0)

/* ---- Events ---------------------------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b) {
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

static struct event *event_new(enum event_kind kind, const struct node *node) {
    struct event *event = NEW(struct event);
    event->kind = kind;
    event->node = node->id;
    event->incarnation = node->incarnation;
    return event;
}

static void schedule(struct world *world, struct event *event, int64_t delay_ms) {
    event->at_ms = world->now_ms + delay_ms;
    event->sequence = world->sequence++;
    if (world->heap_count == world->heap_cap) {
        world->heap_cap = world->heap_cap == 0 ? 64 : world->heap_cap * 2;
        world->heap = xrealloc(world->heap, (size_t)world->heap_cap * sizeof(struct event *));
    }
    int at = world->heap_count++;
    for (; at > 0 && before(event, world->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        world->heap[at] = world->heap[(at - 1) / 2];
    }
    world->heap[at] = event;
}

static struct event *next_event(struct world *world) {
    struct event *first = world->heap[0];
    struct event *last = world->heap[--world->heap_count];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child >= world->heap_count) {
            break;
        }
        if (child + 1 < world->heap_count && before(world->heap[child + 1], world->heap[child])) {
            child++;
        }
        if (!before(world->heap[child], last)) {
            break;
        }
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_count > 0) {
        world->heap[at] = last;
    }
    return first;
}

static void event_free(struct event *event) {
    free(event->entries);
    free(event);
}

/* ---- Invariants ------------------------------------------------------------------------------ */

static bool same_entry(const struct entry *a, const struct entry *b) {
    return a->epoch == b->epoch && a->value == b->value && a->has_voters == b->has_voters;
}

static void check_committed_on(struct world *world, const struct node *node, int64_t from,
                               int64_t to, const char *why) {
    for (int64_t i = from; i < to; i++) {
        if (i >= node->disk.end || !same_entry(&node->disk.entries[i], &world->committed[i])) {
            fail(world, "%s: node %d has not the committed record at %" PRId64, why, node->id, i);
            return;
        }
    }
}

/* How many of these voters have synced the log up to `end`; nodes that are down count with their
 * disks, and disks that were lost with what they had. */
static int synced_voters(const struct world *world, const struct raft_voters *voters, int64_t end) {
    int count = 0;
    for (int i = 0; i < voters->count; i++) {
        for (int j = 0; j < world->node_count; j++) {
            const struct disk *disk = &world->nodes[j].disk;
            count += raft_key_matches(voters->keys[i], disk->key) && disk->synced >= end &&
                     same_entry(&disk->entries[end - 1], &world->committed[end - 1]);
        }
        for (int j = 0; j < world->lost_count; j++) {
            count += raft_key_matches(voters->keys[i], world->lost[j].key) &&
                     world->lost[j].synced >= end;
        }
    }
    return count;
}

static void on_high_watermark(struct world *world, struct node *node, int64_t offset) {
    if (offset < node->high_watermark) {
        fail(world, "the high watermark of node %d goes back", node->id);
    }
    if (offset > node->disk.end) {
        fail(world, "node %d commits what it has not", node->id);
        return;
    }
    for (int64_t i = world->committed_end; i < offset; i++) {
        world->committed[i] = node->disk.entries[i];
        world->committed_in[i] = raft_epoch(node->raft);
    }
    if (offset > world->committed_end) {
        world->committed_end = offset;
        world->out->committed = offset;
        const struct raft_voters *voters = raft_voters(node->raft);
        if (synced_voters(world, voters, offset) < voters->count / 2 + 1) {
            fail(world, "records up to %" PRId64 " are committed without a majority", offset);
        }
    }
    int64_t from = node->high_watermark > node->disk.start.offset ? node->high_watermark
                                                                  : node->disk.start.offset;
    check_committed_on(world, node, from, offset, "state machine safety");
    node->high_watermark = offset;
}

/* Counted when the leader's first record is written: what led and crashed before its ballot was
 * durable never led for anybody. */
static void check_elected(struct world *world, const struct node *node, int32_t epoch) {
    world->out->elections++;
    TRACE(world, "node %d leads epoch %d", node->id, epoch);
    if (epoch >= EPOCHS_MAX) {
        fail(world, "too many epochs");
    } else if (world->leader_of[epoch] >= 0) {
        fail(world, "two leaders in epoch %d: %d and %d", epoch, world->leader_of[epoch], node->id);
    } else {
        world->leader_of[epoch] = node->id;
    }
}

/* A new leader of this epoch has all that leaders of earlier ones committed. */
static void check_complete(struct world *world, const struct node *node, int32_t epoch) {
    int64_t end = node->disk.start.offset;
    while (end < world->committed_end && world->committed_in[end] < epoch) {
        end++;
    }
    check_committed_on(world, node, node->disk.start.offset, end, "leader completeness");
}

static void check_vote(struct world *world, struct node *node, struct raft_key candidate,
                       int32_t epoch) {
    if (epoch < node->voted_epoch) {
        return; /* an answer that was on its way for long */
    }
    if (epoch == node->voted_epoch && !raft_key_matches(node->voted, candidate)) {
        fail(world, "node %d votes for %d and %d in epoch %d", node->id, node->voted.id,
             candidate.id, epoch);
    }
    node->voted_epoch = epoch;
    node->voted = candidate;
}

/* ---- The network ----------------------------------------------------------------------------- */

static int64_t net_delay(struct world *world) {
    return random_stream_range(&world->net, 0, world->delay_max_ms);
}

static bool lost(struct world *world, int from, int to) {
    return world->cut[from][to] || random_stream_chance(&world->net, world->loss_per_mille);
}

static void send_request(struct world *world, struct node *node, const struct raft_effect *effect) {
    int to = effect->to >= 0 ? effect->to
                             : (int)random_stream_range(&world->net, 0, world->node_count - 1);
    struct event *timeout = event_new(EVENT_TIMEOUT, node);
    timeout->id = effect->id;
    schedule(world, timeout, world->timeout_ms + net_delay(world));
    if (to >= world->node_count || lost(world, node->id, to)) {
        return;
    }
    struct event *event = event_new(EVENT_REQUEST, &world->nodes[to]);
    event->from = node->id;
    event->from_incarnation = node->incarnation;
    event->id = effect->id;
    event->request = effect->request;
    schedule(world, event, 1 + net_delay(world));
}

/* The records of a fetch's answer, as they are in the log now. */
static void fill_batches(struct world *world, const struct node *node, struct event *event) {
    const struct disk *disk = &node->disk;
    int64_t offset = event->reply.position.offset;
    int64_t end = event->reply.end_offset < disk->end ? event->reply.end_offset : disk->end;
    int most = (int)random_stream_range(&world->net, 1, world->batch_max);
    event->entries = xcalloc(BATCHES_MAX, sizeof(*event->entries));
    for (int i = 0; i < most && offset < end && offset >= disk->start.offset; i++, offset++) {
        event->entries[i] = disk->entries[offset];
        event->batches[i] = (struct raft_batch){
            .base_offset = offset,
            .count = 1,
            .epoch = disk->entries[offset].epoch,
            .voters = event->entries[i].has_voters ? &event->entries[i].voters : NULL,
        };
        event->batch_count++;
    }
}

static void send_reply(struct world *world, struct node *node, const struct raft_effect *effect) {
    const struct token *token = &world->tokens[effect->id];
    if (token->request.kind == RAFT_VOTE && effect->reply.granted &&
        !token->request.vote.pre_vote) {
        check_vote(world, node, token->request.vote.candidate, token->request.vote.epoch);
    }
    if (lost(world, node->id, token->from)) {
        return;
    }
    struct event *event = event_new(EVENT_ANSWER, &world->nodes[token->from]);
    event->incarnation = token->incarnation;
    event->id = token->id;
    event->reply = effect->reply;
    if (effect->reply.kind == RAFT_FETCH && effect->reply.error == ERROR_NONE &&
        effect->reply.fetch == RAFT_FETCH_RECORDS) {
        fill_batches(world, node, event);
    }
    schedule(world, event, 1 + net_delay(world));
}

/* ---- Effects --------------------------------------------------------------------------------- */

static void sync_later(struct world *world, struct node *node, uint64_t generation) {
    struct event *event = event_new(EVENT_SYNCED, node);
    event->generation = generation;
    event->offset = node->disk.end;
    schedule(world, event, random_stream_range(&world->disk, 0, world->sync_max_ms));
}

static void append_entry(struct world *world, struct node *node, struct entry entry) {
    if (node->disk.end == ENTRIES_MAX) {
        fail(world, "too many records");
        return;
    }
    node->disk.entries[node->disk.end++] = entry;
}

/* `fetched`: the records of the answer that the effect speaks of. */
static void do_append(struct world *world, struct node *node, const struct raft_effect *effect,
                      const struct entry *fetched) {
    const struct raft_append *append = &effect->append;
    if (append->kind == RAFT_APPEND_LEADER_CHANGE) {
        check_elected(world, node, append->epoch);
        check_complete(world, node, append->epoch);
    }
    if (append->base_offset != node->disk.end) {
        fail(world, "node %d appends at %" PRId64 " to a log that ends at %" PRId64, node->id,
             append->base_offset, node->disk.end);
        return;
    }
    for (int i = 0; i < append->count; i++) {
        struct entry entry = {.epoch = append->epoch};
        if (append->kind == RAFT_APPEND_FETCHED) {
            entry = fetched[i];
        } else if (append->kind == RAFT_APPEND_VOTERS) {
            entry.has_voters = true;
            entry.voters = append->voters;
        } else if (append->kind == RAFT_APPEND_PROPOSAL) {
            entry.value = effect->id;
        }
        append_entry(world, node, entry);
    }
    sync_later(world, node, append->generation);
}

static void get_snapshot(struct world *world, struct node *node, const struct raft_effect *effect) {
    struct event *event = event_new(EVENT_SNAPSHOT, node);
    event->from = effect->to;
    event->position = effect->position;
    schedule(world, event, 1 + 2 * net_delay(world));
}

/* One effect; true when it is a barrier that is not done yet. */
static bool do_effect(struct world *world, struct node *node, const struct raft_effect *effect,
                      const struct entry *fetched) {
    struct event *event;
    switch (effect->kind) {
    case RAFT_SEND:
        send_request(world, node, effect);
        break;
    case RAFT_REPLY:
        send_reply(world, node, effect);
        break;
    case RAFT_PERSIST:
        event = event_new(EVENT_BARRIER, node);
        schedule(world, event, random_stream_range(&world->disk, 0, world->sync_max_ms));
        return true;
    case RAFT_APPEND:
        do_append(world, node, effect, fetched);
        break;
    case RAFT_TRUNCATE:
        TRACE(world, "node %d truncates to %" PRId64, node->id, effect->offset);
        world->out->truncations++;
        node->disk.end = effect->offset;
        node->disk.synced = node->disk.synced < effect->offset ? node->disk.synced : effect->offset;
        break;
    case RAFT_GET_SNAPSHOT:
        get_snapshot(world, node, effect);
        break;
    case RAFT_HIGH_WATERMARK:
        on_high_watermark(world, node, effect->offset);
        break;
    case RAFT_LEADING:
    case RAFT_LOST:
        break;
    case RAFT_VOTERS_CHANGED:
        world->out->voter_changes += effect->error == ERROR_NONE;
        break;
    case RAFT_FATAL:
        fail(world, "node %d would lose committed records", node->id);
        break;
    }
    return false;
}

/* Queues an effect behind a barrier. The records of a fetch are at hand only while its answer is
 * handled, so they are copied. */
static void enqueue(struct world *world, struct node *node, const struct raft_effect *effect,
                    const struct entry *fetched) {
    if (node->queued == QUEUE_MAX) {
        fail(world, "too many effects behind a barrier");
        return;
    }
    struct waiting *waiting = &node->queue[node->queued++];
    *waiting = (struct waiting){.effect = *effect};
    if (effect->kind == RAFT_APPEND && effect->append.kind == RAFT_APPEND_FETCHED) {
        waiting->fetched = xcalloc((size_t)effect->append.count, sizeof(*fetched));
        memcpy(waiting->fetched, fetched, (size_t)effect->append.count * sizeof(*fetched));
    }
}

static void take_effect(struct world *world, struct node *node, const struct raft_effect *effect,
                        const struct entry *fetched) {
    if (node->queued > 0 || do_effect(world, node, effect, fetched)) {
        enqueue(world, node, effect, fetched);
    }
}

static void settle(struct world *world, struct node *node, const struct entry *fetched) {
    struct raft_effect effect;
    while (raft_next_effect(node->raft, &effect)) {
        take_effect(world, node, &effect, fetched);
    }
    struct event *event = event_new(EVENT_TICK, node);
    int64_t deadline = raft_deadline_ms(node->raft);
    schedule(world, event, deadline > world->now_ms ? deadline - world->now_ms : 1);
}

static void barrier_done(struct world *world, struct node *node) {
    struct waiting queue[QUEUE_MAX];
    int count = node->queued;
    memcpy(queue, node->queue, (size_t)count * sizeof(*queue));
    node->queued = 0;
    const struct raft_ballot *ballot = &queue[0].effect.ballot;
    node->disk.ballot = *ballot;
    if (ballot->voted.id == node->id) {
        check_vote(world, node, ballot->voted, ballot->epoch);
    }
    for (int i = 1; i < count; i++) {
        take_effect(world, node, &queue[i].effect, queue[i].fetched);
        free(queue[i].fetched);
    }
}

/* ---- Crashes and restarts -------------------------------------------------------------------- */

static void restart(struct world *world, struct node *node) {
    struct disk *disk = &node->disk;
    struct raft_epoch_start epochs[ENTRIES_MAX];
    struct raft_voters_at records[64];
    struct raft_stored stored = {
        .ballot = disk->ballot,
        .start = disk->start,
        .end_offset = disk->end,
        .epochs = epochs,
        .voters = disk->start_voters,
        .voter_records = records,
    };
    for (int64_t i = disk->start.offset; i < disk->end; i++) {
        const struct entry *entry = &disk->entries[i];
        if (stored.epoch_count == 0 || epochs[stored.epoch_count - 1].epoch < entry->epoch) {
            epochs[stored.epoch_count++] = (struct raft_epoch_start){entry->epoch, i};
        }
        if (entry->has_voters && stored.voter_record_count < (int)ARRAY_LEN(records)) {
            records[stored.voter_record_count++] = (struct raft_voters_at){i, entry->voters};
        }
    }
    disk->synced = disk->end;
    struct raft_config config = {
        .self = disk->key,
        .election_timeout_ms = world->timeout_ms,
        .fetch_timeout_ms = 2 * world->timeout_ms,
        .backoff_max_ms = world->timeout_ms,
        .retry_ms = 20,
        .fetch_wait_ms = world->timeout_ms / 2,
        .seed = (uint64_t)random_stream_next(&world->work),
    };
    node->incarnation++;
    node->high_watermark = 0;
    node->raft = raft_new(&config, &stored, world->now_ms);
    TRACE(world, "node %d starts, epoch %d, log %" PRId64 "..%" PRId64, node->id,
          disk->ballot.epoch, disk->start.offset, disk->end);
    settle(world, node, NULL);
}

static void forget_queue(struct node *node) {
    for (int i = 0; i < node->queued; i++) {
        free(node->queue[i].fetched);
    }
    node->queued = 0;
}

static void crash(struct world *world, struct node *node) {
    TRACE(world, "node %d crashes", node->id);
    world->out->crashes++;
    raft_free(node->raft);
    node->raft = NULL;
    node->incarnation++;
    forget_queue(node);
    node->disk.end = random_stream_range(&world->disk, node->disk.synced, node->disk.end);
    node->disk.synced = node->disk.end;
}

static void wipe(struct world *world, struct node *node) {
    TRACE(world, "node %d loses its disk", node->id);
    struct disk *disk = &node->disk;
    static const struct raft_voters nobody;
    if (world->lost_count == (int)ARRAY_LEN(world->lost)) {
        return;
    }
    world->lost[world->lost_count++] = (struct lost_disk){.key = disk->key, .synced = disk->synced};
    for (int i = 0; i < 8; i++) {
        disk->key.directory_id.bytes[i] = (uint8_t)random_stream_range(&world->disk, 1, 255);
    }
    disk->ballot = (struct raft_ballot){.leader_id = -1, .voted = RAFT_KEY_NONE};
    disk->start = (struct raft_position){0};
    disk->start_voters = nobody;
    disk->end = 0;
    disk->synced = 0;
    node->voted_epoch = 0;
}

/* ---- The operator and the faults --------------------------------------------------------------
 */

static struct node *leader(struct world *world) {
    struct node *found = NULL;
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->raft != NULL && raft_role(node->raft) == RAFT_LEADER &&
            (found == NULL || raft_epoch(node->raft) > raft_epoch(found->raft))) {
            found = node;
        }
    }
    return found;
}

static bool is_voter(const struct raft_voters *voters, struct raft_key key) {
    for (int i = 0; i < voters->count; i++) {
        if (raft_key_matches(voters->keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* Whether a majority of these voters is on the disks that there are. */
static bool can_elect(const struct world *world, const struct raft_voters *voters) {
    int there = 0;
    for (int i = 0; i < world->node_count; i++) {
        there += is_voter(voters, world->nodes[i].disk.key);
    }
    return there >= voters->count / 2 + 1;
}

/* Removes a voter whose disk is gone, or adds a node that is none, or removes one. */
static void change_voters(struct world *world) {
    struct node *node = leader(world);
    if (node == NULL) {
        return;
    }
    struct raft_voters voters = *raft_voters(node->raft);
    int chosen = (int)random_stream_range(&world->work, 0, world->node_count - 1);
    struct raft_key key = world->nodes[chosen].disk.key;
    for (int i = 0; i < voters.count; i++) {
        bool lives = false;
        for (int j = 0; j < world->node_count; j++) {
            lives = lives || raft_key_matches(voters.keys[i], world->nodes[j].disk.key);
        }
        if (!lives) {
            key = voters.keys[i];
            break;
        }
    }
    if (is_voter(&voters, key)) {
        if (voters.count <= 3 && world->nodes[chosen].disk.key.id == key.id && !world->healing &&
            raft_key_matches(world->nodes[chosen].disk.key, key)) {
            return;
        }
        for (int i = 0; i < voters.count; i++) {
            if (raft_key_matches(voters.keys[i], key)) {
                voters.keys[i] = voters.keys[--voters.count];
                break;
            }
        }
    } else {
        voters.keys[voters.count++] = key;
    }
    if (!can_elect(world, &voters)) {
        return;
    }
    enum kafka_error ignored =
        raft_change_voters(node->raft, world->now_ms, ++world->next_value, &voters);
    (void)ignored;
    settle(world, node, NULL);
}

/* Whether the voter set that a leader goes by is agreed on. */
static bool voters_settled(const struct world *world, const struct node *leads) {
    for (int64_t i = leads->disk.end - 1; i >= world->committed_end; i--) {
        if (leads->disk.entries[i].has_voters) {
            return false;
        }
    }
    return leads->queued == 0;
}

/* A disk may go when the rest can still elect, and nothing committed was only there. */
static void maybe_wipe(struct world *world, struct node *node) {
    struct node *leads = leader(world);
    if (leads == NULL || leads == node || node->raft != NULL || !voters_settled(world, leads)) {
        return;
    }
    const struct raft_voters *voters = raft_voters(leads->raft);
    int synced = 0;
    int there = 0;
    for (int i = 0; i < world->node_count; i++) {
        const struct disk *disk = &world->nodes[i].disk;
        if (&world->nodes[i] != node && is_voter(voters, disk->key)) {
            there++;
            synced += disk->synced >= world->committed_end;
        }
    }
    int majority = voters->count / 2 + 1;
    if (there >= majority && synced >= majority) {
        wipe(world, node);
    }
}

static void change_cuts(struct world *world) {
    for (int i = 0; i < world->node_count; i++) {
        for (int j = 0; j < world->node_count; j++) {
            world->cut[i][j] = i != j && random_stream_chance(&world->faults, world->cut_per_mille);
        }
    }
}

/* Nothing reaches the leader, or nothing leaves it, or both: its newest records stay its own. */
static void isolate_leader(struct world *world) {
    const struct node *node = leader(world);
    if (node == NULL) {
        return;
    }
    int64_t way = random_stream_range(&world->faults, 0, 2);
    for (int i = 0; i < world->node_count; i++) {
        if (i != node->id) {
            world->cut[node->id][i] = way != 0;
            world->cut[i][node->id] = way != 1;
        }
    }
}

static void snapshot(struct world *world) {
    int chosen = (int)random_stream_range(&world->faults, 0, world->node_count - 1);
    struct node *node = &world->nodes[chosen];
    if (node->raft == NULL || node->queued > 0 || node->high_watermark <= node->disk.start.offset) {
        return;
    }
    struct disk *disk = &node->disk;
    int64_t offset =
        random_stream_range(&world->faults, disk->start.offset + 1, node->high_watermark);
    for (int64_t i = disk->start.offset; i < offset; i++) {
        if (disk->entries[i].has_voters) {
            disk->start_voters = disk->entries[i].voters;
        }
    }
    disk->start =
        (struct raft_position){.offset = offset, .epoch = disk->entries[offset - 1].epoch};
    raft_log_started(node->raft, disk->start);
    world->out->snapshots++;
}

static void faults(struct world *world) {
    int chosen = (int)random_stream_range(&world->faults, 0, world->node_count - 1);
    struct node *node = &world->nodes[chosen];
    if (node->raft != NULL && random_stream_chance(&world->faults, world->crash_per_mille)) {
        crash(world, node);
        if (random_stream_chance(&world->faults, world->wipe_per_mille)) {
            maybe_wipe(world, node);
        }
        struct event *event = event_new(EVENT_RESTART, node);
        schedule(world, event, random_stream_range(&world->faults, 1, 3000));
    }
    if (random_stream_chance(&world->faults, 50)) {
        change_cuts(world);
    }
    if (random_stream_chance(&world->faults, world->isolate_per_mille)) {
        isolate_leader(world);
    }
    if (random_stream_chance(&world->faults, world->snapshot_per_mille)) {
        snapshot(world);
    }
    if (random_stream_chance(&world->faults, world->change_per_mille)) {
        change_voters(world);
    }
    schedule(world, event_new(EVENT_FAULT, &world->nodes[0]), 50);
}

static void propose(struct world *world) {
    struct node *node = leader(world);
    if (node != NULL && node->disk.end < ENTRIES_MAX / 2) {
        int64_t base_offset;
        enum kafka_error error =
            raft_propose(node->raft, world->now_ms, ++world->next_value, 1, &base_offset);
        if (error != ERROR_NONE) {
            fail(world, "the leader takes no proposal");
        }
        settle(world, node, NULL);
    }
    schedule(world, event_new(EVENT_PROPOSE, &world->nodes[0]),
             random_stream_range(&world->work, 5, 100));
}

/* ---- Handling -------------------------------------------------------------------------------- */

static void on_snapshot(struct world *world, struct node *node, const struct event *event) {
    const struct node *from = event->from >= 0 ? &world->nodes[event->from] : NULL;
    bool there = from != NULL && from->raft != NULL && from->queued == 0 && node->queued == 0 &&
                 from->disk.start.offset >= event->position.offset &&
                 from->disk.start.offset >= node->disk.start.offset &&
                 from->disk.start.offset >= node->high_watermark &&
                 !lost(world, event->from, node->id);
    if (!there) {
        raft_snapshot_failed(node->raft, world->now_ms);
        settle(world, node, NULL);
        return;
    }
    struct disk *disk = &node->disk;
    disk->start = from->disk.start;
    disk->start_voters = from->disk.start_voters;
    disk->end = disk->start.offset;
    disk->synced = disk->end;
    memcpy(disk->entries, world->committed, (size_t)disk->end * sizeof(*disk->entries));
    raft_snapshot_installed(node->raft, world->now_ms, disk->start, &disk->start_voters);
    settle(world, node, NULL);
}

static void on_request(struct world *world, struct node *node, const struct event *event) {
    if (world->token_count == world->token_cap) {
        world->token_cap = world->token_cap == 0 ? 256 : world->token_cap * 2;
        world->tokens = xrealloc(world->tokens, world->token_cap * sizeof(*world->tokens));
    }
    world->tokens[world->token_count] = (struct token){
        .from = event->from,
        .incarnation = event->from_incarnation,
        .id = event->id,
        .request = event->request,
    };
    raft_request(node->raft, world->now_ms, world->token_count++, &event->request);
    settle(world, node, NULL);
}

static void on_synced(struct world *world, struct node *node, const struct event *event) {
    struct disk *disk = &node->disk;
    int64_t end = event->offset < disk->end ? event->offset : disk->end;
    disk->synced = end > disk->synced ? end : disk->synced;
    raft_synced(node->raft, world->now_ms, event->generation, event->offset);
    settle(world, node, NULL);
}

static void handle_node_event(struct world *world, struct node *node, struct event *event) {
    switch (event->kind) {
    case EVENT_TICK:
        if (raft_deadline_ms(node->raft) <= world->now_ms) {
            raft_tick(node->raft, world->now_ms);
            settle(world, node, NULL);
        }
        break;
    case EVENT_BARRIER:
        barrier_done(world, node);
        settle(world, node, NULL);
        break;
    case EVENT_SYNCED:
        on_synced(world, node, event);
        break;
    case EVENT_REQUEST:
        on_request(world, node, event);
        break;
    case EVENT_ANSWER:
        for (int i = 0; i < event->batch_count; i++) {
            event->batches[i].voters =
                event->entries[i].has_voters ? &event->entries[i].voters : NULL;
        }
        raft_answer(node->raft, world->now_ms, event->id, &event->reply, event->batches,
                    event->batch_count);
        settle(world, node, event->entries);
        break;
    case EVENT_TIMEOUT:
        raft_request_failed(node->raft, world->now_ms, event->id, false);
        settle(world, node, NULL);
        break;
    case EVENT_SNAPSHOT:
        on_snapshot(world, node, event);
        break;
    case EVENT_PROPOSE:
    case EVENT_FAULT:
    case EVENT_RESTART:
        break;
    }
}

static void handle(struct world *world, struct event *event) {
    struct node *node = &world->nodes[event->node];
    if (event->kind == EVENT_PROPOSE) {
        propose(world);
    } else if (event->kind == EVENT_FAULT) {
        if (!world->healing) {
            faults(world);
        }
    } else if (event->kind == EVENT_RESTART) {
        if (node->raft == NULL) {
            restart(world, node);
        }
    } else if (node->raft != NULL &&
               (event->incarnation == node->incarnation || event->kind == EVENT_REQUEST)) {
        handle_node_event(world, node, event);
    }
}

/* ---- A run ----------------------------------------------------------------------------------- */

static int draw(struct world *world, int most) {
    return random_stream_chance(&world->faults, 500)
               ? (int)random_stream_range(&world->faults, 0, most)
               : 0;
}

static void world_init(struct world *world, uint64_t seed) {
    random_stream_init(&world->net, seed, 1);
    random_stream_init(&world->disk, seed, 2);
    random_stream_init(&world->faults, seed, 3);
    random_stream_init(&world->work, seed, 4);
    world->node_count = (int)random_stream_range(&world->work, 1, NODES_MAX);
    world->loss_per_mille = draw(world, 300);
    world->delay_max_ms = (int)random_stream_range(&world->faults, 0, 60);
    world->sync_max_ms = (int)random_stream_range(&world->faults, 0, 30);
    world->crash_per_mille = draw(world, 60);
    world->cut_per_mille = draw(world, 600);
    world->isolate_per_mille = draw(world, 100);
    world->timeout_ms = (int)random_stream_range(&world->faults, 100, 1000);
    world->wipe_per_mille = draw(world, 300);
    world->snapshot_per_mille = draw(world, 50);
    world->change_per_mille = draw(world, 60);
    world->batch_max = (int)random_stream_range(&world->faults, 1, BATCHES_MAX);
    memset(world->leader_of, -1, sizeof(world->leader_of));
    struct raft_voters voters = {0};
    int voter_count = (int)random_stream_range(&world->work, 1, world->node_count);
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        node->id = i;
        node->disk.entries = xcalloc(ENTRIES_MAX, sizeof(struct entry));
        node->disk.ballot = (struct raft_ballot){.leader_id = -1, .voted = RAFT_KEY_NONE};
        node->disk.key.id = i;
        for (int j = 0; j < 8; j++) {
            node->disk.key.directory_id.bytes[j] =
                (uint8_t)random_stream_range(&world->disk, 1, 255);
        }
        if (i < voter_count) {
            voters.keys[voters.count++] = node->disk.key;
        }
    }
    for (int i = 0; i < world->node_count; i++) {
        world->nodes[i].disk.start_voters = voters;
        restart(world, &world->nodes[i]);
    }
    schedule(world, event_new(EVENT_PROPOSE, &world->nodes[0]), 100);
    schedule(world, event_new(EVENT_FAULT, &world->nodes[0]), 100);
}

static void heal(struct world *world) {
    TRACE(world, "everything is healed");
    world->healing = true;
    world->loss_per_mille = 0;
    world->delay_max_ms = world->delay_max_ms < 10 ? world->delay_max_ms : 10;
    memset(world->cut, 0, sizeof(world->cut));
    for (int i = 0; i < world->node_count; i++) {
        if (world->nodes[i].raft == NULL) {
            restart(world, &world->nodes[i]);
        }
    }
}

/* A leader whose newest epoch is committed, and every node that follows it has it all. */
static bool converged(struct world *world, int64_t beyond) {
    const struct node *leads = leader(world);
    if (leads == NULL || raft_high_watermark(leads->raft) <= beyond) {
        return false;
    }
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (raft_epoch(node->raft) != raft_epoch(leads->raft) ||
            raft_high_watermark(node->raft) <= beyond) {
            return false;
        }
    }
    return true;
}

static void run_until(struct world *world, int64_t end_ms, int64_t beyond) {
    while (!world->out->failed && world->heap_count > 0 && world->heap[0]->at_ms < end_ms) {
        struct event *event = next_event(world);
        world->now_ms = event->at_ms;
        handle(world, event);
        event_free(event);
        world->out->events++;
        if (beyond >= 0 && world->out->events % 64 == 0 && converged(world, beyond)) {
            return;
        }
    }
}

static void world_release(struct world *world) {
    while (world->heap_count > 0) {
        event_free(next_event(world));
    }
    free(world->heap);
    free(world->tokens);
    for (int i = 0; i < world->node_count; i++) {
        raft_free(world->nodes[i].raft);
        forget_queue(&world->nodes[i]);
        free(world->nodes[i].disk.entries);
    }
}

void raft_world_run(uint64_t seed, bool trace, struct raft_outcome *out) {
    *out = (struct raft_outcome){0};
    struct world *world = NEW(struct world);
    world->out = out;
    world->trace = trace;
    world_init(world, seed);
    run_until(world, CHAOS_MS, -1);
    if (!out->failed) {
        heal(world);
        run_until(world, CHAOS_MS + HEAL_MS, world->committed_end);
        if (!out->failed && world->now_ms > CHAOS_MS + HEAL_MS - 1000) {
            fail(world, "no agreement %d s after everything was healed", HEAL_MS / 1000);
        }
    }
    out->simulated_ms = world->now_ms;
    world_release(world);
    free(world);
}
