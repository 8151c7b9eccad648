/*
 * SIGTERM at each event of a node's start, on an empty disk and on one with data: the node stops
 * cleanly, whatever it was at, and the next start finds everything.
 */
#include <criterion/criterion.h>

#include "protocol/errors.h"
#include "tests/sim/node_script.h"

static const char *const overrides[] = {"barnabas.topics=made:2:1"};

static struct node_world *world_new(int shards) {
    return node_world_new(1, shards, overrides, ARRAY_LEN(overrides));
}

static void check(struct node_world *world, int steps) {
    int code = node_world_start(world);
    cr_assert_eq(code, 0, "%d events: exit code %d %s", steps, code, world->log.last_error);
    struct view view;
    view_init(&view);
    view_add_partition(&view, "made", 1);
    view_take(&view, world);
    cr_assert_eq(view.partitions[0].error, ERROR_NONE, "%d events", steps);
    view_release(&view);
}

static void stop(struct node_world *world, int steps) {
    cr_assert(node_world_stop(world), "%d events: the stop hangs, or the node dies", steps);
    cr_assert_eq(world->node.exit_code, 0, "%d events", steps);
}

/* Returns whether the start still went on after so many events. */
static bool stop_after(int steps, int shards) {
    struct node_world *world = world_new(shards);
    bool empty_disk = node_world_begin(world, steps);
    stop(world, steps);
    check(world, steps);
    stop(world, steps);
    bool used_disk = node_world_begin(world, steps);
    stop(world, steps);
    check(world, steps);
    node_world_kill(world);
    bool after_a_kill = node_world_begin(world, steps);
    stop(world, steps);
    check(world, steps);
    stop(world, steps);
    node_world_free(world);
    return empty_disk || used_disk || after_a_kill;
}

static void stop_at_each(int shards) {
    int steps = 0;
    while (stop_after(steps, shards)) {
        steps++;
    }
    cr_assert_gt(steps, 20, "no start takes only %d events", steps);
}

Test(node_stop, a_node_of_one_shard_stops_at_every_moment_of_its_start, .timeout = 600) {
    stop_at_each(1);
}

Test(node_stop, a_node_of_three_shards_stops_at_every_moment_of_its_start, .timeout = 600) {
    stop_at_each(3);
}
