#include "tools/bench/consumer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/records.h"
#include "tools/bench/producer.h"

#define FETCH 1

/* ---- What a batch tells ---------------------------------------------------------------------- */

/*
 * The number of the partition's next event, where one connection alone writes to the partition; so
 * that batches without a stamp are known too. False when several do.
 */
static bool next_number(const struct bench *bench, const struct fetch_part *part, uint64_t *out) {
    bool found = false;
    for (int i = 0; i < bench->producer_count; i++) {
        const struct producer *producer = &bench->producers[i];
        for (uint64_t r = 0; r < producer->route_count; r++) {
            if (producer->routes[r].partition != part->partition) {
                continue;
            }
            if (found) {
                return false;
            }
            found = true;
            uint64_t turn = part->batches * producer->route_count + r;
            *out = turn * (uint64_t)bench->producer_count + producer->index;
        }
    }
    return found;
}

/* Checks that the event is the next of its route. */
static void check_order(struct bench *bench, const struct fetch_part *part, uint64_t number) {
    struct route *route = route_of(bench, number);
    uint64_t turn = number / (uint64_t)bench->producer_count;
    uint64_t index = turn / producer_of(bench, number)->route_count;
    if (index != route->consumed || (!bench->options->raw && route->partition != part->partition)) {
        bench->faults.disorder++;
        bench->faults.detail = index < route->consumed ? "a batch came twice or late"
                                                       : "a batch is missing or came early";
    }
    route->consumed = index + 1;
}

static void take_batch(struct bench *bench, struct fetch_part *part, struct slice bytes,
                       const struct batch *batch, int64_t received_ns) {
    bench->totals.batches++;
    bench->totals.records += (uint64_t)batch->record_count;
    bench->totals.bytes += bytes.len;
    if (!batch_crc_valid(bytes)) {
        bench->faults.malformed++;
        bench->faults.detail = "a batch fails its checksum";
        return;
    }
    struct stamp stamp;
    int64_t intended;
    uint64_t number;
    if (payload_read_stamp(&bench->payload, bytes, &stamp)) {
        if (stamp.run_id != bench->run_id || bench->producer_count == 0) {
            return; /* somebody else's */
        }
        number = stamp.number;
        intended = stamp.intended_ns;
        check_order(bench, part, number);
    } else if (bench->open_loop && next_number(bench, part, &number)) {
        intended = schedule_due_ns(&bench->schedule, number);
    } else {
        return;
    }
    part->batches++;
    bench->consumed_sum += bench_mix(number);
    if (bench_measured(bench, intended)) {
        histogram_record(bench->e2e, received_ns - intended);
    }
}

/* Takes all whole batches; how many bytes they are. */
static size_t take_batches(struct consumer *consumer, struct fetch_part *part, struct slice in,
                           int64_t received_ns) {
    size_t used = 0;
    struct batch batch;
    while (used < in.len) {
        struct slice rest = slice_make(in.data + used, in.len - used);
        enum batch_parse parsed = batch_parse(rest, &batch);
        if (parsed == BATCH_INCOMPLETE) {
            break;
        }
        if (parsed != BATCH_OK) {
            consumer->bench->faults.malformed++;
            consumer->bench->faults.detail = "a batch is damaged";
            part->end = part->offset; /* nothing behind it can be read */
            break;
        }
        if (consumer->bench->options->raw || batch_last_offset(&batch) >= part->offset) {
            take_batch(consumer->bench, part, slice_make(rest.data, batch_size(&batch)), &batch,
                       received_ns);
        }
        if (!consumer->bench->options->raw) {
            part->offset = batch_last_offset(&batch) + 1;
        }
        used += batch_size(&batch);
    }
    return used;
}

static void advance(struct consumer *consumer, struct fetch_part *part, struct slice records,
                    int64_t received_ns) {
    bool was_unfinished = part->offset < part->end;
    int64_t before = part->offset;
    size_t used = take_batches(consumer, part, records, received_ns);
    if (consumer->bench->options->raw) {
        part->offset += (int64_t)used;
    }
    part->changed = part->changed || part->offset != before;
    if (was_unfinished && part->offset >= part->end) {
        consumer->unfinished--;
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* With a session, only partitions whose offset has moved are named. */
static void encode_fetch(struct consumer *consumer) {
    const struct bench_options *options = consumer->bench->options;
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    request.max_wait_ms = options->max_wait_ms;
    request.min_bytes = options->min_bytes;
    request.max_bytes = options->fetch_bytes;
    request.session_id = consumer->session_id;
    request.session_epoch = consumer->session_epoch;
    struct fetch_request_topic *topic = MESSAGE_ARRAY(&consumer->arena, fetch_request_topic, 1);
    topic->topic = slice_str(consumer->bench->topic.name);
    topic->topic_id = consumer->bench->topic.id;
    topic->partitions =
        MESSAGE_ARRAY(&consumer->arena, fetch_request_partition, (size_t)consumer->part_count);
    for (int i = 0; i < consumer->part_count; i++) {
        struct fetch_part *part = &consumer->parts[i];
        if (consumer->session_epoch > 0 && !part->changed) {
            continue;
        }
        part->changed = false;
        struct fetch_request_partition *p = &topic->partitions[topic->partitions_count++];
        p->partition = part->partition;
        p->fetch_offset = part->offset;
        p->partition_max_bytes = options->partition_bytes;
    }
    request.topics = topic;
    request.topics_count = topic->partitions_count > 0 ? 1 : 0;
    frame_request(&consumer->frame, FETCH, consumer->bench->fetch_version, consumer->correlation_id,
                  &request, NULL);
}

static void encode_raw_fetch(struct consumer *consumer) {
    buffer_put_be32(&consumer->frame, RAW_FETCH_SIZE - 4);
    buffer_put_be16(&consumer->frame, RAW_FETCH);
    buffer_put_be16(&consumer->frame, 0);
    buffer_put_be32(&consumer->frame, (uint32_t)consumer->correlation_id);
    buffer_put_be64(&consumer->frame, (uint64_t)consumer->parts[0].offset);
    buffer_put_be32(&consumer->frame, (uint32_t)consumer->bench->options->partition_bytes);
}

static void fetch(struct consumer *consumer) {
    if (consumer->conn.closed || consumer->unfinished == 0) {
        return;
    }
    buffer_reset(&consumer->frame);
    if (consumer->bench->options->raw) {
        encode_raw_fetch(consumer);
    } else {
        encode_fetch(consumer);
    }
    arena_reset(&consumer->arena);
    struct slice frame = buffer_slice(&consumer->frame);
    memcpy(bench_conn_put(&consumer->conn, frame.len), frame.data, frame.len);
    consumer->waiting = true;
    bench_conn_flush(&consumer->conn);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void take_response(struct consumer *consumer, const struct fetch_response *response,
                          int64_t received_ns) {
    struct bench *bench = consumer->bench;
    if (bench_count_error(bench, response->error_code, "Fetch")) {
        consumer->session_id = 0; /* the session is gone; start a new one */
        consumer->session_epoch = bench->options->sessions ? 0 : -1;
        return;
    }
    if (response->session_id != 0) {
        consumer->session_id = response->session_id;
        consumer->session_epoch =
            consumer->session_epoch == INT32_MAX ? 1 : consumer->session_epoch + 1;
    } else {
        consumer->session_epoch = -1;
    }
    for (int32_t t = 0; t < response->responses_count; t++) {
        for (int32_t i = 0; i < response->responses[t].partitions_count; i++) {
            const struct fetch_response_partition_data *data =
                &response->responses[t].partitions[i];
            if (bench_count_error(bench, data->error_code, "Fetch")) {
                continue;
            }
            int32_t partition = data->partition_index;
            if (partition < 0 || partition >= bench->topic.partition_count ||
                consumer->index_of[partition] < 0) {
                bench->faults.malformed++;
                continue;
            }
            if (data->records.data != NULL) {
                advance(consumer, &consumer->parts[consumer->index_of[partition]],
                        slice_make(data->records.data, data->records.len), received_ns);
            }
        }
    }
}

static void on_frame(struct bench_conn *conn, struct slice frame, int64_t received_ns) {
    struct consumer *consumer = CONTAINER_OF(conn, struct consumer, conn);
    struct bench *bench = consumer->bench;
    if (frame.len < 4 || !consumer->waiting ||
        (int32_t)load_be32(frame.data) != consumer->correlation_id) {
        bench->faults.malformed++;
        bench->faults.detail = "an answer that nobody waits for";
        return;
    }
    consumer->waiting = false;
    consumer->correlation_id++;
    bench->totals.fetches++;
    if (bench->options->raw) {
        advance(consumer, &consumer->parts[0], slice_make(frame.data + 4, frame.len - 4),
                received_ns);
    } else {
        const struct fetch_response *response =
            frame_response(frame, FETCH, bench->fetch_version, &consumer->arena);
        if (response == NULL) {
            bench->faults.malformed++;
            bench->faults.detail = "an answer to Fetch does not decode";
        } else {
            take_response(consumer, response, received_ns);
        }
        arena_reset(&consumer->arena);
    }
    if (bench_fault_count(bench) < 1000) { /* no storm against a broker that refuses */
        fetch(consumer);
    }
}

static void on_drained(struct bench_conn *conn) {
}

static void on_close(struct bench_conn *conn, const char *reason) {
    struct consumer *consumer = CONTAINER_OF(conn, struct consumer, conn);
    consumer->bench->faults.lost_connections++;
    consumer->bench->faults.detail = reason;
}

static const struct bench_conn_handler handler = {
    .on_frame = on_frame,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Whether the consumer reads a partition that its broker leads: its own part, or all. */
static void assign(struct consumer *consumer, int index, const struct consumer_range *range,
                   bool every) {
    const struct bench *bench = consumer->bench;
    const struct topic *topic = &bench->topic;
    int broker = index % topic->broker_count;
    int peers = (bench->consumer_count - broker + topic->broker_count - 1) / topic->broker_count;
    int turn = 0;
    consumer->parts = xcalloc((size_t)topic->partition_count, sizeof(struct fetch_part));
    consumer->index_of = xcalloc((size_t)topic->partition_count, sizeof(int));
    for (int32_t p = 0; p < topic->partition_count; p++) {
        consumer->index_of[p] = -1;
        if (topic->leaders[p] != broker ||
            (turn++ % peers != index / topic->broker_count && !every)) {
            continue;
        }
        struct fetch_part *part = &consumer->parts[consumer->part_count];
        consumer->index_of[p] = consumer->part_count++;
        part->partition = p;
        part->offset = range->from == NULL ? 0 : range->from[p];
        part->end = range->to == NULL ? INT64_MAX : range->to[p];
        if (part->offset < part->end) {
            consumer->unfinished++;
        }
    }
}

bool consumers_open(struct bench *bench, const struct consumer_range *range, bool every) {
    const struct topic *topic = &bench->topic;
    int count = bench->options->consumers;
    bench->consumer_count = count < topic->broker_count ? topic->broker_count : count;
    bench->consumers = xcalloc((size_t)bench->consumer_count, sizeof(struct consumer));
    for (int i = 0; i < bench->consumer_count; i++) {
        struct consumer *consumer = &bench->consumers[i];
        const struct topic_broker *broker = &topic->brokers[i % topic->broker_count];
        consumer->bench = bench;
        consumer->session_epoch = bench->options->sessions ? 0 : -1;
        arena_init(&consumer->arena, SIZE_MAX);
        buffer_init(&consumer->frame, SIZE_MAX);
        assign(consumer, i, range, every);
        int fd = tcp_connect(broker->host, broker->port, false);
        if (fd < 0) {
            return false;
        }
        bench_conn_init(&consumer->conn, fd, bench->epoll, &handler);
    }
    for (int i = 0; i < bench->consumer_count; i++) {
        fetch(&bench->consumers[i]);
    }
    return true;
}

void consumers_close(struct bench *bench) {
    for (int i = 0; i < bench->consumer_count; i++) {
        struct consumer *consumer = &bench->consumers[i];
        bench_conn_release(&consumer->conn);
        free(consumer->parts);
        free(consumer->index_of);
        arena_release(&consumer->arena);
        buffer_release(&consumer->frame);
    }
    free(bench->consumers);
    bench->consumers = NULL;
    bench->consumer_count = 0;
}

bool consumers_done(const struct bench *bench) {
    for (int i = 0; i < bench->consumer_count; i++) {
        if (bench->consumers[i].unfinished > 0) {
            return false;
        }
    }
    return true;
}
