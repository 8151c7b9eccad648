/* Time, and the network: what is sent arrives once, twice, late, or not at all. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/sim/raft_world_internal.h"

#define LATE_MS 6000

/* ---- Events ---------------------------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b) {
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

struct event *event_new(enum event_kind kind, const struct node *node) {
    struct event *event = NEW(struct event);
    event->kind = kind;
    event->node = node->id;
    event->incarnation = node->incarnation;
    return event;
}

void event_free(struct event *event) {
    if (event->message != NULL && --event->message->refs == 0) {
        free(event->message);
    }
    free(event);
}

void schedule(struct world *world, struct event *event, int64_t delay_ms) {
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

struct event *next_event(struct world *world) {
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

/* ---- Messages -------------------------------------------------------------------------------- */

int64_t net_delay(struct world *world) {
    if (random_stream_chance(&world->net, world->rates.late)) {
        return random_stream_range(&world->net, 0, LATE_MS);
    }
    return random_stream_range(&world->net, 0, world->rates.delay_max_ms);
}

bool net_loses(struct world *world, int from, int to) {
    bool lost = world->cut[from][to] || random_stream_chance(&world->net, world->rates.loss);
    world->out->lost += lost;
    return lost;
}

static struct message *message_new(const struct node *from, uint64_t id) {
    struct message *message = xmalloc(sizeof(*message));
    message->refs = 0;
    message->from = from->id;
    message->from_incarnation = from->incarnation;
    message->id = id;
    return message;
}

/* Arrives once or twice. Takes the message. */
static void carry(struct world *world, enum event_kind kind, const struct node *to,
                  uint64_t incarnation, struct message *message) {
    int copies = 1 + random_stream_chance(&world->net, world->rates.doubled);
    world->out->doubled += copies > 1;
    for (int i = 0; i < copies; i++) {
        struct event *event = event_new(kind, to);
        event->incarnation = incarnation;
        event->message = message;
        message->refs++;
        schedule(world, event, 1 + net_delay(world));
    }
}

static void remember_sent(struct node *node, uint64_t id, int to) {
    if (node->sent_count == node->sent_cap) {
        node->sent_cap = node->sent_cap == 0 ? 16 : node->sent_cap * 2;
        node->sent = xrealloc(node->sent, (size_t)node->sent_cap * sizeof(*node->sent));
    }
    node->sent[node->sent_count++] = (struct sent){.id = id, .to = to};
}

bool net_ended(struct node *node, uint64_t id) {
    for (int i = 0; i < node->sent_count; i++) {
        if (node->sent[i].id == id) {
            node->sent[i] = node->sent[--node->sent_count];
            return true;
        }
    }
    return false;
}

static void break_request(struct world *world, const struct node *node, uint64_t id) {
    struct event *event = event_new(EVENT_BROKEN, node);
    event->id = id;
    schedule(world, event, 1 + random_stream_range(&world->net, 0, world->rates.delay_max_ms));
}

void net_request(struct world *world, struct node *node, const struct raft_effect *effect) {
    int to = effect->to >= 0 ? effect->to
                             : (int)random_stream_range(&world->net, 0, world->node_count - 1);
    remember_sent(node, effect->id, to);
    struct event *timeout = event_new(EVENT_TIMEOUT, node);
    timeout->id = effect->id;
    schedule(world, timeout, 2 * world->rates.timeout_ms);
    if (to >= world->node_count || net_loses(world, node->id, to)) {
        return;
    }
    if (world->refuses[node->id][to] || (world->nodes[to].raft == NULL &&
                                         random_stream_chance(&world->net, world->rates.refused))) {
        break_request(world, node, effect->id);
        return;
    }
    struct message *message = message_new(node, effect->id);
    message->request = effect->request;
    carry(world, EVENT_REQUEST, &world->nodes[to], 0, message);
}

void net_reset(struct world *world, struct node *from, int to) {
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->raft == NULL || (from != NULL && from != node)) {
            continue;
        }
        for (int j = 0; j < node->sent_count; j++) {
            if (node->sent[j].to == to) {
                world->out->resets++;
                break_request(world, node, node->sent[j].id);
            }
        }
    }
}

/* The records of a fetch's answer, as they are in the log now. */
static void fill_batches(struct world *world, const struct node *node, struct message *message) {
    const struct disk *disk = &node->disk;
    int64_t offset = message->reply.position.offset;
    int64_t end = message->reply.end_offset < disk->end ? message->reply.end_offset : disk->end;
    int most = (int)random_stream_range(&world->net, 1, world->rates.batch_max);
    for (int i = 0; i < most && offset < end && offset >= disk->start.offset; i++, offset++) {
        const struct entry *entry = &disk->entries[offset];
        message->entries[i] = *entry;
        message->batches[i] = (struct raft_batch){
            .base_offset = offset,
            .count = 1,
            .epoch = entry->epoch,
            .voters = entry->set != NO_SET ? &world->sets[entry->set] : NULL,
        };
        message->batch_count++;
    }
}

void net_reply(struct world *world, struct node *node, const struct raft_effect *effect) {
    struct token *token = &world->tokens[effect->id];
    if (token->answered || effect->reply.kind != token->kind) {
        world_fail(world, "node %d answers a request twice, or as another one", node->id);
    }
    token->answered = true;
    if (token->kind == RAFT_VOTE && effect->reply.granted && !token->pre_vote) {
        check_vote(world, node, token->candidate, token->epoch);
        world_crash_soon(world, node, 0);
    }
    if (net_loses(world, node->id, token->from)) {
        return;
    }
    struct message *message = message_new(node, token->id);
    message->reply = effect->reply;
    message->batch_count = 0;
    if (effect->reply.kind == RAFT_FETCH && effect->reply.error == ERROR_NONE &&
        effect->reply.fetch == RAFT_FETCH_RECORDS) {
        fill_batches(world, node, message);
    }
    carry(world, EVENT_ANSWER, &world->nodes[token->from], token->incarnation, message);
}
