/* Partitions that come, go and fail while the node runs. */
#include <criterion/criterion.h>
#include <errno.h>

#include "broker/controller/controller_channel.h"
#include "broker/metrics/meters.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica_internal.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/assign_replicas_to_dirs_request.h"
#include "protocol/generated/assign_replicas_to_dirs_response.h"
#include "replica_world.h"

static struct replica_manager *manager;

/* "compact" does not exist yet. */
static void set_up(void) {
    world_init(1, true);
    manager = world.node.shards[0].replicas;
    world_delete_topic(TOPIC_COMPACT);
    world_advance(60000);
    world.removed = 0;
}

static void tear_down(void) {
    world_free();
}

TestSuite(replica_manager, .init = set_up, .fini = tear_down);

static enum kafka_error leader_error(int topic) {
    enum kafka_error error;
    replica_leader(manager, world.topics[topic].id, 0, &error);
    return error;
}

Test(replica_manager, a_new_topic_is_led_when_its_log_is_there) {
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_UNKNOWN_TOPIC_ID);
    world.create_held = true;
    world_create_topic(TOPIC_COMPACT);
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_NOT_LEADER_OR_FOLLOWER);
    world_create_held();
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_NONE);
    cr_assert_eq(world.logs[TOPIC_COMPACT][0]->epoch, 5);
}

Test(replica_manager, the_directory_of_a_deleted_topic_of_the_same_name_is_waited_for) {
    world.create_result = -ESTALE;
    world_create_topic(TOPIC_COMPACT);
    world_advance(100);
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_NOT_LEADER_OR_FOLLOWER);
    world.create_result = 0;
    world_advance(100);
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_NONE);
}

Test(replica_manager, a_log_that_cannot_be_made_is_a_storage_error) {
    world.create_result = -EIO;
    world_create_topic(TOPIC_COMPACT);
    cr_assert_eq(leader_error(TOPIC_COMPACT), ERROR_KAFKA_STORAGE_ERROR);
}

Test(replica_manager, a_log_that_comes_after_its_topic_was_deleted_is_removed) {
    world.create_held = true;
    world_create_topic(TOPIC_COMPACT);
    world_delete_topic(TOPIC_COMPACT);
    world_create_held();
    world_advance(60000);
    cr_assert_eq(world.removed, 1);
    cr_assert_null(world.logs[TOPIC_COMPACT][0]);
}

Test(replica_manager, a_topic_deleted_while_it_waits_for_its_directory_is_forgotten) {
    world.create_result = -ESTALE;
    world_create_topic(TOPIC_COMPACT);
    world_delete_topic(TOPIC_COMPACT);
    world.create_result = 0;
    world_advance(100);
    cr_assert_null(world.logs[TOPIC_COMPACT][0]);
}

static void note_closed(void *ctx) {
    *(bool *)ctx = true;
}

Test(replica_manager, closing_waits_for_a_log_on_its_way_and_keeps_the_offsets) {
    world.create_held = true;
    world_create_topic(TOPIC_COMPACT);
    world_put(TOPIC_A, 3, "x");
    bool closed = false;
    replica_manager_close(manager, true, note_closed, &closed);
    cr_assert_not(closed);
    world_create_held();
    cr_assert(closed);
    struct arena arena;
    struct replica_offsets *offsets;
    int count;
    arena_init(&arena, SIZE_MAX);
    replica_manager_offsets(manager, &arena, &offsets, &count);
    cr_assert_eq(count, 9);
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (slice_equal_str(offsets[i].topic, "a") && offsets[i].partition == 3) {
            cr_assert_eq(offsets[i].high_watermark, 1);
            found++;
        }
    }
    cr_assert_eq(found, 1);
    arena_release(&arena);
    replica_manager_free(manager);
    meters_free(world.node.shards[0].meters);
    hmap_release(&world.image.topics_by_id);
    world_init(1, true);
}

Test(replica_manager, a_failed_dir_ends_the_waits_of_its_partitions) {
    struct produce_call produce;
    struct buffer batch;
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    replica_manager_fail_dir(manager, 1);
    world_settle();
    cr_assert_not(produce.call.done);
    replica_manager_fail_dir(manager, 0);
    world_settle();
    cr_assert_eq(produce_error(&produce), ERROR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(leader_error(TOPIC_B), ERROR_KAFKA_STORAGE_ERROR);
    produce_free(&produce);
    buffer_release(&batch);
}

Test(replica_manager, losing_the_leadership_ends_the_waits) {
    struct produce_call produce;
    struct buffer batch;
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_elect(TOPIC_A, 0, 2);
    cr_assert_eq(produce_error(&produce), ERROR_NOT_LEADER_OR_FOLLOWER);
    world_elect(TOPIC_A, 0, 1);
    cr_assert_eq(leader_error(TOPIC_A), ERROR_NONE);
    produce_free(&produce);
    buffer_release(&batch);
}

/* ---- Where a replica lies -------------------------------------------------------------------- */

static void answer_report(enum kafka_error error) {
    struct assign_replicas_to_dirs_response response = {.error_code = (int16_t)error};
    struct controller_call *call = world.asked;
    world.asked = NULL;
    call->fn(call, ERROR_NONE, 0, &response);
    world_settle();
}

Test(replica_manager, the_controller_is_told_of_another_dir_until_it_knows) {
    struct uuid elsewhere = uuid_from_halves(9, 5);
    world.partitions[TOPIC_A][0].directories = &elsewhere;
    world_create_topic(TOPIC_A);
    const struct assign_replicas_to_dirs_request *request = world.asked->build(world.asked, 0);
    cr_assert_eq(request->broker_epoch, 100);
    cr_assert_eq(request->directories_count, 1);
    cr_assert(uuid_equal(request->directories[0].id, log_manager_dir_id(NULL, 0)));
    cr_assert_eq(request->directories[0].topics[0].partitions[0].partition_index, 0);
    answer_report(ERROR_STALE_BROKER_EPOCH);
    cr_assert_null(world.asked);
    world_advance(500);
    cr_assert_not_null(world.asked);
    elsewhere = log_manager_dir_id(NULL, 0);
    world_create_topic(TOPIC_A);
    answer_report(ERROR_NONE);
    world_advance(5000);
    cr_assert_null(world.asked);
}
