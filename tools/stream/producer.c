#include "tools/stream/producer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"

#define API_INIT_PRODUCER_ID 22
#define PRODUCE_VERSION_MAX  12 /* the last with names of topics */
#define RECORD_OVERHEAD      64
#define BATCH_MAX            ((size_t)1 << 30)

uint32_t murmur2(struct slice key) {
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ (uint32_t)key.len;
    size_t i = 0;
    for (; i + 4 <= key.len; i += 4) {
        uint32_t k;
        memcpy(&k, key.data + i, 4);
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    if (i < key.len) {
        for (size_t j = key.len; j-- > i;) {
            h ^= (uint32_t)key.data[j] << (8 * (j - i));
        }
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ (h >> 15);
}

/* ---- The topic ------------------------------------------------------------------------------- */

/* Learns leaders; 0, an error code, or -1 without answer. */
static int16_t learn(struct producer *p) {
    const struct metadata_response *metadata = client_metadata_creating(p->client, p->topic);
    if (metadata == NULL || metadata->topics_count != 1) {
        return -1;
    }
    const struct metadata_response_topic *t = &metadata->topics[0];
    if (t->error_code != ERROR_NONE) {
        client_fail(p->client, t->error_code, SLICE_NULL);
        return t->error_code;
    }
    if (t->partitions_count > p->partition_count) {
        size_t count = (size_t)t->partitions_count;
        p->leaders = xrealloc(p->leaders, count * sizeof(*p->leaders));
        p->sequences = xrealloc(p->sequences, count * sizeof(*p->sequences));
        for (int32_t i = p->partition_count; i < t->partitions_count; i++) {
            p->leaders[i] = -1;
            p->sequences[i] = 0;
        }
        p->partition_count = t->partitions_count;
    }
    int16_t code = p->partition_count == 0 ? ERROR_LEADER_NOT_AVAILABLE : ERROR_NONE;
    for (int32_t i = 0; i < t->partitions_count; i++) {
        int32_t index = t->partitions[i].partition_index;
        if (index >= 0 && index < p->partition_count) {
            p->leaders[index] = t->partitions[i].leader_id;
        }
        if (t->partitions[i].leader_id < 0) {
            client_fail(p->client, ERROR_LEADER_NOT_AVAILABLE, SLICE_NULL);
            code = ERROR_LEADER_NOT_AVAILABLE;
        }
    }
    return code;
}

static void take_producer_id(struct producer *p) {
    if (p->options.acks != -1 || !client_serves(p->client, CLIENT_ANY, API_INIT_PRODUCER_ID, 0)) {
        return;
    }
    struct init_producer_id_request request;
    message_init(&init_producer_id_request_desc, &request);
    request.transactional_id = SLICE_NULL;
    request.transaction_timeout_ms = p->options.timeout_ms;
    for (int attempt = 0;;) {
        const struct init_producer_id_response *response =
            client_call(p->client, CLIENT_ANY, API_INIT_PRODUCER_ID, 4, &request, NULL);
        if (response != NULL && response->error_code == ERROR_NONE) {
            p->producer_id = response->producer_id;
            p->producer_epoch = response->producer_epoch;
            return;
        }
        if (response == NULL || !error_retriable(response->error_code) || !client_retry(&attempt)) {
            return; /* without */
        }
    }
}

int16_t producer_init(struct producer *producer, struct client *client, struct slice topic,
                      const struct producer_options *options) {
    *producer = (struct producer){.client = client,
                                  .topic = topic,
                                  .options = *options,
                                  .producer_id = NO_PRODUCER_ID,
                                  .producer_epoch = -1};
    arena_init(&producer->arena, SIZE_MAX);
    int64_t until = client_ticks_ms() + options->block_ms;
    int16_t code;
    while ((code = learn(producer)) > 0 && error_retriable(code) && client_ticks_ms() < until) {
        client_pause_ms(100);
    }
    if (code == ERROR_NONE) {
        take_producer_id(producer);
        producer->sticky =
            (int32_t)((uint64_t)client_ticks_ms() % (uint64_t)producer->partition_count);
    }
    return code;
}

void producer_release(struct producer *producer) {
    arena_release(&producer->arena);
    free(producer->records);
    free(producer->leaders);
    free(producer->sequences);
}

/* ---- Collecting ------------------------------------------------------------------------------ */

static void refuse(struct producer *p, const struct outgoing *record, int16_t code,
                   struct slice text) {
    p->refused_count++;
    if (p->refused != NULL) {
        p->refused(p->ctx, record, code, text.len > 0 ? text : slice_str(error_message(code)));
    }
}

bool producer_add(struct producer *p, const struct outgoing *record) {
    if (record->partition >= p->partition_count) {
        refuse(p, record, ERROR_UNKNOWN_TOPIC_OR_PARTITION, SLICE_LIT("no such partition"));
        return true;
    }
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 256 : p->cap * 2;
        p->records = xrealloc(p->records, p->cap * sizeof(*p->records));
    }
    struct outgoing *r = &p->records[p->count++];
    *r = *record;
    r->key = arena_dup(&p->arena, record->key);
    r->value = arena_dup(&p->arena, record->value);
    r->headers = arena_array(&p->arena, (size_t)record->header_count + 1, sizeof(*r->headers));
    p->bytes += r->key.len + r->value.len + RECORD_OVERHEAD;
    for (int32_t i = 0; i < record->header_count; i++) {
        r->headers[i].key = arena_dup(&p->arena, record->headers[i].key);
        r->headers[i].value = arena_dup(&p->arena, record->headers[i].value);
        p->bytes += r->headers[i].key.len + r->headers[i].value.len;
    }
    if (r->timestamp == NO_TIMESTAMP) {
        r->timestamp = client_now_ms();
    }
    if (r->partition < 0) {
        r->partition =
            slice_is_null(r->key)
                ? p->sticky
                : (int32_t)((murmur2(r->key) & INT32_MAX) % (uint32_t)p->partition_count);
    }
    return p->bytes < p->options.batch_bytes || producer_flush(p);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Records of one partition, by their places in producer->records. */
struct part {
    size_t *places;
    size_t count;
    int32_t partition;
};

static bool build(struct producer *p, const struct part *part, struct buffer *out) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = p->options.codec;
    if (p->producer_id != NO_PRODUCER_ID) {
        options.producer_id = p->producer_id;
        options.producer_epoch = p->producer_epoch;
        options.base_sequence = p->sequences[part->partition];
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options, BATCH_MAX);
    for (size_t i = 0; i < part->count; i++) {
        const struct outgoing *r = &p->records[part->places[i]];
        batch_builder_add(&builder, r->timestamp, r->key, r->value, r->headers, r->header_count);
    }
    bool built = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return built;
}

/* The answer for the part: an error code, with its text; -1 when none came. */
static int16_t send_once(struct producer *p, const struct part *part, struct slice *text) {
    struct buffer batch;
    buffer_init(&batch, SIZE_MAX);
    *text = SLICE_NULL;
    if (!build(p, part, &batch)) {
        buffer_release(&batch);
        return ERROR_MESSAGE_TOO_LARGE;
    }
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_defaults;
    data.index = part->partition;
    data.records.data = batch.data;
    data.records.len = batch.len;
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_defaults;
    topic.name = p->topic;
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = p->options.acks;
    request.timeout_ms = p->options.timeout_ms;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    int16_t code = -1;
    if (p->options.acks == 0) {
        struct client_node *node = client_node(p->client, p->leaders[part->partition]);
        int16_t version =
            node == NULL ? -1 : rpc_version(&node->rpc, API_PRODUCE, PRODUCE_VERSION_MAX);
        code =
            version >= 0 && rpc_send(&node->rpc, API_PRODUCE, version, &request) ? ERROR_NONE : -1;
    } else {
        const struct produce_response *response =
            client_call(p->client, p->leaders[part->partition], API_PRODUCE, PRODUCE_VERSION_MAX,
                        &request, NULL);
        if (response != NULL && response->responses_count == 1 &&
            response->responses[0].partition_responses_count == 1) {
            const struct produce_response_partition_produce_response *answer =
                &response->responses[0].partition_responses[0];
            code = answer->error_code;
            *text = answer->record_errors_count > 0 &&
                            answer->record_errors[0].batch_index_error_message.len > 0
                        ? answer->record_errors[0].batch_index_error_message
                        : answer->error_message;
        }
    }
    buffer_release(&batch);
    return code;
}

/* Sends until there is a final answer; splits what is too large. False when nobody answers. */
static bool send_part(struct producer *p, const struct part *part) {
    struct slice text;
    int16_t code;
    for (int attempt = 0;;) {
        code = send_once(p, part, &text);
        if (code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
            code = ERROR_NONE;
        }
        if (code == ERROR_NONE || (code > 0 && !error_retriable(code)) ||
            code == ERROR_CORRUPT_MESSAGE || !client_retry(&attempt)) {
            break;
        }
        (void)learn(p);
    }
    if (code == -1) {
        return false;
    }
    if (code == ERROR_NONE) {
        p->sequences[part->partition] =
            (int32_t)(((uint32_t)p->sequences[part->partition] + part->count) & INT32_MAX);
        p->acknowledged += part->count;
        return true;
    }
    if (part->count > 1 && (code == ERROR_MESSAGE_TOO_LARGE || code == ERROR_INVALID_RECORD)) {
        size_t half = part->count / 2;
        struct part first = {part->places, half, part->partition};
        struct part second = {part->places + half, part->count - half, part->partition};
        return send_part(p, &first) && send_part(p, &second);
    }
    for (size_t i = 0; i < part->count; i++) {
        refuse(p, &p->records[part->places[i]], code, text);
    }
    return true;
}

bool producer_flush(struct producer *p) {
    size_t *places = xcalloc(p->count + 1, sizeof(*places));
    bool answered = true;
    for (int32_t partition = 0; partition < p->partition_count && answered && p->count > 0;
         partition++) {
        struct part part = {places, 0, partition};
        for (size_t i = 0; i < p->count; i++) {
            if (p->records[i].partition == partition) {
                places[part.count++] = i;
            }
        }
        answered = part.count == 0 || send_part(p, &part);
    }
    if (p->count > 0) {
        p->sticky = (p->sticky + 1) % p->partition_count;
    }
    free(places);
    p->count = 0;
    p->bytes = 0;
    arena_reset(&p->arena);
    client_forget(p->client);
    return answered;
}
