/* Topics, requests and connections: what is added up over the shards. */
#include <stdlib.h>
#include <string.h>

#include "broker/metrics/render.h"
#include "broker/metrics/text.h"

/* ---- Topics ---------------------------------------------------------------------------------- */

/* A topic's counts, of all shards. */
struct topic_sum {
    struct hmap_node node;
    struct topic_sum *next; /* in the order of their finding */
    struct slice name;
    struct slice labels;
    struct topic_counts counts;
};

struct topic_sums {
    struct hmap by_name;
    struct topic_sum *first;
    struct topic_sum **end;
    struct topic_counts all;
};

static void counts_add(struct topic_counts *to, const struct topic_counts *from) {
    to->bytes_in += from->bytes_in;
    to->messages_in += from->messages_in;
    to->bytes_out += from->bytes_out;
    to->produce_requests += from->produce_requests;
    to->fetch_requests += from->fetch_requests;
    to->failed_produce_requests += from->failed_produce_requests;
    to->failed_fetch_requests += from->failed_fetch_requests;
}

static struct topic_sum *topic_sum(struct render *render, struct topic_sums *sums,
                                   struct slice name) {
    uint64_t hash = hash_bytes(name);
    HMAP_FOREACH_HASH(node, &sums->by_name, hash) {
        struct topic_sum *sum = CONTAINER_OF(node, struct topic_sum, node);
        if (slice_equal(sum->name, name)) {
            return sum;
        }
    }
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_label(&labels, "topic", name);
    struct topic_sum *sum = ARENA_NEW(render->arena, struct topic_sum);
    sum->name = name;
    sum->labels = arena_dup(render->arena, buffer_slice(&labels));
    buffer_release(&labels);
    hmap_insert(&sums->by_name, &sum->node, hash);
    *sums->end = sum;
    sums->end = &sum->next;
    return sum;
}

static void family_of_topics(struct render *render, const struct topic_sums *sums, const char *name,
                             size_t offset, const char *help) {
    uint64_t value;
    text_family(render->out, name, "counter", help);
    memcpy(&value, (const uint8_t *)&sums->all + offset, sizeof(value));
    text_int(render->out, name, SLICE_NULL, (int64_t)value);
    for (const struct topic_sum *sum = sums->first; sum != NULL && render_has_room(render);
         sum = sum->next) {
        memcpy(&value, (const uint8_t *)&sum->counts + offset, sizeof(value));
        text_int(render->out, name, sum->labels, (int64_t)value);
    }
}

#define FAMILY_OF_TOPICS(render, sums, suffix, field, help)                                        \
    family_of_topics(render, sums, "kafka_server_brokertopicmetrics_" suffix "_total",             \
                     offsetof(struct topic_counts, field), help)

static void render_topics(struct render *render) {
    struct topic_sums sums = {.first = NULL};
    sums.end = &sums.first;
    hmap_init(&sums.by_name);
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        counts_add(&sums.all, &part->all);
        for (const struct part_topic *topic = part->topics; topic != NULL; topic = topic->next) {
            counts_add(&topic_sum(render, &sums, topic->name)->counts, &topic->counts);
        }
    }
    FAMILY_OF_TOPICS(render, &sums, "messagesin", messages_in,
                     "Records appended for producers; without topic: of all topics.");
    FAMILY_OF_TOPICS(render, &sums, "bytesin", bytes_in,
                     "Bytes of record batches appended for producers.");
    FAMILY_OF_TOPICS(render, &sums, "bytesout", bytes_out, "Bytes of records sent to consumers.");
    FAMILY_OF_TOPICS(render, &sums, "totalproducerequests", produce_requests,
                     "Partitions in produce requests.");
    FAMILY_OF_TOPICS(render, &sums, "totalfetchrequests", fetch_requests,
                     "Partitions in fetch requests, of followers too.");
    FAMILY_OF_TOPICS(render, &sums, "failedproducerequests", failed_produce_requests,
                     "Partitions in produce requests that were refused.");
    FAMILY_OF_TOPICS(render, &sums, "failedfetchrequests", failed_fetch_requests,
                     "Partitions in fetch requests that were refused.");
    hmap_release(&sums.by_name);
}

static void render_replication(struct render *render) {
    uint64_t in = 0;
    uint64_t sent = 0;
    for (int i = 0; i < render->part_count; i++) {
        in += render->parts[i]->replication_bytes_in;
        sent += render->parts[i]->replication_bytes_out;
    }
    text_single(render->out, "kafka_server_brokertopicmetrics_replicationbytesin_total", "counter",
                "Bytes of records fetched from leaders.", (double)in);
    text_single(render->out, "kafka_server_brokertopicmetrics_replicationbytesout_total", "counter",
                "Bytes of records sent to followers.", (double)sent);
}

/* ---- Requests -------------------------------------------------------------------------------- */

struct request_sum {
    const char *name; /* constant text: equal names are the same pointer, or NULL */
    uint64_t by_version[METER_VERSIONS];
    struct durations total;
};

static struct request_sum *request_sums(struct render *render, int *count) {
    struct request_sum *sums = arena_array(render->arena, METER_KINDS, sizeof(*sums));
    *count = 0;
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        for (int32_t r = 0; r < part->request_count; r++) {
            const struct part_request *request = &part->requests[r];
            int at = 0;
            while (at < *count && strcmp(sums[at].name, request->name) != 0) {
                at++;
            }
            *count += at == *count;
            sums[at].name = request->name;
            for (int v = 0; v < METER_VERSIONS; v++) {
                sums[at].by_version[v] += request->by_version[v];
            }
            durations_add(&sums[at].total, &request->total);
        }
    }
    return sums;
}

static void render_request_counts(struct render *render, const struct request_sum *sums,
                                  int count) {
    static const char name[] = "kafka_network_requestmetrics_requests_total";
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "counter", "Requests that were answered.");
    for (int i = 0; i < count; i++) {
        for (int v = 0; v < METER_VERSIONS; v++) {
            if (sums[i].by_version[v] > 0) {
                buffer_reset(&labels);
                text_label(&labels, "request", slice_str(sums[i].name));
                text_label_int(&labels, "version", v);
                text_int(render->out, name, buffer_slice(&labels), (int64_t)sums[i].by_version[v]);
            }
        }
    }
    buffer_release(&labels);
}

static void render_request_times(struct render *render, const struct request_sum *sums, int count) {
    static const char name[] = "kafka_network_requestmetrics_totaltimems";
    static const struct {
        double share;
        const char *text;
    } quantiles[] = {{0.5, "0.50"},  {0.75, "0.75"}, {0.95, "0.95"},
                     {0.98, "0.98"}, {0.99, "0.99"}, {0.999, "0.999"}};
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "summary",
                "Milliseconds from the beginning of a request's handling to its answer; quantiles "
                "of the last minutes.");
    for (int i = 0; i < count; i++) {
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++) {
            buffer_reset(&labels);
            text_label(&labels, "request", slice_str(sums[i].name));
            text_label(&labels, "quantile", slice_str(quantiles[q].text));
            text_real(render->out, name, buffer_slice(&labels),
                      durations_quantile_ms(&sums[i].total, quantiles[q].share));
        }
        buffer_reset(&labels);
        text_label(&labels, "request", slice_str(sums[i].name));
        text_real(render->out, "kafka_network_requestmetrics_totaltimems_sum",
                  buffer_slice(&labels), (double)sums[i].total.sum_ns / 1e6);
        text_int(render->out, "kafka_network_requestmetrics_totaltimems_count",
                 buffer_slice(&labels), (int64_t)sums[i].total.count);
    }
    buffer_release(&labels);
}

/* ---- Loops ----------------------------------------------------------------------------------- */

static void render_connections(struct render *render) {
    static const char name[] = "kafka_server_socket_server_metrics_connection_count";
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "gauge", "Connections of clients and other nodes.");
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        for (int32_t l = 0; l < part->listener_count; l++) {
            buffer_reset(&labels);
            text_label(&labels, "listener", part->listeners[l].name);
            text_label_int(&labels, "networkProcessor", part->shard);
            text_int(render->out, name, buffer_slice(&labels), part->listeners[l].connections);
        }
    }
    buffer_release(&labels);
}

/* One loop does what Kafka's network threads and request handlers do. */
static void render_idleness(struct render *render) {
    double idle = 0;
    for (int i = 0; i < render->part_count; i++) {
        idle += render->parts[i]->idle / render->part_count;
    }
    text_single(render->out, "kafka_network_socketserver_networkprocessoravgidle_percent", "gauge",
                "Share of time that the loops had nothing to do, 0 to 1.", idle);
    text_single(render->out, "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
                "gauge", "The same: the loops handle requests too.", idle);
    text_family(render->out, "barnabas_shard_idle_ratio", "gauge",
                "Share of time that the loop of a shard had nothing to do, 0 to 1.");
    for (int i = 0; i < render->part_count; i++) {
        struct buffer labels;
        buffer_init(&labels, SIZE_MAX);
        text_label_int(&labels, "shard", render->parts[i]->shard);
        text_real(render->out, "barnabas_shard_idle_ratio", buffer_slice(&labels),
                  render->parts[i]->idle);
        buffer_release(&labels);
    }
}

void render_requests(struct render *render) {
    int count;
    const struct request_sum *sums = request_sums(render, &count);
    render_topics(render);
    render_replication(render);
    render_request_counts(render, sums, count);
    render_request_times(render, sums, count);
    render_connections(render);
    render_idleness(render);
}
