/*
 * Makes a small but complete data directory by a real run of a node: topics whose segments have
 * rolled, in every codec; idempotent producers; records deleted; groups with committed offsets; a
 * metadata log with a snapshot; checkpoints; two lives, so two leader epochs.
 */
#ifndef TESTS_SIM_NODE_SCRIPT_H
#define TESTS_SIM_NODE_SCRIPT_H

#include "protocol/compression.h"
#include "tests/sim/node_view.h"
#include "tests/sim/node_world.h"

#define SCRIPT_OVERRIDE_COUNT 3
extern const char *const script_overrides[SCRIPT_OVERRIDE_COUNT];

/* Single steps; false when the node did not do it. */
bool script_create_topic(struct node_world *world, const char *topic, int32_t partitions);
bool script_delete_topic(struct node_world *world, const char *topic);
bool script_produce(struct node_world *world, const char *topic, int32_t partition,
                    enum compression codec, int64_t producer_id, int32_t sequence,
                    int64_t *base_offset);
bool script_delete_records(struct node_world *world, const char *topic, int32_t partition,
                           int64_t offset);
bool script_commit(struct node_world *world, const char *group, const char *topic, int64_t offset);
int64_t script_producer_id(struct node_world *world);

#define SCRIPT_BATCH_RECORDS 3 /* of each script_produce() */

/* The whole run, on an empty disk; false when something went wrong. Ends with a clean stop, or with
 * a kill while the newest records lie behind the checkpointed recovery point. */
bool script_run(struct node_world *world, bool clean);

/* Adds what the script has made to a view. */
void script_view_init(struct view *view);

#endif
