#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *xcalloc(size_t count, size_t size) {
    void *ptr = calloc(count, size);
    ASSERT(ptr != NULL || count == 0 || size == 0);
    return ptr;
}

void *xmalloc(size_t size) {
    void *ptr = malloc(size);
    ASSERT(ptr != NULL || size == 0);
    return ptr;
}

void *xrealloc(void *ptr, size_t size) {
    void *moved = realloc(ptr, size);
    ASSERT(moved != NULL || size == 0);
    return moved;
}

char *xstrdup(const char *s) {
    size_t len = strlen(s) + 1;
    return memcpy(xmalloc(len), s, len);
}
