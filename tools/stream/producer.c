#include "tools/stream/producer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"

#define API_INIT_PRODUCER_ID 22
#define PRODUCE_VERSION_MAX  12 /* the last with names of topics */
#define BATCH_MAX            ((size_t)1 << 30)
#define BATCH_HEADER         61
#define RECORD_OVERHEAD_MAX  21 /* as Java's clients reckon it, beside key, value and headers */
#define RETRY_PAUSE_MS       50
#define RETRY_PAUSE_MAX      500
#define STEP_MS              100

/* Records of one partition, which travel as one batch. */
struct parcel {
    struct parcel *next;
    struct arena arena; /* of the records' bytes */
    struct outgoing *records;
    size_t count, cap;
    size_t bytes; /* in a batch, uncompressed */
    int32_t partition;
    int64_t first_ms; /* when the first record came, client_ticks_ms() as all below */
    int64_t due_ms;   /* not to be sent before */
    int64_t sent_ms;
    int32_t attempt;
    int32_t ahead;    /* records that were to be written before it when it was sent */
    int32_t sequence; /* of its first record, as it was sent */
    int16_t version;  /* of the request */
    enum { PARCEL_WAITS, PARCEL_SENT, PARCEL_OVER } state;
};

/* What a leader has to answer, in the order in which it was sent. */
struct producer_link {
    int32_t leader;
    int32_t count;
    int32_t last_id; /* of the newest request; a connection that has not come so far is another */
    struct parcel **sent;
};

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
        p->open = xrealloc(p->open, count * sizeof(struct parcel *));
        p->ahead = xrealloc(p->ahead, count * sizeof(*p->ahead));
        for (int32_t i = p->partition_count; i < t->partitions_count; i++) {
            p->leaders[i] = -1;
            p->sequences[i] = 0;
            p->open[i] = NULL;
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
    if (p->options.acks != -1 || p->options.without_id ||
        !client_serves(p->client, CLIENT_ANY, API_INIT_PRODUCER_ID, 0)) {
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
    producer->last = &producer->first;
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

static void parcel_free(struct parcel *parcel) {
    if (parcel != NULL) {
        arena_release(&parcel->arena);
        free(parcel->records);
        free(parcel);
    }
}

/* Forgets all that was not answered. */
static void drop_all(struct producer *p) {
    for (int32_t i = 0; i < p->partition_count; i++) {
        parcel_free(p->open[i]);
        p->open[i] = NULL;
    }
    while (p->first != NULL) {
        struct parcel *parcel = p->first;
        p->first = parcel->next;
        parcel_free(parcel);
    }
    p->last = &p->first;
    p->bytes = 0;
    for (size_t i = 0; i < p->link_count; i++) {
        if (p->links[i].count > 0) {
            client_hang_up(p->client, p->links[i].leader); /* answers would be taken for others */
            p->links[i].count = 0;
        }
    }
}

void producer_release(struct producer *producer) {
    if (producer->client == NULL) {
        return;
    }
    drop_all(producer);
    for (size_t i = 0; i < producer->link_count; i++) {
        free(producer->links[i].sent);
    }
    free(producer->links);
    free(producer->leaders);
    free(producer->sequences);
    free(producer->open);
    free(producer->ahead);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static size_t varint_len(int64_t value) {
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t len = 1;
    while ((zigzag >>= 7) != 0) {
        len++;
    }
    return len;
}

static size_t bytes_len(struct slice bytes) {
    return slice_is_null(bytes) ? 1 : varint_len((int64_t)bytes.len) + bytes.len;
}

/* Key, value and headers. */
static size_t content_len(const struct outgoing *r) {
    size_t len = bytes_len(r->key) + bytes_len(r->value) + varint_len(r->header_count);
    for (int32_t i = 0; i < r->header_count; i++) {
        len += bytes_len(r->headers[i].key) + bytes_len(r->headers[i].value);
    }
    return len;
}

size_t producer_record_bytes(const struct outgoing *record) {
    return BATCH_HEADER + RECORD_OVERHEAD_MAX + content_len(record);
}

/* What the record adds to a batch, which may be NULL. */
static size_t record_len(const struct parcel *parcel, const struct outgoing *r) {
    int64_t time = parcel == NULL ? 0 : r->timestamp - parcel->records[0].timestamp;
    int64_t offset = parcel == NULL ? 0 : (int64_t)parcel->count;
    size_t len = 1 + varint_len(time) + varint_len(offset) + content_len(r);
    return varint_len((int64_t)len) + len;
}

/* ---- Outcomes -------------------------------------------------------------------------------- */

static void refuse(struct producer *p, const struct outgoing *record, int16_t code,
                   struct slice text) {
    p->refused_count++;
    if (p->refused != NULL) {
        p->refused(p->ctx, record, code, text.len > 0 ? text : slice_str(error_message(code)));
    }
}

/* It stays in the list until reap(). */
static void end(struct producer *p, struct parcel *parcel) {
    parcel->state = PARCEL_OVER;
    p->bytes -= parcel->bytes;
}

static void refuse_all(struct producer *p, struct parcel *parcel, int16_t code, struct slice text) {
    for (size_t i = 0; i < parcel->count; i++) {
        refuse(p, &parcel->records[i], code, text);
    }
    end(p, parcel);
}

static void confirm(struct producer *p, struct parcel *parcel, int64_t base_offset) {
    p->sequences[parcel->partition] =
        (int32_t)(((uint32_t)parcel->sequence + parcel->count) & INT32_MAX);
    p->acknowledged += parcel->count;
    for (size_t i = 0; p->written != NULL && i < parcel->count; i++) {
        p->written(p->ctx, &parcel->records[i], base_offset < 0 ? -1 : base_offset + (int64_t)i);
    }
    end(p, parcel);
}

/* Not taken this time; code -1: there was no answer. */
static void retry(struct producer *p, struct parcel *parcel, int16_t code) {
    int64_t now = client_ticks_ms();
    parcel->state = PARCEL_WAITS;
    if (now - parcel->first_ms < p->options.delivery_ms && parcel->attempt < p->options.retries) {
        int64_t pause = (int64_t)RETRY_PAUSE_MS << (parcel->attempt < 4 ? parcel->attempt : 4);
        parcel->due_ms = now + (pause < RETRY_PAUSE_MAX ? pause : RETRY_PAUSE_MAX);
        parcel->attempt++;
    } else if (code < 0 && p->options.tell_unanswered) {
        refuse_all(p, parcel, ERROR_NETWORK_EXCEPTION, slice_str(p->client->error.text));
    } else if (code < 0) {
        end(p, parcel);
        p->failed = true;
    } else {
        refuse_all(p, parcel, code, SLICE_NULL);
    }
}

/* What is sent over the connection will not be answered. */
static void lose(struct producer *p, struct producer_link *link) {
    client_hang_up(p->client, link->leader);
    for (int32_t i = 0; i < link->count; i++) {
        retry(p, link->sent[i], -1);
    }
    link->count = 0;
    (void)learn(p);
}

static void reap(struct producer *p) {
    struct parcel **at = &p->first;
    while (*at != NULL) {
        struct parcel *parcel = *at;
        if (parcel->state == PARCEL_OVER) {
            *at = parcel->next;
            parcel_free(parcel);
        } else {
            at = &parcel->next;
        }
    }
    p->last = at;
}

/* ---- Collecting ------------------------------------------------------------------------------ */

static void put(struct parcel *parcel, const struct outgoing *record) {
    if (parcel->count == parcel->cap) {
        parcel->cap = parcel->cap == 0 ? 16 : parcel->cap * 2;
        parcel->records = xrealloc(parcel->records, parcel->cap * sizeof(*parcel->records));
    }
    struct outgoing *r = &parcel->records[parcel->count];
    *r = *record;
    r->key = arena_dup(&parcel->arena, record->key);
    r->value = arena_dup(&parcel->arena, record->value);
    r->headers = arena_array(&parcel->arena, (size_t)record->header_count + 1, sizeof(*r->headers));
    for (int32_t i = 0; i < record->header_count; i++) {
        r->headers[i].key = arena_dup(&parcel->arena, record->headers[i].key);
        r->headers[i].value = arena_dup(&parcel->arena, record->headers[i].value);
    }
    parcel->bytes += record_len(parcel->count == 0 ? NULL : parcel, r);
    parcel->count++;
}

static struct parcel *parcel_new(int32_t partition, int64_t first_ms) {
    struct parcel *parcel = NEW(struct parcel);
    arena_init(&parcel->arena, SIZE_MAX);
    parcel->partition = partition;
    parcel->first_ms = first_ms;
    parcel->bytes = BATCH_HEADER;
    return parcel;
}

/* The batch of a partition takes no more records. */
static void close_batch(struct producer *p, int32_t partition) {
    struct parcel *parcel = p->open[partition];
    p->open[partition] = NULL;
    *p->last = parcel;
    p->last = &parcel->next;
    if (partition == p->sticky) {
        p->sticky = (p->sticky + 1) % p->partition_count;
    }
}

static void close_all(struct producer *p) {
    for (int32_t i = 0; i < p->partition_count; i++) {
        if (p->open[i] != NULL) {
            close_batch(p, i);
        }
    }
}

/* The records of the second half become a batch of their own, behind the first. */
static void split(struct producer *p, struct parcel *parcel) {
    struct parcel *second = parcel_new(parcel->partition, parcel->first_ms);
    size_t half = parcel->count / 2;
    for (size_t i = half; i < parcel->count; i++) {
        put(second, &parcel->records[i]);
    }
    p->bytes += BATCH_HEADER;
    parcel->bytes -= second->bytes - BATCH_HEADER;
    parcel->count = half;
    parcel->state = PARCEL_WAITS;
    second->next = parcel->next;
    parcel->next = second;
    if (p->last == &parcel->next) {
        p->last = &second->next;
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

static struct producer_link *link_of(struct producer *p, int32_t leader) {
    for (size_t i = 0; i < p->link_count; i++) {
        if (p->links[i].leader == leader) {
            return &p->links[i];
        }
    }
    p->links = xrealloc(p->links, (p->link_count + 1) * sizeof(*p->links));
    struct producer_link *link = &p->links[p->link_count++];
    *link = (struct producer_link){.leader = leader};
    link->sent = xcalloc((size_t)p->options.in_flight, sizeof(struct parcel *));
    return link;
}

/* The connection over which the answers are to come; NULL when it is gone. */
static struct client_node *connection_of(struct producer *p, const struct producer_link *link) {
    struct client_node *node = client_node(p->client, link->leader);
    return node != NULL && node->rpc.correlation_id >= link->last_id ? node : NULL;
}

/* ahead: records of the partition that are to be written before. */
static bool build(struct producer *p, struct parcel *parcel, int32_t ahead, struct buffer *out) {
    parcel->ahead = ahead;
    parcel->sequence =
        (int32_t)(((uint32_t)p->sequences[parcel->partition] + (uint32_t)ahead) & INT32_MAX);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = p->options.codec;
    options.level = p->options.level;
    if (p->producer_id != NO_PRODUCER_ID) {
        options.producer_id = p->producer_id;
        options.producer_epoch = p->producer_epoch;
        options.base_sequence = parcel->sequence;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options, BATCH_MAX);
    for (size_t i = 0; i < parcel->count; i++) {
        const struct outgoing *r = &parcel->records[i];
        batch_builder_add(&builder, r->timestamp, r->key, r->value, r->headers, r->header_count);
    }
    bool built = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return built;
}

static bool write_request(struct producer *p, struct parcel *parcel, struct client_node *node,
                          struct slice batch) {
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_defaults;
    data.index = parcel->partition;
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
    p->request_count++;
    p->request_bytes += batch.len;
    p->sent_count += parcel->count;
    p->retried_count += parcel->attempt > 0 ? parcel->count : 0;
    parcel->version = rpc_version(&node->rpc, API_PRODUCE, PRODUCE_VERSION_MAX);
    return parcel->version >= 0 && rpc_send(&node->rpc, API_PRODUCE, parcel->version, &request);
}

/* False when it stays where it is. */
static bool send_parcel(struct producer *p, struct parcel *parcel, int32_t ahead) {
    int32_t leader = p->leaders[parcel->partition];
    if (leader < 0) {
        retry(p, parcel, ERROR_LEADER_NOT_AVAILABLE);
        (void)learn(p);
        return false;
    }
    struct producer_link *link = link_of(p, leader);
    /* A broker takes the first batch that it sees of a producer whatever its number is. */
    bool unknown = p->producer_id != NO_PRODUCER_ID && p->sequences[parcel->partition] == 0;
    if (link->count == p->options.in_flight || (unknown && ahead > 0)) {
        return false;
    }
    if (link->count > 0 && connection_of(p, link) == NULL) {
        lose(p, link);
    }
    struct client_node *node = client_node(p->client, leader);
    if (node == NULL) {
        retry(p, parcel, -1);
        (void)learn(p);
        return false;
    }
    struct buffer batch;
    buffer_init(&batch, SIZE_MAX);
    if (!build(p, parcel, ahead, &batch)) {
        refuse_all(p, parcel, ERROR_MESSAGE_TOO_LARGE, SLICE_NULL);
    } else if (!write_request(p, parcel, node, buffer_slice(&batch))) {
        errmsg_set(&p->client->error, "%s:%u: %s", node->host, node->port, node->rpc.error.text);
        retry(p, parcel, -1);
        lose(p, link);
    } else if (p->options.acks == 0) {
        confirm(p, parcel, -1);
    } else {
        parcel->state = PARCEL_SENT;
        parcel->sent_ms = client_ticks_ms();
        link->sent[link->count++] = parcel;
        link->last_id = node->rpc.correlation_id;
    }
    buffer_release(&batch);
    return parcel->state == PARCEL_SENT;
}

/* Sends what may be sent, each partition in order. */
static void send_due(struct producer *p) {
    int64_t now = client_ticks_ms();
    for (int32_t i = 0; i < p->partition_count; i++) {
        struct parcel *open = p->open[i];
        if (open != NULL && p->options.linger_ms >= 0 &&
            now - open->first_ms >= p->options.linger_ms && p->leaders[i] >= 0 &&
            link_of(p, p->leaders[i])->count < p->options.in_flight) {
            close_batch(p, i);
        }
        p->ahead[i] = 0;
    }
    int32_t partition_count = p->partition_count; /* learning may add some; they have no batches */
    for (struct parcel *parcel = p->first; parcel != NULL; parcel = parcel->next) {
        int32_t *ahead = &p->ahead[parcel->partition];
        ASSERT(parcel->partition < partition_count);
        if (parcel->state == PARCEL_OVER || *ahead < 0) {
            continue;
        }
        int32_t before = *ahead;
        if (parcel->state == PARCEL_SENT ||
            (parcel->due_ms <= now && send_parcel(p, parcel, before))) {
            p->ahead[parcel->partition] = before + (int32_t)parcel->count;
        } else if (parcel->state == PARCEL_WAITS) {
            p->ahead[parcel->partition] = -1; /* what is behind it waits as well */
        }
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void settle(struct producer *p, struct parcel *parcel,
                   const struct produce_response_partition_produce_response *answer) {
    int16_t code = answer->error_code;
    struct slice text = answer->record_errors_count > 0 &&
                                answer->record_errors[0].batch_index_error_message.len > 0
                            ? answer->record_errors[0].batch_index_error_message
                            : answer->error_message;
    if (code == ERROR_NONE || code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
        confirm(p, parcel, answer->base_offset);
    } else if (parcel->count > 1 &&
               (code == ERROR_MESSAGE_TOO_LARGE || code == ERROR_INVALID_RECORD)) {
        split(p, parcel);
    } else if (code == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && parcel->ahead > 0) {
        parcel->state = PARCEL_WAITS; /* what was sent before it was not taken */
    } else if (error_retriable(code) && code != ERROR_CORRUPT_MESSAGE) {
        client_fail(p->client, code, text);
        retry(p, parcel, code);
        (void)learn(p);
    } else {
        refuse_all(p, parcel, code, text);
    }
}

/* Takes the answer to the oldest request of a leader. */
static void take_answer(struct producer *p, struct producer_link *link) {
    struct client_node *node = connection_of(p, link);
    struct parcel *parcel = link->sent[0];
    const struct produce_response *response =
        rpc_receive(&node->rpc, API_PRODUCE, parcel->version, &p->client->answers);
    if (response == NULL || response->responses_count != 1 ||
        response->responses[0].partition_responses_count != 1) {
        errmsg_set(&p->client->error, "%s:%u: %s", node->host, node->port, node->rpc.error.text);
        lose(p, link);
        return;
    }
    link->count--;
    memmove(link->sent, link->sent + 1, (size_t)link->count * sizeof(struct parcel *));
    settle(p, parcel, &response->responses[0].partition_responses[0]);
}

/* How long nothing can become due, at most `limit`. */
static int64_t idle_ms(const struct producer *p, int64_t limit) {
    int64_t now = client_ticks_ms();
    for (int32_t i = 0; i < p->partition_count && p->options.linger_ms >= 0; i++) {
        int64_t left =
            p->open[i] == NULL ? limit : p->open[i]->first_ms + p->options.linger_ms - now;
        limit = left < limit ? left : limit;
    }
    for (const struct parcel *parcel = p->first; parcel != NULL; parcel = parcel->next) {
        if (parcel->state == PARCEL_WAITS && parcel->due_ms > now) {
            limit = parcel->due_ms - now < limit ? parcel->due_ms - now : limit;
        }
    }
    return limit > 0 ? limit : 0;
}

/* Takes one answer of each leader that has one; waits for the first. Returns how many came. */
static int take_answers(struct producer *p, int64_t wait_ms) {
    struct pollfd *fds = arena_array(&p->client->answers, p->link_count + 1, sizeof(*fds));
    bool busy = false;
    for (size_t i = 0; i < p->link_count; i++) {
        struct client_node *node = p->links[i].count > 0 ? connection_of(p, &p->links[i]) : NULL;
        fds[i] = (struct pollfd){.fd = node == NULL ? -1 : node->rpc.fd, .events = POLLIN};
        busy = busy || p->links[i].count > 0;
    }
    if (!busy && wait_ms == 0) {
        return 0;
    }
    int ready = poll(fds, p->link_count, (int)(wait_ms < STEP_MS ? wait_ms : STEP_MS));
    for (size_t i = 0; i < p->link_count; i++) {
        struct producer_link *link = &p->links[i];
        if (ready > 0 && fds[i].revents != 0) {
            take_answer(p, link);
        } else if (link->count > 0 && (fds[i].fd < 0 || client_ticks_ms() - link->sent[0]->sent_ms >
                                                            p->options.timeout_ms * 2L)) {
            errmsg_set(&p->client->error, "no answer came from broker %d", link->leader);
            lose(p, link);
        }
    }
    return ready;
}

/* ---- The public face ------------------------------------------------------------------------- */

bool producer_poll(struct producer *p, int64_t wait_ms) {
    send_due(p);
    bool taken = false;
    while (!p->failed && take_answers(p, taken ? 0 : idle_ms(p, wait_ms)) > 0) {
        taken = true;
    }
    if (taken) {
        send_due(p);
    }
    reap(p);
    client_forget(p->client);
    return !p->failed;
}

bool producer_flush(struct producer *p) {
    close_all(p);
    while (p->first != NULL && producer_poll(p, STEP_MS)) {}
    bool answered = !p->failed;
    drop_all(p);
    p->failed = false;
    return answered;
}

/* Waits until the record has room; false, with the record refused, when that takes too long. */
static bool make_room(struct producer *p, const struct outgoing *record, size_t bytes) {
    int64_t until = client_ticks_ms() + p->options.block_ms;
    while (p->bytes > 0 && p->bytes + bytes > p->options.buffer_bytes) {
        if (p->first == NULL) {
            close_all(p);
        }
        if (!producer_poll(p, STEP_MS)) {
            return false;
        }
        if (client_ticks_ms() >= until) {
            char text[ERRMSG_SIZE];
            snprintf(
                text, sizeof(text),
                "Failed to allocate %zu bytes within the configured max blocking time %lld ms.",
                bytes, (long long)p->options.block_ms);
            refuse(p, record, ERROR_REQUEST_TIMED_OUT, slice_str(text));
            return false;
        }
    }
    return true;
}

static int32_t choose(const struct producer *p, const struct outgoing *record) {
    return record->partition >= 0 ? record->partition
           : slice_is_null(record->key)
               ? p->sticky
               : (int32_t)((murmur2(record->key) & INT32_MAX) % (uint32_t)p->partition_count);
}

/* Refuses what can never be written. */
static bool acceptable(struct producer *p, const struct outgoing *record, size_t bytes) {
    if (record->partition >= p->partition_count) {
        refuse(p, record, ERROR_UNKNOWN_TOPIC_OR_PARTITION, SLICE_LIT("no such partition"));
        return false;
    }
    if (bytes > p->options.record_bytes) {
        char text[ERRMSG_SIZE];
        snprintf(text, sizeof(text),
                 "The message is %zu bytes when serialized which is larger than %zu, which is the "
                 "value of the max.request.size configuration.",
                 bytes, p->options.record_bytes);
        refuse(p, record, ERROR_MESSAGE_TOO_LARGE, slice_str(text));
        return false;
    }
    return true;
}

bool producer_add(struct producer *p, const struct outgoing *record) {
    size_t bytes = producer_record_bytes(record);
    if (!acceptable(p, record, bytes) || !make_room(p, record, bytes)) {
        return !p->failed;
    }
    struct outgoing r = *record;
    if (r.timestamp == NO_TIMESTAMP) {
        r.timestamp = client_now_ms();
    }
    bool closed = false;
    r.partition = choose(p, record);
    struct parcel *open = p->open[r.partition];
    if (open != NULL && open->bytes + record_len(open, &r) > p->options.batch_bytes) {
        close_batch(p, r.partition);
        closed = true;
        r.partition = choose(p, record);
    }
    if (p->open[r.partition] == NULL) {
        p->open[r.partition] = parcel_new(r.partition, client_ticks_ms());
        p->bytes += BATCH_HEADER;
    }
    open = p->open[r.partition];
    size_t before = open->bytes;
    put(open, &r);
    p->bytes += open->bytes - before;
    if (open->bytes >= p->options.batch_bytes) {
        close_batch(p, r.partition);
        closed = true;
    }
    return !closed || producer_poll(p, 0);
}
