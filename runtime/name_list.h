/* Builds the result of directory_list(). Private to runtime/. */
#ifndef RUNTIME_NAME_LIST_H
#define RUNTIME_NAME_LIST_H

#include <stddef.h>

/* All zero is empty. */
struct name_list {
    char **names; /* heap, of heap strings */
    size_t count;
    size_t cap;
};

void name_list_add(struct name_list *list, const char *name);

/* The names sorted bytewise in one heap block, which the caller frees. */
char **name_list_finish(struct name_list *list, size_t *count);

void name_list_release(struct name_list *list);

#endif
