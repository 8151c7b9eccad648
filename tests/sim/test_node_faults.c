/*
 * A disk that fails at each of a node's operations in turn: an error once, an error from then on, a
 * full disk for a while, writes that stop half-way. Whatever the node does then, it never
 * acknowledges what it has not kept: after a power cut and a start on a healed disk, everything
 * that was acknowledged is there.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "protocol/records.h"
#include "tests/sim/node_script.h"

#define BATCHES 6

struct promises {
    bool topic;
    int64_t end;       /* of the records that were acknowledged */
    int64_t committed; /* -1: none */
};

/* Goes as far as the node lets it. */
static void use_node(struct node_world *world, struct promises *promises) {
    if (node_world_start(world) != 0) {
        return;
    }
    promises->topic = script_create_topic(world, "a", 1);
    for (int i = 0; i < BATCHES && promises->topic; i++) {
        int64_t base = -1;
        if (script_produce(world, "a", 0, COMPRESSION_NONE, NO_PRODUCER_ID, 0, &base)) {
            promises->end = base + SCRIPT_BATCH_RECORDS;
        }
        if (i % 3 == 2 && script_commit(world, "triage", "a", i)) {
            promises->committed = i;
        }
    }
}

static void check_promises(struct node_world *world, const struct promises *promises,
                           const char *label) {
    int code = node_world_start(world);
    cr_assert_eq(code, 0, "%s: exit code %d %s", label, code, world->log.last_error);
    struct view view;
    view_init(&view);
    view_add_partition(&view, "a", 0);
    view_add_group(&view, "triage");
    view_take(&view, world);
    cr_assert(!view.lost_contact, "%s", label);
    if (promises->topic) {
        cr_assert_eq(view.partitions[0].error, ERROR_NONE, "%s: error %d", label,
                     view.partitions[0].error);
        cr_assert_geq(view.partitions[0].end, promises->end, "%s: records are lost", label);
        cr_assert(!view.partitions[0].checksum_fails, "%s", label);
    }
    if (promises->committed >= 0) {
        char line[40];
        snprintf(line, sizeof(line), "a-0 %d\n", (int)promises->committed);
        char later[40];
        snprintf(later, sizeof(later), "a-0 %d\n", BATCHES - 1);
        struct slice found = buffer_slice(&view.committed[0]);
        cr_assert(memmem(found.data, found.len, line, strlen(line)) != NULL ||
                      memmem(found.data, found.len, later, strlen(later)) != NULL,
                  "%s: a committed offset is lost", label);
    }
    view_release(&view);
    cr_assert(node_world_stop(world), "%s: the stop hangs", label);
}

/* Whether the operation was reached; *died counts nodes that took themselves down. */
static bool fail_at(uint64_t n, struct sim_disk_fault fault, int *died) {
    char label[80];
    snprintf(label, sizeof(label), "operation %d, errno %d, count %d", (int)n, -fault.error,
             (int)fault.count);
    struct node_world *world = node_world_new(n, 1, script_overrides, SCRIPT_OVERRIDE_COUNT);
    fault.after = n - 1;
    sim_disk_fault(world->node.machine, &fault);
    struct promises promises = {.committed = -1};
    use_node(world, &promises);
    bool reached = sim_disk_operations(world->node.machine) >= n;
    if (!node_world_alive(world)) {
        cr_assert_gt(world->log.error_lines, 0, "%s: it ends without a line", label);
        (*died)++;
    }
    node_world_cut_power(world);
    sim_disk_fault(world->node.machine, &(struct sim_disk_fault){0});
    check_promises(world, &promises, label);
    node_world_free(world);
    return reached;
}

static void fail_everywhere(const char *name, struct sim_disk_fault fault) {
    int died = 0;
    uint64_t n = 1;
    while (fail_at(n, fault, &died)) {
        n++;
    }
    fprintf(stderr, "node faults: %s at each of %d disk operations, %d ended the node, 0 bad\n",
            name, (int)n - 1, died);
    cr_assert_gt(n, 60, "there were hardly any disk operations");
}

Test(node_faults, one_error, .timeout = 600) {
    fail_everywhere("EIO once", (struct sim_disk_fault){.count = 1, .error = -EIO});
}

/* A sync that is tried again after an error succeeds, and has kept nothing. */
Test(node_faults, two_errors, .timeout = 600) {
    fail_everywhere("EIO twice", (struct sim_disk_fault){.count = 2, .error = -EIO});
}

Test(node_faults, errors_from_then_on, .timeout = 600) {
    fail_everywhere("EIO for good",
                    (struct sim_disk_fault){.count = UINT64_MAX, .error = -EIO, .partial = true});
}

Test(node_faults, a_disk_that_is_full_for_a_while, .timeout = 600) {
    fail_everywhere("ENOSPC for six",
                    (struct sim_disk_fault){.count = 6, .error = -ENOSPC, .partial = true});
}
