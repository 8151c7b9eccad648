/*
 * Fetch (1): consumers read records, and replicas copy them (sessions: KIP-227; leader epochs:
 * KIP-320; topic ids: KIP-516; broker epochs: KIP-903; reading from followers: KIP-392).
 *
 * A replica reads up to the log end, and where it reads tells the leader what it has: once for each
 * request, in its first round.
 *
 * Here: what is to be read, the reading on the owner shards, and the waiting. A fetch that finds
 * less than it wants costs nothing until one of its partitions moves (broker/replica/fetch_wait.h)
 * or its time is over. Records are never copied here: the answer names ranges of segment files.
 *
 * The byte limit of a request over several shards is applied twice: each shard keeps to it, and the
 * gathering cuts off, in order, what is too much; those partitions come first another time.
 */
#include <errno.h>

#include "broker/api/api.h"
#include "broker/api/fetch_op.h"
#include "broker/api/topics_merge.h"
#include "broker/metadata/image.h"
#include "broker/metrics/meters.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "runtime/file.h"

#define VERSION_FOLLOWERS     11 /* consumers that may read from followers */
#define VERSION_REPLICA_STATE 15

/* How often a long wait looks whether its client is still there. */
#define ABANDONED_CHECK_MS 1000

/* The longest wait away from the connection's shard, where nobody can tell whether it is still
 * there. */
#define AWAY_WAIT_MAX_MS 30000

/* A wait ends up to a sixteenth early, where the clock is a multiple of that: so the waits of idle
 * consumers end together, and what a shard wakes up for is not each of them. */
#define WAIT_SLACK_PART 16

static const struct topics_layout fetch_layout =
    TOPICS_LAYOUT(struct fetch_request_topic, topic, offsetof(struct fetch_request_topic, topic_id),
                  partitions, struct fetch_request_partition, partition);

/* The shards' side of a parked fetch. */
struct fetch_park {
    struct fetch_op *op;
    struct scatter_part *part;
    struct fetch_wait wait;
    struct fetch_interest *interests;
    bool parked; /* on the part's shard: the wait is set up */
    struct post park;
    struct post notify;
};

/* ---- Reading, on the owner shards ------------------------------------------------------------ */

static void item_clear(struct fetch_item *item) {
    item->error = ERROR_NONE;
    item->high_watermark = -1;
    item->last_stable_offset = -1;
    item->log_start = -1;
    item->preferred_replica = -1;
    item->throttled = false;
    item->held_back = false;
    item->diverging = false;
    item->aborted_count = 0;
    item->range = (struct log_range){0};
}

/* KIP-595: whether the asker's log ends where ours does for the epoch that it last fetched. */
static enum kafka_error check_divergence(const struct log *log, struct fetch_item *item) {
    if (item->wanted.last_fetched_epoch < 0) {
        return ERROR_NONE;
    }
    int32_t epoch;
    int64_t end;
    log_end_of_epoch(log, item->wanted.last_fetched_epoch, &epoch, &end);
    if (end < 0) {
        return ERROR_OFFSET_OUT_OF_RANGE;
    }
    if (epoch < item->wanted.last_fetched_epoch || end < item->wanted.fetch_offset) {
        item->diverging = true;
        item->diverging_epoch = epoch;
        item->diverging_end = end;
    }
    return ERROR_NONE;
}

/* Finds the records; `left` are the bytes that may still be sent, `any` that some are already. */
static enum kafka_error read_records(const struct fetch_op *op, struct log *log,
                                     struct arena *arena, struct fetch_item *item, int64_t *left,
                                     bool *any) {
    const struct fetch_wanted *wanted = &item->wanted;
    int64_t most = wanted->bytes_max < *left ? wanted->bytes_max : *left;
    if (wanted->fetch_offset >= item->limit || (most <= 0 && *any)) {
        return ERROR_NONE;
    }
    int failed = log_read(log, wanted->fetch_offset, item->limit, most > 0 ? (size_t)most : 0,
                          !*any, &item->range);
    if (failed != 0) {
        return failed == -ERANGE ? ERROR_OFFSET_OUT_OF_RANGE : ERROR_KAFKA_STORAGE_ERROR;
    }
    if (item->range.len == 0) {
        return ERROR_NONE;
    }
    *any = true;
    *left -= (int64_t)item->range.len;
    if (op->limit == FETCH_TO_STABLE_OFFSET &&
        log_aborted_transactions(log, wanted->fetch_offset, item->range.next_offset, arena,
                                 &item->aborted, &item->aborted_count) != 0) {
        file_unref(item->range.file);
        item->range = (struct log_range){0};
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    return ERROR_NONE;
}

static void visit_fill(const struct fetch_op *op, const struct fetch_item *item,
                       struct partition_visit *out) {
    *out = (struct partition_visit){
        .replica_id = op->replica_id,
        .broker_epoch = op->broker_epoch,
        .leader_epoch = item->wanted.leader_epoch,
        .offset = item->wanted.fetch_offset,
        .log_start = item->wanted.log_start,
    };
}

/* The partition, when the asker may read it here; else the error. */
static struct partition *find_partition(const struct fetch_op *op, const struct scatter_part *part,
                                        const struct fetch_item *item, enum kafka_error *error) {
    const struct fetch_wanted *wanted = &item->wanted;
    struct partition *partition = replica_reader(part->shard->replicas, item->topic_id,
                                                 wanted->partition, op->leader_only, error);
    if (partition == NULL) {
        return NULL;
    }
    *error = partition_check_epoch(partition, wanted->leader_epoch < 0 ? -1 : wanted->leader_epoch);
    if (*error == ERROR_NONE && op->replica_id >= 0) {
        struct partition_visit visit;
        visit_fill(op, item, &visit);
        *error = partition_visit_check(partition, &visit);
    }
    return *error == ERROR_NONE ? partition : NULL;
}

/* Whether the offset is one of the log's; an offset that the epoch never reached is told as such:
 * the asker truncates, not resets. */
static enum kafka_error check_offset(const struct log *log, struct fetch_item *item) {
    int64_t offset = item->wanted.fetch_offset;
    if (offset < log_start_offset(log)) {
        return ERROR_OFFSET_OUT_OF_RANGE;
    }
    enum kafka_error error = check_divergence(log, item);
    if (error == ERROR_NONE && !item->diverging && offset > log_end_offset(log)) {
        return ERROR_OFFSET_OUT_OF_RANGE;
    }
    return error;
}

static enum kafka_error read_item(const struct fetch_op *op, struct scatter_part *part,
                                  struct fetch_item *item, int64_t *left, bool *any) {
    enum kafka_error error;
    struct partition *partition = find_partition(op, part, item, &error);
    if (partition == NULL) {
        return error;
    }
    struct log *log = partition_log(partition);
    error = check_offset(log, item);
    if (error != ERROR_NONE) {
        return error;
    }
    if (op->replica_id >= 0 && !item->diverging && !op->told) {
        struct partition_visit visit;
        visit_fill(op, item, &visit);
        partition_visited(partition, &visit);
    }
    item->high_watermark = log_high_watermark(log);
    item->last_stable_offset = log_last_stable_offset(log);
    item->log_start = log_start_offset(log);
    item->limit = partition_fetch_limit(partition, op->limit);
    if (op->rack.len > 0 && partition_is_leader(partition)) {
        item->preferred_replica =
            partition_preferred_replica(partition, op->rack, item->wanted.fetch_offset);
    }
    if (op->replica_id >= 0) {
        item->throttled = partition->throttled_sending;
        item->held_back = partition_holds_back(partition, op->replica_id);
    }
    if (item->diverging || item->preferred_replica >= 0 || item->held_back) {
        return ERROR_NONE;
    }
    return read_records(op, log, part->arena, item, left, any);
}

static void fetch_run(struct scatter_part *part) {
    const struct fetch_op *op = CONTAINER_OF(part->scatter, struct fetch_op, scatter);
    struct fetch_park *park = part->state;
    if (park != NULL && park->parked) {
        fetch_wait_cancel(&park->wait);
        park->parked = false;
    }
    int64_t left = op->bytes_max;
    bool any = false;
    LIST_FOREACH(it, &part->items) {
        struct fetch_item *item = CONTAINER_OF(it, struct fetch_item, item.link);
        item_clear(item);
        item->error = read_item(op, part, item, &left, &any);
        if (!op->told) {
            meters_fetch_request(part->shard->meters, part->shard->image, item->topic_id,
                                 item->error != ERROR_NONE);
        }
        if (item->error != ERROR_NONE) {
            item->high_watermark = -1;
            item->last_stable_offset = -1;
            item->log_start = -1;
        }
    }
    scatter_part_done(part);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void fetch_round(struct fetch_op *op) {
    op->state = FETCH_READING;
    timer_stop(&op->timer);
    scatter_start(&op->scatter);
}

static void fetch_notified(struct fetch_op *op) {
    if (op->state == FETCH_PARKED) {
        fetch_round(op);
    }
}

static void fetch_notify_posted(struct post *post) {
    fetch_notified(CONTAINER_OF(post, struct fetch_park, notify)->op);
}

/* On the part's shard. */
static void fetch_woken(struct fetch_wait *wait) {
    struct fetch_park *park = CONTAINER_OF(wait, struct fetch_park, wait);
    struct node_shard *at = park->op->request->at;
    park->parked = false;
    if (park->part->shard == at) {
        fetch_notified(park->op);
    } else {
        shard_post(at->shard, &park->notify, fetch_notify_posted);
    }
}

static void fetch_park_here(struct fetch_park *park) {
    const struct fetch_op *op = park->op;
    /* Other shards' bytes are not seen here, so any growth is worth a look. */
    int64_t wake_bytes = op->scatter.part_count == 1 ? op->bytes_min - op->bytes : 1;
    park->parked = true;
    fetch_wait_init(&park->wait, park->part->shard->replicas, park->interests, wake_bytes,
                    op->limit, op->leader_only, fetch_woken);
    LIST_FOREACH(it, &park->part->items) {
        const struct fetch_item *item = CONTAINER_OF(it, struct fetch_item, item.link);
        if (item->held_back) {
            continue; /* its records are there, and are not waited for */
        }
        size_t bytes_max = item->wanted.bytes_max > 0 ? (size_t)item->wanted.bytes_max : 0;
        fetch_wait_add(&park->wait, item->topic_id, item->wanted.partition,
                       item->wanted.fetch_offset, bytes_max, item->limit, (int64_t)item->range.len);
    }
}

static void fetch_park_posted(struct post *post) {
    fetch_park_here(CONTAINER_OF(post, struct fetch_park, park));
}

static void fetch_park_new(struct fetch_op *op, struct scatter_part *part) {
    struct arena *arena = &op->request->arena;
    size_t count = 0;
    LIST_FOREACH(it, &part->items) {
        count++;
    }
    struct fetch_park *park = ARENA_NEW(arena, struct fetch_park);
    park->op = op;
    park->part = part;
    park->interests = arena_array(arena, count, sizeof(*park->interests));
    part->state = park;
}

static void fetch_drop_ranges(struct fetch_op *op) {
    for (int32_t i = 0; i < op->item_count; i++) {
        file_unref(op->items[i].range.file);
        op->items[i].range.file = NULL;
    }
}

static void fetch_start_timer(struct fetch_op *op) {
    int64_t left = op->deadline_ms - shard_now_ms(op->request->at->shard);
    left = left < 0 ? 0 : left;
    timer_start(&op->timer, left < ABANDONED_CHECK_MS ? left : ABANDONED_CHECK_MS);
}

static void fetch_park(struct fetch_op *op) {
    fetch_drop_ranges(op);
    op->state = FETCH_PARKED;
    fetch_start_timer(op);
    struct scatter_part *part = NULL;
    while ((part = scatter_next_part(&op->scatter, part)) != NULL) {
        if (part->state == NULL) {
            fetch_park_new(op, part);
        }
        struct fetch_park *park = part->state;
        if (part->shard == op->request->at) {
            fetch_park_here(park);
        } else {
            shard_post(part->shard->shard, &park->park, fetch_park_posted);
        }
    }
}

static bool fetch_abandoned(const struct fetch_op *op) {
    return op->request->at == op->request->home && request_abandoned(op->request);
}

static void fetch_timer(struct timer *timer) {
    struct fetch_op *op = CONTAINER_OF(timer, struct fetch_op, timer);
    if (shard_now_ms(op->request->at->shard) < op->deadline_ms && !fetch_abandoned(op)) {
        fetch_start_timer(op);
        return;
    }
    op->final = true;
    fetch_round(op);
}

/* ---- Gathering ------------------------------------------------------------------------------- */

/* Keeps to the byte limit over all shards, in the order of the items. Each shard lets its first
 * batch through though it is larger than was asked for; of these only one is sent. */
static void fetch_trim(struct fetch_op *op) {
    int64_t left = op->bytes_max;
    bool any = false;
    for (int32_t i = 0; i < op->item_count; i++) {
        struct fetch_item *item = &op->items[i];
        if (item->range.len == 0) {
            continue;
        }
        int64_t len = (int64_t)item->range.len;
        if (any && (len > left || len > item->wanted.bytes_max)) {
            file_unref(item->range.file);
            item->range = (struct log_range){0};
            item->aborted_count = 0;
            continue;
        }
        any = true;
        left -= len;
    }
}

/* Whether a replica's session has to be told of deletions: they may be waited for. */
static bool log_start_is_news(const struct fetch_op *op, const struct fetch_item *item) {
    if (op->replica_id < 0 || op->session == NULL) {
        return false;
    }
    const struct fetch_cached *cached = fetch_session_find(
        op->session, item->wanted.topic_id, item->wanted.topic, item->wanted.partition);
    return cached != NULL && cached->log_start != item->log_start;
}

static void fetch_count_throttled(const struct fetch_op *op) {
    int64_t bytes = 0;
    for (int32_t i = 0; i < op->item_count; i++) {
        bytes += op->items[i].throttled ? (int64_t)op->items[i].range.len : 0;
    }
    if (bytes > 0) {
        replica_manager_count_sent(op->request->at->replicas, bytes);
    }
}

static void fetch_done(struct scatter *scatter) {
    struct fetch_op *op = CONTAINER_OF(scatter, struct fetch_op, scatter);
    bool at_once = op->final || op->item_count == 0;
    if (scatter->part_count > 1) {
        fetch_trim(op);
    }
    op->bytes = 0;
    for (int32_t i = 0; i < op->item_count; i++) {
        const struct fetch_item *item = &op->items[i];
        op->bytes += (int64_t)item->range.len;
        at_once = at_once || item->error != ERROR_NONE || item->diverging ||
                  item->preferred_replica >= 0 || log_start_is_news(op, item);
    }
    op->told = true;
    if (at_once || op->bytes >= op->bytes_min) {
        fetch_count_throttled(op);
        fetch_respond(op);
    } else {
        fetch_park(op);
    }
}

/* ---- The request ----------------------------------------------------------------------------- */

static void wanted_fill(const struct request *request, const struct fetch_request_topic *topic,
                        const struct fetch_request_partition *partition, struct fetch_wanted *out) {
    bool by_id = request->version >= FETCH_VERSION_TOPIC_ID;
    *out = (struct fetch_wanted){
        .topic_id = by_id ? topic->topic_id : UUID_ZERO,
        .topic = by_id ? SLICE_NULL : topic->topic,
        .partition = partition->partition,
        .fetch_offset = partition->fetch_offset,
        .log_start = partition->log_start_offset,
        .leader_epoch = partition->current_leader_epoch,
        .last_fetched_epoch = partition->last_fetched_epoch,
        .bytes_max = partition->partition_max_bytes,
    };
}

static void items_from_request(struct fetch_op *op, const struct fetch_request *body) {
    void *merged = body->topics;
    int32_t topics_count = topics_merge(&op->request->arena, &fetch_layout, REPEATS_MERGE, &merged,
                                        body->topics_count);
    const struct fetch_request_topic *topics = merged;
    int32_t count = 0;
    for (int32_t i = 0; i < topics_count; i++) {
        count += topics[i].partitions_count;
    }
    op->items = arena_array(&op->request->arena, (size_t)count, sizeof(*op->items));
    for (int32_t i = 0; i < topics_count; i++) {
        const struct fetch_request_topic *topic = &topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            wanted_fill(op->request, topic, &topic->partitions[j],
                        &op->items[op->item_count++].wanted);
        }
    }
}

static void items_from_session(struct fetch_op *op) {
    struct arena *arena = &op->request->arena;
    op->items = arena_array(arena, op->session->partitions.count, sizeof(*op->items));
    LIST_FOREACH(it, &op->session->order) {
        const struct fetch_cached *cached = CONTAINER_OF(it, struct fetch_cached, link);
        struct fetch_item *item = &op->items[op->item_count++];
        item->wanted = cached->wanted;
        item->wanted.topic = arena_dup(arena, cached->wanted.topic);
    }
}

/* What the incremental request changes; false when the session cannot remember it. */
static bool session_update(struct fetch_op *op, const struct fetch_request *body) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct fetch_request_topic *topic = &body->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct fetch_wanted wanted;
            wanted_fill(op->request, topic, &topic->partitions[j], &wanted);
            if (!fetch_session_want(op->session, &wanted)) {
                return false;
            }
        }
    }
    for (int32_t i = 0; i < body->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *topic = &body->forgotten_topics_data[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            fetch_session_forget(op->session, topic->topic_id, topic->topic, topic->partitions[j]);
        }
    }
    return true;
}

static void session_leave(struct fetch_op *op) {
    fetch_session_close(op->session);
    fetch_session_unref(op->session);
    op->session = NULL;
}

/* Decides what kind of fetch it is and lists its items. */
static enum kafka_error fetch_prepare(struct fetch_op *op, const struct fetch_request *body) {
    struct request *request = op->request;
    struct fetch_sessions *sessions = request->at->replicas->sessions;
    int64_t now_ms = shard_now_ms(request->at->shard);
    if (body->session_epoch == FETCH_SESSION_EPOCH_NONE ||
        body->session_epoch == FETCH_SESSION_EPOCH_INITIAL) {
        fetch_sessions_close(sessions, body->session_id);
        op->create_session = body->session_epoch == FETCH_SESSION_EPOCH_INITIAL;
        items_from_request(op, body);
        return ERROR_NONE;
    }
    enum kafka_error error;
    op->session = fetch_session_continue(sessions, now_ms, body->session_id, body->session_epoch,
                                         request->version >= FETCH_VERSION_TOPIC_ID, &error);
    if (op->session == NULL) {
        return error;
    }
    if (!session_update(op, body)) {
        session_leave(op);
        return ERROR_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (list_empty(&op->session->order)) {
        session_leave(op);
        items_from_request(op, body);
        return ERROR_NONE;
    }
    items_from_session(op);
    return ERROR_NONE;
}

/* Finds the topics of the items in the image and hands them to their shards. */
static void fetch_resolve(struct fetch_op *op) {
    struct request *request = op->request;
    const struct image *image = request->at->image;
    bool by_id = request->version >= FETCH_VERSION_TOPIC_ID;
    for (int32_t i = 0; i < op->item_count; i++) {
        struct fetch_item *item = &op->items[i];
        const struct image_topic *topic = by_id ? image_topic_by_id(image, item->wanted.topic_id)
                                                : image_topic_by_name(image, item->wanted.topic);
        item_clear(item);
        if (topic == NULL) {
            item->error = by_id ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else if (image_partition(topic, item->wanted.partition) == NULL) {
            item->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            item->topic_id = topic->id;
            item->scattered = true;
            int shard = node_partition_shard(request->at->node, topic->id, item->wanted.partition);
            scatter_add(&op->scatter, shard, &item->item);
        }
    }
}

/* Who asks, and so what it may read, and where. */
static void fetch_know_asker(struct fetch_op *op, const struct fetch_request *body) {
    const struct request *request = op->request;
    bool state = request->version >= VERSION_REPLICA_STATE;
    op->replica_id = state ? body->replica_state.replica_id : body->replica_id;
    op->broker_epoch = state ? body->replica_state.replica_epoch : -1;
    op->leader_only = op->replica_id >= 0 || request->version < VERSION_FOLLOWERS;
    op->request->meter = op->replica_id >= 0 ? METER_FETCH_FOLLOWER : METER_FETCH_CONSUMER;
    op->limit = op->replica_id >= 0          ? FETCH_TO_LOG_END
                : body->isolation_level == 1 ? FETCH_TO_STABLE_OFFSET
                                             : FETCH_TO_HIGH_WATERMARK;
    if (!op->leader_only && replica_selector_is_rack_aware(request->at->replicas)) {
        op->rack = body->rack_id;
    }
}

static void fetch_begin(struct request *request) {
    const struct fetch_request *body = request->body;
    struct fetch_op *op = ARENA_NEW(&request->arena, struct fetch_op);
    op->request = request;
    enum kafka_error error = fetch_prepare(op, body);
    if (error != ERROR_NONE) {
        request_respond_error(request, error);
        return;
    }
    int64_t server_max = broker_config_int(request->at->config, CONFIG_FETCH_MAX_BYTES);
    op->bytes_max = body->max_bytes < server_max ? body->max_bytes : server_max;
    op->bytes_min = body->min_bytes < op->bytes_max ? body->min_bytes : op->bytes_max;
    fetch_know_asker(op, body);
    op->final = body->max_wait_ms <= 0;
    int32_t wait_ms = body->max_wait_ms;
    if (request->at != request->home && wait_ms > AWAY_WAIT_MAX_MS) {
        wait_ms = AWAY_WAIT_MAX_MS;
    }
    op->deadline_ms = request->received_ms + wait_ms;
    int64_t slack = wait_ms / WAIT_SLACK_PART;
    op->deadline_ms -= slack > 1 ? op->deadline_ms % slack : 0;
    timer_init(&op->timer, request->at->shard, fetch_timer);
    scatter_init(&op->scatter, request, fetch_run, fetch_done);
    fetch_resolve(op);
    fetch_round(op);
}

void api_fetch(struct request *request) {
    const struct fetch_request *body = request->body;
    struct node *node = request->at->node;
    if (request->scope == API_SCOPE_CONTROLLER) {
        fetch_metadata(request);
        return;
    }
    struct node_shard *to = request->at;
    if (body->session_id > 0) {
        to = &node->shards[fetch_session_shard(body->session_id, node->shard_count)];
    }
    request_move(request, to, fetch_begin);
}
