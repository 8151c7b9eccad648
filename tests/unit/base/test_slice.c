#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/slice.h"

Test(slice, null_equals_only_null) {
    cr_assert(slice_equal(SLICE_NULL, SLICE_NULL));
    cr_assert_not(slice_equal(SLICE_NULL, SLICE_LIT("")));
    cr_assert(slice_equal(SLICE_LIT(""), slice_make("x", 0)));
    cr_assert(slice_equal_str(SLICE_LIT("abc"), "abc"));
    cr_assert_not(slice_equal_str(SLICE_LIT("abc"), "abd"));
    cr_assert_not(slice_equal_str(SLICE_LIT("abc"), "ab"));
    cr_assert(slice_is_null(slice_str(NULL)));
}

Test(slice, order_is_by_byte_then_by_length) {
    cr_assert_lt(slice_compare(SLICE_LIT("a"), SLICE_LIT("b")), 0);
    cr_assert_lt(slice_compare(SLICE_LIT("a"), SLICE_LIT("ab")), 0);
    cr_assert_gt(slice_compare(SLICE_LIT("b"), SLICE_LIT("ab")), 0);
    cr_assert_gt(slice_compare(SLICE_LIT("\xff"), SLICE_LIT("a")), 0, "bytes are unsigned");
    cr_assert_eq(slice_compare(SLICE_LIT("ab"), SLICE_LIT("ab")), 0);
    cr_assert_eq(slice_compare(SLICE_NULL, SLICE_LIT("")), 0);
}

Test(slice, integers_are_parsed_strictly) {
    int64_t value = 0;
    cr_assert(slice_parse_i64(SLICE_LIT("0"), &value) && value == 0);
    cr_assert(slice_parse_i64(SLICE_LIT("-12"), &value) && value == -12);
    cr_assert(slice_parse_i64(SLICE_LIT("007"), &value) && value == 7);
    cr_assert(slice_parse_i64(SLICE_LIT("9223372036854775807"), &value) && value == INT64_MAX);
    cr_assert(slice_parse_i64(SLICE_LIT("-9223372036854775808"), &value) && value == INT64_MIN);
    const char *bad[] = {"",
                         "-",
                         "+1",
                         " 1",
                         "1 ",
                         "1a",
                         "0x1",
                         "--1",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_not(slice_parse_i64(slice_str(bad[i]), &value), "\"%s\"", bad[i]);
    }
    cr_assert_not(slice_parse_i64(slice_make("1\0", 2), &value));
    cr_assert_not(slice_parse_i64(SLICE_NULL, &value));
}

Test(slice, a_copy_is_terminated) {
    char *copy = slice_to_cstr(slice_make("abcdef", 3));
    cr_assert_str_eq(copy, "abc");
    free(copy);
}

Test(slice, utf8_is_checked_as_unicode_defines_it) {
    const char *good[] = {"",
                          "plain",
                          "\xc2\x80",
                          "\xdf\xbf",
                          "\xe0\xa0\x80",
                          "\xed\x9f\xbf",
                          "\xee\x80\x80",
                          "\xef\xbf\xbf",
                          "\xf0\x90\x80\x80",
                          "\xf4\x8f\xbf\xbf"};
    const char *bad[] = {
        "\x80",             /* a continuation without a start */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80", /* no such start */
        "\xff",             /* no such byte */
        "\xc2",             /* cut */
        "\xe2\x82",         /* cut */
        "\xf0\x90\x80",     /* cut */
        "\xe2\x82x",        /* no continuation */
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        cr_assert(slice_is_utf8(slice_str(good[i])), "good %zu", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *copy = slice_to_cstr(slice_str(bad[i]));
        cr_assert_not(slice_is_utf8(slice_str(copy)), "bad %zu", i);
        free(copy);
    }
}
