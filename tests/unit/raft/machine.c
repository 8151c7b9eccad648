#include "tests/unit/raft/machine.h"

#include <criterion/criterion.h>

struct raft_key key_of(int32_t id) {
    struct raft_key key = {.id = id};
    key.directory_id.bytes[0] = (uint8_t)id;
    key.directory_id.bytes[15] = 1;
    return key;
}

struct raft_voters voters_of(int count) {
    struct raft_voters voters = {.count = count};
    for (int i = 0; i < count; i++) {
        voters.keys[i] = key_of(i + 1);
    }
    return voters;
}

void machine_start(struct machine *machine, struct start start) {
    struct raft_config config = {
        .self = key_of(1),
        .election_timeout_ms = ELECTION_MS,
        .fetch_timeout_ms = FETCH_TIMEOUT_MS,
        .backoff_max_ms = 1000,
        .retry_ms = 20,
        .fetch_wait_ms = 500,
        .seed = 7,
    };
    if (start.new_disk) {
        config.self.directory_id.bytes[15] = 2;
    }
    struct raft_epoch_start epochs[] = {{.epoch = start.last_epoch, .offset = 0}};
    struct raft_stored stored = {
        .ballot = {.epoch = start.epoch, .leader_id = start.leader_id, .voted = start.voted},
        .end_offset = start.records,
        .epochs = epochs,
        .epoch_count = start.records > 0,
        .voters = voters_of(start.voters),
    };
    for (int i = 0; i < start.voters && start.unknown; i++) {
        stored.voters.keys[i].directory_id = UUID_ZERO;
    }
    machine->now_ms = 1000;
    machine->raft = raft_new(&config, &stored, machine->now_ms);
    machine_collect(machine);
}

void machine_free(struct machine *machine) {
    raft_free(machine->raft);
}

void machine_collect(struct machine *machine) {
    machine->count = 0;
    while (raft_next_effect(machine->raft, &machine->effects[machine->count])) {
        cr_assert_lt(++machine->count, EFFECTS_MAX);
    }
}

void machine_tick(struct machine *machine, int64_t later_ms) {
    machine->now_ms += later_ms;
    raft_tick(machine->raft, machine->now_ms);
    machine_collect(machine);
}

const struct raft_reply *machine_ask(struct machine *machine, struct raft_request request) {
    raft_request(machine->raft, machine->now_ms, 77, &request);
    machine_collect(machine);
    const struct raft_effect *effect = machine_effect(machine, RAFT_REPLY);
    return effect != NULL && effect->id == 77 ? &effect->reply : NULL;
}

void machine_answer(struct machine *machine, uint64_t id, struct raft_reply reply) {
    raft_answer(machine->raft, machine->now_ms, id, &reply, NULL, 0);
    machine_collect(machine);
}

void machine_fail(struct machine *machine, uint64_t id, bool broken) {
    raft_request_failed(machine->raft, machine->now_ms, id, broken);
    machine_collect(machine);
}

void machine_sync(struct machine *machine) {
    raft_synced(machine->raft, machine->now_ms, 0, raft_end_offset(machine->raft));
    machine_collect(machine);
}

int machine_place(const struct machine *machine, enum raft_effect_kind kind) {
    for (int i = 0; i < machine->count; i++) {
        if (machine->effects[i].kind == kind) {
            return i;
        }
    }
    return -1;
}

const struct raft_effect *machine_effect(const struct machine *machine,
                                         enum raft_effect_kind kind) {
    int place = machine_place(machine, kind);
    return place < 0 ? NULL : &machine->effects[place];
}

const struct raft_effect *machine_sent(const struct machine *machine, enum raft_message kind,
                                       int32_t to) {
    for (int i = 0; i < machine->count; i++) {
        const struct raft_effect *effect = &machine->effects[i];
        if (effect->kind == RAFT_SEND && effect->request.kind == kind &&
            (to < 0 || effect->to == to)) {
            return effect;
        }
    }
    return NULL;
}

struct raft_reply vote_reply(const struct machine *machine, bool granted) {
    return (struct raft_reply){.kind = RAFT_VOTE,
                               .leader_id = -1,
                               .epoch = raft_epoch(machine->raft),
                               .granted = granted,
                               .high_watermark = -1};
}

void machine_elect(struct machine *machine, bool committed) {
    machine_tick(machine, FIRST_ELECTION_MS);
    for (int round = 0; round < 2; round++) { /* the pre-vote, and the vote */
        const struct raft_effect *sent = machine_sent(machine, RAFT_VOTE, 2);
        cr_assert_not_null(sent);
        machine_answer(machine, sent->id, vote_reply(machine, true));
    }
    cr_assert_eq(raft_role(machine->raft), RAFT_LEADER);
    if (committed) {
        machine_sync(machine);
        machine_fetch(machine, key_of(2), raft_end_offset(machine->raft),
                      raft_epoch(machine->raft));
        cr_assert_not_null(machine_effect(machine, RAFT_LEADING));
    }
}

void machine_fetch(struct machine *machine, struct raft_key key, int64_t offset, int32_t epoch) {
    struct raft_request request = {.kind = RAFT_FETCH,
                                   .fetch = {.replica = key,
                                             .epoch = raft_epoch(machine->raft),
                                             .from = {.offset = offset, .epoch = epoch}}};
    machine_ask(machine, request);
}

struct raft_reply fetch_reply(const struct machine *machine) {
    return (struct raft_reply){.kind = RAFT_FETCH,
                               .leader_id = 2,
                               .epoch = raft_epoch(machine->raft),
                               .fetch = RAFT_FETCH_RECORDS,
                               .high_watermark = 0};
}

void machine_follow(struct machine *machine, int32_t epoch) {
    struct raft_request begin = {
        .kind = RAFT_BEGIN_EPOCH,
        .begin = {.voter = key_of(1), .leader_id = 2, .epoch = epoch},
    };
    machine_ask(machine, begin);
    const struct raft_effect *sent = machine_sent(machine, RAFT_FETCH, 2);
    cr_assert_not_null(sent);
    cr_assert_eq(sent->request.fetch.max_wait_ms, 0);
    machine_answer(machine, sent->id, fetch_reply(machine));
}
