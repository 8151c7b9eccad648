#include <criterion/criterion.h>

#include "base/assert.h"
#include "tools/cli/options.h"

static const struct option_spec specs[] = {
    {"topic|t", OPTION_VALUE, "TOPIC", "a topic"},
    {"time", OPTION_VALUE, "ms", "a time"},
    {"timeout", OPTION_VALUE, "ms", "another"},
    {"codec", OPTION_MAYBE, "codec", "a codec"},
    {"exit|e", OPTION_FLAG, NULL, "ends"},
    {"quiet|q", OPTION_FLAG, NULL, "says nothing"},
    {"old.name|new-name", OPTION_VALUE, "x", "a synonym"},
    {"ids", OPTION_MANY, "id", "some"},
    {NULL},
};

static struct options options;

static bool parse(size_t count, const char *const *args) {
    char *argv[16];
    for (size_t i = 0; i < count; i++) {
        argv[i] = (char *)(uintptr_t)args[i];
    }
    return options_parse(&options, specs, (int)count, argv);
}

#define PARSE(...)                                                                                 \
    parse(ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

static void release(void) {
    options_release(&options);
}

TestSuite(options, .fini = release);

Test(options, values_come_in_three_ways) {
    cr_assert(PARSE("--topic", "a", "--topic=b", "-t", "c", "-td"));
    static const char *const wanted[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_str_eq(options_nth(&options, "topic", i), wanted[i]);
    }
    cr_assert_null(options_nth(&options, "topic", 4));
    cr_assert_str_eq(options_get(&options, "topic", ""), "d");
}

Test(options, a_value_may_look_like_an_option) {
    cr_assert(PARSE("--time", "-1", "--topic", "--exit"));
    int64_t time = 0;
    cr_assert(options_i64(&options, "time", &time));
    cr_assert_eq(time, -1);
    cr_assert_str_eq(options_get(&options, "topic", ""), "--exit");
    cr_assert_not(options_has(&options, "exit"));
}

Test(options, a_value_that_may_be_missing_is_not_taken_from_an_option) {
    cr_assert(PARSE("--codec", "--exit"));
    cr_assert(options_has(&options, "codec"));
    cr_assert_null(options_get(&options, "codec", NULL));
    cr_assert(options_has(&options, "exit"));
}

Test(options, letters_stand_together) {
    cr_assert(PARSE("-eqtname", "rest"));
    cr_assert(options_has(&options, "exit") && options_has(&options, "quiet"));
    cr_assert_str_eq(options_get(&options, "topic", ""), "name");
    cr_assert_eq(options.arg_count, 1);
}

Test(options, the_beginning_of_a_long_name_is_enough_where_it_is_the_only_one) {
    cr_assert(PARSE("--top", "a", "--new-name", "b"));
    cr_assert_str_eq(options_get(&options, "topic", ""), "a");
    cr_assert_str_eq(options_get(&options, "old.name", ""), "b");
    release();
    cr_assert_not(PARSE("--tim", "a"));
}

Test(options, what_is_wrong_is_said_as_kafka_says_it) {
    cr_assert_not(PARSE("--foo", "1"));
    cr_assert_str_eq(options.error.text, "foo is not a recognized option");
    release();
    cr_assert_not(PARSE("--topic"));
    cr_assert_str_eq(options.error.text, "Option topic requires an argument");
}

Test(options, two_dashes_end_the_options) {
    cr_assert(PARSE("--", "--exit", "-"));
    cr_assert_not(options_has(&options, "exit"));
    cr_assert_eq(options.arg_count, 2);
}

Test(options, many_take_all_up_to_the_next) {
    cr_assert(PARSE("--ids", "1", "2", "3", "--exit"));
    cr_assert_str_eq(options_nth(&options, "ids", 2), "3");
    cr_assert(options_has(&options, "exit"));
}
