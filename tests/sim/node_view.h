/*
 * What a client can see of a node: records, offsets, look-ups by time, epochs, producers, committed
 * offsets, topics. Two views of the same data are equal; a view of a damaged disk is judged against
 * that of the undamaged one.
 */
#ifndef TESTS_SIM_NODE_VIEW_H
#define TESTS_SIM_NODE_VIEW_H

#include "base/buffer.h"
#include "tests/sim/node_world.h"

#define VIEW_PARTITIONS_MAX 16
#define VIEW_GROUPS_MAX     4

struct view_partition {
    const char *topic;
    int32_t partition;
    int16_t error;       /* of the fetch; nothing else is set then */
    int64_t start;       /* ListOffsets earliest */
    int64_t end;         /* where the records end */
    struct buffer bytes; /* all batches */
    bool checksum_fails; /* a batch was served whose CRC says that it is damaged: a client refuses
                            it, and what follows was not looked at */
    struct buffer facts; /* look-ups, epochs, producers; as text */
};

struct view {
    struct view_partition partitions[VIEW_PARTITIONS_MAX];
    int partition_count;
    const char *groups[VIEW_GROUPS_MAX];
    int group_count;
    struct buffer committed[VIEW_GROUPS_MAX]; /* text; empty when the coordinator refuses */
    struct buffer topics;                     /* text */
    bool lost_contact;                        /* no answer came */
};

void view_init(struct view *view);
void view_release(struct view *view);
void view_add_partition(struct view *view, const char *topic, int32_t partition);
void view_add_group(struct view *view, const char *group);

/* Asks a running node. */
void view_take(struct view *view, struct node_world *world);

/* What may differ from the truth without being wrong. */
struct view_allowance {
    int64_t end_min[VIEW_PARTITIONS_MAX]; /* records from here on may be gone */
    int64_t
        epoch_at[VIEW_PARTITIONS_MAX]; /* where in the bytes a leader epoch may be wrong; or -1 */
    bool start_lower[VIEW_PARTITIONS_MAX]; /* deleted records may come back */
    bool topics;                           /* topics may be missing, and their partitions */
    bool committed;                        /* committed offsets may be older */
};

enum view_verdict {
    VIEW_RECOVERED, /* all is there and right */
    VIEW_REFUSED,   /* some is refused with an error; the rest is right */
    VIEW_CHECKSUM,  /* some is served with a checksum that fails; the rest is right or refused */
    VIEW_WRONG,
};

/* Compares; `why` gets a sentence for VIEW_WRONG. */
enum view_verdict view_judge(const struct view *truth, const struct view *seen,
                             const struct view_allowance *allowance, char why[512]);

#endif
