/* Peers that say anything: the machine answers or ignores it, and stays itself. */
#include <criterion/criterion.h>

#include "tests/unit/raft/machine.h"

#define MESSAGES 20000

static uint64_t random_state;

static uint64_t draw(uint64_t below) {
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (random_state >> 33) % below;
}

/* Mostly small, sometimes at an end of the range. */
static int64_t number(void) {
    static const int64_t ends[] = {-1, INT32_MIN, INT32_MAX - 1, INT64_MIN, INT64_MAX};
    return draw(20) == 0 ? ends[draw(5)] : (int64_t)draw(8);
}

static int32_t epoch_near(const struct machine *machine) {
    if (draw(50) == 0) {
        return (int32_t)draw(10) - 5;
    }
    uint64_t off = draw(40);
    return raft_epoch(machine->raft) + (off == 0 ? 1 : off == 1 ? -1 : 0);
}

static struct raft_key key(void) {
    struct raft_key key = key_of((int32_t)draw(5));
    key.id = draw(20) == 0 ? -1 : key.id;
    key.directory_id.bytes[15] = (uint8_t)draw(3);
    return key;
}

static struct raft_position position(void) {
    return (struct raft_position){.offset = number(), .epoch = (int32_t)number()};
}

static void ask_anything(struct machine *machine) {
    struct raft_request request = {.kind = (enum raft_message)draw(4)};
    switch (request.kind) {
    case RAFT_VOTE:
        request.vote = (struct raft_vote){.candidate = key(),
                                          .voter = key(),
                                          .epoch = epoch_near(machine),
                                          .last = position(),
                                          .pre_vote = draw(2) == 0};
        break;
    case RAFT_BEGIN_EPOCH:
        request.begin = (struct raft_begin_epoch){
            .voter = key(), .leader_id = (int32_t)number(), .epoch = epoch_near(machine)};
        break;
    case RAFT_END_EPOCH:
        request.end = (struct raft_end_epoch){.leader_id = (int32_t)number(),
                                              .epoch = epoch_near(machine),
                                              .preferred_count = (int)number()};
        request.end.preferred[0] = key();
        break;
    case RAFT_FETCH:
        request.fetch = (struct raft_fetch){.replica = key(),
                                            .epoch = epoch_near(machine),
                                            .from = position(),
                                            .max_wait_ms = (int64_t)draw(100) - 5};
        break;
    }
    machine_ask(machine, request);
}

static void answer_anything(struct machine *machine, const struct raft_effect *sent) {
    static const enum kafka_error errors[] = {
        ERROR_NONE,
        ERROR_NONE,
        ERROR_NONE,
        ERROR_NOT_LEADER_OR_FOLLOWER,
        ERROR_INVALID_REQUEST,
        ERROR_FENCED_LEADER_EPOCH,
        ERROR_UNSUPPORTED_VERSION,
        ERROR_UNKNOWN_LEADER_EPOCH,
    };
    struct raft_reply reply = {.kind = sent->request.kind,
                               .error = errors[draw(8)],
                               .leader_id = draw(3) == 0 ? (int32_t)number() : sent->to,
                               .epoch = epoch_near(machine),
                               .granted = draw(2) == 0,
                               .fetch = (enum raft_fetch_kind)draw(3),
                               .high_watermark = number(),
                               .position = position(),
                               .end_offset = number()};
    struct raft_voters voters = voters_of(1 + (int)draw(4));
    voters.count = draw(4) == 0 ? (int)number() : voters.count;
    struct raft_batch batches[3];
    for (int i = 0; i < 3; i++) {
        batches[i] = (struct raft_batch){
            .base_offset = draw(4) == 0 ? number() : raft_end_offset(machine->raft) + i,
            .count = draw(10) == 0 ? (int32_t)number() : 1,
            .epoch = epoch_near(machine),
            .voters = draw(5) == 0 ? &voters : NULL};
    }
    raft_answer(machine->raft, machine->now_ms, sent->id, &reply, batches, (int)draw(4));
    machine_collect(machine);
}

/* What was sent and is not answered, the newest of each kind. */
struct under_way {
    struct raft_effect sent[4];
    bool waits[4];
    uint64_t generation;
};

static void note_effects(const struct machine *machine, struct under_way *under_way) {
    for (int i = 0; i < machine->count; i++) {
        const struct raft_effect *effect = &machine->effects[i];
        under_way->generation += effect->kind == RAFT_TRUNCATE;
        if (effect->kind == RAFT_SEND) {
            under_way->sent[effect->request.kind] = *effect;
            under_way->waits[effect->request.kind] = true;
        }
    }
}

static void carry_on(struct machine *machine, struct under_way *under_way) {
    note_effects(machine, under_way);
    if (machine_effect(machine, RAFT_GET_SNAPSHOT) != NULL) {
        raft_snapshot_failed(machine->raft, machine->now_ms);
        machine_collect(machine);
        note_effects(machine, under_way);
    }
    raft_synced(machine->raft, machine->now_ms, under_way->generation,
                raft_end_offset(machine->raft));
    machine_collect(machine);
    note_effects(machine, under_way);
}

static void step(struct machine *machine, struct under_way *under_way) {
    enum raft_message kind = (enum raft_message)draw(4);
    if (under_way->waits[kind] && draw(4) != 0) {
        under_way->waits[kind] = false;
        if (draw(5) == 0) {
            machine_fail(machine, under_way->sent[kind].id, draw(2) == 0);
        } else {
            answer_anything(machine, &under_way->sent[kind]);
        }
    } else if (draw(4) == 0) {
        ask_anything(machine);
    } else {
        machine_tick(machine, (int64_t)draw(100));
    }
}

Test(raft_hostile, nothing_that_a_peer_says_breaks_an_invariant) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_state = seed;
        struct machine machine;
        machine_start(&machine, START_EMPTY);
        struct under_way under_way = {.generation = 0};
        for (int i = 0; i < MESSAGES && raft_epoch(machine.raft) < INT32_MAX - 1; i++) {
            int32_t epoch = raft_epoch(machine.raft);
            int64_t high_watermark = raft_high_watermark(machine.raft);
            step(&machine, &under_way);
            carry_on(&machine, &under_way);
            cr_assert_geq(raft_epoch(machine.raft), epoch);
            cr_assert_geq(raft_high_watermark(machine.raft), high_watermark);
        }
        machine_free(&machine);
    }
}
