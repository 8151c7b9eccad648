#include <criterion/criterion.h>

#include "tools/cli/record_format.h"
#include "tools/stream/producer.h"

static struct record_format format;
static struct buffer out;

static void set_up(void) {
    buffer_init(&out, SIZE_MAX);
}

static void tear_down(void) {
    record_format_release(&format);
    buffer_release(&out);
}

TestSuite(record_format, .init = set_up, .fini = tear_down);

/* Headers h=1 and n without value. */
static struct record record_of(struct slice key, struct slice value) {
    static const uint8_t headers[] = {2, 'h', 2, '1', 2, 'n', 1};
    return (struct record){.offset = 7,
                           .timestamp = 1234,
                           .key = key,
                           .value = value,
                           .header_count = 2,
                           .headers = {headers, sizeof(headers)}};
}

static const char *print(const char *text, struct record record) {
    struct errmsg errmsg = {""};
    record_format_release(&format);
    buffer_reset(&out);
    cr_assert(record_format_parse(&format, text, &errmsg), "%s", errmsg.text);
    record_format_print(&format, SLICE_LIT("topic"), 3, &record, &out);
    buffer_put_u8(&out, '\0');
    return (const char *)out.data;
}

Test(record_format, every_letter_of_kcat_is_known) {
    struct record r = record_of(SLICE_LIT("key"), SLICE_LIT("value"));
    cr_assert_str_eq(print("%t[%p]@%o %k=%s %K/%S %T %h %%\\n", r),
                     "topic[3]@7 key=value 3/5 1234 h=1,n=NULL %\n");
    cr_assert_str_eq(print("\\x41\\t\\\\", r), "A\t\\");
    cr_assert_str_eq(print("", r), "");
    print("%R", r);
    cr_assert_eq(memcmp(out.data, "\0\0\0\5", 4), 0);
}

Test(record_format, null_is_empty_and_its_length_negative) {
    struct record r = record_of(SLICE_NULL, SLICE_NULL);
    cr_assert_str_eq(print("[%k|%s] %K %S", r), "[|] -1 -1");
}

Test(record_format, what_is_not_known_is_refused) {
    static const char *const texts[] = {"%z", "%", "\\q", "\\x4", "\\"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct errmsg errmsg = {""};
        cr_assert_not(record_format_parse(&format, texts[i], &errmsg), "%s", texts[i]);
        cr_assert_str_not_empty(errmsg.text);
        record_format_release(&format);
    }
}

Test(record_format, json_is_kcats_and_stays_json) {
    struct record r = record_of(SLICE_NULL, SLICE_LIT("a\"\x01\xff\n\xc3\xa9"));
    record_json_print(SLICE_LIT("t"), 0, 1, false, &r, &out);
    buffer_put_u8(&out, '\0');
    cr_assert_str_eq(
        (const char *)out.data,
        "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"tstype\":\"create\",\"ts\":1234,"
        "\"broker\":1,\"headers\":[\"h\",\"1\",\"n\",null],\"key\":null,"
        "\"payload\":\"a\\\"\\u0001\\ufffd\\n\xc3\xa9\"}\n");
}

/* The values are those of org.apache.kafka.common.utils.Utils.murmur2(). */
Test(murmur2, is_that_of_java) {
    cr_assert_eq((int32_t)murmur2(SLICE_LIT("21")), -973932308);
    cr_assert_eq((int32_t)murmur2(SLICE_LIT("foobar")), -790332482);
    cr_assert_eq((int32_t)murmur2(SLICE_LIT("a-little-bit-long-string")), -985981536);
    cr_assert_eq((int32_t)murmur2(SLICE_LIT("a-little-bit-longer-string")), -1486304829);
    cr_assert_eq((int32_t)murmur2(SLICE_LIT("abc")), 479470107);
}
