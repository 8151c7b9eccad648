/* Times as people write them. */
#ifndef TOOLS_CLI_WHEN_H
#define TOOLS_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Milliseconds since 1970 of
 *
 *     1767225600000                     milliseconds
 *     2026-01-01T00:00:00.500+02:00     a time; the zone (Z, +HH:MM) may be missing: then UTC; also
 *                                       without milliseconds, seconds, or time
 *     -90s, -15m, -2h, -3d              before now_ms
 *     now
 *
 * False when it is none of these.
 */
bool when_parse(const char *text, int64_t now_ms, int64_t *out);

/* Java's Duration, P3DT4H5M6.7S, in milliseconds; also with a sign. False when it is none. */
bool duration_parse(const char *text, int64_t *out_ms);

#endif
