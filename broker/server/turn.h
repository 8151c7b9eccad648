/*
 * Whose requests are handled in a turn of a shard's loop.
 *
 * Connections whose requests lately cost little are served as they come. The others, and those that
 * come when the turn has been long already, wait in two lines, cheap and dear, which are served one
 * request at a time, round robin, at the end of the turn: the cheap line first, the dear one with
 * at least one request. What is left waits for the next turn, so that however many connections ask
 * for much, those that ask for little wait for about one dear request.
 *
 * No I/O and no clock: the caller tells what time was spent.
 */
#ifndef BROKER_SERVER_TURN_H
#define BROKER_SERVER_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* A connection is dear while its requests cost this on average... */
#define TURN_DEAR_NS INT64_C(200000)

/* ... and a single request of this size is, unless it carries records. */
#define TURN_DEAR_LEN ((size_t)16 * 1024)

/* What arrives after this much work waits in line; and the share of each line at the turn's end. */
#define TURN_DIRECT_NS     INT64_C(1000000)
#define TURN_CHEAP_NS      INT64_C(1000000)
#define TURN_DEAR_SHARE_NS INT64_C(200000)

/* Embedded in a connection. */
struct turn_member {
    struct list link; /* in a line; both private */
    int64_t cost_ns;  /* moving average of a request */
};

struct turn {
    struct list cheap; /* turn_member.link; all private */
    struct list dear;
    int64_t direct_ns; /* spent in this turn, by what */
    int64_t cheap_ns;
    int64_t dear_ns;
    int64_t *spending;
};

void turn_init(struct turn *turn);

void turn_member_init(struct turn_member *member);
void turn_member_leave(struct turn_member *member);
bool turn_member_waits(const struct turn_member *member);

/* Whether the member's next request may be handled at once. `len`: of the request, 0 when it
 * carries records. */
bool turn_admits(const struct turn *turn, const struct turn_member *member, size_t len);

/* Puts a member that is not admitted, and not in line, at the end of its line. */
void turn_line_up(struct turn *turn, struct turn_member *member, size_t len);

/* A request of the member was handled. */
void turn_spend(struct turn *turn, struct turn_member *member, int64_t ns);

/* The end of the turn: takes the next member off its line, of which one request may be handled;
 * NULL when this turn has done its share. */
struct turn_member *turn_next(struct turn *turn);

/* After turn_next() was NULL: whether somebody waits for the next turn. */
bool turn_is_left(const struct turn *turn);

/* A new turn. */
void turn_begin(struct turn *turn);

#endif
