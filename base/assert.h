/*
 * Assertions that stay on in release builds.
 *
 * An invariant that breaks aborts the process: crashing loses nothing, going on may. What a peer, a
 * client or a file can cause is never an assertion; it is an error that is returned.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <assert.h>

/* Prints the message with its place and a backtrace to stderr and aborts. */
_Noreturn void assert_failed(const char *file, int line, const char *function, const char *expr);

#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #cond))

/* a implies b. */
#define IMPLIES(a, b) (!(a) || (b))

/* A place that no state can reach. */
#define UNREACHABLE() assert_failed(__FILE__, __LINE__, __func__, "unreachable")

/* Functions that can fail carry this, so that no caller forgets. */
#define MUST_CHECK __attribute__((warn_unused_result))

#define PRINTF_LIKE(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))

/* The struct that embeds a member, from the member's address. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
