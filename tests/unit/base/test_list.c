#include <criterion/criterion.h>

#include "base/list.h"

struct item {
    int value;
    struct list link;
};

static void check_order(const struct list *head, const int *values, size_t count) {
    size_t at = 0;
    LIST_FOREACH(it, head) {
        cr_assert_lt(at, count);
        cr_assert_eq(CONTAINER_OF(it, struct item, link)->value, values[at]);
        cr_assert_eq(it->next->prev, it);
        at++;
    }
    cr_assert_eq(at, count);
}

Test(list, members_keep_the_order_of_insertion) {
    struct list head;
    struct item items[] = {{.value = 0}, {.value = 1}, {.value = 2}};
    list_init(&head);
    cr_assert(list_empty(&head));
    list_append(&head, &items[1].link);
    list_append(&head, &items[2].link);
    list_prepend(&head, &items[0].link);
    check_order(&head, (int[]){0, 1, 2}, 3);
    cr_assert_eq(LIST_FIRST(&head, struct item, link)->value, 0);
}

Test(list, removal_is_idempotent) {
    struct list head;
    struct item items[] = {{.value = 0}, {.value = 1}, {.value = 2}};
    list_init(&head);
    for (size_t i = 0; i < 3; i++) {
        list_append(&head, &items[i].link);
        cr_assert(list_linked(&items[i].link));
    }
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    cr_assert_not(list_linked(&items[1].link));
    check_order(&head, (int[]){0, 2}, 2);
}

Test(list, safe_iteration_may_remove_each_member) {
    struct list head;
    struct item items[5];
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_append(&head, &items[i].link);
    }
    LIST_FOREACH_SAFE(it, &head) {
        if (CONTAINER_OF(it, struct item, link)->value % 2 == 0) {
            list_remove(it);
        }
    }
    check_order(&head, (int[]){1, 3}, 2);
    LIST_FOREACH_SAFE(it, &head) {
        list_remove(it);
    }
    cr_assert(list_empty(&head));
}

Test(list, splicing_moves_all_members_to_the_end) {
    struct list to, from;
    struct item items[] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&to);
    list_init(&from);
    list_splice(&to, &from);
    cr_assert(list_empty(&to));
    list_append(&to, &items[0].link);
    list_append(&from, &items[1].link);
    list_append(&from, &items[2].link);
    list_splice(&to, &from);
    cr_assert(list_empty(&from));
    check_order(&to, (int[]){0, 1, 2}, 3);
    list_append(&from, &items[3].link);
    list_splice(&to, &from);
    check_order(&to, (int[]){0, 1, 2, 3}, 4);
}
