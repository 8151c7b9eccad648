/*
 * Roles and how they change: votes, pre-votes, epochs begun and ended by others.
 *
 * Two rules carry the safety: a ballot (epoch, vote, leader) is persisted before anything that
 * follows from it leaves the node, and a vote is given to one candidate an epoch whose log is not
 * behind ours. Pre-vote keeps a node that was cut off from raising the epoch: it asks first, and
 * followers that hear their leader say no.
 */
#include <string.h>

#include "raft/raft_internal.h"

static void set_ballot(struct raft *raft, int32_t epoch, int32_t leader_id, struct raft_key voted) {
    struct raft_ballot *ballot = &raft->ballot;
    if (ballot->epoch == epoch && ballot->leader_id == leader_id && ballot->voted.id == voted.id &&
        uuid_equal(ballot->voted.directory_id, voted.directory_id)) {
        return;
    }
    ASSERT(epoch >= ballot->epoch);
    *ballot = (struct raft_ballot){.epoch = epoch, .leader_id = leader_id, .voted = voted};
    raft_emit(raft, RAFT_PERSIST)->ballot = *ballot;
}

static int64_t random_election_timeout(struct raft *raft) {
    int64_t timeout = raft->config.election_timeout_ms;
    return timeout + (int64_t)raft_random_below(raft, (uint64_t)timeout);
}

static int64_t random_first_election(struct raft *raft) {
    int64_t spread = FIRST_ELECTION_MAX_MS - FIRST_ELECTION_MIN_MS;
    return FIRST_ELECTION_MIN_MS + (int64_t)raft_random_below(raft, (uint64_t)spread);
}

/* Before a leader that seems gone is stood against. */
static int64_t random_grace(struct raft *raft) {
    int64_t most = raft->config.fetch_timeout_ms;
    int64_t least = (int64_t)GRACE_MS << raft->doubt_round;
    if (least < most) {
        raft->doubt_round++;
    }
    int64_t grace = least + (int64_t)raft_random_below(raft, (uint64_t)least * 2);
    return grace < most ? grace : most;
}

/* Leaves the old role. A fetch in flight is given up, it may hang at a leader that is gone; other
 * requests stay in flight: their answers are of the old epoch or harmless. */
static void set_role(struct raft *raft, enum raft_role role) {
    bool led = raft->role == RAFT_LEADER && role != RAFT_LEADER;
    raft->role = role;
    raft->fetched = false;
    raft->astray = false;
    raft->called = raft->called && (role == RAFT_PROSPECTIVE || role == RAFT_CANDIDATE);
    raft->fetch_id = 0;
    if (led) {
        raft_leader_end(raft);
    }
    if (role != RAFT_LEADER) {
        raft_voters_apply(raft); /* the log may have others now; a leader's observers go */
    }
}

/* ---- Transitions ----------------------------------------------------------------------------- */

void raft_become_unattached(struct raft *raft, int32_t epoch, struct raft_key voted) {
    set_ballot(raft, epoch, -1, voted);
    set_role(raft, RAFT_UNATTACHED);
    raft->timer_ms = raft->now_ms + random_election_timeout(raft);
    raft->fetch_at_ms = raft->now_ms;
}

void raft_become_follower(struct raft *raft, int32_t epoch, int32_t leader_id) {
    ASSERT(leader_id != raft->config.self.id);
    struct raft_key voted = epoch == raft->ballot.epoch ? raft->ballot.voted : RAFT_KEY_NONE;
    if (epoch != raft->ballot.epoch || leader_id != raft->ballot.leader_id) {
        raft->doubted = false;
        raft->doubt_round = 0;
    }
    set_ballot(raft, epoch, leader_id, voted);
    set_role(raft, RAFT_FOLLOWER);
    raft->backoff_round = 0;
    int64_t wait = raft->doubted ? random_grace(raft) : raft->config.fetch_timeout_ms;
    raft->timer_ms = raft->now_ms + wait;
    raft->fetch_at_ms = raft->now_ms;
}

void raft_doubt_leader(struct raft *raft) {
    raft->fetched = false; /* it is not heard any more: others may be elected */
    if (raft->doubted) {
        return; /* the timer runs already */
    }
    raft->doubted = true;
    int64_t stands_at = raft->now_ms + random_grace(raft);
    raft->timer_ms = stands_at < raft->timer_ms ? stands_at : raft->timer_ms;
}

void raft_become_resigned(struct raft *raft) {
    set_role(raft, RAFT_RESIGNED);
    for (int i = 0; i < raft->peer_count; i++) {
        raft->peers[i].told = false;
        raft->peers[i].request_id = 0; /* what it was asked as a leader does not matter any more */
        raft->peers[i].send_at_ms = raft->now_ms;
    }
    raft->timer_ms = raft->now_ms + random_election_timeout(raft);
}

static void open_ballots(struct raft *raft) {
    raft->ballots_lost = false;
    for (int i = 0; i < raft->peer_count; i++) {
        raft->peers[i].answer = BALLOT_OPEN;
        raft->peers[i].unreachable = false;
        raft->peers[i].request_id = 0; /* an answer to an old question is none to this one */
        raft->peers[i].send_at_ms = raft->now_ms;
    }
    raft->timer_ms = raft->now_ms + random_election_timeout(raft);
}

static void count_ballots(struct raft *raft);

void raft_become_prospective(struct raft *raft) {
    ASSERT(raft_may_stand(raft));
    set_role(raft, RAFT_PROSPECTIVE);
    open_ballots(raft);
    count_ballots(raft);
}

static void become_candidate(struct raft *raft) {
    if (raft->ballot.epoch == INT32_MAX) {
        raft_emit(raft, RAFT_FATAL)->epoch = raft->ballot.epoch;
        return;
    }
    set_ballot(raft, raft->ballot.epoch + 1, -1, raft->config.self);
    set_role(raft, RAFT_CANDIDATE);
    open_ballots(raft);
    count_ballots(raft);
}

static void become_leader(struct raft *raft) {
    set_ballot(raft, raft->ballot.epoch, raft->config.self.id, raft->ballot.voted);
    set_role(raft, RAFT_LEADER);
    raft->backoff_round = 0;
    raft_leader_begin(raft);
}

/* Nobody waits for a prospective: it returns to the leader it had, or waits for another time. */
static void election_lost(struct raft *raft) {
    const struct raft_ballot *ballot = &raft->ballot;
    if (raft->role == RAFT_PROSPECTIVE && ballot->leader_id >= 0 &&
        ballot->leader_id != raft->config.self.id) {
        raft_become_follower(raft, ballot->epoch, ballot->leader_id);
        return;
    }
    int round = raft->backoff_round < 8 ? raft->backoff_round++ : 8;
    int64_t most = raft->config.retry_ms << round;
    most = most < raft->config.backoff_max_ms ? most : raft->config.backoff_max_ms;
    if (raft->role == RAFT_PROSPECTIVE) {
        raft_become_unattached(raft, ballot->epoch, ballot->voted);
    }
    raft->ballots_lost = true;
    raft->timer_ms = raft->now_ms + 1 + (int64_t)raft_random_below(raft, (uint64_t)most);
}

/* ---- Votes that come back -------------------------------------------------------------------- */

/* An election is lost when those that could still grant are too few. Who is unreachable counts
 * among the others once somebody has rejected: nobody waits for the dead when two candidates have
 * split the votes of the living. Without a rejection it is waited for, it may be about to start. */
static void count_ballots(struct raft *raft) {
    int voters = raft_log_voters(&raft->log)->count;
    int granted = raft_is_voter(raft);
    int rejected = 0;
    int unreachable = 0;
    for (int i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        granted += peer->voter && peer->answer == BALLOT_GRANTED;
        rejected += peer->voter && peer->answer == BALLOT_REJECTED;
        unreachable += peer->voter && peer->answer == BALLOT_OPEN && peer->unreachable;
    }
    rejected += rejected > 0 ? unreachable : 0;
    int majority = voters / 2 + 1;
    if (granted >= majority) {
        if (raft->role == RAFT_PROSPECTIVE) {
            become_candidate(raft);
        } else {
            become_leader(raft);
        }
    } else if (rejected > voters - majority && !raft->ballots_lost) {
        election_lost(raft);
    }
}

static void lose_patience(struct raft *raft) {
    int64_t most = raft->config.election_timeout_ms;
    int64_t wait = (int64_t)CANDIDATE_MS << raft->backoff_round;
    wait = wait < most ? wait : most;
    int64_t ends_at = raft->now_ms + wait + (int64_t)raft_random_below(raft, (uint64_t)wait);
    raft->timer_ms = ends_at < raft->timer_ms ? ends_at : raft->timer_ms;
}

void raft_on_vote_reply(struct raft *raft, struct peer *peer, const struct raft_reply *reply) {
    int32_t epoch = raft->ballot.epoch;
    raft_observe(raft, reply->epoch, reply->leader_id);
    bool asks = raft->role == RAFT_PROSPECTIVE || raft->role == RAFT_CANDIDATE;
    if (!asks || raft->ballot.epoch != epoch) {
        return;
    }
    if (raft->role == RAFT_PROSPECTIVE && reply->error == ERROR_UNSUPPORTED_VERSION) {
        become_candidate(raft); /* a voter that does not know pre-votes: it decides the real one */
        return;
    }
    if (reply->error != ERROR_NONE) {
        return; /* asked again in a while */
    }
    peer->answer = reply->granted ? BALLOT_GRANTED : BALLOT_REJECTED;
    peer->send_at_ms =
        raft->now_ms + PRE_VOTE_AGAIN_MS + (int64_t)raft_random_below(raft, PRE_VOTE_AGAIN_MS);
    count_ballots(raft);
    if (raft->role == RAFT_CANDIDATE && !reply->granted && !raft->ballots_lost) {
        lose_patience(raft);
    }
}

void raft_on_vote_unreachable(struct raft *raft, struct peer *peer) {
    if (raft->role == RAFT_PROSPECTIVE || raft->role == RAFT_CANDIDATE) {
        peer->unreachable = true;
        count_ballots(raft);
    }
}

/* ---- Votes that are asked for ---------------------------------------------------------------- */

struct raft_effect *raft_emit_reply(struct raft *raft, uint64_t token, enum raft_message kind,
                                    enum kafka_error error) {
    struct raft_effect *effect = raft_emit(raft, RAFT_REPLY);
    effect->id = token;
    effect->reply = (struct raft_reply){.kind = kind,
                                        .error = error,
                                        .leader_id = raft->ballot.leader_id,
                                        .epoch = raft->ballot.epoch,
                                        .high_watermark = -1};
    return effect;
}

static bool log_not_behind(const struct raft *raft, struct raft_position last) {
    struct raft_position ours = raft_log_last(&raft->log);
    return last.epoch > ours.epoch || (last.epoch == ours.epoch && last.offset >= ours.offset);
}

static bool grants_pre_vote(const struct raft *raft, const struct raft_vote *vote) {
    if (raft->role == RAFT_LEADER || (raft->role == RAFT_FOLLOWER && raft->fetched)) {
        return false;
    }
    return log_not_behind(raft, vote->last);
}

static bool grants_vote(const struct raft *raft, const struct raft_vote *vote) {
    if (raft->role != RAFT_UNATTACHED && raft->role != RAFT_PROSPECTIVE) {
        return false;
    }
    if (raft->ballot.voted.id >= 0) {
        return raft_key_matches(raft->ballot.voted, vote->candidate);
    }
    return raft->ballot.leader_id < 0 && log_not_behind(raft, vote->last);
}

static void stand_soon(struct raft *raft) {
    int64_t stands_at = raft->now_ms + random_first_election(raft);
    raft->timer_ms = stands_at < raft->timer_ms ? stands_at : raft->timer_ms;
}

/*
 * A refusal because our log is ahead. Who asks cannot be elected by this node, the other way round
 * it may. That holds for an observer too when it is asked as the very replica that it is: in the
 * voter set of who asks its vote may be the one that is missing, and its log the only one that can
 * win (README.md, "An observer that is called").
 */
static void refused_shorter_log(struct raft *raft, struct raft_key asked) {
    bool astray = raft->role == RAFT_FOLLOWER && raft->astray;
    bool leaderless = astray || raft->role == RAFT_RESIGNED ||
                      (raft->role == RAFT_UNATTACHED && raft->ballot.voted.id < 0);
    if (!leaderless) {
        return;
    }
    bool known = !uuid_is_zero(asked.directory_id);
    raft->called = raft->called || (known && raft_same_key(asked, raft->config.self));
    if (raft->called || !astray) {
        stand_soon(raft);
    }
}

static enum kafka_error check_vote(const struct raft *raft, const struct raft_vote *vote) {
    int32_t epoch_most = vote->pre_vote ? vote->epoch : vote->epoch - 1;
    if (vote->epoch < 0 || vote->last.offset < 0 || vote->last.epoch < 0 ||
        vote->last.epoch > epoch_most || vote->candidate.id < 0) {
        return ERROR_INVALID_REQUEST;
    }
    if (vote->epoch < raft->ballot.epoch) {
        return ERROR_FENCED_LEADER_EPOCH;
    }
    return ERROR_NONE;
}

void raft_on_vote(struct raft *raft, uint64_t token, const struct raft_vote *vote) {
    enum kafka_error error = check_vote(raft, vote);
    if (error != ERROR_NONE) {
        raft_emit_reply(raft, token, RAFT_VOTE, error);
        return;
    }
    if (vote->epoch > raft->ballot.epoch) {
        raft_become_unattached(raft, vote->epoch, RAFT_KEY_NONE);
    }
    if (vote->voter.id >= 0 && !raft_key_matches(vote->voter, raft->config.self)) {
        raft_emit_reply(raft, token, RAFT_VOTE, ERROR_INVALID_VOTER_KEY);
        return;
    }
    bool granted = vote->pre_vote ? grants_pre_vote(raft, vote) : grants_vote(raft, vote);
    if (granted && !vote->pre_vote &&
        (raft->ballot.voted.id < 0 || raft->role == RAFT_PROSPECTIVE)) {
        raft_become_unattached(raft, vote->epoch, vote->candidate);
    }
    raft_emit_reply(raft, token, RAFT_VOTE, ERROR_NONE)->reply.granted = granted;
    if (!log_not_behind(raft, vote->last)) {
        refused_shorter_log(raft, vote->voter);
    }
}

/* ---- Epochs that others begin and end -------------------------------------------------------- */

void raft_observe(struct raft *raft, int32_t epoch, int32_t leader_id) {
    if (epoch < raft->ballot.epoch || leader_id == raft->config.self.id) {
        return; /* old news; about this node itself nobody knows better */
    }
    if (epoch > raft->ballot.epoch) {
        if (leader_id >= 0) {
            raft_become_follower(raft, epoch, leader_id);
        } else {
            raft_become_unattached(raft, epoch, RAFT_KEY_NONE);
        }
    } else if (leader_id >= 0 && raft->ballot.leader_id < 0) {
        raft_become_follower(raft, epoch, leader_id);
    }
}

void raft_on_begin_epoch(struct raft *raft, uint64_t token, const struct raft_begin_epoch *begin) {
    enum kafka_error error = ERROR_NONE;
    if (begin->leader_id < 0 || begin->epoch < 0) {
        error = ERROR_INVALID_REQUEST;
    } else if (begin->epoch < raft->ballot.epoch) {
        error = ERROR_FENCED_LEADER_EPOCH;
    } else {
        raft_observe(raft, begin->epoch, begin->leader_id);
        if (raft->role == RAFT_PROSPECTIVE && begin->leader_id == raft->ballot.leader_id) {
            raft_become_follower(raft, begin->epoch, begin->leader_id); /* it is alive */
        }
        if (begin->voter.id >= 0 && !raft_key_matches(begin->voter, raft->config.self)) {
            error = ERROR_INVALID_VOTER_KEY;
        }
    }
    raft_emit_reply(raft, token, RAFT_BEGIN_EPOCH, error);
}

/* How long a follower waits before it stands: the first in the list not at all. */
static int64_t succession_delay(struct raft *raft, const struct raft_end_epoch *end) {
    int place = end->preferred_count;
    for (int i = 0; i < end->preferred_count; i++) {
        if (raft_key_matches(end->preferred[i], raft->config.self)) {
            place = i;
            break;
        }
    }
    if (place == 0) {
        return 0;
    }
    int64_t most = raft->config.retry_ms << (place < 8 ? place : 8);
    most = most < raft->config.backoff_max_ms ? most : raft->config.backoff_max_ms;
    return most / 2 + (int64_t)raft_random_below(raft, (uint64_t)(most / 2 + 1));
}

void raft_on_end_epoch(struct raft *raft, uint64_t token, const struct raft_end_epoch *end) {
    if (end->leader_id < 0 || end->epoch < 0 || end->preferred_count < 0 ||
        end->preferred_count > RAFT_VOTERS_MAX) {
        raft_emit_reply(raft, token, RAFT_END_EPOCH, ERROR_INVALID_REQUEST);
        return;
    }
    if (end->epoch < raft->ballot.epoch) {
        raft_emit_reply(raft, token, RAFT_END_EPOCH, ERROR_FENCED_LEADER_EPOCH);
        return;
    }
    raft_observe(raft, end->epoch, end->leader_id);
    raft_emit_reply(raft, token, RAFT_END_EPOCH, ERROR_NONE);
    if (raft->role == RAFT_FOLLOWER && raft->ballot.leader_id == end->leader_id &&
        raft_may_stand(raft)) {
        raft->fetched = false; /* it hears this leader no more: others may be elected */
        raft->doubted = true;
        raft->timer_ms = raft->now_ms + succession_delay(raft, end);
        if (raft->timer_ms == raft->now_ms) {
            raft_election_tick(raft);
        }
    }
}

/* ---- Start and time
 * ------------------------------------------------------------------------------------ */

/* The log is newer than the ballot when the ballot's file was lost or is older. */
void raft_restore_role(struct raft *raft) {
    const struct raft_ballot *ballot = &raft->ballot;
    int32_t last_epoch = raft_log_last(&raft->log).epoch;
    if (last_epoch > ballot->epoch) {
        raft_become_unattached(raft, last_epoch, RAFT_KEY_NONE);
        raft->timer_ms = raft->now_ms + random_first_election(raft);
    } else if (ballot->leader_id == raft->config.self.id) {
        /* It led, others may think that it does, and are told. They stand first. */
        raft->role = RAFT_RESIGNED;
        raft->timer_ms = raft->now_ms + FIRST_ELECTION_MAX_MS + random_first_election(raft);
    } else if (ballot->leader_id >= 0) {
        raft->doubted = true;
        raft_become_follower(raft, ballot->epoch, ballot->leader_id);
    } else {
        raft_become_unattached(raft, ballot->epoch, ballot->voted);
        raft->timer_ms = raft->now_ms + random_first_election(raft);
    }
    if (raft_is_voter(raft) && raft_log_voters(&raft->log)->count == 1) {
        raft_become_prospective(raft); /* nobody else to wait for */
    }
}

/* An observer lost its leader. It keeps it in its ballot: a node that forgot who leads an epoch
 * might vote in it. */
static void go_astray(struct raft *raft) {
    raft_voters_apply(raft); /* the log may have others now */
    raft->fetched = false;
    raft->fetch_id = 0;
    raft->astray = true;
    raft->timer_ms = raft->now_ms + raft->config.fetch_timeout_ms;
    raft->fetch_at_ms = raft->now_ms;
}

void raft_election_tick(struct raft *raft) {
    bool stands = raft_may_stand(raft);
    switch (raft->role) {
    case RAFT_UNATTACHED:
    case RAFT_FOLLOWER:
        if (stands) {
            raft->doubted = true; /* if it is refused, it does not wait as long once more */
            raft_become_prospective(raft);
        } else if (raft->role == RAFT_FOLLOWER) {
            go_astray(raft);
        } else {
            raft->timer_ms = raft->now_ms + random_election_timeout(raft);
        }
        break;
    case RAFT_PROSPECTIVE:
        election_lost(raft);
        break;
    case RAFT_CANDIDATE:
        raft->backoff_round += raft->backoff_round < 8;
        if (stands) {
            raft_become_prospective(raft);
        } else {
            raft_become_unattached(raft, raft->ballot.epoch, raft->ballot.voted);
        }
        break;
    case RAFT_RESIGNED:
        if (raft->ballot.epoch < INT32_MAX) {
            raft_become_unattached(raft, raft->ballot.epoch + 1, RAFT_KEY_NONE);
            raft->timer_ms = raft->now_ms + random_first_election(raft);
        }
        break;
    case RAFT_LEADER:
        UNREACHABLE();
    }
}
