/*
 * A request over partitions of several shards: its items are handed to the shards that own them,
 * worked on there, and gathered where the request is.
 *
 * With everything on the request's own shard all calls are direct and nothing is posted. Between
 * scatter_start() and `done` the items of a part belong to the part's shard; the memory of the
 * scatter and its items is the request's arena.
 */
#ifndef BROKER_API_SCATTER_H
#define BROKER_API_SCATTER_H

#include "base/arena.h"
#include "base/list.h"
#include "base/uuid.h"
#include "broker/node.h"
#include "runtime/machine.h"

struct request;
struct scatter;

/* Embedded in each item. */
struct scatter_item {
    struct list link;
};

/* What goes to one shard. */
struct scatter_part {
    struct scatter *scatter;
    struct node_shard *shard;
    struct list items;   /* scatter_item.link, in the order in which they were added */
    struct arena *arena; /* for results: lives until the request is answered */
    void *state;         /* the user's, for its waits on that shard; NULL at first */
    struct post post;    /* private */
};

struct scatter {
    struct request *request;     /* all but this private */
    struct scatter_part **parts; /* by index of the shard; NULL without items */
    int part_count;
    int left; /* parts that are not done, and one while starting */
    void (*run)(struct scatter_part *part);
    void (*done)(struct scatter *scatter);
};

/*
 * run(part) is called on the part's shard and must lead to one scatter_part_done(), at once or
 * later. done(scatter) follows on the request's shard when all parts are done.
 */
void scatter_init(struct scatter *scatter, struct request *request,
                  void (*run)(struct scatter_part *part), void (*done)(struct scatter *scatter));

/* The part it went to. */
struct scatter_part *scatter_add(struct scatter *scatter, int shard_index,
                                 struct scatter_item *item);

/* May call `done` before it returns, after which the scatter may be gone. May be called again, for
 * another round over the same items, when `done` was called. */
void scatter_start(struct scatter *scatter);

/* On the part's shard. */
void scatter_part_done(struct scatter_part *part);

/* Next part with items on another than `after` (NULL for the first). */
struct scatter_part *scatter_next_part(const struct scatter *scatter,
                                       const struct scatter_part *after);

#endif
