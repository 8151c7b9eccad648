/*
 * The leader: what followers fetch, what is committed, and whether a majority still listens.
 *
 * A fetch at an offset says that all before it is synced there; so the high watermark is the offset
 * that a majority of the voters has reached, this node by what it has synced itself. It moves only
 * into this leader's own epoch (Raft, figure 8): older records become committed with it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "raft/raft_internal.h"

/* A leader that no majority fetched from for so long resigns (KAFKA-15489). */
static int64_t check_quorum_ms(const struct raft *raft) {
    return raft->config.fetch_timeout_ms + raft->config.fetch_timeout_ms / 2;
}

static struct raft_append *emit_append(struct raft *raft, enum raft_append_kind kind,
                                       uint64_t token, int32_t count,
                                       const struct raft_voters *voters) {
    struct raft_effect *effect = raft_emit(raft, RAFT_APPEND);
    effect->id = token;
    effect->append = (struct raft_append){.kind = kind,
                                          .base_offset = raft->log.end_offset,
                                          .count = count,
                                          .epoch = raft->ballot.epoch,
                                          .generation = raft->log.generation};
    if (voters != NULL) {
        effect->append.voters = *voters;
    }
    raft_log_append(&raft->log, raft->ballot.epoch, count, voters);
    return &effect->append;
}

/* ---- Waiting fetches ------------------------------------------------------------------------- */

static void reply_fetch(struct raft *raft, uint64_t token, enum raft_fetch_kind kind,
                        struct raft_position position, int64_t end_offset) {
    struct raft_effect *effect = raft_emit_reply(raft, token, RAFT_FETCH, ERROR_NONE);
    effect->reply.fetch = kind;
    effect->reply.position = position;
    effect->reply.end_offset = end_offset;
    effect->reply.high_watermark = raft->leading_told ? raft->log.high_watermark : -1;
}

/* Answers with what is there from the fetch's position on, perhaps nothing. */
static void reply_records(struct raft *raft, uint64_t token, const struct raft_fetch *fetch) {
    struct peer *peer = raft_peer(raft, fetch->replica);
    if (peer != NULL) {
        peer->told_hw = raft->leading_told ? raft->log.high_watermark : -1;
    }
    reply_fetch(raft, token, RAFT_FETCH_RECORDS, fetch->from, raft->log.end_offset);
}

static bool has_news(struct raft *raft, const struct raft_fetch *fetch) {
    const struct peer *peer = raft_peer(raft, fetch->replica);
    return fetch->from.offset < raft->log.end_offset ||
           (peer != NULL && raft->leading_told && peer->told_hw < raft->log.high_watermark);
}

static void park(struct raft *raft, uint64_t token, const struct raft_fetch *fetch) {
    if (raft->parked_count == raft->parked_cap) {
        raft->parked_cap = raft->parked_cap == 0 ? 8 : raft->parked_cap * 2;
        raft->parked = xrealloc(raft->parked, (size_t)raft->parked_cap * sizeof(*raft->parked));
    }
    raft->parked[raft->parked_count++] = (struct parked){
        .token = token, .fetch = *fetch, .deadline_ms = raft->now_ms + fetch->max_wait_ms};
}

/* Answers the waiting fetches that need not wait any longer. */
static void answer_parked(struct raft *raft) {
    int kept = 0;
    for (int i = 0; i < raft->parked_count; i++) {
        struct parked waiting = raft->parked[i];
        if (waiting.deadline_ms <= raft->now_ms || has_news(raft, &waiting.fetch)) {
            reply_records(raft, waiting.token, &waiting.fetch);
        } else {
            raft->parked[kept++] = waiting;
        }
    }
    raft->parked_count = kept;
}

/* ---- The high watermark ---------------------------------------------------------------------- */

/* The highest value that a majority of the voters has reached. values: of the voters. */
static int64_t majority_value(int64_t *values, int count) {
    for (int i = 1; i < count; i++) { /* descending */
        int64_t value = values[i];
        int at = i;
        for (; at > 0 && values[at - 1] < value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
    return values[count / 2];
}

static void change_committed(struct raft *raft) {
    struct voters_change *change = &raft->change;
    if (!change->pending || raft->log.high_watermark <= change->offset) {
        return;
    }
    change->pending = false;
    struct raft_effect *effect = raft_emit(raft, RAFT_VOTERS_CHANGED);
    effect->id = change->token;
    effect->error = ERROR_NONE;
}

void raft_leader_advance(struct raft *raft) {
    int64_t values[RAFT_VOTERS_MAX];
    int count = 0;
    if (raft_is_voter(raft)) {
        values[count++] = raft->log.synced_offset;
    }
    for (int i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].voter) {
            values[count++] = raft->peers[i].match_offset;
        }
    }
    int64_t reached = majority_value(values, count);
    /* The first record of this epoch is committed before anything is, and everything with it. */
    if (reached > raft->epoch_start && reached > raft->log.high_watermark) {
        raft->log.high_watermark = reached;
        raft_emit(raft, RAFT_HIGH_WATERMARK)->offset = reached;
        if (!raft->leading_told) {
            raft->leading_told = true;
            raft_emit(raft, RAFT_LEADING)->epoch = raft->ballot.epoch;
        }
        change_committed(raft);
        if (!raft_is_voter(raft) && raft_log_voters_before(&raft->log) == NULL) {
            raft_become_resigned(raft); /* it was removed, and that is agreed on now */
        }
    }
    if (raft->role == RAFT_LEADER) {
        answer_parked(raft);
    }
}

/* ---- Fetches --------------------------------------------------------------------------------- */

static enum kafka_error check_fetch(const struct raft *raft, const struct raft_fetch *fetch) {
    if (fetch->max_wait_ms < 0 || fetch->from.offset < 0 || fetch->from.epoch < 0 ||
        fetch->from.epoch > fetch->epoch) {
        return ERROR_INVALID_REQUEST;
    }
    if (fetch->epoch < raft->ballot.epoch) {
        return ERROR_FENCED_LEADER_EPOCH;
    }
    if (fetch->epoch > raft->ballot.epoch) {
        return ERROR_UNKNOWN_LEADER_EPOCH;
    }
    return raft->role == RAFT_LEADER ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
}

/* The peer that fetches; observers are remembered, those that name themselves at least. */
static struct peer *fetching_peer(struct raft *raft, struct raft_key key) {
    struct peer *peer = raft_peer(raft, key);
    if (peer != NULL || key.id < 0 || raft_key_matches(key, raft->config.self)) {
        return peer;
    }
    struct peer *oldest = NULL;
    int observers = 0;
    for (int i = 0; i < raft->peer_count; i++) {
        if (!raft->peers[i].voter) {
            observers++;
            oldest = oldest == NULL || raft->peers[i].fetched_ms < oldest->fetched_ms
                         ? &raft->peers[i]
                         : oldest;
        }
    }
    if (observers >= OBSERVERS_MAX) {
        *oldest = raft->peers[--raft->peer_count]; /* any order will do */
    }
    return raft_add_peer(raft, key, false);
}

/* The begin of the log is only in the snapshot: who is there, or below, gets that first. */
static bool needs_snapshot(const struct raft *raft, struct raft_position from) {
    struct raft_position start = raft->log.start;
    if (start.offset == 0) {
        return false;
    }
    return from.offset < start.offset ||
           (from.offset == start.offset && from.epoch != start.epoch) || from.epoch < start.epoch;
}

/* It has all that there is, or all that there was when it fetched last. */
static void note_caught_up(const struct raft *raft, struct peer *peer, int64_t offset) {
    if (offset >= raft->log.end_offset) {
        peer->caught_up_ms = raft->now_ms;
    } else if (peer->fetched_end >= 0 && offset >= peer->fetched_end) {
        peer->caught_up_ms = peer->fetched_ms;
    }
    peer->fetched_end = raft->log.end_offset;
}

void raft_on_fetch(struct raft *raft, uint64_t token, const struct raft_fetch *fetch) {
    enum kafka_error error = check_fetch(raft, fetch);
    if (error != ERROR_NONE) {
        raft_emit_reply(raft, token, RAFT_FETCH, error);
        return;
    }
    struct peer *peer = fetching_peer(raft, fetch->replica);
    if (peer != NULL) {
        note_caught_up(raft, peer, fetch->from.offset);
        peer->gone = false;
        peer->heard_ms = raft->now_ms;
        peer->fetched_ms = raft->now_ms;
        /* It knows who leads: no need to tell it before it falls silent. */
        peer->send_at_ms = raft->now_ms + raft->config.fetch_timeout_ms / 2;
    }
    if (needs_snapshot(raft, fetch->from)) {
        reply_fetch(raft, token, RAFT_FETCH_SNAPSHOT, raft->log.start, 0);
        return;
    }
    struct raft_position end = raft_log_end_of_epoch(&raft->log, fetch->from.epoch);
    if (end.epoch != fetch->from.epoch || end.offset < fetch->from.offset) {
        reply_fetch(raft, token, RAFT_FETCH_DIVERGING, end, 0);
        return;
    }
    if (peer != NULL) {
        peer->match_offset = fetch->from.offset;
    }
    park(raft, token, fetch);
    raft_leader_advance(raft); /* answers it too, when there is something to say */
}

void raft_snapshot_fetched(struct raft *raft, int64_t now_ms, struct raft_key replica) {
    ASSERT(now_ms >= raft->now_ms);
    raft->now_ms = now_ms;
    struct peer *peer = raft->role == RAFT_LEADER ? raft_peer(raft, replica) : NULL;
    if (peer != NULL) {
        peer->heard_ms = now_ms;
    }
}

/* ---- Proposals ------------------------------------------------------------------------------- */

enum kafka_error raft_propose(struct raft *raft, int64_t now_ms, uint64_t token, int32_t count,
                              int64_t *base_offset) {
    ASSERT(now_ms >= raft->now_ms && count > 0);
    raft->now_ms = now_ms;
    if (raft->role != RAFT_LEADER) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    *base_offset = raft->log.end_offset;
    emit_append(raft, RAFT_APPEND_PROPOSAL, token, count, NULL);
    answer_parked(raft);
    raft_poll(raft);
    return ERROR_NONE;
}

/* ---- Voters ---------------------------------------------------------------------------------- */

/* How many keys of `a` are not in `b`; *missing is the last of them. */
static int keys_not_in(const struct raft_voters *a, const struct raft_voters *b,
                       struct raft_key *missing) {
    int count = 0;
    for (int i = 0; i < a->count; i++) {
        bool found = false;
        for (int j = 0; j < b->count; j++) {
            found = found || raft_same_key(a->keys[i], b->keys[j]);
        }
        if (!found) {
            *missing = a->keys[i];
            count++;
        }
    }
    return count;
}

/* All directory ids are known, perhaps only now; the node ids stay. */
static bool makes_known(const struct raft_voters *now, const struct raft_voters *voters) {
    if (voters->count != now->count) {
        return false;
    }
    for (int i = 0; i < now->count; i++) {
        bool found = false;
        for (int j = 0; j < voters->count; j++) {
            found = found || (now->keys[i].id == voters->keys[j].id &&
                              !uuid_is_zero(voters->keys[j].directory_id) &&
                              (raft_same_key(now->keys[i], voters->keys[j]) ||
                               uuid_is_zero(now->keys[i].directory_id)));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool ids_differ(const struct raft_voters *voters) {
    for (int i = 0; i < voters->count; i++) {
        for (int j = 0; j < i; j++) {
            if (voters->keys[i].id == voters->keys[j].id) {
                return false;
            }
        }
    }
    return true;
}

/* A voter that lacks much of the log would hold up everything that is to be committed. */
static enum kafka_error check_new_voter(struct raft *raft, struct raft_key key) {
    const struct raft_voters *voters = raft_log_voters(&raft->log);
    for (int i = 0; i < voters->count; i++) {
        if (voters->keys[i].id == key.id) {
            return ERROR_DUPLICATE_VOTER;
        }
    }
    const struct peer *peer = raft_peer(raft, key);
    return peer == NULL || peer->caught_up_ms < 0 ? ERROR_REQUEST_TIMED_OUT : ERROR_NONE;
}

static enum kafka_error check_voters(struct raft *raft, const struct raft_voters *voters) {
    const struct raft_voters *now = raft_log_voters(&raft->log);
    if (voters->count < 1 || voters->count > RAFT_VOTERS_MAX) {
        return ERROR_INVALID_REQUEST;
    }
    struct raft_key key;
    int removed = keys_not_in(now, voters, &key);
    int added = keys_not_in(voters, now, &key);
    if (added == 1 && removed == 0 && voters->count == now->count + 1) {
        return check_new_voter(raft, key);
    }
    bool allowed = (added == 0 && removed <= 1) || makes_known(now, voters); /* by one, or none */
    return allowed && ids_differ(voters) ? ERROR_NONE : ERROR_INVALID_REQUEST;
}

static enum kafka_error check_can_change(const struct raft *raft) {
    if (raft->role != RAFT_LEADER) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    return raft->leading_told && !raft->change.pending ? ERROR_NONE : ERROR_REQUEST_TIMED_OUT;
}

enum kafka_error raft_change_voters(struct raft *raft, int64_t now_ms, uint64_t token,
                                    const struct raft_voters *voters) {
    ASSERT(now_ms >= raft->now_ms);
    raft->now_ms = now_ms;
    enum kafka_error error = check_can_change(raft);
    if (error == ERROR_NONE) {
        error = check_voters(raft, voters);
    }
    if (error != ERROR_NONE) {
        return error;
    }
    struct raft_key key;
    const struct raft_voters *now = raft_log_voters(&raft->log);
    bool known_now = voters->count == now->count && keys_not_in(voters, now, &key) > 0;
    raft->change =
        (struct voters_change){.pending = true, .token = token, .offset = raft->log.end_offset};
    emit_append(raft, RAFT_APPEND_VOTERS, token, known_now ? 2 : 1, voters);
    raft_voters_apply(raft);
    raft_leader_advance(raft);
    raft_poll(raft);
    return ERROR_NONE;
}

enum kafka_error raft_add_voter(struct raft *raft, int64_t now_ms, uint64_t token,
                                struct raft_key key) {
    struct raft_voters voters = *raft_log_voters(&raft->log);
    if (raft->role == RAFT_LEADER && voters.count == RAFT_VOTERS_MAX) {
        return ERROR_INVALID_REQUEST;
    }
    if (voters.count < RAFT_VOTERS_MAX) {
        voters.keys[voters.count++] = key;
    }
    return raft_change_voters(raft, now_ms, token, &voters);
}

enum kafka_error raft_remove_voter(struct raft *raft, int64_t now_ms, uint64_t token,
                                   struct raft_key key) {
    enum kafka_error error = check_can_change(raft);
    if (error != ERROR_NONE) {
        return error;
    }
    struct raft_voters voters = *raft_log_voters(&raft->log);
    int at = 0;
    while (at < voters.count && !raft_same_key(voters.keys[at], key)) {
        at++;
    }
    if (at == voters.count) {
        return ERROR_VOTER_NOT_FOUND;
    }
    voters.keys[at] = voters.keys[--voters.count];
    return raft_change_voters(raft, now_ms, token, &voters);
}

/* ---- Begin, time and end --------------------------------------------------------------------- */

void raft_leader_begin(struct raft *raft) {
    for (int i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        peer->request_id = 0;
        peer->send_at_ms = raft->now_ms;
        peer->match_offset = -1;
        peer->heard_ms = raft->now_ms;
        peer->fetched_ms = -1;
        peer->fetched_end = -1;
        peer->caught_up_ms = -1;
        peer->told_hw = -1;
    }
    raft->leading_told = false;
    raft->epoch_start = raft->log.end_offset;
    raft->timer_ms = raft->now_ms + check_quorum_ms(raft);
    const struct raft_log *log = &raft->log;
    bool announce = raft->config.voter_records && log->voters_count == 1 && log->start.offset == 0;
    struct raft_voters voters = *raft_log_voters(log);
    emit_append(raft, RAFT_APPEND_LEADER_CHANGE, 0, announce ? 3 : 1, announce ? &voters : NULL);
    raft_leader_advance(raft);
}

/* When the majority that listens would be too long ago. */
static int64_t quorum_lost_at(const struct raft *raft) {
    int64_t values[RAFT_VOTERS_MAX];
    int count = 0;
    if (raft_is_voter(raft)) {
        values[count++] = raft->now_ms;
    }
    for (int i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].voter) {
            values[count++] = raft->peers[i].heard_ms;
        }
    }
    return majority_value(values, count) + check_quorum_ms(raft);
}

void raft_leader_tick(struct raft *raft) {
    int64_t lost_at = quorum_lost_at(raft);
    if (lost_at <= raft->now_ms) {
        raft_become_resigned(raft);
        return;
    }
    raft->timer_ms = lost_at;
    raft_voters_apply(raft); /* observers that do not fetch any more are forgotten */
    answer_parked(raft);
}

void raft_leader_end(struct raft *raft) {
    for (int i = 0; i < raft->parked_count; i++) {
        raft_emit_reply(raft, raft->parked[i].token, RAFT_FETCH, ERROR_NOT_LEADER_OR_FOLLOWER);
    }
    raft->parked_count = 0;
    if (raft->change.pending) {
        raft->change.pending = false;
        struct raft_effect *effect = raft_emit(raft, RAFT_VOTERS_CHANGED);
        effect->id = raft->change.token;
        effect->error = ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    raft_emit(raft, RAFT_LOST);
}
