#include "tests/sim/node_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/generated/describe_producers_request.h"
#include "protocol/generated/describe_producers_response.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/metadata_response.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"
#include "protocol/generated/offset_for_leader_epoch_request.h"
#include "protocol/generated/offset_for_leader_epoch_response.h"
#include "protocol/records.h"

#define TIMESTAMP_EARLIEST (-2)
#define TIMESTAMP_MAX      (-3)
#define TRIES              50
#define RETRY_MS           20
#define EPOCHS             8

void view_init(struct view *view) {
    *view = (struct view){0};
    buffer_init(&view->topics, SIZE_MAX);
}

void view_release(struct view *view) {
    for (int i = 0; i < view->partition_count; i++) {
        buffer_release(&view->partitions[i].bytes);
        buffer_release(&view->partitions[i].facts);
    }
    for (int i = 0; i < view->group_count; i++) {
        buffer_release(&view->committed[i]);
    }
    buffer_release(&view->topics);
}

void view_add_partition(struct view *view, const char *topic, int32_t partition) {
    ASSERT(view->partition_count < VIEW_PARTITIONS_MAX);
    struct view_partition *added = &view->partitions[view->partition_count++];
    *added = (struct view_partition){.topic = topic, .partition = partition};
    buffer_init(&added->bytes, SIZE_MAX);
    buffer_init(&added->facts, SIZE_MAX);
}

void view_add_group(struct view *view, const char *group) {
    ASSERT(view->group_count < VIEW_GROUPS_MAX);
    buffer_init(&view->committed[view->group_count], SIZE_MAX);
    view->groups[view->group_count++] = group;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* An error that goes away by itself right after a start. */
static bool passing(int16_t error) {
    return error == ERROR_COORDINATOR_LOAD_IN_PROGRESS ||
           error == ERROR_COORDINATOR_NOT_AVAILABLE || error == ERROR_NOT_LEADER_OR_FOLLOWER;
}

static const struct list_offsets_response_partition_response *
list_offset(struct node_world *world, const struct view_partition *of, int64_t timestamp) {
    struct list_offsets_request_partition partition = list_offsets_request_partition_defaults;
    partition.partition_index = of->partition;
    partition.timestamp = timestamp;
    struct list_offsets_request_topic topic = {
        .name = slice_str(of->topic), .partitions = &partition, .partitions_count = 1};
    struct list_offsets_request request;
    message_init(&list_offsets_request_desc, &request);
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    const struct list_offsets_response *response = node_world_call(world, 2, 7, &request);
    return response == NULL ? NULL : &response->topics[0].partitions[0];
}

/* Takes what is served; whether there may be more. */
static bool take_batches(struct view_partition *into, struct slice records) {
    bool any = false;
    while (records.len > 0) {
        struct batch batch;
        if (batch_parse(records, &batch) != BATCH_OK) {
            into->checksum_fails = !any; /* a client sees that it makes no sense */
            break;
        }
        struct slice bytes = slice_make(records.data, batch_size(&batch));
        if (!batch_crc_valid(bytes)) {
            into->checksum_fails = true;
            return false;
        }
        if (batch_last_offset(&batch) >= into->end) {
            buffer_append_slice(&into->bytes, bytes);
            into->end = batch_last_offset(&batch) + 1;
        }
        any = true;
        records = slice_make(records.data + bytes.len, records.len - bytes.len);
    }
    return any;
}

static const struct fetch_response_partition_data *fetch(struct node_world *world,
                                                         const struct view_partition *of) {
    struct fetch_request_partition partition = fetch_request_partition_defaults;
    partition.partition = of->partition;
    partition.fetch_offset = of->end;
    partition.partition_max_bytes = 1 << 20;
    struct fetch_request_topic topic = {
        .topic = slice_str(of->topic), .partitions = &partition, .partitions_count = 1};
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    request.max_wait_ms = 0;
    request.topics = &topic;
    request.topics_count = 1;
    const struct fetch_response *response = node_world_call(world, 1, 12, &request);
    return response == NULL || response->error_code != ERROR_NONE || response->responses_count == 0
               ? NULL
               : &response->responses[0].partitions[0];
}

static bool take_records(struct view_partition *into, struct node_world *world) {
    const struct list_offsets_response_partition_response *earliest = NULL;
    for (int tries = 0; tries < TRIES; tries++) {
        earliest = list_offset(world, into, TIMESTAMP_EARLIEST);
        if (earliest == NULL || !passing(earliest->error_code)) {
            break;
        }
        node_world_wait(world, RETRY_MS);
    }
    if (earliest == NULL) {
        return false;
    }
    into->error = earliest->error_code;
    into->start = earliest->offset;
    into->end = earliest->offset;
    while (into->error == ERROR_NONE) {
        const struct fetch_response_partition_data *data = fetch(world, into);
        if (data == NULL) {
            return false;
        }
        into->error = data->error_code;
        if (into->error != ERROR_NONE || into->end >= data->high_watermark ||
            !take_batches(into, slice_make(data->records.data, data->records.len))) {
            break;
        }
    }
    return true;
}

/* The epoch of the newest batch: what is answered for later ones says only which epoch the
 * partition is in now. */
static int32_t newest_epoch(const struct view_partition *of) {
    struct slice left = buffer_slice(&of->bytes);
    struct batch batch = {.partition_leader_epoch = 0};
    while (left.len > 0 && batch_parse(left, &batch) == BATCH_OK) {
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    return batch.partition_leader_epoch;
}

static bool take_epochs(struct view_partition *into, struct node_world *world) {
    int32_t last = newest_epoch(into);
    for (int32_t epoch = 0; epoch <= last && epoch < EPOCHS; epoch++) {
        struct offset_for_leader_epoch_request_offset_for_leader_partition partition =
            offset_for_leader_epoch_request_offset_for_leader_partition_defaults;
        partition.partition = into->partition;
        partition.leader_epoch = epoch;
        struct offset_for_leader_epoch_request_offset_for_leader_topic topic = {
            .topic = slice_str(into->topic), .partitions = &partition, .partitions_count = 1};
        struct offset_for_leader_epoch_request request;
        message_init(&offset_for_leader_epoch_request_desc, &request);
        request.replica_id = -1;
        request.topics = &topic;
        request.topics_count = 1;
        const struct offset_for_leader_epoch_response *response =
            node_world_call(world, 23, 4, &request);
        if (response == NULL) {
            return false;
        }
        const struct offset_for_leader_epoch_response_epoch_end_offset *answer =
            &response->topics[0].partitions[0];
        buffer_printf(&into->facts, "epoch %" PRId32 ": %d %" PRId32 " %" PRId64 "\n", epoch,
                      answer->error_code, answer->leader_epoch, answer->end_offset);
    }
    return true;
}

static bool take_producers(struct view_partition *into, struct node_world *world) {
    struct describe_producers_request_topic_request topic = {.name = slice_str(into->topic),
                                                             .partition_indexes = &into->partition,
                                                             .partition_indexes_count = 1};
    struct describe_producers_request request;
    message_init(&describe_producers_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    const struct describe_producers_response *response = node_world_call(world, 61, 0, &request);
    if (response == NULL) {
        return false;
    }
    const struct describe_producers_response_partition_response *answer =
        &response->topics[0].partitions[0];
    int64_t sum = 0; /* the order is of no matter */
    for (int32_t i = 0; i < answer->active_producers_count; i++) {
        const struct describe_producers_response_producer_state *one = &answer->active_producers[i];
        sum += (one->producer_id + 1) * 1000003 + one->last_sequence * 10007 +
               one->producer_epoch * 101 + one->last_timestamp;
    }
    buffer_printf(&into->facts, "producers: %d %" PRId32 " %" PRId64 "\n", answer->error_code,
                  answer->active_producers_count, sum);
    return true;
}

/* The first offset at or after each batch's largest timestamp, and the largest of all. */
static bool take_lookups(struct view_partition *into, struct node_world *world) {
    struct slice left = buffer_slice(&into->bytes);
    int64_t timestamp = TIMESTAMP_MAX;
    for (;;) {
        const struct list_offsets_response_partition_response *found =
            list_offset(world, into, timestamp);
        if (found == NULL) {
            return false;
        }
        buffer_printf(&into->facts, "at %" PRId64 ": %d %" PRId64 " %" PRId64 "\n", timestamp,
                      found->error_code, found->offset, found->timestamp);
        struct batch batch;
        if (left.len == 0 || batch_parse(left, &batch) != BATCH_OK) {
            return true;
        }
        timestamp = batch.max_timestamp;
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
}

static bool take_partition(struct view_partition *into, struct node_world *world) {
    if (!take_records(into, world)) {
        return false;
    }
    if (into->error != ERROR_NONE || into->checksum_fails) {
        return true;
    }
    return take_epochs(into, world) && take_producers(into, world) && take_lookups(into, world);
}

static int16_t find_coordinator(struct node_world *world, const char *group) {
    struct slice key = slice_str(group);
    struct find_coordinator_request request;
    message_init(&find_coordinator_request_desc, &request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    const struct find_coordinator_response *response = node_world_call(world, 10, 4, &request);
    return response == NULL ? ERROR_UNKNOWN_SERVER_ERROR : response->coordinators[0].error_code;
}

static bool take_committed(const char *group, struct buffer *into, struct node_world *world) {
    struct offset_fetch_request request;
    message_init(&offset_fetch_request_desc, &request);
    request.group_id = slice_str(group);
    request.topics = NULL;
    request.topics_count = -1; /* all of them */
    for (int tries = 0; tries < TRIES; tries++) {
        int16_t found = find_coordinator(world, group);
        const struct offset_fetch_response *response =
            found != ERROR_NONE ? NULL : node_world_call(world, 9, 5, &request);
        if (found == ERROR_NONE && response == NULL) {
            return false;
        }
        int16_t error = found != ERROR_NONE ? found : response->error_code;
        if (error == ERROR_NONE) {
            for (int32_t i = 0; i < response->topics_count; i++) {
                for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
                    buffer_printf(into, "%.*s-%" PRId32 " %" PRId64 "\n",
                                  SLICE_ARG(response->topics[i].name),
                                  response->topics[i].partitions[j].partition_index,
                                  response->topics[i].partitions[j].committed_offset);
                }
            }
            buffer_append_str(into, "that is all\n");
            return true;
        }
        if (!passing(error)) {
            return true;
        }
        node_world_wait(world, RETRY_MS);
    }
    return true;
}

static bool take_topics(struct view *view, struct node_world *world) {
    struct metadata_request request;
    message_init(&metadata_request_desc, &request);
    request.topics_count = -1; /* all of them */
    const struct metadata_response *response = node_world_call(world, 3, 12, &request);
    if (response == NULL) {
        return false;
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        char id[UUID_TEXT_LEN + 1];
        buffer_printf(&view->topics, "%.*s %s %" PRId32 "\n", SLICE_ARG(response->topics[i].name),
                      uuid_format(response->topics[i].topic_id, id),
                      response->topics[i].partitions_count);
    }
    return true;
}

void view_take(struct view *view, struct node_world *world) {
    bool contact = take_topics(view, world);
    for (int i = 0; contact && i < view->partition_count; i++) {
        contact = take_partition(&view->partitions[i], world);
    }
    for (int i = 0; contact && i < view->group_count; i++) {
        contact = take_committed(view->groups[i], &view->committed[i], world);
    }
    view->lost_contact = !contact;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static bool same_bytes(struct slice truth, struct slice seen, int64_t epoch_at) {
    size_t head = epoch_at < 0 || (size_t)epoch_at >= seen.len ? seen.len : (size_t)epoch_at;
    size_t tail = head + 4 < seen.len ? head + 4 : seen.len;
    return seen.len == 0 || (memcmp(truth.data, seen.data, head) == 0 &&
                             memcmp(truth.data + tail, seen.data + tail, seen.len - tail) == 0);
}

/* Whether the batches seen are those of the truth from the first one on. */
static bool same_batches(struct slice truth, struct slice seen, bool prefix, int64_t epoch_at) {
    return seen.len <= truth.len && (prefix || seen.len == truth.len) &&
           same_bytes(truth, seen, epoch_at);
}

/* Without the batches below the true start. */
static struct slice from_start(const struct view_partition *truth,
                               const struct view_partition *seen) {
    struct slice left = buffer_slice(&seen->bytes);
    struct batch batch;
    while (left.len > 0 && batch_parse(left, &batch) == BATCH_OK &&
           batch_last_offset(&batch) < truth->start) {
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    return left;
}

static enum view_verdict judge_partition(const struct view_partition *truth,
                                         const struct view_partition *seen, int64_t end_min,
                                         int64_t epoch_at, bool start_lower, bool may_be_missing,
                                         char why[512]) {
    if (seen->error == ERROR_UNKNOWN_TOPIC_OR_PARTITION && may_be_missing) {
        return VIEW_RECOVERED;
    }
    if (seen->error == ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
        seen->error == ERROR_OFFSET_OUT_OF_RANGE) {
        snprintf(why, 512, "%s-%d: error %d", seen->topic, seen->partition, seen->error);
        return VIEW_WRONG;
    }
    if (seen->error != ERROR_NONE) {
        return VIEW_REFUSED;
    }
    bool prefix = seen->end < truth->end || seen->checksum_fails;
    bool more = start_lower && seen->start < truth->start;
    bool same =
        (seen->start == truth->start || more) &&
        same_batches(buffer_slice(&truth->bytes), from_start(truth, seen), prefix, epoch_at);
    bool enough = seen->checksum_fails || (seen->end >= end_min && seen->end <= truth->end);
    if (!same || !enough) {
        snprintf(why, 512, "%s-%d: records [%d, %d) instead of [%d, %d)%s", seen->topic,
                 seen->partition, (int)seen->start, (int)seen->end, (int)truth->start,
                 (int)truth->end, same ? "" : ", or others");
        return VIEW_WRONG;
    }
    if (seen->checksum_fails) {
        return VIEW_CHECKSUM;
    }
    if (seen->end == truth->end && !more && epoch_at < 0 &&
        !slice_equal(buffer_slice(&seen->facts), buffer_slice(&truth->facts))) {
        snprintf(why, 512, "%s-%d: facts\n%.*s-- instead of\n%.*s", seen->topic, seen->partition,
                 200, (const char *)seen->facts.data, 200, (const char *)truth->facts.data);
        return VIEW_WRONG;
    }
    return VIEW_RECOVERED;
}

enum view_verdict view_judge(const struct view *truth, const struct view *seen,
                             const struct view_allowance *allowance, char why[512]) {
    enum view_verdict worst = VIEW_RECOVERED;
    why[0] = '\0';
    if (seen->lost_contact) {
        snprintf(why, 512, "no answer");
        return VIEW_WRONG;
    }
    for (int i = 0; i < truth->partition_count; i++) {
        enum view_verdict verdict = judge_partition(
            &truth->partitions[i], &seen->partitions[i], allowance->end_min[i],
            allowance->epoch_at[i], allowance->start_lower[i], allowance->topics, why);
        worst = verdict > worst ? verdict : worst;
        if (worst == VIEW_WRONG) {
            return worst;
        }
    }
    for (int i = 0; i < truth->group_count; i++) {
        if (seen->committed[i].len == 0) {
            worst = worst < VIEW_REFUSED ? VIEW_REFUSED : worst;
        } else if (!allowance->committed && !slice_equal(buffer_slice(&seen->committed[i]),
                                                         buffer_slice(&truth->committed[i]))) {
            snprintf(why, 512, "group %s: %.*s", truth->groups[i], (int)seen->committed[i].len,
                     (const char *)seen->committed[i].data);
            return VIEW_WRONG;
        }
    }
    if (!allowance->topics &&
        !slice_equal(buffer_slice(&seen->topics), buffer_slice(&truth->topics))) {
        snprintf(why, 512, "topics: %.*s", 400, (const char *)seen->topics.data);
        return VIEW_WRONG;
    }
    return worst;
}
