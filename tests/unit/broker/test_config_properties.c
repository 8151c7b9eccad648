#include <criterion/criterion.h>
#include <errno.h>

#include "broker/config/properties.h"

/* Holds what was read until the test ends. */
static struct arena arena;

static void set_up(void) {
    arena_init(&arena, SIZE_MAX);
}

static void tear_down(void) {
    arena_release(&arena);
}

TestSuite(properties, .init = set_up, .fini = tear_down);

struct entry {
    const char *key;
    const char *value;
};

static int read_all(const char *text, size_t len, struct entry *out, int max,
                    struct errmsg *errmsg) {
    struct properties properties;
    properties_init(&properties, slice_make(text, len));
    struct slice key;
    struct slice value;
    int count = 0;
    int result;
    while ((result = properties_next(&properties, &arena, &key, &value, errmsg)) == 1) {
        cr_assert_lt(count, max);
        out[count].key = (const char *)arena_dup(&arena, key).data;
        out[count++].value = (const char *)arena_dup(&arena, value).data;
    }
    return result < 0 ? result : count;
}

static void check_one(const char *text, const char *key, const char *value) {
    struct entry entry[2];
    struct errmsg errmsg;
    cr_assert_eq(read_all(text, strlen(text), entry, 2, &errmsg), 1, "%s", text);
    cr_assert_str_eq(entry[0].key, key);
    cr_assert_str_eq(entry[0].value, value);
}

Test(properties, equals_colon_and_blanks_separate_key_from_value) {
    check_one("a=b", "a", "b");
    check_one("a:b", "a", "b");
    check_one("a b", "a", "b");
    check_one("  a \t = \t b c ", "a", "b c ");
    check_one("a = = b", "a", "= b");
    check_one("a", "a", "");
    check_one("a=", "a", "");
    check_one("=b", "", "b");
}

Test(properties, escaped_separators_belong_to_the_key) {
    check_one("a\\=b\\:c\\ d=e", "a=b:c d", "e");
}

Test(properties, escapes_are_undone) {
    check_one("a=\\t\\n\\r\\f\\\\\\q", "a", "\t\n\r\f\\q");
    check_one("a=\\u0041\\u00e9\\u20ac", "a", "A\xc3\xa9\xe2\x82\xac");
    check_one("a=\\ud83d\\ude00", "a", "\xf0\x9f\x98\x80");
}

Test(properties, a_backslash_at_the_end_continues_the_line) {
    check_one("a=b,\\\n   c,\\\r\n\td", "a", "b,c,d");
    check_one("a=b\\\\\n", "a", "b\\");
    check_one("a=b\\", "a", "b");
    check_one("a=b\\\n", "a", "b");
}

Test(properties, comments_and_empty_lines_are_passed_over) {
    struct entry entries[2];
    struct errmsg errmsg;
    const char *text = "# x=1\n  ! y=2\n\n   \na=1 # no comment\r# z\\\nb=2";
    cr_assert_eq(read_all(text, strlen(text), entries, 2, &errmsg), 2);
    cr_assert_str_eq(entries[0].value, "1 # no comment");
    cr_assert_str_eq(entries[1].key, "b");
}

Test(properties, nonsense_is_refused_with_its_line) {
    struct entry entries[2];
    struct errmsg errmsg;
    static const char *const bad[] = {"a=1\nb=\\u12",          "a=1\nb=\\u12g4", "a=1\nb=\\ud83d",
                                      "a=1\nb=\\ud83d\\u0041", "a=1\nb=\\ude00", "a=1\nb=\\u0000"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(read_all(bad[i], strlen(bad[i]), entries, 2, &errmsg), -EINVAL, "%s", bad[i]);
        cr_assert(strstr(errmsg.text, "line 2") != NULL, "%s", errmsg.text);
    }
    cr_assert_eq(read_all("a=\0b", 4, entries, 2, &errmsg), -EINVAL);
}
