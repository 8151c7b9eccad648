/*
 * The frame of the machine: inputs, effects, peers, and what is sent when.
 *
 * Sending is decided in one place: after every input raft_poll() looks at the role and at each peer
 * without a request in flight, and sends what is due. So a lost request or a slow peer needs no
 * handling of its own: when the request has failed, the peer is due again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "raft/raft_internal.h"

/* ---- Keys ------------------------------------------------------------------------------------ */

bool raft_key_matches(struct raft_key a, struct raft_key b) {
    return a.id == b.id && (uuid_is_zero(a.directory_id) || uuid_is_zero(b.directory_id) ||
                            uuid_equal(a.directory_id, b.directory_id));
}

bool raft_same_key(struct raft_key a, struct raft_key b) {
    return a.id == b.id && uuid_equal(a.directory_id, b.directory_id);
}

/* ---- Effects --------------------------------------------------------------------------------- */

struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind) {
    if (raft->effect_count == raft->effect_cap) {
        int cap = raft->effect_cap == 0 ? 16 : raft->effect_cap * 2;
        struct raft_effect *grown = xcalloc((size_t)cap, sizeof(*grown));
        for (int i = 0; i < raft->effect_count; i++) {
            grown[i] = raft->effects[(raft->effect_head + i) % raft->effect_cap];
        }
        free(raft->effects);
        raft->effects = grown;
        raft->effect_cap = cap;
        raft->effect_head = 0;
    }
    int at = (raft->effect_head + raft->effect_count++) % raft->effect_cap;
    struct raft_effect *effect = &raft->effects[at];
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    return effect;
}

bool raft_next_effect(struct raft *raft, struct raft_effect *out) {
    if (raft->effect_count == 0) {
        return false;
    }
    *out = raft->effects[raft->effect_head];
    raft->effect_head = (raft->effect_head + 1) % raft->effect_cap;
    raft->effect_count--;
    return true;
}

/* ---- Randomness (splitmix64, Steele et al. 2014) --------------------------------------------- */

uint64_t raft_random_below(struct raft *raft, uint64_t bound) {
    uint64_t z = raft->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return bound == 0 ? 0 : z % bound;
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static bool in_voters(const struct raft_voters *voters, struct raft_key key) {
    for (int i = 0; i < voters->count; i++) {
        if (raft_key_matches(voters->keys[i], key)) {
            return true;
        }
    }
    return false;
}

bool raft_is_voter(const struct raft *raft) {
    return in_voters(raft_log_voters(&raft->log), raft->config.self);
}

bool raft_may_stand(const struct raft *raft) {
    if (raft->installing) {
        return false;
    }
    const struct raft_voters *before = raft_log_voters_before(&raft->log);
    return raft->called || raft_is_voter(raft) ||
           (before != NULL && in_voters(before, raft->config.self));
}

struct peer *raft_peer(struct raft *raft, struct raft_key key) {
    for (int i = 0; i < raft->peer_count; i++) {
        if (raft_key_matches(raft->peers[i].key, key)) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

struct peer *raft_peer_of_request(struct raft *raft, uint64_t id) {
    for (int i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].request_id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

struct peer *raft_add_peer(struct raft *raft, struct raft_key key, bool voter) {
    if (raft->peer_count == raft->peer_cap) {
        raft->peer_cap = raft->peer_cap == 0 ? 8 : raft->peer_cap * 2;
        raft->peers = xrealloc(raft->peers, (size_t)raft->peer_cap * sizeof(*raft->peers));
    }
    struct peer *peer = &raft->peers[raft->peer_count++];
    *peer = (struct peer){.key = key,
                          .voter = voter,
                          .match_offset = -1,
                          .heard_ms = raft->now_ms,
                          .fetched_ms = -1,
                          .fetched_end = -1,
                          .caught_up_ms = -1,
                          .told_hw = -1};
    return peer;
}

/* Of those that are no voters: who still fetches. Only a leader has any. */
static bool is_observer(const struct raft *raft, const struct peer *peer) {
    return raft->role == RAFT_LEADER && peer->fetched_ms >= 0 &&
           raft->now_ms - peer->fetched_ms < OBSERVER_SESSION_MS;
}

void raft_voters_apply(struct raft *raft) {
    const struct raft_voters *voters = raft_log_voters(&raft->log);
    for (int i = 0; i < raft->peer_count; i++) {
        raft->peers[i].voter = false;
    }
    for (int i = 0; i < voters->count; i++) {
        struct raft_key key = voters->keys[i];
        if (raft_key_matches(key, raft->config.self)) {
            continue;
        }
        struct peer *peer = raft_peer(raft, key);
        if (peer == NULL) {
            peer = raft_add_peer(raft, key, true);
        }
        peer->key = key;
        peer->voter = true;
    }
    int kept = 0;
    for (int i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].voter || is_observer(raft, &raft->peers[i])) {
            raft->peers[kept++] = raft->peers[i];
        }
    }
    raft->peer_count = kept;
}

/* ---- Sending --------------------------------------------------------------------------------- */

void raft_send(struct raft *raft, struct peer *peer, const struct raft_request *request) {
    struct raft_effect *effect = raft_emit(raft, RAFT_SEND);
    effect->to = peer->key.id;
    effect->id = raft->next_id++;
    effect->request = *request;
    peer->request_id = effect->id;
}

static void send_vote(struct raft *raft, struct peer *peer) {
    bool pre_vote = raft->role == RAFT_PROSPECTIVE;
    struct raft_request request = {
        .kind = RAFT_VOTE,
        .vote = {.candidate = raft->config.self,
                 .voter = peer->key,
                 .epoch = raft->ballot.epoch,
                 .last = raft_log_last(&raft->log),
                 .pre_vote = pre_vote},
    };
    raft_send(raft, peer, &request);
}

static void send_begin_epoch(struct raft *raft, struct peer *peer) {
    struct raft_request request = {
        .kind = RAFT_BEGIN_EPOCH,
        .begin = {.voter = peer->key,
                  .leader_id = raft->config.self.id,
                  .epoch = raft->ballot.epoch},
    };
    raft_send(raft, peer, &request);
}

/* The successors, the one with the longest log first. */
static void send_end_epoch(struct raft *raft, struct peer *peer) {
    struct raft_request request = {
        .kind = RAFT_END_EPOCH,
        .end = {.leader_id = raft->config.self.id, .epoch = raft->ballot.epoch},
    };
    struct raft_end_epoch *end = &request.end;
    int64_t offsets[RAFT_VOTERS_MAX];
    for (int i = 0; i < raft->peer_count; i++) {
        const struct peer *other = &raft->peers[i];
        if (!other->voter) {
            continue;
        }
        int at = end->preferred_count++;
        while (at > 0 && offsets[at - 1] < other->match_offset) {
            offsets[at] = offsets[at - 1];
            end->preferred[at] = end->preferred[at - 1];
            at--;
        }
        offsets[at] = other->match_offset;
        end->preferred[at] = other->key;
    }
    raft_send(raft, peer, &request);
}

/* Who may know the leader: one of the voters that this log tells of, or a bootstrap server, since
 * the voters may all be others by now. */
static int32_t whom_to_ask(struct raft *raft) {
    int32_t ids[RAFT_VOTERS_MAX + 1];
    int count = 0;
    ids[count++] = -1;
    for (int i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        if (peer->voter && peer->key.id != raft->config.self.id) {
            ids[count++] = peer->key.id;
        }
    }
    return ids[raft_random_below(raft, (uint64_t)count)];
}

static void send_fetch(struct raft *raft) {
    int32_t to = raft->ballot.leader_id;
    if (to < 0 || to == raft->config.self.id || raft->astray) {
        to = whom_to_ask(raft);
    }
    struct raft_effect *effect = raft_emit(raft, RAFT_SEND);
    effect->to = to;
    effect->id = raft->next_id++;
    /* The first fetch does not wait: its answer says that the leader is there, and what is
     * committed. */
    effect->request = (struct raft_request){
        .kind = RAFT_FETCH,
        .fetch = {.replica = raft->config.self,
                  .epoch = raft->ballot.epoch,
                  .from = raft_log_last(&raft->log),
                  .max_wait_ms = raft->fetched ? raft->config.fetch_wait_ms : 0},
    };
    raft->fetch_id = effect->id;
    raft->fetch_to = to;
}

static bool fetches(const struct raft *raft) {
    return (raft->role == RAFT_FOLLOWER || raft->role == RAFT_UNATTACHED) && !raft->installing &&
           raft->log.synced_offset == raft->log.end_offset;
}

/* Whether the role has something to say to this voter, whenever. */
static bool has_message(const struct raft *raft, const struct peer *peer) {
    switch (raft->role) {
    case RAFT_PROSPECTIVE:
        return peer->answer != BALLOT_GRANTED;
    case RAFT_CANDIDATE:
        return peer->answer == BALLOT_OPEN;
    case RAFT_LEADER:
        return true;
    case RAFT_RESIGNED:
        return !peer->told;
    default:
        return false;
    }
}

static void send_message(struct raft *raft, struct peer *peer) {
    switch (raft->role) {
    case RAFT_PROSPECTIVE:
    case RAFT_CANDIDATE:
        send_vote(raft, peer);
        break;
    case RAFT_LEADER:
        send_begin_epoch(raft, peer);
        break;
    case RAFT_RESIGNED:
        send_end_epoch(raft, peer);
        break;
    default:
        UNREACHABLE();
    }
}

void raft_poll(struct raft *raft) {
    if (fetches(raft) && raft->fetch_id == 0 && raft->now_ms >= raft->fetch_at_ms) {
        send_fetch(raft);
    }
    for (int i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        if (peer->voter && peer->request_id == 0 && raft->now_ms >= peer->send_at_ms &&
            has_message(raft, peer)) {
            send_message(raft, peer);
        }
    }
}

int64_t raft_deadline_ms(const struct raft *raft) {
    int64_t deadline = raft->timer_ms;
    if (fetches(raft) && raft->fetch_id == 0 && raft->fetch_at_ms < deadline) {
        deadline = raft->fetch_at_ms;
    }
    for (int i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        if (peer->voter && peer->request_id == 0 && has_message(raft, peer) &&
            peer->send_at_ms < deadline) {
            deadline = peer->send_at_ms;
        }
    }
    for (int i = 0; i < raft->parked_count; i++) {
        if (raft->parked[i].deadline_ms < deadline) {
            deadline = raft->parked[i].deadline_ms;
        }
    }
    return deadline;
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

static void advance_time(struct raft *raft, int64_t now_ms) {
    ASSERT(now_ms >= raft->now_ms);
    raft->now_ms = now_ms;
}

void raft_tick(struct raft *raft, int64_t now_ms) {
    advance_time(raft, now_ms);
    if (raft->role == RAFT_LEADER) {
        raft_leader_tick(raft);
    }
    if (raft->role != RAFT_LEADER && raft->now_ms >= raft->timer_ms) {
        raft_election_tick(raft);
    }
    raft_poll(raft);
}

void raft_request(struct raft *raft, int64_t now_ms, uint64_t token,
                  const struct raft_request *request) {
    advance_time(raft, now_ms);
    switch (request->kind) {
    case RAFT_VOTE:
        raft_on_vote(raft, token, &request->vote);
        break;
    case RAFT_BEGIN_EPOCH:
        raft_on_begin_epoch(raft, token, &request->begin);
        break;
    case RAFT_END_EPOCH:
        raft_on_end_epoch(raft, token, &request->end);
        break;
    case RAFT_FETCH:
        raft_on_fetch(raft, token, &request->fetch);
        break;
    }
    raft_poll(raft);
}

/* When a voter that has answered is spoken to again; only leaders have more to say. */
static void peer_answered(struct raft *raft, struct peer *peer, const struct raft_reply *reply) {
    if (reply->kind == RAFT_VOTE) {
        raft_on_vote_reply(raft, peer, reply);
        return;
    }
    peer->send_at_ms = raft->now_ms + raft->config.fetch_timeout_ms / 2;
    peer->told = reply->kind == RAFT_END_EPOCH && reply->error == ERROR_NONE;
    raft_observe(raft, reply->epoch, reply->leader_id);
}

void raft_answer(struct raft *raft, int64_t now_ms, uint64_t id, const struct raft_reply *reply,
                 const struct raft_batch *batches, int batch_count) {
    advance_time(raft, now_ms);
    struct peer *peer = raft_peer_of_request(raft, id);
    if (raft->fetch_id == id && reply->kind == RAFT_FETCH) {
        raft->fetch_id = 0;
        raft_on_fetch_reply(raft, id, reply, batches, batch_count);
    } else if (peer != NULL && id != 0) {
        peer->request_id = 0;
        peer->gone = false;
        peer->send_at_ms = raft->now_ms + raft->config.retry_ms;
        peer_answered(raft, peer, reply);
    }
    raft_poll(raft);
}

void raft_request_failed(struct raft *raft, int64_t now_ms, uint64_t id, bool broken) {
    advance_time(raft, now_ms);
    struct peer *peer = raft_peer_of_request(raft, id);
    if (raft->fetch_id == id) {
        raft->fetch_id = 0;
        raft->fetch_at_ms = now_ms + raft->config.retry_ms;
        if (broken && raft->role == RAFT_FOLLOWER && raft->fetch_to == raft->ballot.leader_id) {
            raft_doubt_leader(raft);
        }
    } else if (peer != NULL && id != 0) {
        peer->request_id = 0;
        peer->send_at_ms = now_ms + raft->config.retry_ms;
        if (broken) {
            peer->gone = true;
            raft_on_vote_unreachable(raft, peer);
        }
    }
    raft_poll(raft);
}

void raft_synced(struct raft *raft, int64_t now_ms, uint64_t generation, int64_t end_offset) {
    advance_time(raft, now_ms);
    if (generation == raft->log.generation) {
        ASSERT(end_offset <= raft->log.end_offset);
        if (end_offset > raft->log.synced_offset) {
            raft->log.synced_offset = end_offset;
        }
        if (raft->role == RAFT_LEADER) {
            raft_leader_advance(raft);
        }
    }
    raft_poll(raft);
}

void raft_log_started(struct raft *raft, struct raft_position snapshot) {
    raft_log_cut_start(&raft->log, snapshot);
}

void raft_resign(struct raft *raft, int64_t now_ms) {
    advance_time(raft, now_ms);
    if (raft->role == RAFT_LEADER) {
        raft_become_resigned(raft);
    }
    raft_poll(raft);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct raft *raft_new(const struct raft_config *config, const struct raft_stored *stored,
                      int64_t now_ms) {
    struct raft *raft = NEW(struct raft);
    raft->config = *config;
    raft->ballot = stored->ballot;
    raft->random_state = config->seed;
    raft->next_id = 1;
    raft->now_ms = now_ms;
    raft->role = RAFT_UNATTACHED;
    raft_log_init(&raft->log, stored);
    raft_voters_apply(raft);
    raft_restore_role(raft);
    raft_poll(raft);
    return raft;
}

void raft_free(struct raft *raft) {
    if (raft == NULL) {
        return;
    }
    raft_log_release(&raft->log);
    free(raft->peers);
    free(raft->parked);
    free(raft->effects);
    free(raft);
}

/* ---- Questions ------------------------------------------------------------------------------- */

enum raft_role raft_role(const struct raft *raft) {
    return raft->role;
}

int32_t raft_epoch(const struct raft *raft) {
    return raft->ballot.epoch;
}

int32_t raft_leader_id(const struct raft *raft) {
    return raft->ballot.leader_id;
}

int64_t raft_end_offset(const struct raft *raft) {
    return raft->log.end_offset;
}

int64_t raft_high_watermark(const struct raft *raft) {
    return raft->log.high_watermark;
}

const struct raft_voters *raft_voters(const struct raft *raft) {
    return raft_log_voters(&raft->log);
}

bool raft_is_stranded(const struct raft *raft) {
    if (raft->role != RAFT_PROSPECTIVE && raft->role != RAFT_CANDIDATE &&
        raft->role != RAFT_LEADER && raft->role != RAFT_RESIGNED) {
        return false;
    }
    int left = raft_is_voter(raft);
    for (int i = 0; i < raft->peer_count; i++) {
        left += raft->peers[i].voter && !raft->peers[i].gone;
    }
    return left < raft_log_voters(&raft->log)->count / 2 + 1;
}

void raft_probe(struct raft *raft, int64_t now_ms) {
    advance_time(raft, now_ms);
    for (int i = 0; i < raft->peer_count && raft->role == RAFT_LEADER; i++) {
        raft->peers[i].send_at_ms = now_ms;
    }
    raft_poll(raft);
}

bool raft_replica_at(const struct raft *raft, int64_t now_ms, int i, struct raft_replica *out) {
    if (raft->role != RAFT_LEADER || i < 0 || i > raft->peer_count) {
        return false;
    }
    if (i == 0) {
        *out = (struct raft_replica){.key = raft->config.self,
                                     .voter = raft_is_voter(raft),
                                     .end_offset = raft->log.end_offset,
                                     .fetched_ms = now_ms,
                                     .caught_up_ms = now_ms};
        return true;
    }
    const struct peer *peer = &raft->peers[i - 1];
    *out = (struct raft_replica){.key = peer->key,
                                 .voter = peer->voter,
                                 .end_offset = peer->match_offset,
                                 .fetched_ms = peer->fetched_ms,
                                 .caught_up_ms = peer->caught_up_ms};
    return true;
}
