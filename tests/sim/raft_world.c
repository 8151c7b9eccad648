/* One run: the rates of this seed, chaos or a scene, and the end where all have to agree. */
#include "tests/sim/raft_world.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tests/sim/raft_world_internal.h"

#define CHAOS_MOST_MS  20000
#define HEAL_MS        30000
#define SCENE_DISTURB  8 /* one seed of so many */
#define SCENE_FAILOVER 16

/* ---- Handling -------------------------------------------------------------------------------- */

static void propose(struct world *world) {
    struct node *node = world_leader(world);
    if (node != NULL && node->disk.end < ENTRIES_MAX / 2) {
        int64_t base_offset;
        int32_t count = (int32_t)random_stream_range(&world->work, 1, 2);
        enum kafka_error error =
            raft_propose(node->raft, world->now_ms, ++world->next_value, count, &base_offset);
        if (error != ERROR_NONE) {
            world_fail(world, "the leader takes no proposal");
        }
        node_settle(world, node, NULL);
    }
    schedule(world, event_new(EVENT_PROPOSE, &world->nodes[0]),
             random_stream_range(&world->work, 5, 150));
}

/* Takes the event. */
static void handle(struct world *world, struct event *event) {
    struct node *node = &world->nodes[event->node];
    if (event->kind == EVENT_PROPOSE) {
        propose(world);
    } else if (event->kind == EVENT_FAULT) {
        if (!world->healed) {
            world_faults(world);
        }
    } else if (event->kind == EVENT_RESTART) {
        if (node->raft == NULL) {
            node_start(world, node);
        }
    } else if (node->raft != NULL && world->now_ms < node->paused_until) {
        schedule(world, event, node->paused_until - world->now_ms);
        return;
    } else if (node->raft != NULL && event->incarnation == node->incarnation &&
               event->kind == EVENT_CRASH) {
        world_crash(world, node, random_stream_range(&world->faults, 0, 20));
    } else if (node->raft != NULL &&
               (event->incarnation == node->incarnation || event->kind == EVENT_REQUEST)) {
        node_handle(world, node, event);
    }
    event_free(event);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void run_until(struct world *world, int64_t end_ms) {
    while (!world->out->failed && world->heap[0]->at_ms < end_ms) {
        struct event *event = next_event(world);
        world->now_ms = event->at_ms;
        handle(world, event);
        world->out->events++;
    }
    world->now_ms = world->out->failed ? world->now_ms : end_ms;
}

void world_run_for(struct world *world, int64_t duration_ms) {
    run_until(world, world->now_ms + duration_ms);
}

/* The leader is one of those it goes by: who was removed hands over. */
static bool is_own_voter(const struct node *leads) {
    const struct raft_voters *voters = raft_voters(leads->raft);
    for (int i = 0; i < voters->count; i++) {
        if (raft_key_matches(voters->keys[i], leads->disk.key)) {
            return true;
        }
    }
    return false;
}

/* A leader whose newest epoch is committed, and every node that follows it has it all. */
static bool converged(struct world *world, int64_t beyond) {
    const struct node *leads = world_leader(world);
    if (leads == NULL || !leads->leads || !is_own_voter(leads)) {
        return false;
    }
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->raft == NULL || raft_epoch(node->raft) != raft_epoch(leads->raft) ||
            raft_high_watermark(node->raft) <= beyond) {
            return false;
        }
    }
    return true;
}

bool world_converges(struct world *world, int64_t most_ms) {
    int64_t end_ms = world->now_ms + most_ms;
    int64_t beyond = world->committed_end;
    while (!world->out->failed && world->now_ms < end_ms) {
        world_run_for(world, 10);
        if (converged(world, beyond)) {
            return !world->out->failed;
        }
    }
    world_fail(world, "no agreement after %" PRId64 " s of quiet", most_ms / 1000);
    return false;
}

static void heal(struct world *world) {
    TRACE(world, "everything is healed");
    struct rates *rates = &world->rates;
    world->healed = true;
    rates->crash_voting = 0;
    rates->loss = 0;
    rates->late = 0;
    rates->delay_max_ms = rates->delay_max_ms < 10 ? rates->delay_max_ms : 10;
    rates->batch_max = BATCHES_MAX;
    rates->snapshot_max_ms = rates->snapshot_max_ms < 100 ? rates->snapshot_max_ms : 100;
    memset(world->cut, 0, sizeof(world->cut));
    memset(world->refuses, 0, sizeof(world->refuses));
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        node->paused_until = 0;
        node->slow_until = 0;
        if (node->raft == NULL) {
            node_start(world, node);
        }
    }
}

/* ---- A run ----------------------------------------------------------------------------------- */

static int draw(struct world *world, int most) {
    return random_stream_chance(&world->faults, 500)
               ? (int)random_stream_range(&world->faults, 0, most)
               : 0;
}

static void draw_rates(struct world *world) {
    struct random_stream *random = &world->faults;
    world->rates = (struct rates){
        .loss = draw(world, 300),
        .doubled = draw(world, 300),
        .delay_max_ms = (int)random_stream_range(random, 0, 60),
        .late = draw(world, 50),
        .stale_answers = draw(world, 1000),
        .refused = random_stream_chance(random, 500) ? 1000 : draw(world, 1000),
        .reset = draw(world, 300),
        .sync_max_ms = (int)random_stream_range(random, 0, 30),
        .slow_disk = draw(world, 20),
        .crash = draw(world, 100),
        .crash_all = draw(world, 10),
        .crash_voting = draw(world, 300),
        .down_max_ms = (int)random_stream_range(random, 20, 3000),
        .cut = draw(world, 1000),
        .isolate = draw(world, 100),
        .refuse = draw(world, 1000),
        .pause = draw(world, 30),
        .resign = draw(world, 30),
        .timeout_ms = (int)random_stream_range(random, 100, 1000),
        .wipe = draw(world, 500),
        .snapshot = draw(world, 50),
        .snapshot_max_ms = draw(world, 3000),
        .change = draw(world, 100),
        .batch_max = (int)random_stream_range(random, 1, BATCHES_MAX),
    };
}

/* For scenes: a machine room, and the time-outs of the configuration's defaults. */
static void quiet_rates(struct world *world) {
    struct random_stream *random = &world->faults;
    world->rates = (struct rates){
        .delay_max_ms = (int)random_stream_range(random, 0, 10),
        .refused = 1000,
        .sync_max_ms = (int)random_stream_range(random, 0, 20),
        .timeout_ms =
            random_stream_chance(random, 500) ? 1000 : (int)random_stream_range(random, 200, 1000),
        .batch_max = BATCHES_MAX,
    };
    world->quiet = true;
}

static void make_nodes(struct world *world, int voter_count) {
    /* Voters whose directory ids nobody knows: a static quorum, in which no disk may be lost until
     * it has become one of voters in the log. */
    bool known = world->quiet || random_stream_chance(&world->work, 800);
    world->known = known;
    world->voter_records = known && random_stream_chance(&world->work, 700);
    struct raft_voters voters = {0};
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        node->id = i;
        node->disk.entries = xcalloc(ENTRIES_MAX, sizeof(struct entry));
        node->disk.ballot = (struct raft_ballot){.leader_id = -1, .voted = RAFT_KEY_NONE};
        node->disk.key.id = i;
        node_new_directory(world, &node->disk);
        if (i < voter_count) {
            struct raft_key key = {.id = i};
            voters.keys[voters.count++] = known ? node->disk.key : key;
        }
    }
    world->sets[1] = voters; /* sets[0] is nobody */
    world->set_count = 2;
    world->committed_set = 1;
    for (int i = 0; i < world->node_count; i++) {
        world->nodes[i].disk.start_set = 1;
        node_start(world, &world->nodes[i]);
    }
}

static void world_init(struct world *world, uint64_t seed, bool scene) {
    random_stream_init(&world->net, seed, 1);
    random_stream_init(&world->disk, seed, 2);
    random_stream_init(&world->faults, seed, 3);
    random_stream_init(&world->work, seed, 4);
    memset(world->leader_of, -1, sizeof(world->leader_of));
    if (scene) {
        quiet_rates(world);
        world->node_count = (int)random_stream_range(&world->work, 3, NODES_MAX);
        make_nodes(world, (int)random_stream_range(&world->work, 3, world->node_count));
    } else {
        draw_rates(world);
        world->node_count = (int)random_stream_range(&world->work, 1, NODES_MAX);
        make_nodes(world, (int)random_stream_range(&world->work, 1, world->node_count));
        schedule(world, event_new(EVENT_FAULT, &world->nodes[0]), 50);
    }
    schedule(world, event_new(EVENT_PROPOSE, &world->nodes[0]), 100);
}

static void world_release(struct world *world) {
    while (world->heap_count > 0) {
        event_free(next_event(world));
    }
    free(world->heap);
    free(world->tokens);
    for (int i = 0; i < world->node_count; i++) {
        node_stop(&world->nodes[i]);
        free(world->nodes[i].sent);
        free(world->nodes[i].disk.entries);
    }
}

void raft_world_run(uint64_t seed, enum raft_canary canary, bool trace, struct raft_outcome *out) {
    struct world *world = NEW(struct world);
    world->out = out;
    world->trace = trace;
    world->canary = canary;
    bool disturbed = seed % SCENE_DISTURB == 0;
    bool failover = seed % SCENE_FAILOVER == 1;
    world_init(world, seed, disturbed || failover);
    if (disturbed) {
        scene_disturb(world);
    } else if (failover) {
        scene_failover(world);
    } else {
        world_run_for(world, random_stream_range(&world->faults, 1000, CHAOS_MOST_MS));
        if (!out->failed) {
            heal(world);
            int64_t from = world->now_ms;
            world_converges(world, HEAL_MS);
            waits_add(&out->heal, world->now_ms - from);
        }
    }
    out->simulated_ms += world->now_ms;
    world_release(world);
    free(world);
}

/* ---- Waits ----------------------------------------------------------------------------------- */

void waits_add(struct raft_waits *waits, int64_t ms) {
    int64_t bin = ms / RAFT_WAITS_MS;
    waits->bins[bin < RAFT_WAITS_BINS ? bin : RAFT_WAITS_BINS - 1]++;
    waits->count++;
    waits->longest_ms = ms > waits->longest_ms ? ms : waits->longest_ms;
}

int64_t raft_waits_at(const struct raft_waits *waits, int per_mille) {
    uint64_t seen = 0;
    for (int i = 0; i < RAFT_WAITS_BINS; i++) {
        seen += waits->bins[i];
        if (seen * 1000 >= waits->count * (uint64_t)per_mille) {
            return i == RAFT_WAITS_BINS - 1 ? waits->longest_ms : (i + 1) * RAFT_WAITS_MS;
        }
    }
    return waits->longest_ms;
}
