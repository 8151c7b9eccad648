#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define ARENA_ALIGN      16
#define ARENA_CHUNK_SIZE ((size_t)4096)

/* Chunks double up to this, so that a large request costs few allocations. */
#define ARENA_CHUNK_SIZE_MAX ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    size_t used;
    bool kept; /* by arena_reset(): its memory was not taken for what the arena holds now */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

void arena_init(struct arena *arena, size_t limit) {
    *arena = (struct arena){.limit = limit};
}

void arena_release(struct arena *arena) {
    while (arena->chunks != NULL) {
        struct arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *kept = arena->chunks;
    if (kept != NULL) {
        arena->chunks = kept->next;
        arena_release(arena);
        kept->next = NULL;
        kept->used = 0;
        kept->kept = true;
        arena->chunks = kept;
    }
    arena->used = 0;
}

/*
 * A chunk with room for `size` bytes, or NULL beyond the limit. What is left unused of the chunk
 * before it counts as used, so that what an arena takes from the heap stays within its limit (but
 * for the headers of chunks).
 */
static struct arena_chunk *arena_grow(struct arena *arena, size_t size) {
    size_t chunk_size = ARENA_CHUNK_SIZE;
    size_t lost = 0;
    const struct arena_chunk *full = arena->chunks;
    if (full != NULL) {
        chunk_size = full->size * 2;
        chunk_size = chunk_size < ARENA_CHUNK_SIZE_MAX ? chunk_size : ARENA_CHUNK_SIZE_MAX;
        lost = full->kept ? 0 : full->size - full->used;
    }
    if (chunk_size < size) {
        chunk_size = size;
    }
    if (arena->limit != SIZE_MAX) {
        size_t left = arena->limit - arena->used;
        if (lost > left || size > left - lost) {
            return NULL;
        }
        chunk_size = chunk_size < left - lost ? chunk_size : left - lost;
    }
    arena->used += lost;
    struct arena_chunk *chunk = xmalloc(sizeof(*chunk) + chunk_size);
    *chunk = (struct arena_chunk){.next = arena->chunks, .size = chunk_size};
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > arena->limit || size > SIZE_MAX - ARENA_ALIGN - sizeof(struct arena_chunk)) {
        return NULL;
    }
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (arena->used > arena->limit || size > arena->limit - arena->used) {
        return NULL;
    }
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || size > chunk->size - chunk->used) {
        chunk = arena_grow(arena, size);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *ptr = chunk->data + chunk->used;
    chunk->used += size;
    arena->used += size;
    return memset(ptr, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_alloc(arena, total);
}

struct slice arena_dup(struct arena *arena, struct slice s) {
    if (slice_is_null(s)) {
        return s;
    }
    uint8_t *copy = s.len == SIZE_MAX ? NULL : arena_alloc(arena, s.len + 1);
    if (copy == NULL) {
        return SLICE_NULL;
    }
    memcpy(copy, s.data, s.len);
    return slice_make(copy, s.len);
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    ASSERT(text != NULL);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
