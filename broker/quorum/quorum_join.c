/*
 * What a controller asks of the leader about itself: to become a voter (auto-join), and to be told
 * as a voter with the endpoints that it has now.
 *
 * Looked at now and then, one request at a time; what comes of it is seen in the voter set.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/config/config.h"
#include "broker/quorum/quorum_internal.h"
#include "protocol/generated/add_raft_voter_request.h"
#include "protocol/generated/add_raft_voter_response.h"
#include "protocol/generated/remove_raft_voter_request.h"
#include "protocol/generated/remove_raft_voter_response.h"
#include "protocol/generated/update_raft_voter_request.h"
#include "protocol/generated/update_raft_voter_response.h"
#include "protocol/message.h"
#include "runtime/log.h"

enum { KEY_ADD_VOTER = 80, KEY_REMOVE_VOTER = 81, KEY_UPDATE_VOTER = 82 };

static struct slice cluster_id(const struct quorum *quorum) {
    return quorum->cluster_id[0] == '\0' ? SLICE_NULL : slice_str(quorum->cluster_id);
}

static const void *build_add(struct peer_call *call, int16_t version) {
    struct quorum_join *join = CONTAINER_OF(call, struct quorum_join, call);
    const struct voter *self = &join->quorum->self;
    struct add_raft_voter_request *request = ARENA_NEW(&join->arena, struct add_raft_voter_request);
    message_init(&add_raft_voter_request_desc, request);
    request->cluster_id = cluster_id(join->quorum);
    request->timeout_ms = (int32_t)call->timeout_ms;
    request->voter_id = self->key.id;
    request->voter_directory_id = self->key.directory_id;
    QUORUM_PUT_ENDPOINTS(&join->arena, self, request->listeners, request->listeners_count);
    request->ack_when_committed = version < 1;
    return request;
}

static const void *build_remove(struct peer_call *call, int16_t version) {
    struct quorum_join *join = CONTAINER_OF(call, struct quorum_join, call);
    (void)version;
    struct remove_raft_voter_request *request =
        ARENA_NEW(&join->arena, struct remove_raft_voter_request);
    message_init(&remove_raft_voter_request_desc, request);
    request->cluster_id = cluster_id(join->quorum);
    request->voter_id = join->old.id;
    request->voter_directory_id = join->old.directory_id;
    return request;
}

static const void *build_update(struct peer_call *call, int16_t version) {
    struct quorum_join *join = CONTAINER_OF(call, struct quorum_join, call);
    const struct voter *self = &join->quorum->self;
    (void)version;
    struct update_raft_voter_request *request =
        ARENA_NEW(&join->arena, struct update_raft_voter_request);
    message_init(&update_raft_voter_request_desc, request);
    request->cluster_id = cluster_id(join->quorum);
    request->current_leader_epoch = raft_epoch(join->quorum->raft);
    request->voter_id = self->key.id;
    request->voter_directory_id = self->key.directory_id;
    request->kraft_version_feature.min_supported_version = self->kraft_version_min;
    request->kraft_version_feature.max_supported_version = self->kraft_version_max;
    QUORUM_PUT_ENDPOINTS(&join->arena, self, request->listeners, request->listeners_count);
    return request;
}

static int16_t error_of(const struct peer_call *call, const void *response) {
    switch (call->api_key) {
    case KEY_ADD_VOTER:
        return ((const struct add_raft_voter_response *)response)->error_code;
    case KEY_REMOVE_VOTER:
        return ((const struct remove_raft_voter_response *)response)->error_code;
    default:
        return ((const struct update_raft_voter_response *)response)->error_code;
    }
}

static void on_answer(struct peer_call *call, const struct peer_answer *answer) {
    struct quorum_join *join = CONTAINER_OF(call, struct quorum_join, call);
    join->calling = false;
    arena_reset(&join->arena);
    if (answer->result != 0) {
        return; /* asked again */
    }
    int16_t error = error_of(call, answer->response);
    if (call->api_key == KEY_UPDATE_VOTER &&
        (error == ERROR_NONE || error == ERROR_UNSUPPORTED_VERSION)) {
        join->done_epoch = join->asked_epoch;
    }
    const char *what = call->api_key == KEY_ADD_VOTER      ? "added as a voter"
                       : call->api_key == KEY_REMOVE_VOTER ? "removed as the voter it was"
                                                           : "told where it is reached";
    LOG_INFO(join->quorum->machine, "quorum", what, "error=%s", error_name(error));
}

static void ask(struct quorum_join *join, int16_t key, int16_t version_max,
                const void *(*build)(struct peer_call *call, int16_t version)) {
    struct quorum *quorum = join->quorum;
    struct peer *peer = quorum_quick_peer(quorum, raft_leader_id(quorum->raft));
    if (peer == NULL) {
        return;
    }
    join->call = (struct peer_call){
        .api_key = key,
        .version_max = version_max,
        .timeout_ms = config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
        .build = build,
        .fn = on_answer,
    };
    join->calling = true;
    join->asked_epoch = raft_epoch(quorum->raft);
    peer_call(peer, &join->call);
}

/* Whether the record says what this node is. */
static bool same_voter(const struct voter *a, const struct voter *b) {
    bool same = a->endpoint_count == b->endpoint_count &&
                a->kraft_version_min == b->kraft_version_min &&
                a->kraft_version_max == b->kraft_version_max;
    for (int i = 0; i < a->endpoint_count && same; i++) {
        const struct metadata_endpoint *other = voter_endpoint(b, a->endpoints[i].name);
        same = other != NULL && slice_equal(other->name, a->endpoints[i].name) &&
               slice_equal(other->host, a->endpoints[i].host) &&
               other->port == a->endpoints[i].port;
    }
    return same;
}

static void on_updated(struct quorum_change *change, enum kafka_error error) {
    struct quorum_join *join = CONTAINER_OF(change, struct quorum_join, change);
    join->changing = false;
    LOG_INFO(join->quorum->machine, "quorum", "told where it is reached", "error=%s",
             error_name((int16_t)error));
}

static void look(struct quorum_join *join) {
    struct quorum *quorum = join->quorum;
    const struct voter_set *voters = voter_history_last(&quorum->voters);
    bool controller = quorum->self.endpoint_count > 0;
    if (join->calling || join->changing || !quorum->caught_up || !controller ||
        voters->count == 0) {
        return;
    }
    int at = voter_set_find(voters, quorum->self.key.id);
    bool member = at >= 0 && raft_key_matches(voters->voters[at].key, quorum->self.key);
    bool leads = raft_role(quorum->raft) == RAFT_LEADER;
    bool joins = config_bool(quorum->config, CONFIG_CONTROLLER_QUORUM_AUTO_JOIN_ENABLE);
    if (voters->kraft_version == 0) {
        /* Leaders keep it only in memory: each one is told. */
        bool tells = member && raft_role(quorum->raft) == RAFT_FOLLOWER &&
                     join->done_epoch != raft_epoch(quorum->raft) &&
                     !uuid_is_zero(quorum->self.key.directory_id);
        if (tells) {
            ask(join, KEY_UPDATE_VOTER, 0, build_update);
        }
        return;
    }
    if (member && same_voter(&quorum->self, &voters->voters[at])) {
        return;
    }
    if (member && leads) {
        join->changing = true;
        quorum_update_voter(quorum, &join->change, &quorum->self, on_updated);
    } else if (raft_role(quorum->raft) != RAFT_FOLLOWER) {
        return;
    } else if (member) {
        ask(join, KEY_UPDATE_VOTER, 0, build_update);
    } else if (joins && at >= 0) {
        join->old = voters->voters[at].key;
        ask(join, KEY_REMOVE_VOTER, 0, build_remove);
    } else if (joins) {
        ask(join, KEY_ADD_VOTER, 1, build_add);
    }
}

static void on_timer(struct timer *timer) {
    struct quorum_join *join = CONTAINER_OF(timer, struct quorum_join, timer);
    look(join);
    timer_start(&join->timer, join->period_ms);
}

void quorum_join_start(struct quorum *quorum) {
    struct quorum_join *join = &quorum->join;
    join->quorum = quorum;
    arena_init(&join->arena, SIZE_MAX);
    timer_init(&join->timer, quorum->shard, on_timer);
    if (quorum->node_shard == NULL || config_is_alone(quorum->config) ||
        !config_is_controller(quorum->config)) {
        return; /* there is nobody to ask, or nothing to tell */
    }
    join->started = true;
    join->period_ms = config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS) / 2 + 1;
    timer_start(&join->timer, join->period_ms);
}

void quorum_join_stop(struct quorum *quorum) {
    struct quorum_join *join = &quorum->join;
    if (join->started) {
        timer_stop(&join->timer);
        peer_cancel(&join->call);
    }
}

void quorum_join_free(struct quorum *quorum) {
    arena_release(&quorum->join.arena);
}
