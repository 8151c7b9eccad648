#include "broker/telemetry/telemetry.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/memory.h"
#include "broker/config/config_value.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/compression.h"
#include "runtime/log.h"

#define INTERVAL_DEFAULT_MS 300000
#define FORGET_AT_LEAST_MS  60000
#define CLIENTS_MAX         1024
#define SERIES_MAX          256
#define ATTRIBUTE_MAX       256

struct series {
    uint64_t hash;
    char *name;   /* heap */
    char *labels; /* heap */
    double value;
    bool counter;
};

struct client {
    struct hmap_node node; /* telemetry.clients */
    struct list link;      /* telemetry.heard: the longest silent first */
    struct uuid id;
    char *attributes[CLIENT_ATTRIBUTE_COUNT]; /* heap */
    uint64_t version;                         /* of the subscriptions it was told of */
    int32_t subscription_id;
    int32_t interval_ms;
    char *metrics;  /* heap: sorted, each followed by ',' */
    int64_t get_ms; /* when it asked last; -1 never */
    int64_t push_ms;
    int64_t heard_ms;
    bool terminating;
    enum kafka_error last_error;
    int64_t pushes;
    int64_t errors;
    struct series *series; /* heap */
    int series_count;
};

struct telemetry {
    struct node *node;
    struct hmap clients; /* struct client.node */
    struct list heard;   /* struct client.link */
    uint64_t version;    /* of the subscriptions */
    int series_count;    /* of all clients */
};

struct telemetry *telemetry_new(struct node *node) {
    struct telemetry *telemetry = NEW(struct telemetry);
    telemetry->node = node;
    hmap_init(&telemetry->clients);
    list_init(&telemetry->heard);
    return telemetry;
}

static void client_free(struct telemetry *telemetry, struct client *client) {
    hmap_remove(&telemetry->clients, &client->node);
    list_remove(&client->link);
    for (int i = 0; i < CLIENT_ATTRIBUTE_COUNT; i++) {
        free(client->attributes[i]);
    }
    telemetry->series_count -= client->series_count;
    for (int i = 0; i < client->series_count; i++) {
        free(client->series[i].name);
        free(client->series[i].labels);
    }
    free(client->series);
    free(client->metrics);
    free(client);
}

void telemetry_free(struct telemetry *telemetry) {
    if (telemetry == NULL) {
        return;
    }
    while (!list_empty(&telemetry->heard)) {
        client_free(telemetry, LIST_FIRST(&telemetry->heard, struct client, link));
    }
    hmap_release(&telemetry->clients);
    free(telemetry);
}

void telemetry_apply(struct telemetry *telemetry, const struct image_delta *delta) {
    for (int i = 0; i < delta->count; i++) {
        if (delta->changes[i].kind == IMAGE_CONFIG_CHANGED &&
            delta->changes[i].config_type == CONFIG_RESOURCE_CLIENT_METRICS) {
            telemetry->version++;
            return;
        }
    }
}

/* ---- Subscriptions --------------------------------------------------------------------------- */

struct wanted {
    struct arena arena;
    struct slice *names;
    int count;
    int capacity;
    bool all;
    int64_t interval_ms;
};

static void want(struct wanted *wanted, struct slice name) {
    if (wanted->count == wanted->capacity) {
        int capacity = wanted->capacity == 0 ? 16 : wanted->capacity * 2;
        struct slice *grown = arena_array(&wanted->arena, (size_t)capacity, sizeof(*grown));
        if (wanted->count > 0) {
            memcpy(grown, wanted->names, (size_t)wanted->count * sizeof(*grown));
        }
        wanted->names = grown;
        wanted->capacity = capacity;
    }
    wanted->names[wanted->count++] = name;
}

static void add_resource(struct wanted *wanted, const struct image_config_resource *resource,
                         const struct client_attributes *client) {
    struct slice metrics = SLICE_NULL;
    struct slice match = SLICE_LIT("");
    int64_t interval_ms = INTERVAL_DEFAULT_MS;
    LIST_FOREACH(it, &resource->entries) {
        const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        if (slice_equal_str(entry->name, "metrics")) {
            metrics = entry->value;
        } else if (slice_equal_str(entry->name, "match")) {
            match = entry->value;
        } else if (slice_equal_str(entry->name, "interval.ms") &&
                   !slice_parse_i64(config_trim(entry->value), &interval_ms)) {
            interval_ms = INTERVAL_DEFAULT_MS;
        }
    }
    if (!client_match(match, client)) {
        return;
    }
    if (interval_ms > 0 && interval_ms < wanted->interval_ms) {
        wanted->interval_ms = interval_ms;
    }
    struct slice name;
    while (!slice_is_null(metrics) && config_list_next(&metrics, &name)) {
        wanted->all |= slice_equal_str(name, "*");
        if (name.len > 0) {
            want(wanted, name);
        }
    }
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* What the configuration wants of the client, as the client is told it. */
static void subscribe(struct telemetry *telemetry, struct client *client,
                      const struct client_attributes *attributes) {
    struct wanted wanted = {.interval_ms = INTERVAL_DEFAULT_MS};
    arena_init(&wanted.arena, SIZE_MAX);
    HMAP_FOREACH(it, &telemetry->node->shards[0].image->configs) {
        const struct image_config_resource *resource =
            CONTAINER_OF(it, struct image_config_resource, node);
        if (resource->type == CONFIG_RESOURCE_CLIENT_METRICS) {
            add_resource(&wanted, resource, attributes);
        }
    }
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    if (wanted.all) {
        buffer_append_str(&text, "*,");
    } else if (wanted.count > 0) {
        qsort(wanted.names, (size_t)wanted.count, sizeof(*wanted.names), compare_names);
        for (int i = 0; i < wanted.count; i++) {
            if (i == 0 || !slice_equal(wanted.names[i], wanted.names[i - 1])) {
                buffer_append_slice(&text, wanted.names[i]);
                buffer_append_str(&text, ",");
            }
        }
    }
    free(client->metrics);
    client->metrics = slice_to_cstr(buffer_slice(&text));
    client->interval_ms = (int32_t)wanted.interval_ms;
    client->version = telemetry->version;
    buffer_printf(&text, "%d", client->interval_ms);
    client->subscription_id =
        (int32_t)(crc32c(text.data, text.len) ^ (uint32_t)uuid_hash(client->id));
    buffer_release(&text);
    arena_release(&wanted.arena);
}

/* ---- Clients --------------------------------------------------------------------------------- */

static int64_t now_ms(const struct telemetry *telemetry) {
    return shard_now_ms(telemetry->node->shards[0].shard);
}

static struct client *find(const struct telemetry *telemetry, struct uuid id) {
    HMAP_FOREACH_HASH(it, &telemetry->clients, uuid_hash(id)) {
        struct client *client = CONTAINER_OF(it, struct client, node);
        if (uuid_equal(client->id, id)) {
            return client;
        }
    }
    return NULL;
}

static bool is_forgotten(const struct client *client, int64_t now) {
    int64_t after = (int64_t)client->interval_ms * 3;
    return now - client->heard_ms > (after > FORGET_AT_LEAST_MS ? after : FORGET_AT_LEAST_MS);
}

/* Makes room for one more. */
static void forget(struct telemetry *telemetry, int64_t now) {
    LIST_FOREACH_SAFE(it, &telemetry->heard) {
        struct client *client = CONTAINER_OF(it, struct client, link);
        if (telemetry->clients.count >= CLIENTS_MAX || is_forgotten(client, now)) {
            client_free(telemetry, client);
        }
    }
}

static struct client *client_new(struct telemetry *telemetry, struct uuid id,
                                 const struct client_attributes *attributes) {
    struct client *client = NEW(struct client);
    client->id = id;
    for (int i = 0; i < CLIENT_ATTRIBUTE_COUNT; i++) {
        struct slice value = attributes->values[i];
        client->attributes[i] = slice_to_cstr(
            slice_make(value.data, value.len < ATTRIBUTE_MAX ? value.len : ATTRIBUTE_MAX));
    }
    hmap_insert(&telemetry->clients, &client->node, uuid_hash(id));
    list_init(&client->link);
    return client;
}

/* The client as it is now: its subscription is the one that the configuration has. */
static struct client *meet(struct telemetry *telemetry, struct uuid id,
                           const struct client_attributes *attributes) {
    int64_t now = now_ms(telemetry);
    struct client *client = find(telemetry, id);
    if (client != NULL && is_forgotten(client, now)) {
        client_free(telemetry, client);
        client = NULL;
    }
    if (client == NULL) {
        forget(telemetry, now);
        client = client_new(telemetry, id, attributes);
    }
    if (client->metrics == NULL || client->version != telemetry->version) {
        subscribe(telemetry, client, attributes);
        client->get_ms = -1;
        client->push_ms = -1;
        client->terminating = false;
        client->last_error = ERROR_NONE;
    }
    client->heard_ms = now;
    list_remove(&client->link);
    list_append(&telemetry->heard, &client->link);
    return client;
}

static void fill_metrics(const struct client *client, struct arena *arena,
                         struct telemetry_subscription *out) {
    int32_t count = 0;
    for (const char *c = client->metrics; *c != '\0'; c++) {
        count += *c == ',';
    }
    out->metrics = arena_array(arena, (size_t)count, sizeof(*out->metrics));
    for (const char *from = client->metrics; *from != '\0';) {
        const char *end = strchr(from, ',');
        out->metrics[out->metric_count++] =
            arena_dup(arena, slice_make(from, (size_t)(end - from)));
        from = end + 1;
    }
}

enum kafka_error telemetry_get(struct telemetry *telemetry, struct uuid id,
                               const struct client_attributes *attributes, struct arena *arena,
                               struct telemetry_subscription *out) {
    struct client *client = meet(telemetry, id, attributes);
    int64_t now = now_ms(telemetry);
    int64_t last = client->get_ms > client->push_ms ? client->get_ms : client->push_ms;
    bool due = last < 0 || now - last >= client->interval_ms;
    if (due) {
        client->get_ms = now;
    } else if (client->last_error != ERROR_UNKNOWN_SUBSCRIPTION_ID &&
               client->last_error != ERROR_UNSUPPORTED_COMPRESSION_TYPE) {
        return ERROR_THROTTLING_QUOTA_EXCEEDED;
    }
    client->last_error = ERROR_NONE;
    *out = (struct telemetry_subscription){.id = client->subscription_id,
                                           .interval_ms = client->interval_ms};
    fill_metrics(client, arena, out);
    return ERROR_NONE;
}

/* ---- Pushes ---------------------------------------------------------------------------------- */

static enum kafka_error check_push(struct telemetry *telemetry, struct client *client,
                                   const struct telemetry_push *push) {
    int64_t now = now_ms(telemetry);
    if (client->terminating) {
        return ERROR_INVALID_REQUEST;
    }
    /* One push for each answer comes at any time: clients spread themselves. */
    bool due = client->get_ms > client->push_ms || client->push_ms < 0 ||
               now - client->push_ms >= client->interval_ms;
    if (due) {
        client->push_ms = now;
    } else if (!push->terminating) {
        return ERROR_THROTTLING_QUOTA_EXCEEDED;
    }
    if (push->subscription_id != client->subscription_id) {
        return ERROR_UNKNOWN_SUBSCRIPTION_ID;
    }
    if (push->compression < COMPRESSION_NONE || push->compression >= COMPRESSION_COUNT) {
        return ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return push->size > TELEMETRY_PUSH_MAX_BYTES ? ERROR_TELEMETRY_TOO_LARGE : ERROR_NONE;
}

enum kafka_error telemetry_begin_push(struct telemetry *telemetry,
                                      const struct telemetry_push *push,
                                      const struct client_attributes *attributes) {
    struct client *client = meet(telemetry, push->id, attributes);
    client->last_error = check_push(telemetry, client, push);
    client->terminating = push->terminating;
    return client->last_error;
}

static struct series *series_of(struct telemetry *telemetry, struct client *client,
                                const struct otlp_sample *sample) {
    uint64_t hash = hash_combine(hash_bytes(sample->name), hash_bytes(sample->labels));
    for (int i = 0; i < client->series_count; i++) {
        struct series *series = &client->series[i];
        if (series->hash == hash && slice_equal_str(sample->name, series->name) &&
            slice_equal_str(sample->labels, series->labels)) {
            return series;
        }
    }
    if (client->series_count == SERIES_MAX) {
        return NULL;
    }
    if (client->series == NULL) {
        client->series = xcalloc(SERIES_MAX, sizeof(*client->series));
    }
    struct series *series = &client->series[client->series_count++];
    telemetry->series_count++;
    *series = (struct series){.hash = hash,
                              .name = slice_to_cstr(sample->name),
                              .labels = slice_to_cstr(sample->labels),
                              .counter = sample->counter};
    return series;
}

void telemetry_end_push(struct telemetry *telemetry, struct uuid id, enum kafka_error error,
                        const struct otlp_samples *samples) {
    struct client *client = find(telemetry, id);
    if (client == NULL) {
        return; /* forgotten meanwhile */
    }
    client->last_error = error;
    client->pushes++;
    client->errors += error != ERROR_NONE;
    LOG_DEBUG(telemetry->node->machine, "telemetry", "pushed",
              "client_id=\"%s\" software=\"%s %s\" error=%s numbers=%d skipped=%d",
              client->attributes[CLIENT_ID], client->attributes[CLIENT_SOFTWARE_NAME],
              client->attributes[CLIENT_SOFTWARE_VERSION], error_name((int16_t)error),
              samples->count, samples->skipped);
    for (int i = 0; i < samples->count; i++) {
        const struct otlp_sample *sample = &samples->samples[i];
        struct series *series = series_of(telemetry, client, sample);
        if (series != NULL) {
            series->value = sample->delta ? series->value + sample->value : sample->value;
        }
    }
}

/* ---- For exporters --------------------------------------------------------------------------- */

int telemetry_client_count(const struct telemetry *telemetry) {
    return (int)telemetry->clients.count;
}

int telemetry_series_count(const struct telemetry *telemetry) {
    return telemetry->series_count;
}

void telemetry_each(const struct telemetry *telemetry,
                    void (*fn)(void *ctx, const struct telemetry_client *client,
                               const struct telemetry_series *series),
                    void *ctx) {
    int64_t now = now_ms(telemetry);
    LIST_FOREACH(it, &telemetry->heard) {
        const struct client *client = CONTAINER_OF(it, struct client, link);
        if (is_forgotten(client, now)) {
            continue;
        }
        struct client_attributes attributes;
        for (int i = 0; i < CLIENT_ATTRIBUTE_COUNT; i++) {
            attributes.values[i] = slice_str(client->attributes[i]);
        }
        const struct telemetry_client told = {.id = client->id,
                                              .attributes = &attributes,
                                              .pushes = client->pushes,
                                              .errors = client->errors};
        fn(ctx, &told, NULL);
        for (int i = 0; i < client->series_count; i++) {
            const struct series *series = &client->series[i];
            const struct telemetry_series one = {.name = slice_str(series->name),
                                                 .labels = slice_str(series->labels),
                                                 .value = series->value,
                                                 .counter = series->counter};
            fn(ctx, &told, &one);
        }
    }
}
