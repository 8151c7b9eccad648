#include "broker/group/group_records.h"

#include "base/memory.h"
#include "broker/group/bytes.h"
#include "protocol/generated/group_metadata_key.h"
#include "protocol/generated/group_metadata_value.h"
#include "protocol/generated/offset_commit_key.h"
#include "protocol/generated/offset_commit_value.h"
#include "protocol/message.h"

#include <stdlib.h>

/* Far above max.message.bytes, which decides. */
#define WRITER_SIZE_MAX ((size_t)256 << 20)

void record_writer_init(struct record_writer *writer, int64_t now_ms, enum compression codec) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_sequence = 0; /* as Kafka's coordinator writes it, without a producer */
    options.codec = codec;
    batch_builder_init(&writer->builder, &options, WRITER_SIZE_MAX);
    buffer_init(&writer->key, WRITER_SIZE_MAX);
    buffer_init(&writer->value, WRITER_SIZE_MAX);
    writer->now_ms = now_ms;
    writer->count = 0;
    writer->failed = false;
}

void record_writer_release(struct record_writer *writer) {
    batch_builder_release(&writer->builder);
    buffer_release(&writer->key);
    buffer_release(&writer->value);
}

static void encode(struct record_writer *writer, struct buffer *out, int16_t number,
                   const struct message_desc *desc, int16_t version, const void *message) {
    buffer_reset(out);
    buffer_put_be16(out, (uint16_t)number);
    if (message_encode(desc, version, message, out, NULL) != MESSAGE_OK) {
        writer->failed = true;
    }
}

static void add(struct record_writer *writer, bool tombstone) {
    if (writer->failed) {
        return;
    }
    batch_builder_add(&writer->builder, writer->now_ms, buffer_slice(&writer->key),
                      tombstone ? SLICE_NULL : buffer_slice(&writer->value), NULL, 0);
    writer->count++;
}

static void encode_offset_key(struct record_writer *writer, struct slice group_id,
                              struct slice topic, int32_t partition) {
    struct offset_commit_key key;
    message_init(&offset_commit_key_desc, &key);
    key.group = group_id;
    key.topic = topic;
    key.partition = partition;
    encode(writer, &writer->key, RECORD_OFFSET_COMMIT, &offset_commit_key_desc, 0, &key);
}

void record_write_offset(struct record_writer *writer, struct slice group_id, struct slice topic,
                         const struct group_offset *offset) {
    encode_offset_key(writer, group_id, topic, offset->partition);
    struct offset_commit_value value;
    message_init(&offset_commit_value_desc, &value);
    value.offset = offset->offset;
    value.leader_epoch = offset->leader_epoch;
    value.metadata = bytes_or_empty(offset->metadata);
    value.commit_timestamp = offset->commit_timestamp;
    value.expire_timestamp = offset->expire_timestamp;
    value.topic_id = offset->topic_id;
    int16_t version = offset->expire_timestamp >= 0 ? OFFSET_COMMIT_VALUE_EXPIRES_VERSION
                                                    : OFFSET_COMMIT_VALUE_VERSION;
    encode(writer, &writer->value, version, &offset_commit_value_desc, version, &value);
    add(writer, false);
}

void record_write_offset_tombstone(struct record_writer *writer, struct slice group_id,
                                   struct slice topic, int32_t partition) {
    encode_offset_key(writer, group_id, topic, partition);
    add(writer, true);
}

static void encode_group_key(struct record_writer *writer, struct slice group_id) {
    struct group_metadata_key key;
    message_init(&group_metadata_key_desc, &key);
    key.group = group_id;
    encode(writer, &writer->key, RECORD_GROUP_METADATA, &group_metadata_key_desc, 0, &key);
}

void record_write_group(struct record_writer *writer, const struct group *group) {
    encode_group_key(writer, group->id);
    struct group_metadata_value value;
    message_init(&group_metadata_value_desc, &value);
    value.protocol_type = bytes_or_empty(group->protocol_type);
    value.generation = group->generation;
    value.current_state_timestamp = group->state_timestamp;
    struct group_metadata_value_member_metadata *members = NULL;
    if (group->generation == 0) {
        value.protocol_type = SLICE_LIT(""); /* nobody has completed a join yet */
    }
    /* Without a generation there is no protocol, and members are only about to join. */
    if (!slice_is_null(group->protocol)) {
        value.protocol = group->protocol;
        value.leader = group->leader != NULL ? group->leader->id : SLICE_NULL;
        members = xcalloc((size_t)group->member_count + 1, sizeof(*members));
        LIST_FOREACH(it, &group->members) {
            const struct group_member *member = CONTAINER_OF(it, struct group_member, link);
            members[value.members_count++] = (struct group_metadata_value_member_metadata){
                .member_id = member->id,
                .group_instance_id = member->instance_id,
                .client_id = member->client_id,
                .client_host = member->client_host,
                .rebalance_timeout = member->rebalance_timeout_ms,
                .session_timeout = member->session_timeout_ms,
                .subscription = group_member_metadata(group, member),
                .assignment = member->assignment,
            };
        }
        value.members = members;
    } else {
        value.protocol = SLICE_NULL;
        value.leader = SLICE_NULL;
    }
    encode(writer, &writer->value, GROUP_METADATA_VALUE_VERSION, &group_metadata_value_desc,
           GROUP_METADATA_VALUE_VERSION, &value);
    free(members);
    add(writer, false);
}

void record_write_group_tombstone(struct record_writer *writer, struct slice group_id) {
    encode_group_key(writer, group_id);
    add(writer, true);
}

size_t record_writer_len(const struct record_writer *writer) {
    return writer->count == 0 ? 0 : batch_builder_len(&writer->builder);
}

bool record_writer_finish(struct record_writer *writer, struct buffer *out) {
    return !writer->failed && writer->count > 0 && batch_builder_finish(&writer->builder, out);
}
