#include "runtime/conn_rate.h"

/* Begins the next sample when the current one is over. */
static void roll(struct conn_rate *rate, int64_t now_ms) {
    if (rate->used > 0 && now_ms - rate->samples[rate->current].start_ms < CONN_RATE_SAMPLE_MS) {
        return;
    }
    if (rate->used > 0) {
        rate->current = (rate->current + 1) % CONN_RATE_SAMPLES;
    }
    if (rate->used < CONN_RATE_SAMPLES) {
        rate->used++;
    }
    rate->samples[rate->current].start_ms = now_ms;
    rate->samples[rate->current].count = 0;
}

int64_t conn_rate_record(struct conn_rate *rate, int64_t now_ms, int bound) {
    roll(rate, now_ms);
    rate->samples[rate->current].count++;
    int64_t count = 0;
    int64_t oldest_ms = now_ms;
    for (int i = 0; i < rate->used; i++) {
        int64_t start_ms = rate->samples[i].start_ms;
        if (now_ms - start_ms < (int64_t)CONN_RATE_SAMPLES * CONN_RATE_SAMPLE_MS) {
            count += rate->samples[i].count;
            oldest_ms = start_ms < oldest_ms ? start_ms : oldest_ms;
        }
    }
    /* A window that has just begun counts as if its earlier samples had been empty. */
    int64_t window_ms = now_ms - oldest_ms;
    int64_t whole = window_ms / CONN_RATE_SAMPLE_MS;
    if (whole < CONN_RATE_SAMPLES - 1) {
        window_ms += (CONN_RATE_SAMPLES - 1 - whole) * CONN_RATE_SAMPLE_MS;
    }
    double allowed = (double)bound * (double)window_ms / 1000.0;
    if ((double)count <= allowed) {
        return 0;
    }
    if (bound == 0) {
        return CONN_RATE_WAIT_MAX_MS;
    }
    double wait_ms = ((double)count - allowed) / (double)bound * 1000.0;
    return wait_ms < CONN_RATE_WAIT_MAX_MS ? (int64_t)wait_ms : CONN_RATE_WAIT_MAX_MS;
}
