#include "tools/format_checkpoint.h"

#include "base/assert.h"
#include "broker/metadata/metadata_record.h"
#include "broker/quorum/metadata_batch.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/kraft_version_record.h"
#include "protocol/generated/snapshot_footer_record.h"
#include "protocol/generated/snapshot_header_record.h"
#include "protocol/generated/voters_record.h"
#include "protocol/message.h"
#include "protocol/records.h"

#define KRAFT_VERSION_DYNAMIC 1

static void control_init(struct batch_builder *builder, int64_t base_offset) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = base_offset;
    options.partition_leader_epoch = 0;
    options.control = true;
    batch_builder_init(builder, &options, METADATA_BATCH_MAX);
}

static void control_add(struct batch_builder *builder, int type, int64_t now_ms,
                        const struct message_desc *desc, const void *message) {
    uint8_t key[4] = {0, 0, 0, (uint8_t)type};
    struct buffer value;
    buffer_init(&value, METADATA_BATCH_MAX);
    enum message_error error = message_encode(desc, 0, message, &value, NULL);
    ASSERT(error == MESSAGE_OK);
    batch_builder_add(builder, now_ms, slice_make(key, sizeof(key)), buffer_slice(&value), NULL, 0);
    buffer_release(&value);
}

static void control_finish(struct batch_builder *builder, struct buffer *out) {
    bool ok = batch_builder_finish(builder, out);
    ASSERT(ok);
    batch_builder_release(builder);
}

static void add_header(struct batch_builder *builder, int64_t last_ms, int64_t now_ms) {
    struct snapshot_header_record header;
    message_init(&snapshot_header_record_desc, &header);
    header.last_contained_log_timestamp = last_ms;
    control_add(builder, CONTROL_SNAPSHOT_HEADER, now_ms, &snapshot_header_record_desc, &header);
}

static void put_footer(int64_t offset, int64_t now_ms, struct buffer *out) {
    struct batch_builder builder;
    control_init(&builder, offset);
    struct snapshot_footer_record footer;
    message_init(&snapshot_footer_record_desc, &footer);
    control_add(&builder, CONTROL_SNAPSHOT_FOOTER, now_ms, &snapshot_footer_record_desc, &footer);
    control_finish(&builder, out);
}

void checkpoint_of_features(const struct format_feature *features, int count, int64_t now_ms,
                            struct buffer *out) {
    struct batch_builder builder;
    control_init(&builder, 0);
    add_header(&builder, 0, now_ms);
    control_finish(&builder, out);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct record_list records;
    record_list_init(&records, &arena);
    for (int i = 0; i < count; i++) {
        struct feature_level_record record;
        message_init(&feature_level_record_desc, &record);
        record.name = slice_str(features[i].name);
        record.feature_level = features[i].level;
        record_list_add(&records, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc, &record);
    }
    bool ok = metadata_values_build(records.values, records.count, 1, 0, now_ms, out);
    ASSERT(ok);
    arena_release(&arena);
    put_footer(1 + count, now_ms, out);
}

void checkpoint_of_voters(const struct format_voter *voters, int count, int64_t now_ms,
                          struct buffer *out) {
    struct batch_builder builder;
    control_init(&builder, 0);
    add_header(&builder, now_ms, now_ms);
    struct kraft_version_record version;
    message_init(&kraft_version_record_desc, &version);
    version.kraft_version = KRAFT_VERSION_DYNAMIC;
    control_add(&builder, CONTROL_KRAFT_VERSION, now_ms, &kraft_version_record_desc, &version);

    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct voters_record_voter *entries = arena_array(&arena, (size_t)count, sizeof(*entries));
    struct voters_record_endpoint *endpoints =
        arena_array(&arena, (size_t)count, sizeof(*endpoints));
    for (int i = 0; i < count; i++) {
        endpoints[i] = (struct voters_record_endpoint){
            .name = voters[i].listener, .host = voters[i].host, .port = voters[i].port};
        entries[i] = (struct voters_record_voter){
            .voter_id = voters[i].id,
            .voter_directory_id = voters[i].directory_id,
            .endpoints = &endpoints[i],
            .endpoints_count = 1,
            .kraft_version_feature = {.min_supported_version = 0,
                                      .max_supported_version = KRAFT_VERSION_DYNAMIC},
        };
    }
    struct voters_record record;
    message_init(&voters_record_desc, &record);
    record.voters = entries;
    record.voters_count = count;
    control_add(&builder, CONTROL_KRAFT_VOTERS, now_ms, &voters_record_desc, &record);
    control_finish(&builder, out);
    arena_release(&arena);
    put_footer(3, now_ms, out);
}
