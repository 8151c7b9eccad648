/*
 * The pages of a node: /metrics, /livez, /readyz, /healthz. Only where metrics.listener is set.
 *
 * On shard 0.
 */
#ifndef BROKER_METRICS_METRICS_H
#define BROKER_METRICS_METRICS_H

#include "base/assert.h"
#include "base/errmsg.h"

struct metrics;
struct node;

/* No I/O. */
struct metrics *metrics_new(struct node *node);
void metrics_free(struct metrics *metrics); /* closes first */

/* Opens the listener that is configured; 0 also where none is. Else a negative errno and one line
 * in errmsg. The first that a node does, so that a start that takes long can be watched. */
MUST_CHECK int metrics_open(struct metrics *metrics, struct errmsg *errmsg);

/* Closes it: the last that a node does. */
void metrics_close(struct metrics *metrics);

/* The port it is bound to; -1 without one. */
int metrics_port(const struct metrics *metrics);

#endif
