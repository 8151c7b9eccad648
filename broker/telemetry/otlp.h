/*
 * The numbers in an OTLP MetricsData message (opentelemetry/proto/metrics/v1): gauges and sums.
 * Other kinds of metrics are counted and passed over.
 */
#ifndef BROKER_TELEMETRY_OTLP_H
#define BROKER_TELEMETRY_OTLP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

/* More are passed over. */
#define OTLP_SAMPLES_MAX 256

struct otlp_sample {
    struct slice name;
    struct slice labels; /* of the point: key="value",... as Prometheus writes them; may be empty */
    double value;
    bool counter; /* a monotonic sum */
    bool delta;   /* since the client's last push */
};

struct otlp_samples {
    struct otlp_sample *samples; /* in the arena */
    int count;
    int skipped; /* data points that are no plain number, or too many */
};

/* Any thread. False for bytes that are no such message; what came before is there all the same. */
bool otlp_read(struct slice bytes, struct arena *arena, struct otlp_samples *out);

#endif
