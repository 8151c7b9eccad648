/*
 * Metadata (3): brokers and topics as the image of the connection's shard has them. Unknown topics
 * that may be auto-created are wished for at the controller and answered as unknown; the client
 * asks again.
 */
#include <stdlib.h>

#include "broker/api/api.h"
#include "broker/api/cluster_view.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/node.h"
#include "broker/replica/lost_leaders.h"
#include "broker/server/request.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/metadata_response.h"
#include "storage/log_dir.h"

struct answer {
    struct request *request;
    const struct metadata_request *body;
    struct metadata_response response;
    bool waited; /* for the controller to say who leads instead of a lost leader */
};

static struct metadata_response_topic *next_topic(struct answer *a) {
    struct metadata_response_topic *topic = &a->response.topics[a->response.topics_count++];
    *topic = (struct metadata_response_topic){
        .topic_authorized_operations = OPERATIONS_NOT_ASKED,
    };
    return topic;
}

static void reserve(struct answer *a, size_t count) {
    a->response.topics = (struct metadata_response_topic *)arena_array(
        &a->request->arena, count, sizeof(struct metadata_response_topic));
}

/* ---- Brokers --------------------------------------------------------------------------------- */

static void add_brokers(struct answer *a) {
    const struct image *image = a->request->at->image;
    size_t count = 0;
    LIST_FOREACH(it, &image->brokers) {
        count++;
    }
    a->response.brokers = (struct metadata_response_broker *)arena_array(
        &a->request->arena, count, sizeof(struct metadata_response_broker));
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        struct broker_address address;
        bool listed = !broker->fenced || (a->waited && leader_was_lost(a->request->at, broker->id));
        if (!listed || !broker_address(a->request, broker, &address)) {
            continue;
        }
        a->response.brokers[a->response.brokers_count++] = (struct metadata_response_broker){
            .node_id = broker->id,
            .host = address.host,
            .port = address.port,
            .rack = broker->rack,
        };
    }
    a->response.cluster_id = slice_str(a->request->at->node->cluster_id);
    a->response.controller_id = any_alive_broker(a->request);
    if (a->body->include_cluster_authorized_operations) {
        a->response.cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
    }
}

/* ---- Topics ---------------------------------------------------------------------------------- */

/* Clients up to version 5 do not know LISTENER_NOT_FOUND; version 0 is told of offline replicas by
 * an error and by leaving them out. */
static void add_partition(const struct answer *a, const struct image_partition *partition,
                          struct metadata_response_partition *out) {
    const struct request *request = a->request;
    struct partition_view view = partition_view(a->request, partition);
    if (view.error == ERROR_LISTENER_NOT_FOUND && request->version < 6) {
        view.error = ERROR_LEADER_NOT_AVAILABLE;
    }
    if (view.error == ERROR_NONE && view.offline_count > 0 && request->version == 0) {
        view.error = ERROR_REPLICA_NOT_AVAILABLE;
    }
    *out = (struct metadata_response_partition){
        .error_code = (int16_t)view.error,
        .partition_index = partition->index,
        .leader_id = view.leader,
        .leader_epoch = partition->leader_epoch,
        .replica_nodes = partition->replicas,
        .replica_nodes_count = partition->replica_count,
        .isr_nodes = partition->isr,
        .isr_nodes_count = partition->isr_count,
        .offline_replicas = view.offline,
        .offline_replicas_count = view.offline_count,
    };
}

static void add_known(struct answer *a, const struct image_topic *topic) {
    struct metadata_response_topic *out = next_topic(a);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->partitions_count = topic->partition_count;
    out->partitions = (struct metadata_response_partition *)arena_array(
        &a->request->arena, (size_t)topic->partition_count,
        sizeof(struct metadata_response_partition));
    for (int32_t i = 0; i < topic->partition_count; i++) {
        add_partition(a, &topic->partitions[i], &out->partitions[i]);
    }
    if (a->body->include_topic_authorized_operations) {
        out->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
    }
}

static void add_failed(struct answer *a, struct slice name, struct uuid id,
                       enum kafka_error error) {
    struct metadata_response_topic *out = next_topic(a);
    out->name = name;
    out->topic_id = id;
    out->error_code = (int16_t)error;
    out->is_internal = !slice_is_null(name) && topic_is_internal(name);
    if (a->body->include_topic_authorized_operations && error != ERROR_UNKNOWN_TOPIC_ID) {
        out->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
    }
}

/* Whether a default replication factor above the number of brokers forbids the creation. */
static bool too_few_brokers(const struct answer *a, struct slice name) {
    const struct node *node = a->request->at->node;
    int64_t registered = 0;
    LIST_FOREACH(it, &a->request->at->image->brokers) {
        registered++;
    }
    return !topic_is_internal(name) &&
           config_int(node->config, CONFIG_DEFAULT_REPLICATION_FACTOR) > registered;
}

static void add_unknown(struct answer *a, struct slice name) {
    const struct node *node = a->request->at->node;
    enum kafka_error error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    bool create = a->body->allow_auto_topic_creation &&
                  config_bool(node->config, CONFIG_AUTO_CREATE_TOPICS_ENABLE);
    if (!topic_name_valid(name)) {
        error = ERROR_INVALID_TOPIC_EXCEPTION;
    } else if (create && too_few_brokers(a, name)) {
        error = ERROR_INVALID_REPLICATION_FACTOR;
    } else if (create) {
        controller_auto_create_topic(a->request->at, name);
    }
    add_failed(a, name, UUID_ZERO, error);
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Each name once, whatever the client repeats. */
static void add_by_name(struct answer *a) {
    size_t count = (size_t)a->body->topics_count;
    struct slice *names =
        (struct slice *)arena_array(&a->request->arena, count, sizeof(struct slice));
    for (size_t i = 0; i < count; i++) {
        names[i] = a->body->topics[i].name;
    }
    if (count > 1) {
        qsort(names, count, sizeof(struct slice), compare_names);
    }
    reserve(a, count);
    for (size_t i = 0; i < count; i++) {
        if (slice_is_null(names[i]) || (i > 0 && slice_equal(names[i], names[i - 1]))) {
            continue;
        }
        const struct image_topic *topic = image_topic_by_name(a->request->at->image, names[i]);
        if (topic != NULL) {
            add_known(a, topic);
        } else {
            add_unknown(a, names[i]);
        }
    }
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct uuid));
}

static void add_by_id(struct answer *a) {
    size_t count = (size_t)a->body->topics_count;
    struct uuid *ids = (struct uuid *)arena_array(&a->request->arena, count, sizeof(struct uuid));
    for (size_t i = 0; i < count; i++) {
        ids[i] = a->body->topics[i].topic_id;
    }
    if (count > 1) {
        qsort(ids, count, sizeof(struct uuid), compare_ids);
    }
    reserve(a, count);
    for (size_t i = 0; i < count; i++) {
        if (uuid_is_zero(ids[i]) || (i > 0 && uuid_equal(ids[i], ids[i - 1]))) {
            continue;
        }
        const struct image_topic *topic = image_topic_by_id(a->request->at->image, ids[i]);
        if (topic != NULL) {
            add_known(a, topic);
        } else {
            add_failed(a, SLICE_NULL, ids[i], ERROR_UNKNOWN_TOPIC_ID);
        }
    }
}

static void add_all(struct answer *a) {
    const struct image *image = a->request->at->image;
    reserve(a, image->topics_by_name.count);
    HMAP_FOREACH(node, &image->topics_by_name) {
        add_known(a, CONTAINER_OF(node, struct image_topic, by_name));
    }
}

/* Ids, and null names, are for version 12 and later. */
static bool is_invalid(const struct request *request, const struct metadata_request *body) {
    for (int32_t i = 0; i < body->topics_count && request->version < 12; i++) {
        if (slice_is_null(body->topics[i].name) || !uuid_is_zero(body->topics[i].topic_id)) {
            return true;
        }
    }
    return false;
}

static bool uses_ids(const struct metadata_request *body) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        if (!uuid_is_zero(body->topics[i].topic_id)) {
            return true;
        }
    }
    return false;
}

/* A topic with neither name nor id; Kafka fails on it, so for all topics of the request. */
static bool is_nameless(const struct metadata_request *body) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        if (slice_is_null(body->topics[i].name) && uuid_is_zero(body->topics[i].topic_id)) {
            return true;
        }
    }
    return false;
}

static void refuse(struct answer *a, enum kafka_error error) {
    if (a->request->version >= 13) {
        a->response.error_code = (int16_t)error;
    }
    reserve(a, (size_t)a->body->topics_count);
    for (int32_t i = 0; i < a->body->topics_count; i++) {
        struct slice name = a->body->topics[i].name;
        add_failed(a, slice_is_null(name) ? SLICE_LIT("") : name, a->body->topics[i].topic_id,
                   error);
        a->response.topics[i].topic_authorized_operations = INT32_MIN;
    }
}

static void respond(struct request *request, bool waited) {
    struct answer a = {.request = request, .body = request->body, .waited = waited};
    message_init(&metadata_response_desc, &a.response);
    bool all = a.body->topics_count < 0 || (request->version == 0 && a.body->topics_count == 0);
    if (is_invalid(request, a.body)) {
        refuse(&a, ERROR_INVALID_REQUEST);
    } else if (!uses_ids(a.body) && is_nameless(a.body)) {
        refuse(&a, ERROR_UNKNOWN_SERVER_ERROR);
    } else {
        add_brokers(&a);
        if (all) {
            add_all(&a);
        } else if (uses_ids(a.body)) {
            add_by_id(&a);
        } else {
            add_by_name(&a);
        }
    }
    request_respond(request, &a.response);
}

/* ---- A moment before the answer -------------------------------------------------------------- */

/*
 * Clients ask for metadata at the moment they lose a leader, and may be quicker than this node,
 * which has lost it as well (broker/replica/lost_leaders.h). Sent back to the dead leader, some
 * wait a second before they ask again. So where leaders can be elsewhere, an answer waits for what
 * has happened already to be noticed, and when a leader is lost, for the controller to say who
 * leads.
 */
#define SETTLE_MS      3
#define SETTLE_MOST_MS 300

struct settling {
    struct timer timer;
    struct request *request;
    int64_t until_ms;
    bool waited;
};

static void on_settled(struct timer *timer) {
    struct settling *settling = CONTAINER_OF(timer, struct settling, timer);
    struct request *request = settling->request;
    if (some_leader_is_lost(request->at) && shard_now_ms(request->at->shard) < settling->until_ms) {
        settling->waited = true;
        timer_start(timer, SETTLE_MS);
    } else {
        respond(request, settling->waited);
    }
}

void api_metadata(struct request *request) {
    const struct metadata_request *body = request->body;
    const struct list *brokers = &request->at->image->brokers;
    bool alone = brokers->next == brokers->prev; /* none, or one */
    if (alone || body->topics_count == 0) {
        respond(request, false);
        return;
    }
    struct settling *settling = ARENA_NEW(&request->arena, struct settling);
    settling->request = request;
    settling->until_ms = shard_now_ms(request->at->shard) + SETTLE_MOST_MS;
    timer_init(&settling->timer, request->at->shard, on_settled);
    timer_start(&settling->timer, SETTLE_MS);
}
