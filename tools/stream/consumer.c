#include "tools/stream/consumer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "tools/admin/offsets.h"

#define FETCH_VERSION_MAX 12 /* the last with names of topics */
#define RECORD_MAX        ((size_t)256 << 20)
#define LEADERS_MAX       64 /* asked in one round; the rest is asked in the next */
#define WAIT_OF_MANY_MS   50

void consumer_init(struct consumer *consumer, struct client *client,
                   const struct consumer_options *options) {
    *consumer = (struct consumer){.client = client, .options = *options};
}

void consumer_release(struct consumer *consumer) {
    free(consumer->sources);
    consumer->sources = NULL;
    consumer->count = 0;
}

struct source *consumer_add(struct consumer *consumer, struct slice topic, int32_t partition,
                            int64_t start) {
    consumer->sources =
        xrealloc(consumer->sources, (consumer->count + 1) * sizeof(*consumer->sources));
    struct source *source = &consumer->sources[consumer->count++];
    *source = (struct source){.topic = topic,
                              .partition = partition,
                              .offset = start,
                              .start_time = -1,
                              .stop = -1,
                              .stop_time = -1,
                              .high_watermark = -1,
                              .leader = -1};
    return source;
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* Asks for one timestamp of each source that wants it; `pick` says which. */
static int16_t ask(struct consumer *consumer, bool (*pick)(struct source *source, int64_t *when),
                   void (*take)(struct source *source, int64_t offset)) {
    struct offset_query *queries = xcalloc(consumer->count + 1, sizeof(*queries));
    struct source **asked = xcalloc(consumer->count + 1, sizeof(struct source *));
    size_t count = 0;
    for (size_t i = 0; i < consumer->count; i++) {
        struct source *source = &consumer->sources[i];
        int64_t when;
        if (pick(source, &when)) {
            queries[count] = (struct offset_query){
                .topic = source->topic, .partition = source->partition, .timestamp = when};
            asked[count++] = source;
        }
    }
    int16_t code = ERROR_NONE;
    if (!offsets_list(consumer->client, queries, count, consumer->options.read_committed)) {
        code = -1;
    }
    for (size_t i = 0; i < count && code != -1; i++) {
        if (queries[i].code == ERROR_NONE) {
            take(asked[i], queries[i].offset);
        } else if (code == ERROR_NONE) {
            code = queries[i].code;
            errmsg_set(&consumer->client->error, "%.*s-%d: %s", SLICE_ARG(asked[i]->topic),
                       asked[i]->partition, error_message(code));
        }
    }
    free(queries);
    free(asked);
    return code;
}

static bool by_time(struct source *source, int64_t *when) {
    *when = source->start_time;
    return source->start_time >= 0;
}

static void take_start_of_time(struct source *source, int64_t offset) {
    source->start_time = -1;
    source->offset = offset >= 0 ? offset : OFFSET_LATEST;
}

static bool by_end(struct source *source, int64_t *when) {
    *when = OFFSET_LATEST;
    return source->offset == OFFSET_LATEST || source->offset <= START_TAIL(0);
}

static void take_end(struct source *source, int64_t offset) {
    if (source->offset == OFFSET_LATEST) {
        source->offset = offset;
    } else {
        int64_t back = START_TAIL(0) - source->offset;
        source->offset = offset > back ? offset - back : OFFSET_EARLIEST;
    }
}

static bool by_beginning(struct source *source, int64_t *when) {
    *when = OFFSET_EARLIEST;
    return source->offset == OFFSET_EARLIEST;
}

static void take_offset(struct source *source, int64_t offset) {
    source->offset = offset;
}

static bool by_stop(struct source *source, int64_t *when) {
    *when = source->stop_time;
    return source->stop_time >= 0;
}

static void take_stop(struct source *source, int64_t offset) {
    source->stop_time = -1;
    source->stop = offset; /* -1: no record is that young */
}

int16_t consumer_start(struct consumer *consumer) {
    int16_t code = ask(consumer, by_time, take_start_of_time);
    if (code == ERROR_NONE) {
        code = ask(consumer, by_end, take_end);
    }
    if (code == ERROR_NONE) {
        code = ask(consumer, by_beginning, take_offset);
    }
    return code == ERROR_NONE ? ask(consumer, by_stop, take_stop) : code;
}

/* ---- Records --------------------------------------------------------------------------------- */

/* Producers whose transaction is aborted, while a partition's batches are walked. */
struct aborts {
    const struct fetch_response_aborted_transaction *list;
    int32_t count;
    bool *over; /* by transaction: its marker was seen */
};

static bool is_aborted(const struct aborts *aborts, const struct batch *batch) {
    for (int32_t i = 0; i < aborts->count; i++) {
        if (!aborts->over[i] && aborts->list[i].producer_id == batch->producer_id &&
            aborts->list[i].first_offset <= batch->base_offset) {
            return true;
        }
    }
    return false;
}

/* A marker ends the earliest of its producer's transactions. */
static void end_transaction(struct aborts *aborts, const struct batch *batch) {
    for (int32_t i = 0; i < aborts->count; i++) {
        if (!aborts->over[i] && aborts->list[i].producer_id == batch->producer_id &&
            aborts->list[i].first_offset <= batch->base_offset) {
            aborts->over[i] = true;
            return;
        }
    }
}

enum walk {
    WALK_ON,
    WALK_STOPPED, /* by the receiver, or by the source's stop */
    WALK_CORRUPT,
};

static enum walk walk_batch(struct consumer *consumer, struct source *source, struct slice bytes,
                            const struct batch *batch, int64_t *taken) {
    struct record_iterator *it = record_iterator_new(bytes, batch, RECORD_MAX);
    struct record record;
    int got = 0;
    enum walk walk = WALK_ON;
    while (walk == WALK_ON && (got = record_iterator_next(it, &record)) > 0) {
        if (record.offset < source->offset) {
            continue;
        }
        if (source->stop >= 0 && record.offset >= source->stop) {
            walk = WALK_STOPPED;
            break;
        }
        source->offset = record.offset + 1;
        (*taken)++;
        struct incoming incoming = {source, &record,
                                    (batch->attributes & BATCH_ATTR_LOG_APPEND) != 0,
                                    batch->partition_leader_epoch};
        if (!consumer->record(consumer->ctx, &incoming)) {
            walk = WALK_STOPPED;
        }
    }
    if (walk == WALK_ON && got < 0) {
        walk = WALK_CORRUPT;
    }
    record_iterator_free(it);
    return walk;
}

static enum walk walk_records(struct consumer *consumer, struct source *source, struct slice in,
                              struct aborts *aborts, int64_t *taken) {
    struct batch batch;
    enum walk walk = WALK_ON;
    while (walk == WALK_ON && in.len > 0) {
        enum batch_parse parsed = batch_parse(in, &batch);
        if (parsed == BATCH_INCOMPLETE) {
            break;
        }
        if (parsed != BATCH_OK || !batch_crc_valid(slice_make(in.data, batch_size(&batch)))) {
            return WALK_CORRUPT;
        }
        struct slice bytes = slice_make(in.data, batch_size(&batch));
        in = slice_make(in.data + bytes.len, in.len - bytes.len);
        if ((batch.attributes & BATCH_ATTR_CONTROL) != 0) {
            end_transaction(aborts, &batch);
        } else if ((batch.attributes & BATCH_ATTR_TRANSACTIONAL) == 0 ||
                   !is_aborted(aborts, &batch)) {
            walk = walk_batch(consumer, source, bytes, &batch, taken);
        }
        if (walk == WALK_ON && batch_last_offset(&batch) >= source->offset) {
            source->offset = batch_last_offset(&batch) + 1;
        }
    }
    return walk;
}

/* ---- Fetching -------------------------------------------------------------------------------- */

static bool done(const struct source *source) {
    return source->paused || (source->stop >= 0 && source->offset >= source->stop);
}

bool consumer_stopped(const struct consumer *consumer) {
    for (size_t i = 0; i < consumer->count; i++) {
        if (!done(&consumer->sources[i])) {
            return false;
        }
    }
    return consumer->count > 0;
}

bool consumer_at_end(const struct consumer *consumer) {
    for (size_t i = 0; i < consumer->count; i++) {
        if (!done(&consumer->sources[i]) && !consumer->sources[i].at_end) {
            return false;
        }
    }
    return consumer->count > 0;
}

static struct source *find(struct consumer *consumer, struct slice topic, int32_t partition) {
    for (size_t i = 0; i < consumer->count; i++) {
        struct source *source = &consumer->sources[i];
        if (source->partition == partition && slice_equal(source->topic, topic)) {
            return source;
        }
    }
    return NULL;
}

/* Looks leaders up; -1 without answer, else a code that makes going on senseless, or 0. */
static int16_t learn_leaders(struct consumer *consumer) {
    bool needed = false;
    struct slice *names =
        arena_array(&consumer->client->answers, consumer->count + 1, sizeof(*names));
    int32_t count = 0;
    for (size_t i = 0; i < consumer->count; i++) {
        const struct source *source = &consumer->sources[i];
        needed = needed || source->leader < 0;
        if (count == 0 || !slice_equal(names[count - 1], source->topic)) {
            names[count++] = source->topic;
        }
    }
    if (!needed) {
        return ERROR_NONE;
    }
    const struct metadata_response *metadata = client_metadata(consumer->client, names, count);
    if (metadata == NULL) {
        return -1;
    }
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        const struct metadata_response_topic *t = &metadata->topics[i];
        if (t->error_code != ERROR_NONE && t->error_code != ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
            !error_retriable(t->error_code)) {
            client_fail(consumer->client, t->error_code, SLICE_NULL);
            return t->error_code;
        }
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct source *source = find(consumer, t->name, t->partitions[j].partition_index);
            if (source != NULL) {
                source->leader = t->partitions[j].leader_id;
            }
        }
    }
    return ERROR_NONE;
}

/* Sends the fetch for one leader; false when it cannot be sent. */
static bool send_fetch(struct consumer *consumer, int32_t leader, int32_t wait_ms,
                       int16_t *version) {
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    request.max_wait_ms = wait_ms;
    request.min_bytes = consumer->options.min_bytes;
    request.max_bytes = consumer->options.max_bytes;
    request.isolation_level = consumer->options.read_committed;
    request.topics =
        MESSAGE_ARRAY(&consumer->client->answers, fetch_request_topic, consumer->count);
    for (size_t i = 0; i < consumer->count; i++) {
        const struct source *source = &consumer->sources[i];
        if (source->leader != leader || done(source)) {
            continue;
        }
        struct fetch_request_topic *t = &request.topics[request.topics_count];
        if (request.topics_count == 0 || !slice_equal(t[-1].topic, source->topic)) {
            t->topic = source->topic;
            t->partitions = MESSAGE_ARRAY(&consumer->client->answers, fetch_request_partition,
                                          consumer->count - i);
            request.topics_count++;
        } else {
            t--;
        }
        struct fetch_request_partition *p = &t->partitions[t->partitions_count++];
        p->partition = source->partition;
        p->fetch_offset = source->offset;
        p->partition_max_bytes = consumer->options.fetch_bytes;
    }
    struct client_node *node = client_node(consumer->client, leader);
    *version = node == NULL ? -1 : rpc_version(&node->rpc, API_FETCH, FETCH_VERSION_MAX);
    return *version >= 0 && rpc_send(&node->rpc, API_FETCH, *version, &request);
}

/* An error of one partition: what can be helped is, else its code is returned. */
static int16_t recover(struct consumer *consumer, struct source *source, int16_t code) {
    if (code == ERROR_OFFSET_OUT_OF_RANGE && consumer->options.reset != RESET_NONE) {
        source->offset = consumer->options.reset == RESET_LATEST ? OFFSET_LATEST : OFFSET_EARLIEST;
        return consumer_start(consumer);
    }
    if (error_retriable(code)) {
        source->leader = -1;
        return ERROR_NONE;
    }
    client_fail(consumer->client, code, SLICE_NULL);
    return code;
}

/* False when the receiver wants no more, or *code is set. */
static bool take_partition(struct consumer *consumer, struct source *source,
                           const struct fetch_response_partition_data *data, int64_t *taken,
                           int16_t *code) {
    if (data->error_code != ERROR_NONE) {
        *code = recover(consumer, source, data->error_code);
        return *code == ERROR_NONE;
    }
    source->high_watermark =
        consumer->options.read_committed ? data->last_stable_offset : data->high_watermark;
    struct aborts aborts = {data->aborted_transactions, data->aborted_transactions_count, NULL};
    aborts.over = arena_array(&consumer->client->answers,
                              (size_t)(aborts.count > 0 ? aborts.count : 0) + 1, sizeof(bool));
    enum walk walk = walk_records(
        consumer, source, slice_make(data->records.data, data->records.len), &aborts, taken);
    source->at_end = source->offset >= source->high_watermark;
    if (walk == WALK_CORRUPT) {
        errmsg_set(&consumer->client->error, "%.*s-%d: the record at offset %lld is damaged",
                   SLICE_ARG(source->topic), source->partition, (long long)source->offset);
        *code = ERROR_CORRUPT_MESSAGE;
    }
    return walk == WALK_ON || (walk == WALK_STOPPED && done(source));
}

/* Receives what one leader has; false when the receiver wants no more, or *code is set. */
static bool receive_fetch(struct consumer *consumer, int32_t leader, int16_t version,
                          int64_t *taken, int16_t *code, bool wanted) {
    struct client_node *node = client_node(consumer->client, leader);
    const struct fetch_response *response =
        node == NULL ? NULL
                     : rpc_receive(&node->rpc, API_FETCH, version, &consumer->client->answers);
    if (response == NULL) {
        for (size_t i = 0; i < consumer->count; i++) {
            if (consumer->sources[i].leader == leader) {
                consumer->sources[i].leader = -1;
            }
        }
        client_hang_up(consumer->client, leader);
        return wanted;
    }
    for (int32_t i = 0; wanted && i < response->responses_count; i++) {
        const struct fetch_response_fetchable_topic_response *t = &response->responses[i];
        for (int32_t j = 0; wanted && j < t->partitions_count; j++) {
            struct source *source = find(consumer, t->topic, t->partitions[j].partition_index);
            wanted = source == NULL || done(source) ||
                     take_partition(consumer, source, &t->partitions[j], taken, code);
        }
    }
    return wanted;
}

int64_t consumer_poll(struct consumer *consumer, int16_t *code) {
    client_forget(consumer->client);
    *code = learn_leaders(consumer);
    if (*code != ERROR_NONE) {
        *code = *code < 0 ? ERROR_NONE : *code;
        return -1;
    }
    int32_t leaders[LEADERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < consumer->count && count < LEADERS_MAX; i++) {
        bool known = done(&consumer->sources[i]) || consumer->sources[i].leader < 0;
        for (size_t j = 0; j < count && !known; j++) {
            known = leaders[j] == consumer->sources[i].leader;
        }
        if (!known) {
            leaders[count++] = consumer->sources[i].leader;
        }
    }
    if (count == 0) {
        client_pause_ms(consumer->options.wait_ms);
    }
    int16_t versions[LEADERS_MAX];
    bool sent[LEADERS_MAX];
    int32_t wait_ms = count > 1 ? WAIT_OF_MANY_MS : consumer->options.wait_ms;
    for (size_t i = 0; i < count; i++) {
        sent[i] = send_fetch(consumer, leaders[i], wait_ms, &versions[i]);
        for (size_t j = 0; !sent[i] && j < consumer->count; j++) {
            if (consumer->sources[j].leader == leaders[i]) {
                consumer->sources[j].leader = -1;
            }
        }
        if (!sent[i]) {
            client_hang_up(consumer->client, leaders[i]);
            client_pause_ms(WAIT_OF_MANY_MS);
        }
    }
    int64_t taken = 0;
    bool wanted = true;
    for (size_t i = 0; i < count; i++) {
        if (sent[i]) {
            wanted = receive_fetch(consumer, leaders[i], versions[i], &taken, code, wanted);
        }
    }
    return *code == ERROR_NONE ? taken : -1;
}
