/* Scenes on a quiet network: what one follower's trouble must not do, and how long a lost leader is
 * felt. */
#include "tests/sim/raft_world_internal.h"

#define ROUNDS     6
#define SETTLES_MS 20000

/* A leader whose process dies or that resigns is not missed for longer; seldom half as long. */
#define LEADERLESS_MS 2000

enum disturbance {
    DISTURB_RESTART,
    DISTURB_RESETS, /* its connections break, again and again */
    DISTURB_REFUSED_BY_LEADER,
    DISTURB_CUT_IN,
    DISTURB_CUT_OUT,
    DISTURB_CUT,
    DISTURB_PAUSE,
    DISTURB_COUNT,
};

static struct node *any_follower(struct world *world, const struct node *leads) {
    for (;;) {
        int64_t chosen = random_stream_range(&world->faults, 0, world->node_count - 1);
        if (&world->nodes[chosen] != leads) {
            return &world->nodes[chosen];
        }
    }
}

static void set_cuts(struct world *world, const struct node *node, bool in, bool out) {
    for (int i = 0; i < world->node_count; i++) {
        if (i != node->id) {
            world->cut[i][node->id] = in;
            world->cut[node->id][i] = out;
        }
    }
}

static void break_often(struct world *world, struct node *node, int64_t duration_ms) {
    for (int64_t end = world->now_ms + duration_ms; world->now_ms < end && !world->out->failed;) {
        for (int i = 0; i < world->node_count; i++) {
            if (random_stream_chance(&world->faults, 700)) {
                net_reset(world, node, i);
            }
        }
        world_run_for(world, random_stream_range(&world->faults, 1, 100));
    }
}

static void disturb(struct world *world, struct node *node, const struct node *leads) {
    enum disturbance kind =
        (enum disturbance)random_stream_range(&world->faults, 0, DISTURB_COUNT - 1);
    int64_t duration = random_stream_range(&world->faults, 1, 8 * world->rates.timeout_ms);
    TRACE(world, "node %d is disturbed (%d) for %" PRId64 " ms", node->id, (int)kind, duration);
    switch (kind) {
    case DISTURB_RESTART:
        world_crash(world, node, duration);
        break;
    case DISTURB_RESETS:
        break_often(world, node, duration);
        break;
    case DISTURB_REFUSED_BY_LEADER:
        world->refuses[node->id][leads->id] = true;
        net_reset(world, node, leads->id);
        break;
    case DISTURB_PAUSE:
        node->paused_until = world->now_ms + duration;
        break;
    case DISTURB_CUT_IN:
    case DISTURB_CUT_OUT:
    case DISTURB_CUT:
        set_cuts(world, node, kind != DISTURB_CUT_OUT, kind != DISTURB_CUT_IN);
        break;
    case DISTURB_COUNT:
        UNREACHABLE();
    }
    world_run_for(world, duration + 10);
    set_cuts(world, node, false, false);
    world->refuses[node->id][leads->id] = false;
}

void scene_disturb(struct world *world) {
    if (world->out->failed || !world_converges(world, SETTLES_MS)) {
        return;
    }
    const struct node *leads = world_leader(world);
    int32_t epoch = raft_epoch(leads->raft);
    for (int i = 0; i < ROUNDS && !world->out->failed; i++) {
        disturb(world, any_follower(world, leads), leads);
        bool well = !world->out->failed && world_converges(world, SETTLES_MS);
        world->out->returns++;
        if (well && raft_epoch(world_leader(world)->raft) != epoch) {
            world->out->extra_elections++;
            world_fail(world, "a follower that came back raised the epoch from %d to %d", epoch,
                       raft_epoch(world_leader(world)->raft));
        }
    }
}

/* Until somebody leads an epoch above this one. */
static bool wait_for_leader(struct world *world, int32_t above, int64_t most_ms,
                            struct raft_waits *waits) {
    int64_t from = world->now_ms;
    while (!world->out->failed && world->now_ms < from + most_ms) {
        const struct node *leads = world_leader(world);
        if (leads != NULL && leads->leads && raft_epoch(leads->raft) > above) {
            waits_add(waits, world->now_ms - from);
            return true;
        }
        world_run_for(world, 1);
    }
    world_fail(world, "no leader within %" PRId64 " ms", most_ms);
    return false;
}

/* Cut off, and nothing breaks: the others stand when they have heard nothing for the fetch
 * time-out, and the leader itself gives up. */
static void lose_contact(struct world *world, struct node *leads, int32_t epoch) {
    int64_t fetch_timeout_ms = 2 * world->rates.timeout_ms;
    int64_t from = world->now_ms;
    set_cuts(world, leads, true, true);
    wait_for_leader(world, epoch, fetch_timeout_ms + LEADERLESS_MS, &world->out->cut);
    world_run_for(world, from + 2 * fetch_timeout_ms - world->now_ms);
    if (!world->out->failed && raft_role(leads->raft) == RAFT_LEADER &&
        raft_epoch(leads->raft) == epoch) {
        world_fail(world, "node %d still leads, and nobody listens", leads->id);
    }
    set_cuts(world, leads, false, false);
}

void scene_failover(struct world *world) {
    if (!wait_for_leader(world, -1, LEADERLESS_MS, &world->out->start)) {
        return;
    }
    for (int i = 0; i < ROUNDS && !world->out->failed; i++) {
        if (!world_converges(world, SETTLES_MS)) {
            return;
        }
        struct node *leads = world_leader(world);
        int32_t epoch = raft_epoch(leads->raft);
        int64_t way = random_stream_range(&world->faults, 0, 4);
        if (way < 2) {
            world_crash(world, leads, random_stream_range(&world->faults, 1, 3000));
            wait_for_leader(world, epoch, LEADERLESS_MS, &world->out->kill);
        } else if (way < 4) {
            world->out->resigns++;
            raft_resign(leads->raft, world->now_ms);
            node_settle(world, leads, NULL);
            wait_for_leader(world, epoch, LEADERLESS_MS, &world->out->resign);
        } else {
            lose_contact(world, leads, epoch);
        }
    }
}
