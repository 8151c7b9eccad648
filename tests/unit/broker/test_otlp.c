/* What clients push as telemetry, and which clients a subscription is for. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buffer.h"
#include "broker/config/client_match.h"
#include "broker/telemetry/otlp.h"

static struct arena arena;
static struct buffer made;

static void set_up(void) {
    arena_init(&arena, SIZE_MAX);
    buffer_init(&made, 1 << 20);
}

static void tear_down(void) {
    arena_release(&arena);
    buffer_release(&made);
}

TestSuite(otlp, .init = set_up, .fini = tear_down);

/* A field whose value is bytes, shorter than 128. */
static struct slice bytes(int field, struct slice value) {
    uint8_t head[2] = {(uint8_t)(field << 3 | 2), (uint8_t)value.len};
    uint8_t *out = arena_alloc(&arena, value.len + 2);
    cr_assert_lt(value.len, 128);
    memcpy(out, head, 2);
    memcpy(out + 2, value.data, value.len);
    return slice_make(out, value.len + 2);
}

static struct slice fixed(int field, double value) {
    uint8_t *out = arena_alloc(&arena, 9);
    out[0] = (uint8_t)(field << 3 | 1);
    memcpy(out + 1, &value, 8);
    return slice_make(out, 9);
}

static struct slice both(struct slice a, struct slice b) {
    uint8_t *out = arena_alloc(&arena, a.len + b.len);
    memcpy(out, a.data, a.len);
    memcpy(out + a.len, b.data, b.len);
    return slice_make(out, a.len + b.len);
}

/* The metric in its scope and resource. */
static struct slice message(struct slice metric) {
    return bytes(1, bytes(2, bytes(2, metric)));
}

static struct slice point(double value) {
    struct slice attribute =
        bytes(7, both(bytes(1, SLICE_LIT("node.id")), bytes(2, bytes(1, SLICE_LIT("a\"b")))));
    return bytes(1, both(fixed(4, value), attribute));
}

Test(otlp, gauges_and_sums_are_read_with_their_labels) {
    struct otlp_samples out;
    struct slice gauge = both(bytes(1, SLICE_LIT("org.gauge")), bytes(5, point(1.5)));
    cr_assert(otlp_read(message(gauge), &arena, &out));
    cr_assert_eq(out.count, 1);
    cr_assert(slice_equal_str(out.samples[0].name, "org.gauge"));
    cr_assert(slice_equal_str(out.samples[0].labels, "node_id=\"a\\\"b\""));
    cr_assert_eq(out.samples[0].value, 1.5);
    cr_assert_not(out.samples[0].counter);

    /* Temporality delta and monotonic stand behind the points. */
    struct slice flags = slice_make("\x10\x01\x18\x01", 4);
    struct slice sum = both(bytes(7, both(point(3), flags)), bytes(1, SLICE_LIT("org.sum")));
    cr_assert(otlp_read(message(sum), &arena, &out));
    cr_assert_eq(out.count, 1);
    cr_assert(slice_equal_str(out.samples[0].name, "org.sum"));
    cr_assert(out.samples[0].counter && out.samples[0].delta);
}

Test(otlp, histograms_and_nameless_metrics_are_passed_over) {
    struct otlp_samples out;
    struct slice histogram = both(bytes(1, SLICE_LIT("h")), bytes(9, point(1)));
    cr_assert(otlp_read(message(histogram), &arena, &out));
    cr_assert_eq(out.count, 0);
    cr_assert_eq(out.skipped, 1);
    cr_assert(otlp_read(message(bytes(5, point(1))), &arena, &out));
    cr_assert_eq(out.count, 0);
}

Test(otlp, a_push_has_a_limited_number_of_samples) {
    struct otlp_samples out;
    struct slice one = message(both(bytes(1, SLICE_LIT("g")), bytes(5, point(1))));
    for (int i = 0; i < OTLP_SAMPLES_MAX + 10; i++) {
        buffer_append_slice(&made, one);
    }
    cr_assert(otlp_read(buffer_slice(&made), &arena, &out));
    cr_assert_eq(out.count, OTLP_SAMPLES_MAX);
    cr_assert_eq(out.skipped, 10);
}

Test(otlp, cut_bytes_and_other_bytes_are_no_message) {
    struct otlp_samples out;
    struct slice whole = message(both(bytes(1, SLICE_LIT("g")), bytes(5, point(1))));
    for (size_t len = 1; len < whole.len; len++) {
        cr_assert_not(otlp_read(slice_make(whole.data, len), &arena, &out), "%zu", len);
    }
    cr_assert(otlp_read(SLICE_LIT(""), &arena, &out));
    cr_assert_not(
        otlp_read(SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), &arena, &out));
}

/* ---- Matches --------------------------------------------------------------------------------- */

static bool matches(const char *match) {
    struct client_attributes client;
    for (int i = 0; i < CLIENT_ATTRIBUTE_COUNT; i++) {
        client.values[i] = SLICE_LIT("");
    }
    client.values[CLIENT_ID] = SLICE_LIT("orders-1");
    client.values[CLIENT_SOURCE_ADDRESS] = SLICE_LIT("10.1.2.3");
    return client_match(slice_str(match), &client);
}

Test(client_match, a_pattern_has_to_match_the_whole_value) {
    cr_assert(matches(""));
    cr_assert(matches("client_id=orders-[0-9]+"));
    cr_assert(matches(" client_id = orders.* , client_source_address=10\\..*"));
    cr_assert_not(matches("client_id=orders"));
    cr_assert_not(matches("client_id=rders-1"));
    cr_assert_not(matches("client_id=a|orders"));
    cr_assert_not(matches("client_id=orders.*,client_source_address=11.*"));
}

Test(client_match, what_is_no_pattern_matches_nobody) {
    static const char *const wrong[] = {"x=.*",
                                        "client_id",
                                        "client_id=",
                                        "client_id=[",
                                        "=a",
                                        "client_id=a=b",
                                        "client_id=a{1,2}{3,4}",
                                        ","};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_assert_not(client_match_valid(slice_str(wrong[i])), "%s", wrong[i]);
        cr_assert_not(matches(wrong[i]), "%s", wrong[i]);
    }
    cr_assert(client_match_valid(SLICE_LIT("client_source_port=9.*")));
}
