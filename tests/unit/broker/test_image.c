/* The metadata image: applying records, what they change, and the way back to records. */
#include <criterion/criterion.h>

#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/image_diff.h"
#include "broker/metadata/image_write.h"
#include "broker/metadata/metadata_record.h"
#include "protocol/generated/abort_transaction_record.h"
#include "protocol/generated/access_control_entry_record.h"
#include "protocol/generated/begin_transaction_record.h"
#include "protocol/generated/broker_registration_change_record.h"
#include "protocol/generated/client_quota_record.h"
#include "protocol/generated/config_record.h"
#include "protocol/generated/end_transaction_record.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/generated/partition_record.h"
#include "protocol/generated/producer_ids_record.h"
#include "protocol/generated/register_broker_record.h"
#include "protocol/generated/remove_access_control_entry_record.h"
#include "protocol/generated/remove_topic_record.h"
#include "protocol/generated/topic_record.h"
#include "protocol/message.h"

static struct arena arena;
static struct record_list list;
static struct image *image;
static struct image_changes changes;

static void set_up(void) {
    arena_init(&arena, SIZE_MAX);
    record_list_init(&list, &arena);
    image = image_new();
    image_changes_init(&changes);
}

static void tear_down(void) {
    image_free(image);
    image_changes_release(&changes);
    arena_release(&arena);
}

TestSuite(image, .init = set_up, .fini = tear_down);

static struct uuid id(uint64_t n) {
    return uuid_from_halves(7, n);
}

/* Applies the record that was added last, as a batch of its own. */
static bool apply_last(void) {
    bool ok = image_apply(image, list.values[list.count - 1], &changes);
    image->offset++;
    return ok;
}

static bool apply_empty(enum metadata_record_type type, const struct message_desc *desc) {
    uint8_t record[256] = {0};
    message_init(desc, record);
    record_list_add(&list, type, 0, desc, record);
    return apply_last();
}

static bool feature(const char *name, int16_t level) {
    struct feature_level_record record = {.name = slice_str(name), .feature_level = level};
    record_list_add(&list, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc, &record);
    return apply_last();
}

static bool topic(const char *name, uint64_t n) {
    struct topic_record record = {.name = slice_str(name), .topic_id = id(n)};
    record_list_add(&list, RECORD_TOPIC, 0, &topic_record_desc, &record);
    return apply_last();
}

static bool partition(uint64_t n, int32_t index) {
    int32_t replicas[] = {1, 2};
    struct uuid directories[] = {id(100), id(200)};
    struct partition_record record;
    message_init(&partition_record_desc, &record);
    record.topic_id = id(n);
    record.partition_id = index;
    record.replicas = replicas;
    record.replicas_count = 2;
    record.isr = replicas;
    record.isr_count = 2;
    record.directories = directories;
    record.directories_count = 2;
    record.leader = 1;
    record.leader_epoch = 0;
    record.partition_epoch = 0;
    record_list_add(&list, RECORD_PARTITION, 2, &partition_record_desc, &record);
    return apply_last();
}

static bool config(int8_t type, const char *resource, const char *name, const char *value) {
    struct config_record record = {.resource_type = type,
                                   .resource_name = slice_str(resource),
                                   .name = slice_str(name),
                                   .value = slice_str(value)};
    record_list_add(&list, RECORD_CONFIG, 0, &config_record_desc, &record);
    return apply_last();
}

static bool broker(int32_t broker_id, int64_t epoch) {
    struct register_broker_record_broker_endpoint endpoint = {
        .name = SLICE_LIT("PLAINTEXT"), .host = SLICE_LIT("h"), .port = 9092};
    struct uuid directory = id(100);
    struct register_broker_record record;
    message_init(&register_broker_record_desc, &record);
    record.broker_id = broker_id;
    record.broker_epoch = epoch;
    record.incarnation_id = id(5);
    record.end_points = &endpoint;
    record.end_points_count = 1;
    record.rack = SLICE_LIT("r");
    record.log_dirs = &directory;
    record.log_dirs_count = 1;
    record_list_add(&list, RECORD_REGISTER_BROKER, 4, &register_broker_record_desc, &record);
    return apply_last();
}

static bool acl(uint64_t n) {
    struct access_control_entry_record record = {.id = id(n),
                                                 .resource_name = SLICE_LIT("orders"),
                                                 .principal = SLICE_LIT("User:bob"),
                                                 .host = SLICE_LIT("*")};
    record_list_add(&list, RECORD_ACCESS_CONTROL_ENTRY, 0, &access_control_entry_record_desc,
                    &record);
    return apply_last();
}

static bool quota(const char *first, const char *second, bool remove) {
    struct client_quota_record_entity_data entity[] = {
        {.entity_type = slice_str(first), .entity_name = SLICE_LIT("x")},
        {.entity_type = slice_str(second), .entity_name = SLICE_LIT("x")},
    };
    struct client_quota_record record = {.entity = entity,
                                         .entity_count = 2,
                                         .key = SLICE_LIT("producer_byte_rate"),
                                         .value = 10,
                                         .remove = remove};
    record_list_add(&list, RECORD_CLIENT_QUOTA, 0, &client_quota_record_desc, &record);
    return apply_last();
}

static void fill(void) {
    cr_assert(feature("group.version", 1));
    cr_assert(feature(FEATURE_METADATA_VERSION, 30));
    cr_assert(broker(2, 10));
    cr_assert(broker(1, 11));
    cr_assert(topic("b", 1) && partition(1, 0) && partition(1, 1));
    cr_assert(topic("a", 2) && partition(2, 0));
    cr_assert(config(CONFIG_RESOURCE_TOPIC, "a", "retention.ms", "5"));
    cr_assert(config(CONFIG_RESOURCE_BROKER, "", "min.insync.replicas", "1"));
    cr_assert(acl(3));
    cr_assert(quota("user", "client-id", false));
    struct producer_ids_record ids = {.next_producer_id = 2000};
    record_list_add(&list, RECORD_PRODUCER_IDS, 0, &producer_ids_record_desc, &ids);
    cr_assert(apply_last());
}

Test(image, finds_what_records_created) {
    fill();
    const struct image_topic *found = image_topic_by_name(image, SLICE_LIT("b"));
    cr_assert_not_null(found);
    cr_assert_eq(found, image_topic_by_id(image, id(1)));
    cr_assert_eq(found->partition_count, 2);
    cr_assert_eq(image_partition(found, 1)->leader, 1);
    cr_assert_null(image_partition(found, 2));
    cr_assert_null(image_topic_by_name(image, SLICE_NULL));
    cr_assert_eq(image_broker(image, 1)->epoch, 11);
    cr_assert(image_broker(image, 1)->fenced);
    cr_assert_eq(image_feature_level(image, FEATURE_METADATA_VERSION), 30);
    cr_assert(slice_equal_str(
        image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("a"), "retention.ms"), "5"));
    cr_assert_eq(image->next_producer_id, 2000);
}

Test(image, a_snapshot_makes_an_equal_image) {
    fill();
    struct record_list first;
    struct record_list second;
    record_list_init(&first, &arena);
    record_list_init(&second, &arena);
    image_write(image, &first);
    struct image *copy = image_new();
    for (int i = 0; i < first.count; i++) {
        cr_assert(image_apply(copy, first.values[i], NULL), "record %d", i);
    }
    image_write(copy, &second);
    cr_assert_eq(first.count, second.count);
    for (int i = 0; i < first.count; i++) {
        cr_assert(slice_equal(first.values[i], second.values[i]), "record %d", i);
    }
    image_free(copy);
}

Test(image, a_snapshot_begins_with_metadata_version) {
    fill();
    struct record_list out;
    record_list_init(&out, &arena);
    image_write(image, &out);
    struct image *copy = image_new();
    cr_assert(image_apply(copy, out.values[0], NULL));
    cr_assert_eq(image_feature_level(copy, FEATURE_METADATA_VERSION), 30);
    image_free(copy);
}

static int snapshot_count(void) {
    struct record_list out;
    record_list_init(&out, &arena);
    image_write(image, &out);
    return out.count;
}

Test(image, keeps_records_it_does_not_serve_until_they_are_removed) {
    cr_assert(acl(3) && acl(4) && acl(3));
    cr_assert_eq(snapshot_count(), 2);
    struct remove_access_control_entry_record remove = {.id = id(3)};
    record_list_add(&list, RECORD_REMOVE_ACCESS_CONTROL_ENTRY, 0,
                    &remove_access_control_entry_record_desc, &remove);
    cr_assert(apply_last());
    cr_assert_eq(snapshot_count(), 1);
}

Test(image, parts_of_a_quota_entity_have_no_order) {
    cr_assert(quota("user", "client-id", false));
    cr_assert_eq(snapshot_count(), 1);
    cr_assert(quota("client-id", "user", true));
    cr_assert_eq(snapshot_count(), 0);
}

Test(image, a_change_that_names_a_leader_starts_an_epoch) {
    fill();
    struct partition_change_record record;
    message_init(&partition_change_record_desc, &record);
    record.topic_id = id(1);
    record.partition_id = 0;
    int32_t isr[] = {2};
    record.isr = isr;
    record.isr_count = 1;
    record_list_add(&list, RECORD_PARTITION_CHANGE, 2, &partition_change_record_desc, &record);
    cr_assert(apply_last());
    const struct image_partition *changed = image_partition(image_topic_by_id(image, id(1)), 0);
    cr_assert_eq(changed->leader_epoch, 0);
    cr_assert_eq(changed->partition_epoch, 1);
    cr_assert_eq(changed->isr_count, 1);
    record.leader = 1;
    record_list_add(&list, RECORD_PARTITION_CHANGE, 2, &partition_change_record_desc, &record);
    cr_assert(apply_last());
    cr_assert_eq(changed->leader_epoch, 1);
    cr_assert_eq(changed->partition_epoch, 2);
}

Test(image, a_removed_topic_takes_its_overrides_with_it) {
    fill();
    struct remove_topic_record record = {.topic_id = id(2)};
    record_list_add(&list, RECORD_REMOVE_TOPIC, 0, &remove_topic_record_desc, &record);
    image_changes_reset(&changes);
    cr_assert(apply_last());
    cr_assert_null(image_topic_by_name(image, SLICE_LIT("a")));
    cr_assert_null(image_config_resource(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("a")));
    cr_assert_eq(changes.count, 1);
    cr_assert_eq(changes.items[0].kind, IMAGE_TOPIC_DELETED);
    cr_assert(slice_equal_str(changes.items[0].topic_name, "a"));
    cr_assert_not(apply_last(), "a topic is removed once");
}

Test(image, partitions_of_a_new_topic_are_told_with_it_and_later_ones_apart) {
    cr_assert(topic("a", 2));
    image->offset--; /* the same batch goes on */
    cr_assert(partition(2, 0));
    cr_assert_eq(changes.count, 1);
    cr_assert_eq(changes.items[0].kind, IMAGE_TOPIC_CREATED);
    cr_assert(partition(2, 1));
    cr_assert_eq(changes.count, 2);
    cr_assert_eq(changes.items[1].kind, IMAGE_PARTITION_CREATED);
    cr_assert_eq(changes.items[1].partition, 1);
}

Test(image, nothing_of_a_transaction_shows_before_its_end) {
    cr_assert(apply_empty(RECORD_BEGIN_TRANSACTION, &begin_transaction_record_desc));
    cr_assert(topic("a", 2) && partition(2, 0));
    cr_assert_null(image_topic_by_name(image, SLICE_LIT("a")));
    cr_assert(apply_empty(RECORD_END_TRANSACTION, &end_transaction_record_desc));
    cr_assert_eq(image_topic_by_name(image, SLICE_LIT("a"))->partition_count, 1);
}

Test(image, an_aborted_transaction_leaves_nothing) {
    cr_assert(apply_empty(RECORD_BEGIN_TRANSACTION, &begin_transaction_record_desc));
    cr_assert(topic("a", 2));
    cr_assert(apply_empty(RECORD_ABORT_TRANSACTION, &abort_transaction_record_desc));
    cr_assert_null(image_topic_by_name(image, SLICE_LIT("a")));
    cr_assert_not(apply_empty(RECORD_END_TRANSACTION, &end_transaction_record_desc));
}

static struct image *copy_of(bool with_pending) {
    struct record_list out;
    record_list_init(&out, &arena);
    image_write(image, &out);
    if (with_pending) {
        image_write_pending(image, &out);
    }
    struct image *copy = image_new();
    for (int i = 0; i < out.count; i++) {
        cr_assert(image_apply(copy, out.values[i], NULL), "record %d", i);
    }
    return copy;
}

Test(image, an_open_transaction_goes_on_in_a_copy) {
    cr_assert(apply_empty(RECORD_BEGIN_TRANSACTION, &begin_transaction_record_desc));
    cr_assert(topic("a", 2));
    struct image *original = image;
    image = copy_of(true);
    image_free(original);
    cr_assert(partition(2, 0));
    cr_assert(apply_empty(RECORD_END_TRANSACTION, &end_transaction_record_desc));
    cr_assert_eq(image_topic_by_name(image, SLICE_LIT("a"))->partition_count, 1);
}

static int count_changes(enum image_change_kind kind) {
    int count = 0;
    for (int i = 0; i < changes.count; i++) {
        count += changes.items[i].kind == kind;
    }
    return count;
}

Test(image, the_difference_of_two_images_is_what_a_snapshot_changes) {
    fill();
    struct image *old = copy_of(false);
    image_changes_reset(&changes);
    image_diff(old, image, &changes);
    cr_assert_eq(changes.count, 2); /* features and brokers are not compared */
    cr_assert(partition(1, 2));
    cr_assert(topic("c", 4) && partition(4, 0));
    cr_assert(config(CONFIG_RESOURCE_TOPIC, "a", "retention.ms", "6"));
    cr_assert(config(CONFIG_RESOURCE_BROKER, "", "min.insync.replicas", NULL));
    struct remove_topic_record gone = {.topic_id = id(2)};
    record_list_add(&list, RECORD_REMOVE_TOPIC, 0, &remove_topic_record_desc, &gone);
    cr_assert(apply_last());
    image_changes_reset(&changes);
    image_diff(old, image, &changes);
    cr_assert_eq(count_changes(IMAGE_TOPIC_DELETED), 1);
    cr_assert_eq(count_changes(IMAGE_TOPIC_CREATED), 1);
    cr_assert_eq(count_changes(IMAGE_PARTITION_CREATED), 1);
    cr_assert_eq(count_changes(IMAGE_PARTITION_CHANGED), 0);
    cr_assert_eq(count_changes(IMAGE_CONFIG_CHANGED), 2); /* the topic's went with it */
    image_free(old);
}

Test(image, refuses_what_it_does_not_know_or_what_contradicts_it) {
    static const uint8_t unknown_type[] = {1, 99, 0};
    static const uint8_t unknown_version[] = {1, RECORD_TOPIC, 9};
    static const uint8_t other_frame[] = {2, RECORD_NO_OP, 0, 0};
    cr_assert_not(image_apply(image, slice_make(unknown_type, 3), NULL));
    cr_assert_not(image_apply(image, slice_make(unknown_version, 3), NULL));
    cr_assert_not(image_apply(image, slice_make(other_frame, 4), NULL));
    cr_assert_not(image_apply(image, SLICE_NULL, NULL));
    cr_assert_not(partition(9, 0), "no such topic");
    cr_assert(topic("a", 2));
    cr_assert_not(topic("a", 3), "the name is taken");
    cr_assert_not(topic("b", 2), "the id is taken");
    cr_assert_not(partition(2, -1));
    cr_assert_not(partition(2, INT32_MAX));
}

Test(image, every_truncation_of_a_record_is_refused) {
    fill();
    int count = list.count;
    for (int i = 0; i < count; i++) {
        for (size_t len = 0; len < list.values[i].len; len++) {
            struct image *empty = image_new();
            cr_assert_not(image_apply(empty, slice_make(list.values[i].data, len), NULL),
                          "record %d cut to %zu", i, len);
            image_free(empty);
        }
    }
}

Test(image, a_fenced_broker_is_unfenced_by_its_own_epoch_only) {
    fill();
    struct broker_registration_change_record record;
    message_init(&broker_registration_change_record_desc, &record);
    record.broker_id = 1;
    record.broker_epoch = 10;
    record.fenced = -1;
    record_list_add(&list, RECORD_BROKER_REGISTRATION_CHANGE, 3,
                    &broker_registration_change_record_desc, &record);
    cr_assert_not(apply_last());
    record.broker_epoch = 11;
    record_list_add(&list, RECORD_BROKER_REGISTRATION_CHANGE, 3,
                    &broker_registration_change_record_desc, &record);
    cr_assert(apply_last());
    cr_assert_not(image_broker(image, 1)->fenced);
}
