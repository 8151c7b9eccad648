#include <criterion/criterion.h>

#include "base/errmsg.h"

Test(errmsg, each_layer_puts_its_words_before) {
    struct errmsg errmsg;
    errmsg_set(&errmsg, "no space on %s", "sda");
    errmsg_prefix(&errmsg, "write at %d", 17);
    errmsg_prefix(&errmsg, "append");
    cr_assert_str_eq(errmsg.text, "append: write at 17: no space on sda");
}

Test(errmsg, null_drops_the_text) {
    errmsg_set(NULL, "nobody %d", 1);
    errmsg_prefix(NULL, "listens");
}

Test(errmsg, long_texts_are_cut_and_stay_terminated) {
    struct errmsg errmsg;
    memset(&errmsg, 'z', sizeof(errmsg));
    errmsg_set(&errmsg, "%*d", ERRMSG_SIZE + 100, 1);
    cr_assert_eq(strlen(errmsg.text), ERRMSG_SIZE - 1);
    errmsg_prefix(&errmsg, "head");
    cr_assert_eq(strlen(errmsg.text), ERRMSG_SIZE - 1);
    cr_assert_eq(strncmp(errmsg.text, "head:  ", 7), 0);
    for (int len = ERRMSG_SIZE - 3; len < ERRMSG_SIZE + 2; len++) {
        errmsg_set(&errmsg, "tail");
        errmsg_prefix(&errmsg, "%*d", len, 1);
        cr_assert_lt(strnlen(errmsg.text, ERRMSG_SIZE), ERRMSG_SIZE);
    }
}
