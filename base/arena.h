/*
 * Memory that is freed all at once: everything of a request lives in its arena.
 *
 * An arena may carry a limit, of all that it takes from the heap. Allocation beyond it returns
 * NULL, which callers that size memory by what a peer sent must check; an arena without limit never
 * returns NULL.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first; private */
    size_t used;                /* bytes handed out, or lost to alignment and the ends of chunks */
    size_t limit;               /* of `used`; SIZE_MAX is none */
};

/* An empty arena that owns nothing yet. `limit` in bytes; SIZE_MAX for none. */
void arena_init(struct arena *arena, size_t limit);

/* Frees everything; the arena is empty and usable again. */
void arena_release(struct arena *arena);

/* As arena_release(), but keeps one chunk for the next use. */
void arena_reset(struct arena *arena);

/* Zeroed memory aligned to 16 bytes, valid until release or reset. NULL only beyond the limit. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same for count objects; checks the product for overflow (NULL). */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A copy with a NUL behind it that len does not count; null stays null, and is what comes back
 * beyond the limit. */
struct slice arena_dup(struct arena *arena, struct slice s);

/* A formatted, NUL-terminated string; for arenas without limit. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
