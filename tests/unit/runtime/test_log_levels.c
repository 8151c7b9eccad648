/* Levels of the log: root's, and those of single components. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/log_levels.h"

static int component(const char *name) {
    return log_component_find(name, strlen(name));
}

Test(log_levels, a_component_is_as_root_until_it_has_a_level_of_its_own) {
    struct log_levels levels;
    log_levels_init(&levels);
    cr_assert(log_levels_allow(&levels, LOG_LEVEL_INFO, "storage"));
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_DEBUG, "storage"));
    log_levels_set(&levels, component("storage"), LOG_LEVEL_DEBUG);
    cr_assert(log_levels_allow(&levels, LOG_LEVEL_DEBUG, "storage"));
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_DEBUG, "net"));
    log_levels_set(&levels, -1, LOG_LEVEL_ERROR);
    cr_assert(log_levels_allow(&levels, LOG_LEVEL_DEBUG, "storage"));
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_WARN, "net"));
    log_levels_set(&levels, component("storage"), LOG_LEVEL_COUNT);
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_WARN, "storage"));
    cr_assert_eq(log_levels_get(&levels, component("storage")), LOG_LEVEL_ERROR);
}

Test(log_levels, a_component_can_be_quieter_than_root) {
    struct log_levels levels;
    log_levels_init(&levels);
    log_levels_set(&levels, component("net"), LOG_LEVEL_ERROR);
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_WARN, "net"));
    cr_assert(log_levels_allow(&levels, LOG_LEVEL_WARN, "server"));
}

Test(log_levels, names_that_are_no_component_are_as_root) {
    struct log_levels levels;
    log_levels_init(&levels);
    cr_assert_eq(component("nothing"), -1);
    cr_assert_eq(component(""), -1);
    cr_assert_eq(component("nets"), -1);
    cr_assert(log_levels_allow(&levels, LOG_LEVEL_INFO, "nothing"));
    cr_assert_not(log_levels_allow(&levels, LOG_LEVEL_DEBUG, "nothing"));
    for (int i = 0; i < LOG_COMPONENT_COUNT; i++) {
        cr_assert_eq(component(log_component_name(i)), i);
    }
}
