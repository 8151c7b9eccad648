/*
 * How fast events come: Kafka's rate over a window of eleven samples of a second, and how long an
 * event that exceeds a bound has to wait (KIP-612). A burst of up to ten seconds' worth passes.
 *
 * Not thread-safe.
 */
#ifndef RUNTIME_CONN_RATE_H
#define RUNTIME_CONN_RATE_H

#include <stdint.h>

#define CONN_RATE_SAMPLES     11
#define CONN_RATE_SAMPLE_MS   1000
#define CONN_RATE_WAIT_MAX_MS 1000

/* All zero: nothing has happened yet. */
struct conn_rate {
    struct {
        int64_t start_ms;
        int64_t count;
    } samples[CONN_RATE_SAMPLES];
    int current;
    int used; /* samples that have begun */
};

/* Counts one event; how long it has to wait in ms, 0..CONN_RATE_WAIT_MAX_MS. bound >= 0, a second;
 * now_ms is monotonic. */
int64_t conn_rate_record(struct conn_rate *rate, int64_t now_ms, int bound);

#endif
