/* An intrusive, doubly linked list. The node is a member of the listed struct. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

/* A head or a member. A member that is in no list points to itself after list_init(). */
struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *node) {
    node->prev = node;
    node->next = node;
}

static inline bool list_empty(const struct list *head) {
    return head->next == head;
}

/* Whether an initialised member is in some list. */
static inline bool list_linked(const struct list *node) {
    return node->next != node;
}

static inline void list_insert_between(struct list *prev, struct list *next, struct list *node) {
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_append(struct list *head, struct list *node) {
    list_insert_between(head->prev, head, node);
}

static inline void list_prepend(struct list *head, struct list *node) {
    list_insert_between(head, head->next, node);
}

/* Leaves the node initialised; removing it again does nothing. */
static inline void list_remove(struct list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Moves all members of `from` to the end of `to`; `from` is empty then. */
static inline void list_splice(struct list *to, struct list *from) {
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* The first member as the struct that embeds it; the list must not be empty. */
#define LIST_FIRST(head, type, member) CONTAINER_OF((head)->next, type, member)

/* `it` is a struct list *; the body may not remove it. */
#define LIST_FOREACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* The body may remove (and free) `it`, but no other member. */
#define LIST_FOREACH_SAFE(it, head)                                                                \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

#endif
