#include "tools/bench/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"
#include "protocol/generated/produce_response.h"
#include "protocol/records.h"

#define PRODUCE          0
#define METADATA         3
#define API_VERSIONS     18
#define INIT_PRODUCER_ID 22

struct producer *producer_of(const struct bench *bench, uint64_t number) {
    return &bench->producers[number % (uint64_t)bench->producer_count];
}

struct route *route_of(const struct bench *bench, uint64_t number) {
    struct producer *producer = producer_of(bench, number);
    uint64_t turn = number / (uint64_t)bench->producer_count;
    return &producer->routes[turn % producer->route_count];
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void send_event(struct producer *producer, int64_t now_ns) {
    struct bench *bench = producer->bench;
    uint64_t number = producer->sent * (uint64_t)bench->producer_count + producer->index;
    int64_t intended = bench->open_loop ? schedule_due_ns(&bench->schedule, number) : now_ns;
    struct route *route = &producer->routes[producer->sent % producer->route_count];
    struct payload_variables variables = {
        .correlation_id = (int32_t)producer->sent,
        .partition = route->partition,
        .stamp = {bench->run_id, number, intended},
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .sequence = route->sequence,
    };
    payload_write(&bench->payload, &variables,
                  bench_conn_put(&producer->conn, payload_frame_len(&bench->payload)));
    int64_t sequence = (int64_t)route->sequence + bench->payload.records;
    route->sequence = (int32_t)(sequence & INT32_MAX);
    producer->sent++;
    bench->totals.sent++;
    if (bench_measured(bench, intended)) {
        histogram_record(bench->lag, now_ns - intended);
    }
    if (bench->options->acks == 0) {
        bench->totals.acked++;
        bench->totals.acked_records += (uint64_t)bench->payload.records;
        bench->totals.acked_bytes += bench->payload.batch_len;
        return;
    }
    uint64_t capacity = (uint64_t)bench->options->in_flight;
    uint64_t slot = (producer->flight_first + producer->flight_count) % capacity;
    producer->flights[slot] = (struct flight){.number = number, .intended_ns = intended};
    producer->flight_count++;
    bench->in_flight++;
}

static bool may_send(const struct producer *producer) {
    const struct bench *bench = producer->bench;
    if (producer->conn.closed || producer->flight_count == (uint64_t)bench->options->in_flight) {
        return false;
    }
    if (bench->options->acks == 0 && producer->conn.out_pos < producer->conn.out_len) {
        return false; /* nothing else holds it back */
    }
    return bench->open_loop ? producer->sent < producer->due
                            : bench->sending && bench->totals.sent < bench->event_count;
}

static void pump(struct producer *producer, int64_t now_ns) {
    uint64_t burst = 0;
    while (may_send(producer) && burst < (uint64_t)producer->bench->options->in_flight) {
        send_event(producer, now_ns);
        burst++;
    }
    if (burst > 0) {
        bench_conn_flush(&producer->conn);
    }
}

void producers_dispatch(struct bench *bench, int64_t now_ns) {
    if (!bench->open_loop) {
        for (int i = 0; i < bench->producer_count; i++) {
            pump(&bench->producers[i], now_ns);
        }
        return;
    }
    uint64_t due = schedule_due_count(&bench->schedule, now_ns);
    if (due > bench->event_count) {
        due = bench->event_count;
    }
    for (; bench->dispatched < due; bench->dispatched++) {
        struct producer *producer = producer_of(bench, bench->dispatched);
        producer->due++;
        pump(producer, now_ns);
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static bool check_produce(struct producer *producer, struct slice frame) {
    struct bench *bench = producer->bench;
    const struct produce_response *response =
        frame_response(frame, PRODUCE, bench->produce_version, &producer->arena);
    if (response == NULL || response->responses_count != 1 ||
        response->responses[0].partition_responses_count != 1) {
        bench->faults.malformed++;
        return false;
    }
    return !bench_count_error(bench, response->responses[0].partition_responses[0].error_code,
                              "Produce");
}

static bool check_ping(struct producer *producer, struct slice frame) {
    struct bench *bench = producer->bench;
    if (bench->options->ping_metadata) {
        if (frame_response(frame, METADATA, bench->produce_version, &producer->arena) == NULL) {
            bench->faults.malformed++;
            return false;
        }
        return true;
    }
    const struct api_versions_response *response =
        frame_response(frame, API_VERSIONS, bench->produce_version, &producer->arena);
    if (response == NULL) {
        bench->faults.malformed++;
        return false;
    }
    return !bench_count_error(bench, response->error_code, "ApiVersions");
}

static void on_frame(struct bench_conn *conn, struct slice frame, int64_t received_ns) {
    struct producer *producer = CONTAINER_OF(conn, struct producer, conn);
    struct bench *bench = producer->bench;
    if (frame.len < 4 || producer->flight_count == 0 ||
        (int32_t)load_be32(frame.data) != producer->correlation_id) {
        bench->faults.malformed++;
        bench->faults.detail = "an answer that nobody waits for";
        return;
    }
    producer->correlation_id++;
    struct flight flight = producer->flights[producer->flight_first];
    producer->flight_first = (producer->flight_first + 1) % (uint64_t)bench->options->in_flight;
    producer->flight_count--;
    bench->in_flight--;
    bool good = bench->options->raw                  ? true
                : bench->options->mode == BENCH_PING ? check_ping(producer, frame)
                                                     : check_produce(producer, frame);
    arena_reset(&producer->arena);
    if (!good) {
        return;
    }
    bench->totals.acked++;
    bench->totals.acked_records += (uint64_t)bench->payload.records;
    bench->totals.acked_bytes += bench->payload.batch_len;
    bench->acked_sum += bench_mix(flight.number);
    if (bench_measured(bench, flight.intended_ns)) {
        histogram_record(bench->ack, received_ns - flight.intended_ns);
    }
}

static void on_drained(struct bench_conn *conn) {
    pump(CONTAINER_OF(conn, struct producer, conn), bench_now_ns());
}

static void on_close(struct bench_conn *conn, const char *reason) {
    struct producer *producer = CONTAINER_OF(conn, struct producer, conn);
    struct bench *bench = producer->bench;
    bench->faults.lost_connections++;
    bench->faults.detail = reason;
    bench->in_flight -= producer->flight_count;
    producer->flight_count = 0;
}

static const struct bench_conn_handler handler = {
    .on_frame = on_frame,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Partition i of a broker goes to its connection i mod their number; a broker's connections that
 * are left without take its partitions in turn. */
static void assign(struct bench *bench) {
    const struct topic *topic = &bench->topic;
    int brokers = topic->broker_count;
    size_t routes_max = (size_t)topic->partition_count;
    for (int broker = 0; broker < brokers; broker++) {
        int connections = (bench->producer_count - broker + brokers - 1) / brokers;
        int32_t *mine = xcalloc(routes_max, sizeof(int32_t));
        int count = 0;
        for (int32_t p = 0; p < topic->partition_count; p++) {
            if (topic->leaders[p] == broker) {
                mine[count++] = p;
            }
        }
        for (int c = 0; c < connections; c++) {
            struct producer *producer = &bench->producers[broker + c * brokers];
            int own = c < count ? (count - c + connections - 1) / connections : 1;
            producer->routes = xcalloc((size_t)own, sizeof(struct route));
            producer->route_count = (uint64_t)own;
            for (int r = 0; r < own; r++) {
                producer->routes[r].partition = mine[(c + r * connections) % count];
            }
        }
        free(mine);
    }
}

static bool init_producer_id(struct bench *bench, struct producer *producer) {
    int16_t version = rpc_version(&bench->rpc, INIT_PRODUCER_ID, 4);
    if (version < 0) {
        return false;
    }
    struct init_producer_id_request request;
    message_init(&init_producer_id_request_desc, &request);
    request.transactional_id = SLICE_NULL;
    request.transaction_timeout_ms = INT32_MAX;
    const struct init_producer_id_response *response =
        rpc_call(&bench->rpc, INIT_PRODUCER_ID, version, &request);
    struct timespec wait = {.tv_nsec = 100000000};
    for (int i = 0; i < 100 && response != NULL && error_retriable(response->error_code); i++) {
        nanosleep(&wait, NULL);
        response = rpc_call(&bench->rpc, INIT_PRODUCER_ID, version, &request);
    }
    if (response == NULL || response->error_code != ERROR_NONE) {
        fprintf(stderr, "bench: no producer id: %s\n",
                response == NULL ? "no answer" : error_name(response->error_code));
        return false;
    }
    producer->producer_id = response->producer_id;
    producer->producer_epoch = response->producer_epoch;
    return true;
}

bool producers_open(struct bench *bench) {
    const struct topic *topic = &bench->topic;
    int count = bench->options->connections;
    bench->producer_count = count < topic->broker_count ? topic->broker_count : count;
    bench->producers = xcalloc((size_t)bench->producer_count, sizeof(struct producer));
    assign(bench);
    for (int i = 0; i < bench->producer_count; i++) {
        struct producer *producer = &bench->producers[i];
        const struct topic_broker *broker = &topic->brokers[i % topic->broker_count];
        producer->bench = bench;
        producer->index = (uint64_t)i;
        producer->producer_id = NO_PRODUCER_ID;
        producer->producer_epoch = -1;
        producer->flights = xcalloc((size_t)bench->options->in_flight, sizeof(struct flight));
        arena_init(&producer->arena, SIZE_MAX);
        int fd = tcp_connect(broker->host, broker->port, false);
        if (fd < 0) {
            return false;
        }
        bench_conn_init(&producer->conn, fd, bench->epoll, &handler);
        if (bench->options->idempotent && !init_producer_id(bench, producer)) {
            return false;
        }
    }
    return true;
}

void producers_close(struct bench *bench) {
    for (int i = 0; i < bench->producer_count; i++) {
        struct producer *producer = &bench->producers[i];
        bench_conn_release(&producer->conn);
        free(producer->routes);
        free(producer->flights);
        arena_release(&producer->arena);
    }
    free(bench->producers);
    bench->producers = NULL;
    bench->producer_count = 0;
}
