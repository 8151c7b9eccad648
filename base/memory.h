/*
 * Heap memory for small control structures: allocation that fails aborts, by name.
 *
 * Memory whose size a peer or a file decides does not come from here: it comes from an arena or a
 * buffer with a limit (base/arena.h, base/buffer.h), which can refuse.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` objects of `size` bytes; the caller frees it with free(). */
void *xcalloc(size_t count, size_t size);

/* Uninitialised memory; the caller frees it with free(). */
void *xmalloc(size_t size);

/* As realloc(); never NULL for size > 0. */
void *xrealloc(void *ptr, size_t size);

/* As strdup(). */
char *xstrdup(const char *s);

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))

#endif
