/* What is counted, and how it is written for Prometheus. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "broker/metrics/durations.h"
#include "broker/metrics/meters.h"
#include "broker/metrics/text.h"

static const char *text_of(struct buffer *buffer) {
    buffer_append(buffer, "", 1);
    return (const char *)buffer->data;
}

static const char *label(struct buffer *buffer, const char *value, size_t len) {
    buffer_init(buffer, SIZE_MAX);
    text_label(buffer, "group", slice_make(value, len));
    return text_of(buffer);
}

/* ---- Text ------------------------------------------------------------------------------------ */

Test(metrics, samples_are_lines_of_name_labels_and_value) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    text_family(&out, "a_total", "counter", "Of a.");
    text_int(&out, "a_total", SLICE_LIT("x=\"1\""), INT64_MIN);
    text_int(&out, "a_total", SLICE_NULL, 0);
    text_real(&out, "a_total", SLICE_NULL, 0.25);
    cr_assert_str_eq(text_of(&out), "# HELP a_total Of a.\n"
                                    "# TYPE a_total counter\n"
                                    "a_total{x=\"1\"} -9223372036854775808\n"
                                    "a_total 0\n"
                                    "a_total 0.25\n");
    buffer_release(&out);
}

Test(metrics, a_label_is_utf8_whatever_a_client_calls_its_group) {
    static const struct {
        const char *value;
        size_t len;
        const char *text;
    } cases[] = {
        {"plain", 5, "group=\"plain\""},
        {"a\"b\\c\n", 6, "group=\"a\\\"b\\\\c\\\\x0a\""},
        {"\xc3\xa4\xf0\x9f\x98\x80", 6, "group=\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"\x80", 1, "group=\"\\\\x80\""},
        {"\xc3", 1, "group=\"\\\\xc3\""},
        {"\xc0\xaf", 2, "group=\"\\\\xc0\\\\xaf\""},
        {"\xe0\x80\x80", 3, "group=\"\\\\xe0\\\\x80\\\\x80\""},
        {"\xed\xa0\x80", 3, "group=\"\\\\xed\\\\xa0\\\\x80\""},
        {"\xf4\x90\x80\x80", 4, "group=\"\\\\xf4\\\\x90\\\\x80\\\\x80\""},
        {"\0", 1, "group=\"\\\\x00\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer out;
        cr_assert_str_eq(label(&out, cases[i].value, cases[i].len), cases[i].text);
        buffer_release(&out);
    }
}

/* ---- Durations ------------------------------------------------------------------------------- */

static struct durations *summed(const struct durations *durations) {
    struct durations *sum = calloc(1, sizeof(*sum));
    durations_add(sum, durations);
    return sum;
}

Test(metrics, a_quantile_is_off_by_less_than_a_sixteenth) {
    for (int64_t us = 1; us < INT64_C(4000000000); us = us * 5 / 4 + 1) {
        struct durations one = {0};
        durations_record(&one, us * 1000);
        struct durations *sum = summed(&one);
        double ms = durations_quantile_ms(sum, 0.5);
        cr_assert_geq(ms, (double)us / 1000);
        cr_assert_leq(ms, (double)us / 1000 * (1 + 1.0 / 16) + 0.001);
        free(sum);
    }
}

Test(metrics, quantiles_are_in_their_order_and_of_all_shards) {
    struct durations here = {0};
    struct durations there = {0};
    struct durations *sum = calloc(1, sizeof(*sum));
    for (int i = 0; i < 900; i++) {
        durations_record(&here, 1000000);
    }
    for (int i = 0; i < 100; i++) {
        durations_record(&there, 1000000000);
    }
    durations_add(sum, &here);
    durations_add(sum, &there);
    cr_assert_eq(sum->count, 1000);
    cr_assert_lt(durations_quantile_ms(sum, 0.9), 1.1);
    cr_assert_gt(durations_quantile_ms(sum, 0.91), 900);
    free(sum);
}

Test(metrics, what_is_negative_or_endless_is_counted_too) {
    struct durations odd = {0};
    durations_record(&odd, -1);
    durations_record(&odd, INT64_MAX);
    struct durations *sum = summed(&odd);
    cr_assert_eq(sum->count, 2);
    cr_assert_gt(durations_quantile_ms(sum, 0.99), 4000000);
    free(sum);
}

Test(metrics, old_durations_are_forgotten_but_not_their_number) {
    struct durations durations = {0};
    durations_record(&durations, 1000000000);
    durations_turn(&durations, DURATIONS_WINDOW_MS);
    durations_record(&durations, 1000000);
    durations_turn(&durations, 2 * DURATIONS_WINDOW_MS - 1);
    struct durations *sum = summed(&durations);
    cr_assert_gt(durations_quantile_ms(sum, 0.99), 900);
    free(sum);
    durations_turn(&durations, 2 * DURATIONS_WINDOW_MS);
    sum = summed(&durations);
    cr_assert_lt(durations_quantile_ms(sum, 0.99), 1.1);
    cr_assert_eq(sum->count, 2);
    free(sum);
}

/* ---- Meters ---------------------------------------------------------------------------------- */

Test(metrics, versions_that_no_table_has_are_counted_as_the_last) {
    struct meters *meters = meters_new();
    meters_request(meters, 0, 3, 1000);
    meters_request(meters, 0, INT16_MAX, 1000);
    meters_request(meters, 0, -1, 1000);
    meters_request(meters, METER_KINDS, 0, 1000);
    meters_request(meters, -1, 0, 1000);
    cr_assert_eq(meters->requests[0]->by_version[3], 1);
    cr_assert_eq(meters->requests[0]->by_version[METER_VERSIONS - 1], 1);
    cr_assert_eq(meters->requests[0]->by_version[0], 1);
    cr_assert_eq(meters->requests[0]->total.count, 3);
    meters_free(meters);
}

Test(metrics, kinds_of_requests_have_the_names_of_kafka) {
    cr_assert_str_eq(meter_kind_name(0), "Produce");
    cr_assert_str_eq(meter_kind_name(METER_FETCH_FOLLOWER), "FetchFollower");
    cr_assert_null(meter_kind_name(METER_FETCH_CONSUMER - 1));
}
