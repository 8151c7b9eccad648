/*
 * Requests of consensus to other nodes, and their answers.
 *
 * A node has two connections to each other one: a fetch waits at the leader, and what is asked
 * behind it on the same connection would wait too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/quorum/quorum_internal.h"
#include "protocol/generated/begin_quorum_epoch_request.h"
#include "protocol/generated/begin_quorum_epoch_response.h"
#include "protocol/generated/end_quorum_epoch_request.h"
#include "protocol/generated/end_quorum_epoch_response.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/vote_request.h"
#include "protocol/generated/vote_response.h"
#include "protocol/message.h"
#include "runtime/file.h"
#include "runtime/log.h"

enum { KEY_FETCH = 1, KEY_VOTE = 52, KEY_BEGIN_EPOCH = 53, KEY_END_EPOCH = 54 };

/* The longest answer: a batch of the most bytes, and as much as a fetch asks for. */
#define RESPONSE_MAX ((size_t)32 << 20)
#define TOPIC_NAME   SLICE_LIT("__cluster_metadata")

/* ---- Addresses ------------------------------------------------------------------------------- */

static int learned(const struct quorum *quorum, int32_t id) {
    for (int i = 0; i < quorum->learned_count; i++) {
        if (quorum->learned[i].id == id) {
            return i;
        }
    }
    return -1;
}

void quorum_learn_address(struct quorum *quorum, int32_t id, struct slice host, int port) {
    if (id < 0 || id == quorum->self.key.id || host.len == 0 || host.len >= HOST_SIZE ||
        port <= 0 || memchr(host.data, '\0', host.len) != NULL) {
        return;
    }
    int at = learned(quorum, id);
    if (at < 0) {
        at = quorum->learned_count < RAFT_VOTERS_MAX ? quorum->learned_count++ : 0;
    }
    struct learned_address *address = &quorum->learned[at];
    if (address->id == id && address->port == port && slice_equal_str(host, address->host)) {
        return;
    }
    free(address->host);
    *address = (struct learned_address){.id = id, .host = slice_to_cstr(host), .port = port};
}

void quorum_forget_learned(struct quorum *quorum) {
    while (quorum->learned_count > 0) {
        free(quorum->learned[--quorum->learned_count].host);
        quorum->learned[quorum->learned_count].host = NULL;
    }
}

struct slice quorum_listener_name(const struct quorum *quorum) {
    if (quorum->self.endpoint_count > 0) {
        return quorum->self.endpoints[0].name;
    }
    struct slice names = config_string(quorum->config, CONFIG_CONTROLLER_LISTENER_NAMES);
    const uint8_t *comma = names.len == 0 ? NULL : memchr(names.data, ',', names.len);
    return comma == NULL ? names : slice_make(names.data, (size_t)(comma - names.data));
}

bool quorum_address(const struct quorum *quorum, int32_t id, const char **host, int *port) {
    int known = learned(quorum, id);
    if (known >= 0) {
        *host = quorum->learned[known].host;
        *port = quorum->learned[known].port;
        return true;
    }
    const struct metadata_endpoint *endpoint = NULL;
    if (id == quorum->self.key.id) {
        endpoint = voter_endpoint(&quorum->self, quorum_listener_name(quorum));
    } else {
        const struct voter_set *voters = voter_history_last(&quorum->voters);
        int at = voter_set_find(voters, id);
        if (at >= 0) {
            endpoint = voter_endpoint(&voters->voters[at], quorum_listener_name(quorum));
        }
    }
    if (endpoint == NULL) {
        return false;
    }
    if (endpoint->host.len >= HOST_SIZE) {
        return false;
    }
    memcpy(quorum->host, endpoint->host.data, endpoint->host.len);
    quorum->host[endpoint->host.len] = '\0';
    *host = quorum->host;
    *port = endpoint->port;
    return true;
}

bool quorum_node_address(const struct quorum *quorum, int32_t id, const char **host, int *port) {
    return id >= 0 && quorum->voters.count > 0 && quorum_address(quorum, id, host, port);
}

/* ---- Connections ----------------------------------------------------------------------------- */

struct peer *quorum_new_peer(struct quorum *quorum, const char *host, int port) {
    const struct config *config = quorum->config;
    struct peer_options options = {
        .shard = quorum->node_shard,
        .name = "quorum",
        .host = host,
        .port = port,
        .response_max = RESPONSE_MAX,
        .connect_timeout_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
        .backoff_ms = config_int(config, CONFIG_CONTROLLER_QUORUM_RETRY_BACKOFF_MS),
        .backoff_max_ms = 250,
        .counts = &quorum->counts.peers,
    };
    return peer_new(&options);
}

static struct quorum_peer *find_peer(struct quorum *quorum, int32_t id, int server) {
    LIST_FOREACH(it, &quorum->peers) {
        struct quorum_peer *peer = CONTAINER_OF(it, struct quorum_peer, link);
        if (peer->id == id && peer->server == server) {
            return peer;
        }
    }
    return NULL;
}

static struct quorum_peer *peer_at(struct quorum *quorum, int32_t id, int server, const char *host,
                                   int port) {
    struct quorum_peer *peer = find_peer(quorum, id, server);
    if (peer == NULL) {
        peer = NEW(struct quorum_peer);
        peer->id = id;
        peer->server = server;
        peer->wait = quorum_new_peer(quorum, host, port);
        peer->quick = quorum_new_peer(quorum, host, port);
        list_append(&quorum->peers, &peer->link);
    } else {
        peer_set_address(peer->wait, host, port);
        peer_set_address(peer->quick, host, port);
    }
    return peer;
}

/* The node, or for -1 the next bootstrap server. NULL: nobody knows where. */
static struct quorum_peer *peer_of(struct quorum *quorum, int32_t to) {
    const char *host;
    int port;
    if (quorum->node_shard == NULL) {
        return NULL;
    }
    if (to >= 0) {
        return quorum_address(quorum, to, &host, &port) ? peer_at(quorum, to, 0, host, port) : NULL;
    }
    int servers = config_bootstrap_server_count(quorum->config);
    int voters = config_voter_count(quorum->config);
    if (servers + voters == 0) {
        return NULL;
    }
    int next = quorum->next_server++ % (servers + voters);
    const struct config_address *address = next < servers
                                               ? config_bootstrap_server_at(quorum->config, next)
                                               : config_voter_at(quorum->config, next - servers);
    return peer_at(quorum, -1, next, address->host, address->port);
}

struct peer *quorum_wait_peer(struct quorum *quorum, int32_t id) {
    struct quorum_peer *peer = peer_of(quorum, id);
    return peer == NULL ? NULL : peer->wait;
}

struct peer *quorum_quick_peer(struct quorum *quorum, int32_t id) {
    struct quorum_peer *peer = id < 0 ? NULL : peer_of(quorum, id);
    return peer == NULL ? NULL : peer->quick;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static struct slice cluster_id(const struct quorum *quorum) {
    return quorum->cluster_id[0] == '\0' ? SLICE_NULL : slice_str(quorum->cluster_id);
}

static const void *build_vote(struct peer_call *peer_call, int16_t version) {
    struct quorum_call *call = CONTAINER_OF(peer_call, struct quorum_call, call);
    const struct raft_vote *vote = &call->request.vote;
    (void)version;
    struct vote_request *request = ARENA_NEW(&call->arena, struct vote_request);
    message_init(&vote_request_desc, request);
    request->cluster_id = cluster_id(call->quorum);
    request->voter_id = vote->voter.id;
    request->topics_count = 1;
    request->topics = ARENA_NEW(&call->arena, struct vote_request_topic_data);
    request->topics->topic_name = TOPIC_NAME;
    request->topics->partitions_count = 1;
    request->topics->partitions = ARENA_NEW(&call->arena, struct vote_request_partition_data);
    *request->topics->partitions = (struct vote_request_partition_data){
        .replica_epoch = vote->epoch,
        .replica_id = vote->candidate.id,
        .replica_directory_id = vote->candidate.directory_id,
        .voter_directory_id = vote->voter.directory_id,
        .last_offset_epoch = vote->last.epoch,
        .last_offset = vote->last.offset,
        .pre_vote = vote->pre_vote,
    };
    return request;
}

static const void *build_begin_epoch(struct peer_call *peer_call, int16_t version) {
    struct quorum_call *call = CONTAINER_OF(peer_call, struct quorum_call, call);
    const struct quorum *quorum = call->quorum;
    const struct raft_begin_epoch *begin = &call->request.begin;
    (void)version;
    struct begin_quorum_epoch_request *request =
        ARENA_NEW(&call->arena, struct begin_quorum_epoch_request);
    message_init(&begin_quorum_epoch_request_desc, request);
    request->cluster_id = cluster_id(quorum);
    request->voter_id = begin->voter.id;
    request->topics_count = 1;
    request->topics = ARENA_NEW(&call->arena, struct begin_quorum_epoch_request_topic_data);
    request->topics->topic_name = TOPIC_NAME;
    request->topics->partitions_count = 1;
    request->topics->partitions =
        ARENA_NEW(&call->arena, struct begin_quorum_epoch_request_partition_data);
    *request->topics->partitions = (struct begin_quorum_epoch_request_partition_data){
        .voter_directory_id = begin->voter.directory_id,
        .leader_id = begin->leader_id,
        .leader_epoch = begin->epoch,
    };
    QUORUM_PUT_ENDPOINTS(&call->arena, &quorum->self, request->leader_endpoints,
                         request->leader_endpoints_count);
    return request;
}

static const void *build_end_epoch(struct peer_call *peer_call, int16_t version) {
    struct quorum_call *call = CONTAINER_OF(peer_call, struct quorum_call, call);
    const struct quorum *quorum = call->quorum;
    const struct raft_end_epoch *end = &call->request.end;
    (void)version;
    size_t candidates = (size_t)end->preferred_count;
    struct end_quorum_epoch_request *request =
        ARENA_NEW(&call->arena, struct end_quorum_epoch_request);
    message_init(&end_quorum_epoch_request_desc, request);
    request->cluster_id = cluster_id(quorum);
    request->topics_count = 1;
    request->topics = ARENA_NEW(&call->arena, struct end_quorum_epoch_request_topic_data);
    request->topics->topic_name = TOPIC_NAME;
    request->topics->partitions_count = 1;
    struct end_quorum_epoch_request_partition_data *partition =
        ARENA_NEW(&call->arena, struct end_quorum_epoch_request_partition_data);
    request->topics->partitions = partition;
    partition->leader_id = end->leader_id;
    partition->leader_epoch = end->epoch;
    partition->preferred_successors_count = end->preferred_count;
    partition->preferred_successors = arena_array(&call->arena, candidates, sizeof(int32_t));
    partition->preferred_candidates_count = end->preferred_count;
    partition->preferred_candidates =
        arena_array(&call->arena, candidates, sizeof(*partition->preferred_candidates));
    for (size_t i = 0; i < candidates; i++) {
        partition->preferred_successors[i] = end->preferred[i].id;
        partition->preferred_candidates[i] = (struct end_quorum_epoch_request_replica_info){
            .candidate_id = end->preferred[i].id,
            .candidate_directory_id = end->preferred[i].directory_id};
    }
    QUORUM_PUT_ENDPOINTS(&call->arena, &quorum->self, request->leader_endpoints,
                         request->leader_endpoints_count);
    return request;
}

static const void *build_fetch(struct peer_call *peer_call, int16_t version) {
    struct quorum_call *call = CONTAINER_OF(peer_call, struct quorum_call, call);
    const struct quorum *quorum = call->quorum;
    const struct raft_fetch *fetch = &call->request.fetch;
    int32_t bytes = (int32_t)config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_FETCH_MAX_BYTES);
    struct fetch_request *request = ARENA_NEW(&call->arena, struct fetch_request);
    message_init(&fetch_request_desc, request);
    request->cluster_id = cluster_id(quorum);
    if (version < 15) {
        request->replica_id = fetch->replica.id;
    } else {
        request->replica_state.replica_id = fetch->replica.id;
    }
    request->max_wait_ms = (int32_t)fetch->max_wait_ms;
    request->max_bytes = bytes;
    request->topics_count = 1;
    request->topics = ARENA_NEW(&call->arena, struct fetch_request_topic);
    request->topics->topic = TOPIC_NAME;
    request->topics->topic_id = METADATA_TOPIC_ID;
    request->topics->partitions_count = 1;
    request->topics->partitions = ARENA_NEW(&call->arena, struct fetch_request_partition);
    *request->topics->partitions = (struct fetch_request_partition){
        .current_leader_epoch = fetch->epoch,
        .fetch_offset = fetch->from.offset,
        .last_fetched_epoch = fetch->from.epoch,
        .log_start_offset = -1,
        .partition_max_bytes = bytes,
        .replica_directory_id = fetch->replica.directory_id,
        .high_watermark = quorum->high_watermark,
    };
    return request;
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* The addresses behind an answer: of the leader only. */
#define LEARN_FROM(quorum, response, leader)                                                       \
    for (int32_t i = 0; i < (response)->node_endpoints_count; i++) {                               \
        if ((response)->node_endpoints[i].node_id == (leader)) {                                   \
            quorum_learn_address((quorum), (leader), (response)->node_endpoints[i].host,           \
                                 (response)->node_endpoints[i].port);                              \
        }                                                                                          \
    }

#define HAS_PARTITION(response)                                                                    \
    ((response)->topics_count > 0 && (response)->topics->partitions_count > 0)

static bool read_vote(struct quorum *quorum, const struct vote_response *response,
                      struct raft_reply *reply) {
    if (response->error_code != ERROR_NONE || !HAS_PARTITION(response)) {
        reply->error = (enum kafka_error)response->error_code;
        return response->error_code != ERROR_NONE;
    }
    const struct vote_response_partition_data *partition = response->topics->partitions;
    reply->error = (enum kafka_error)partition->error_code;
    reply->leader_id = partition->leader_id;
    reply->epoch = partition->leader_epoch;
    reply->granted = partition->vote_granted;
    LEARN_FROM(quorum, response, reply->leader_id)
    return true;
}

static bool read_begin_epoch(struct quorum *quorum,
                             const struct begin_quorum_epoch_response *response,
                             struct raft_reply *reply) {
    if (response->error_code != ERROR_NONE || !HAS_PARTITION(response)) {
        reply->error = (enum kafka_error)response->error_code;
        return response->error_code != ERROR_NONE;
    }
    reply->error = (enum kafka_error)response->topics->partitions->error_code;
    reply->leader_id = response->topics->partitions->leader_id;
    reply->epoch = response->topics->partitions->leader_epoch;
    LEARN_FROM(quorum, response, reply->leader_id)
    return true;
}

static bool read_end_epoch(struct quorum *quorum, const struct end_quorum_epoch_response *response,
                           struct raft_reply *reply) {
    if (response->error_code != ERROR_NONE || !HAS_PARTITION(response)) {
        reply->error = (enum kafka_error)response->error_code;
        return response->error_code != ERROR_NONE;
    }
    reply->error = (enum kafka_error)response->topics->partitions->error_code;
    reply->leader_id = response->topics->partitions->leader_id;
    reply->epoch = response->topics->partitions->leader_epoch;
    LEARN_FROM(quorum, response, reply->leader_id)
    return true;
}

/* The log is cut between batches, wherever in one of ours a leader says that it parts from ours. */
static int64_t batch_boundary(struct quorum *quorum, int64_t offset) {
    struct log_range range;
    int64_t end = log_end_offset(quorum->log);
    if (offset < log_start_offset(quorum->log) || offset >= end ||
        log_read(quorum->log, offset, end, 1, true, &range) != 0) {
        return offset;
    }
    file_unref(range.file);
    return range.len > 0 && range.first_offset < offset ? range.first_offset : offset;
}

static void read_records(struct quorum *quorum, uint64_t id,
                         const struct fetch_response_partition_data *partition) {
    struct slice records = slice_make(partition->records.data, partition->records.len);
    if (!fetched_set(&quorum->fetched, id, records, 1)) {
        LOG_WARN(quorum->machine, "quorum", "damaged metadata records fetched",
                 "leader=%" PRId32 " taken=%d", partition->current_leader.leader_id,
                 quorum->fetched.count);
    }
}

static bool read_fetch(struct quorum *quorum, uint64_t id, const struct fetch_response *response,
                       struct raft_reply *reply) {
    if (response->error_code != ERROR_NONE || response->responses_count == 0 ||
        response->responses->partitions_count == 0) {
        reply->error = (enum kafka_error)response->error_code;
        return response->error_code != ERROR_NONE;
    }
    const struct fetch_response_partition_data *partition = response->responses->partitions;
    reply->error = (enum kafka_error)partition->error_code;
    reply->leader_id = partition->current_leader.leader_id;
    reply->epoch = partition->current_leader.leader_epoch;
    reply->high_watermark = partition->high_watermark;
    LEARN_FROM(quorum, response, reply->leader_id)
    if (reply->error != ERROR_NONE) {
        return true;
    }
    if (partition->diverging_epoch.epoch >= 0) {
        reply->fetch = RAFT_FETCH_DIVERGING;
        reply->position = (struct raft_position){
            .offset = batch_boundary(quorum, partition->diverging_epoch.end_offset),
            .epoch = partition->diverging_epoch.epoch};
    } else if (partition->snapshot_id.epoch >= 0) {
        reply->fetch = RAFT_FETCH_SNAPSHOT;
        reply->position = (struct raft_position){.offset = partition->snapshot_id.end_offset,
                                                 .epoch = partition->snapshot_id.epoch};
    } else {
        reply->fetch = RAFT_FETCH_RECORDS;
        read_records(quorum, id, partition);
    }
    return reply->fetch == RAFT_FETCH_RECORDS || reply->position.offset >= 0;
}

static bool read_answer(struct quorum_call *call, const struct peer_answer *answer,
                        struct raft_reply *reply) {
    struct quorum *quorum = call->quorum;
    *reply = (struct raft_reply){
        .kind = call->request.kind, .leader_id = -1, .epoch = -1, .high_watermark = -1};
    switch (call->request.kind) {
    case RAFT_VOTE:
        return read_vote(quorum, answer->response, reply);
    case RAFT_BEGIN_EPOCH:
        return read_begin_epoch(quorum, answer->response, reply);
    case RAFT_END_EPOCH:
        return read_end_epoch(quorum, answer->response, reply);
    case RAFT_FETCH:
        return read_fetch(quorum, call->id, answer->response, reply);
    }
    return false;
}

static void call_free(struct quorum_call *call) {
    list_remove(&call->link);
    arena_release(&call->arena);
    free(call);
}

/* When this node first hears what is committed. */
static void note_committed(struct quorum *quorum, const struct raft_reply *reply) {
    if (reply->kind == RAFT_FETCH && reply->error == ERROR_NONE && reply->high_watermark >= 0 &&
        quorum->caught_up_at < 0) {
        quorum->caught_up_at = reply->high_watermark;
    }
}

/* What a node said of itself may not be true for us (a name that only it knows): the next time the
 * configured address is tried. */
static void doubt_address(struct quorum *quorum, int32_t id, int result) {
    int at = id < 0 ? -1 : learned(quorum, id);
    if (at >= 0 && (result == -ECONNREFUSED || result == -ETIMEDOUT)) {
        free(quorum->learned[at].host);
        quorum->learned[at] = quorum->learned[--quorum->learned_count];
        quorum->learned[quorum->learned_count] = (struct learned_address){0};
    }
}

static void on_answer(struct peer_call *peer_call, const struct peer_answer *answer) {
    struct quorum_call *call = CONTAINER_OF(peer_call, struct quorum_call, call);
    struct quorum *quorum = call->quorum;
    uint64_t id = call->id;
    int64_t now_ms = quorum_now_ms(quorum);
    struct raft_reply reply;
    /* While an effect is under way, what an earlier fetch brought may be about to be appended. */
    bool occupied =
        call->request.kind == RAFT_FETCH && quorum->barrier && quorum->fetched.count > 0;
    if (call->request.kind == RAFT_FETCH && !occupied) {
        fetched_clear(&quorum->fetched);
    }
    if (occupied) {
        raft_request_failed(quorum->raft, now_ms, id, false);
    } else if (answer->result == 0 && read_answer(call, answer, &reply)) {
        note_committed(quorum, &reply);
        bool records = reply.kind == RAFT_FETCH && quorum->fetched.id == id;
        raft_answer(quorum->raft, now_ms, id, &reply, records ? quorum->fetched.batches : NULL,
                    records ? quorum->fetched.count : 0);
    } else if (answer->result == -EPROTONOSUPPORT && call->request.kind == RAFT_VOTE) {
        reply = (struct raft_reply){
            .kind = RAFT_VOTE, .error = ERROR_UNSUPPORTED_VERSION, .leader_id = -1, .epoch = -1};
        raft_answer(quorum->raft, now_ms, id, &reply, NULL, 0);
    } else {
        bool broken = answer->result == -ECONNREFUSED || answer->result == -ECONNRESET;
        doubt_address(quorum, call->to, answer->result);
        raft_request_failed(quorum->raft, now_ms, id, broken);
    }
    call_free(call);
    quorum_run(quorum);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void describe_call(const struct raft_request *request, struct peer_call *call) {
    switch (request->kind) {
    case RAFT_VOTE:
        call->api_key = KEY_VOTE;
        call->version_min = request->vote.pre_vote ? 2 : 0;
        call->version_max = 2;
        call->build = build_vote;
        break;
    case RAFT_BEGIN_EPOCH:
        call->api_key = KEY_BEGIN_EPOCH;
        call->version_max = 1;
        call->build = build_begin_epoch;
        break;
    case RAFT_END_EPOCH:
        call->api_key = KEY_END_EPOCH;
        call->version_max = 1;
        call->build = build_end_epoch;
        break;
    case RAFT_FETCH:
        call->api_key = KEY_FETCH;
        call->version_min = 12;
        call->version_max = 18;
        call->build = build_fetch;
        break;
    }
    call->fn = on_answer;
}

void quorum_send(struct quorum *quorum, const struct raft_effect *effect) {
    struct quorum_peer *peer = quorum->peers_closed ? NULL : peer_of(quorum, effect->to);
    if (peer == NULL) {
        raft_request_failed(quorum->raft, quorum_now_ms(quorum), effect->id, false);
        return;
    }
    struct quorum_call *call = NEW(struct quorum_call);
    call->quorum = quorum;
    call->id = effect->id;
    call->to = effect->to;
    call->request = effect->request;
    arena_init(&call->arena, SIZE_MAX);
    describe_call(&effect->request, &call->call);
    call->call.timeout_ms = config_int(quorum->config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS);
    list_append(&quorum->calls, &call->link);
    peer_call(effect->request.kind == RAFT_FETCH ? peer->wait : peer->quick, &call->call);
}

/* ---- The end --------------------------------------------------------------------------------- */

static void end_calls(struct quorum *quorum) {
    LIST_FOREACH_SAFE(it, &quorum->calls) {
        struct quorum_call *call = CONTAINER_OF(it, struct quorum_call, link);
        peer_cancel(&call->call);
        call_free(call);
    }
}

void quorum_peers_close(struct quorum *quorum) {
    end_calls(quorum);
    LIST_FOREACH_SAFE(it, &quorum->peers) {
        struct quorum_peer *peer = CONTAINER_OF(it, struct quorum_peer, link);
        peer_close(peer->wait);
        peer_close(peer->quick);
    }
}

void quorum_peers_free(struct quorum *quorum) {
    LIST_FOREACH_SAFE(it, &quorum->calls) {
        call_free(CONTAINER_OF(it, struct quorum_call, link));
    }
    LIST_FOREACH_SAFE(it, &quorum->peers) {
        struct quorum_peer *peer = CONTAINER_OF(it, struct quorum_peer, link);
        list_remove(&peer->link);
        peer_free(peer->wait);
        peer_free(peer->quick);
        free(peer);
    }
    quorum_forget_learned(quorum);
}
