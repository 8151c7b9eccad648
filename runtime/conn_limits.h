/*
 * How many connections there may be: in all, of each listener, of each address, and how many new
 * ones a second. One object is shared by the listeners that are limited together.
 *
 * What Kafka does, and this with it: a connection that finds no place waits until one closes; it
 * waits as well, up to a second, while new ones come too fast; one address too many is closed at
 * once. A protected listener (that of the other brokers) is not held up by the limit of all: when
 * its connections exceed it, or the limit is lowered, the longest silent connections of the other
 * listeners are closed.
 *
 * Functions may be called on any thread.
 */
#ifndef RUNTIME_CONN_LIMITS_H
#define RUNTIME_CONN_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct conn_limits;

/* Any of the numbers below: no limit. */
#define CONN_LIMIT_NONE INT32_MAX

struct conn_limit_address {
    const char *host; /* as conn_peer_host() writes it */
    int connections_max;
};

struct conn_limit_listener {
    int connections_max;
    int creation_rate_max; /* a second */
    bool is_protected;
};

struct conn_limit_values {
    int connections_max;        /* of all listeners together */
    int creation_rate_max;      /* a second, of all that are not protected */
    int connections_per_ip_max; /* of each address that is not among `addresses` */
    const struct conn_limit_address *addresses;
    int address_count;
    const struct conn_limit_listener *listeners; /* as many as conn_limits_new() was told */
};

/* Without any limit. */
struct conn_limits *conn_limits_new(int listener_count);

/* When its listeners accept no more: they were closed, or the machine stands still. */
void conn_limits_free(struct conn_limits *limits);

/* Takes effect at once, also on what waits. The values are copied. */
void conn_limits_set(struct conn_limits *limits, const struct conn_limit_values *values);

/* Connections that hold a place now. */
int conn_limits_count(struct conn_limits *limits);

/* ---- For the runtime: accepting -------------------------------------------------------------- */

/* One that accepts: a listener on a shard. */
struct conn_limit_member {
    struct list link; /* private, as the next two */
    int listener;
    bool waiting;
    /* What this one asked for may be different now: conn_limits_enter() may succeed,
     * conn_limits_evict() may ask for a connection. Called under a lock, on any thread: it may
     * only post. */
    void (*changed)(struct conn_limit_member *member);
};

void conn_limits_join(struct conn_limits *limits, struct conn_limit_member *member, int listener,
                      void (*changed)(struct conn_limit_member *member));

/* `changed` is not called from then on. */
void conn_limits_part(struct conn_limits *limits, struct conn_limit_member *member);

/* Takes a place for one connection. False when there is none: `changed` tells when to ask again. */
bool conn_limits_enter(struct conn_limits *limits, struct conn_limit_member *member);

/* Gives a place back; `evicted` when conn_limits_evict() asked for it. */
void conn_limits_leave(struct conn_limits *limits, const struct conn_limit_member *member,
                       bool evicted);

/* Counts a new connection against the rates; for how long it has to wait, in ms. */
int64_t conn_limits_throttle_ms(struct conn_limits *limits, const struct conn_limit_member *member,
                                int64_t now_ms);

/* Counts one more connection of an address; false, without counting, when it has too many. */
bool conn_limits_enter_address(struct conn_limits *limits, const char *host);
void conn_limits_leave_address(struct conn_limits *limits, const char *host);

/* Whether the member has to close one of its connections (and then say so when it has left). */
bool conn_limits_evict(struct conn_limits *limits, const struct conn_limit_member *member);

#endif
