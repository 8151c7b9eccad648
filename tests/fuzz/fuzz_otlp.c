/*
 * The bytes that a client pushes as telemetry: what is read out of them is bounded, and names and
 * labels can stand in Prometheus' text format.
 *
 * Input: an OTLP MetricsData message.
 */
#include "broker/telemetry/otlp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct otlp_samples samples;
    arena_init(&arena, SIZE_MAX);
    (void)otlp_read(fuzz_input(data, size), &arena, &samples);
    ASSERT(samples.count >= 0 && samples.count <= OTLP_SAMPLES_MAX && samples.skipped >= 0);
    for (int i = 0; i < samples.count; i++) {
        ASSERT(samples.samples[i].name.len > 0 && samples.samples[i].name.len <= size);
        ASSERT(memchr(samples.samples[i].labels.data, '\n', samples.samples[i].labels.len) == NULL);
    }
    arena_release(&arena);
    return 0;
}
