/*
 * The clients that ask which metrics are wanted, and push them (KIP-714). On shard 0.
 */
#ifndef BROKER_TELEMETRY_TELEMETRY_H
#define BROKER_TELEMETRY_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/config/client_match.h"
#include "broker/telemetry/otlp.h"
#include "protocol/errors.h"

struct node;
struct image_delta;
struct telemetry;

#define TELEMETRY_PUSH_MAX_BYTES 1048576 /* of a push as it comes */

struct telemetry *telemetry_new(struct node *node);
void telemetry_free(struct telemetry *telemetry);

/* Subscriptions may have changed: clients may ask again at once. */
void telemetry_apply(struct telemetry *telemetry, const struct image_delta *delta);

/* What a client is to push. */
struct telemetry_subscription {
    int32_t id;
    int32_t interval_ms;
    struct slice *metrics; /* in the arena; sorted; "*" alone is all */
    int32_t metric_count;
};

/*
 * GetTelemetrySubscriptions of the client `id` (not zero). THROTTLING_QUOTA_EXCEEDED before its
 * interval is over, unless the subscriptions have changed or its last push was refused for what the
 * answer tells.
 */
enum kafka_error telemetry_get(struct telemetry *telemetry, struct uuid id,
                               const struct client_attributes *client, struct arena *arena,
                               struct telemetry_subscription *out);

/* Whether a push may come now and is what was asked for; the bytes are looked at afterwards. */
struct telemetry_push {
    struct uuid id;
    int32_t subscription_id;
    bool terminating;
    int8_t compression;
    size_t size;
};
enum kafka_error telemetry_begin_push(struct telemetry *telemetry,
                                      const struct telemetry_push *push,
                                      const struct client_attributes *client);

/* Takes what was in the push; `error` is what the client is told. */
void telemetry_end_push(struct telemetry *telemetry, struct uuid id, enum kafka_error error,
                        const struct otlp_samples *samples);

/* ---- For exporters --------------------------------------------------------------------------- */

/* A client as the exporter sees it; valid during the call. */
struct telemetry_client {
    struct uuid id;
    const struct client_attributes *attributes;
    int64_t pushes;
    int64_t errors; /* pushes that could not be read */
};

/* A series: the last value of a gauge, the sum of a counter since the client was heard of first. */
struct telemetry_series {
    struct slice
        name; /* as the client says it: org.apache.kafka.producer.connection.creation.total */
    struct slice labels; /* key="value",... of Prometheus; may be empty */
    double value;
    bool counter;
};

int telemetry_client_count(const struct telemetry *telemetry);
int telemetry_series_count(const struct telemetry *telemetry); /* at least what each() tells */

/* Calls fn for each series of each client; series is NULL once for each client, before its own. */
void telemetry_each(const struct telemetry *telemetry,
                    void (*fn)(void *ctx, const struct telemetry_client *client,
                               const struct telemetry_series *series),
                    void *ctx);

#endif
