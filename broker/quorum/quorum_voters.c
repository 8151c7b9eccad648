/*
 * Changes of the voters.
 *
 * One at a time. A new voter is asked what it knows (ApiVersions) before it is written into the log
 * (KIP-853); meanwhile other changes are refused as those behind an uncommitted one are. What is
 * not committed in the time of a request is answered with REQUEST_TIMED_OUT, and may be committed
 * later.
 *
 * With kraft.version 0 the voters are those of the configuration and do not change. Each tells each
 * new leader once who it is (directory id, endpoints, what it knows), which the leader only
 * remembers: when it was told by all, kraft.version can go up, and what was told becomes the first
 * voter set of the log.
 */
#include <stdlib.h>

#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "broker/quorum/quorum_internal.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/message.h"
#include "runtime/log.h"

enum { KEY_API_VERSIONS = 18, API_VERSIONS_MAX = 4 };

/* ---- The end of a change --------------------------------------------------------------------- */

static void end(struct quorum_change *change, enum kafka_error error, const char *reason) {
    list_remove(&change->link);
    change->reason = error == ERROR_NONE ? NULL : reason;
    change->fn(change, error);
}

static int64_t request_ms(const struct quorum *quorum) {
    return config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS);
}

static void arm(struct quorum *quorum) {
    int64_t due_ms = INT64_MAX;
    LIST_FOREACH(it, &quorum->changes) {
        const struct quorum_change *change = CONTAINER_OF(it, struct quorum_change, link);
        due_ms = change->deadline_ms < due_ms ? change->deadline_ms : due_ms;
    }
    if (due_ms < INT64_MAX) {
        int64_t now_ms = quorum_now_ms(quorum);
        timer_start(&quorum->change_timer, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

static void on_change_timer(struct timer *timer) {
    struct quorum *quorum = CONTAINER_OF(timer, struct quorum, change_timer);
    int64_t now_ms = quorum_now_ms(quorum);
    LIST_FOREACH_SAFE(it, &quorum->changes) {
        struct quorum_change *change = CONTAINER_OF(it, struct quorum_change, link);
        if (change->deadline_ms <= now_ms) {
            end(change, ERROR_REQUEST_TIMED_OUT, "The voter change is not committed yet");
        }
    }
    arm(quorum);
}

void quorum_voters_init(struct quorum *quorum) {
    list_init(&quorum->changes);
    timer_init(&quorum->change_timer, quorum->shard, on_change_timer);
    arena_init(&quorum->addition.arena, SIZE_MAX);
}

void quorum_voters_stop(struct quorum *quorum) {
    struct voter_addition *addition = &quorum->addition;
    timer_stop(&quorum->change_timer);
    peer_cancel(&addition->call);
    addition->change = NULL;
    if (addition->peer != NULL) {
        peer_close(addition->peer);
    }
    while (!list_empty(&quorum->changes)) {
        end(LIST_FIRST(&quorum->changes, struct quorum_change, link), ERROR_BROKER_NOT_AVAILABLE,
            NULL);
    }
}

void quorum_voters_free(struct quorum *quorum) {
    struct voter_addition *addition = &quorum->addition;
    voter_set_free(quorum->change_set);
    voter_set_free(quorum->told);
    voter_set_free(addition->voter);
    arena_release(&addition->arena);
    if (addition->peer != NULL) {
        peer_free(addition->peer);
    }
}

/* ---- Changes --------------------------------------------------------------------------------- */

/* The set becomes the one that consensus is asked for; it is written with RAFT_APPEND_VOTERS. */
static void change_voters(struct quorum *quorum, struct quorum_change *change,
                          struct voter_set *set) {
    struct raft_voters keys;
    voter_set_keys(set, &keys);
    struct voter_set *before = quorum->change_set;
    quorum->change_set = set;
    change->token = quorum->next_token++;
    change->deadline_ms = quorum_now_ms(quorum) + request_ms(quorum);
    list_append(&quorum->changes, &change->link);
    enum kafka_error error =
        raft_change_voters(quorum->raft, quorum_now_ms(quorum), change->token, &keys);
    if (error != ERROR_NONE) {
        quorum->change_set = before;
        voter_set_free(set);
        end(change, error,
            error == ERROR_REQUEST_TIMED_OUT
                ? "An earlier voter change is not committed yet, or the new voter lags behind"
                : NULL);
        return;
    }
    voter_set_free(before);
    arm(quorum);
    quorum_run(quorum);
}

static enum kafka_error check_leads(const struct quorum *quorum, const char **reason) {
    if (quorum->raft == NULL || quorum->failed || quorum->closed != NULL) {
        return ERROR_BROKER_NOT_AVAILABLE;
    }
    if (raft_role(quorum->raft) != RAFT_LEADER) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    if (!quorum->leading) {
        *reason = "The leader has not committed anything in its epoch yet";
        return ERROR_REQUEST_TIMED_OUT;
    }
    return ERROR_NONE;
}

/* Whether voters can be changed at all; otherwise the change has ended. */
static bool changeable(struct quorum *quorum, struct quorum_change *change) {
    const char *reason = NULL;
    enum kafka_error error = check_leads(quorum, &reason);
    if (error == ERROR_NONE && quorum->addition.change != NULL) {
        error = ERROR_REQUEST_TIMED_OUT;
        reason = "An earlier voter change is under way";
    } else if (error == ERROR_NONE && voter_history_kraft_version(&quorum->voters) < 1) {
        error = ERROR_UNSUPPORTED_VERSION;
        reason = "The voters cannot be changed while kraft.version is 0";
    }
    if (error != ERROR_NONE) {
        end(change, error, reason);
    }
    return error == ERROR_NONE;
}

static void init(struct quorum_change *change, bool early,
                 void (*fn)(struct quorum_change *change, enum kafka_error error)) {
    change->fn = fn;
    change->early = early;
    change->token = 0;
    list_init(&change->link);
}

static bool begin(struct quorum *quorum, struct quorum_change *change, bool early,
                  void (*fn)(struct quorum_change *change, enum kafka_error error)) {
    init(change, early, fn);
    return changeable(quorum, change);
}

static struct voter_set *copy_of_voters(const struct quorum *quorum) {
    return voter_set_copy(voter_history_last(&quorum->voters));
}

/* The index of this very voter; -1: the change has ended. */
static int find_voter(const struct voter_set *set, struct quorum_change *change,
                      struct raft_key key) {
    int at = voter_set_find(set, key.id);
    if (at < 0 || !uuid_equal(set->voters[at].key.directory_id, key.directory_id)) {
        end(change, ERROR_VOTER_NOT_FOUND, NULL);
        return -1;
    }
    return at;
}

void quorum_remove_voter(struct quorum *quorum, struct quorum_change *change, struct raft_key key,
                         void (*fn)(struct quorum_change *change, enum kafka_error error)) {
    if (!begin(quorum, change, false, fn)) {
        return;
    }
    int at = find_voter(voter_history_last(&quorum->voters), change, key);
    if (at >= 0) {
        struct voter_set *set = copy_of_voters(quorum);
        voter_set_remove(set, at);
        change_voters(quorum, change, set);
    }
}

/* ---- From voters of the configuration to voters in the log ----------------------------------- */

/* What this leader was told in its epoch; voters that were silent have no directory id. */
static struct voter_set *told_voters(struct quorum *quorum) {
    int32_t epoch = raft_epoch(quorum->raft);
    if (quorum->told == NULL || quorum->told_in_epoch != epoch) {
        voter_set_free(quorum->told);
        quorum->told = copy_of_voters(quorum);
        quorum->told_in_epoch = epoch;
    }
    return quorum->told;
}

static void take_told(struct quorum *quorum, struct quorum_change *change,
                      const struct voter *voter) {
    const char *reason = NULL;
    enum kafka_error error = check_leads(quorum, &reason);
    if (error == ERROR_NONE) {
        struct voter_set *told = told_voters(quorum);
        int at = voter_set_find(told, voter->key.id);
        error = at < 0 ? ERROR_VOTER_NOT_FOUND : ERROR_NONE;
        if (at >= 0) {
            voter_set_replace(told, at, voter);
        }
    }
    end(change, error, reason);
}

const char *quorum_upgrade_refusal(struct quorum *quorum) {
    const char *reason = "This node does not lead the quorum";
    if (check_leads(quorum, &reason) != ERROR_NONE) {
        return reason;
    }
    const struct voter_set *told = told_voters(quorum);
    for (int i = 0; i < told->count; i++) {
        int32_t id = told->voters[i].key.id;
        const struct voter *voter = id == quorum->self.key.id ? &quorum->self : &told->voters[i];
        if (uuid_is_zero(voter->key.directory_id) || voter->kraft_version_max < 1) {
            return "kraft.version cannot go up: not all voters have said that they support it";
        }
    }
    return NULL;
}

enum kafka_error quorum_upgrade(struct quorum *quorum) {
    ASSERT(voter_history_kraft_version(&quorum->voters) == 0);
    struct voter_set *set = voter_set_copy(told_voters(quorum));
    int at = voter_set_find(set, quorum->self.key.id);
    if (at >= 0) {
        voter_set_replace(set, at, &quorum->self);
    }
    set->kraft_version = 1;
    struct raft_voters keys;
    voter_set_keys(set, &keys);
    voter_set_free(quorum->change_set);
    quorum->change_set = set;
    enum kafka_error error =
        raft_change_voters(quorum->raft, quorum_now_ms(quorum), quorum->next_token++, &keys);
    if (error != ERROR_NONE) {
        voter_set_free(set);
        quorum->change_set = NULL;
        return error;
    }
    LOG_INFO(quorum->machine, "quorum", "kraft.version goes up", "voters=%d", keys.count);
    quorum_run(quorum);
    return quorum->failed ? ERROR_UNKNOWN_SERVER_ERROR : ERROR_NONE;
}

/* ---- This voter with other endpoints --------------------------------------------------------- */

void quorum_update_voter(struct quorum *quorum, struct quorum_change *change,
                         const struct voter *voter,
                         void (*fn)(struct quorum_change *change, enum kafka_error error)) {
    if (voter_history_kraft_version(&quorum->voters) < 1) {
        init(change, true, fn);
        take_told(quorum, change, voter);
        return;
    }
    if (!begin(quorum, change, true, fn)) {
        return;
    }
    int at = find_voter(voter_history_last(&quorum->voters), change, voter->key);
    if (at >= 0) {
        struct voter_set *set = copy_of_voters(quorum);
        voter_set_replace(set, at, voter);
        change_voters(quorum, change, set);
    }
}

/* ---- A new voter ----------------------------------------------------------------------------- */

static const void *build_api_versions(struct peer_call *call, int16_t version) {
    struct voter_addition *addition = CONTAINER_OF(call, struct voter_addition, call);
    struct api_versions_request *request = ARENA_NEW(&addition->arena, struct api_versions_request);
    message_init(&api_versions_request_desc, request);
    if (version >= 3) {
        request->client_software_name = SLICE_LIT("barnabas");
        request->client_software_version = SLICE_LIT(BARNABAS_VERSION);
    }
    return request;
}

/* The levels of kraft.version that the new voter knows; nothing of it: 0 only. */
static void take_range(const struct api_versions_response *response, struct voter *voter) {
    voter->kraft_version_min = 0;
    voter->kraft_version_max = 0;
    for (int32_t i = 0; i < response->supported_features_count; i++) {
        if (slice_equal_str(response->supported_features[i].name, FEATURE_KRAFT_VERSION)) {
            voter->kraft_version_min = response->supported_features[i].min_version;
            voter->kraft_version_max = response->supported_features[i].max_version;
        }
    }
}

static void on_versions(struct peer_call *call, const struct peer_answer *answer) {
    struct voter_addition *addition = CONTAINER_OF(call, struct voter_addition, call);
    struct quorum *quorum = addition->quorum;
    struct quorum_change *change = addition->change;
    const struct api_versions_response *response = answer->response;
    struct voter *voter = &addition->voter->voters[0];
    addition->change = NULL;
    arena_reset(&addition->arena);
    list_remove(&change->link);
    if (!changeable(quorum, change)) {
        return;
    }
    if (answer->result != 0 || response->error_code != ERROR_NONE) {
        end(change, ERROR_REQUEST_TIMED_OUT, "The new voter does not answer ApiVersions");
        return;
    }
    take_range(response, voter);
    int16_t version = voter_history_kraft_version(&quorum->voters);
    if (voter->kraft_version_min > version || voter->kraft_version_max < version) {
        end(change, ERROR_INVALID_REQUEST,
            "The new voter does not support the finalized kraft.version");
        return;
    }
    struct voter_set *set = copy_of_voters(quorum);
    voter_set_add(set, voter);
    change_voters(quorum, change, set);
}

static void ask_new_voter(struct quorum *quorum, struct quorum_change *change,
                          const struct voter *voter, const char *host, int port) {
    struct voter_addition *addition = &quorum->addition;
    addition->quorum = quorum;
    addition->change = change;
    voter_set_free(addition->voter);
    addition->voter = voter_set_new();
    voter_set_add(addition->voter, voter);
    if (addition->peer == NULL) {
        addition->peer = quorum_new_peer(quorum, host, port);
    } else {
        peer_set_address(addition->peer, host, port);
    }
    addition->call = (struct peer_call){
        .api_key = KEY_API_VERSIONS,
        .version_max = API_VERSIONS_MAX,
        .timeout_ms = request_ms(quorum),
        .build = build_api_versions,
        .fn = on_versions,
    };
    change->deadline_ms = INT64_MAX; /* the call ends it */
    list_append(&quorum->changes, &change->link);
    peer_call(addition->peer, &addition->call);
}

void quorum_add_voter(struct quorum *quorum, struct quorum_change *change,
                      const struct voter *voter, bool committed,
                      void (*fn)(struct quorum_change *change, enum kafka_error error)) {
    if (!begin(quorum, change, !committed, fn)) {
        return;
    }
    const struct voter_set *now = voter_history_last(&quorum->voters);
    if (voter_set_find(now, voter->key.id) >= 0) {
        end(change, ERROR_DUPLICATE_VOTER, NULL);
        return;
    }
    const struct metadata_endpoint *endpoint = voter_endpoint(voter, quorum_listener_name(quorum));
    if (now->count == RAFT_VOTERS_MAX || endpoint == NULL || endpoint->host.len == 0 ||
        endpoint->host.len >= HOST_SIZE || endpoint->port == 0) {
        end(change, ERROR_INVALID_REQUEST, NULL);
        return;
    }
    if (quorum->node_shard == NULL) {
        end(change, ERROR_REQUEST_TIMED_OUT, "This node talks to no other");
        return;
    }
    char *host = slice_to_cstr(endpoint->host);
    ask_new_voter(quorum, change, voter, host, endpoint->port);
    free(host);
}

/* ---- What a log says ------------------------------------------------------------------------- */

bool quorum_note_voters(struct quorum *quorum, int64_t offset, struct metadata_control *control) {
    struct voter_set *set = metadata_control_take_voters(control);
    if (set == NULL && control->has_kraft_version) {
        set = voter_set_copy(voter_history_last(&quorum->voters));
    }
    if (set == NULL) {
        return false;
    }
    if (control->has_kraft_version) {
        set->kraft_version = control->kraft_version;
    }
    voter_history_add(&quorum->voters, offset, set);
    return true;
}

/* ---- What consensus says of it --------------------------------------------------------------- */

/* Ends the change; with `early` only one that need not wait for more than the append. */
static void end_change(struct quorum *quorum, uint64_t token, bool early, enum kafka_error error) {
    LIST_FOREACH_SAFE(it, &quorum->changes) {
        struct quorum_change *change = CONTAINER_OF(it, struct quorum_change, link);
        if (change->token == token && (!early || change->early)) {
            end(change, error, NULL);
            return;
        }
    }
}

void quorum_voters_appended(struct quorum *quorum, uint64_t token) {
    end_change(quorum, token, true, ERROR_NONE);
}

void quorum_voters_changed(struct quorum *quorum, uint64_t token, enum kafka_error error) {
    end_change(quorum, token, false, error);
}
