#include "runtime/name_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void name_list_add(struct name_list *list, const char *name) {
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 16 : list->cap * 2;
        list->names = xrealloc(list->names, list->cap * sizeof(char *));
    }
    list->names[list->count++] = xstrdup(name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **name_list_finish(struct name_list *list, size_t *count) {
    if (list->count > 0) {
        qsort(list->names, list->count, sizeof(char *), compare_names);
    }
    size_t size = (list->count + 1) * sizeof(char *);
    for (size_t i = 0; i < list->count; i++) {
        size += strlen(list->names[i]) + 1;
    }
    /* The pointers, a NULL behind them, then the strings. */
    char **block = xmalloc(size);
    char *text = (char *)(block + list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        size_t len = strlen(list->names[i]) + 1;
        block[i] = memcpy(text, list->names[i], len);
        text += len;
    }
    block[list->count] = NULL;
    *count = list->count;
    return block;
}

void name_list_release(struct name_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    *list = (struct name_list){0};
}
