#include "tests/fuzz/heap.h"

#include <stdbool.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static size_t counted;

void heap_count_start(void) {
    counted = 0;
}

size_t heap_count_end(void) {
    return counted;
}

void *__wrap_malloc(size_t size) {
    counted += size;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    counted += count * size;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size) {
    counted += size;
    return __real_realloc(ptr, size);
}
