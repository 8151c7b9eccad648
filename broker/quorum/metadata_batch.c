#include "broker/quorum/metadata_batch.h"

#include "base/assert.h"
#include "protocol/generated/kraft_version_record.h"
#include "protocol/generated/leader_change_message.h"
#include "protocol/generated/snapshot_footer_record.h"
#include "protocol/generated/snapshot_header_record.h"
#include "protocol/message.h"

/* Room beyond METADATA_BATCH_MAX for what other writers call 8 MiB. */
#define RECORD_MAX (2 * METADATA_BATCH_MAX)

int metadata_batch_next(struct slice *in, struct batch *out, struct slice *bytes) {
    if (in->len == 0) {
        return 0;
    }
    if (batch_parse(*in, out) != BATCH_OK || batch_size(out) > in->len) {
        return -1;
    }
    *bytes = slice_make(in->data, batch_size(out));
    *in = slice_make(in->data + bytes->len, in->len - bytes->len);
    return batch_crc_valid(*bytes) ? 1 : -1;
}

static bool read_kraft_version(struct slice value, struct metadata_control *control) {
    struct kraft_version_record record;
    struct arena arena;
    arena_init(&arena, message_decode_limit(value.len));
    bool ok =
        message_decode(&kraft_version_record_desc, 0, value, &arena, &record, NULL) == MESSAGE_OK;
    if (ok) {
        control->has_kraft_version = true;
        control->kraft_version = record.kraft_version;
    }
    arena_release(&arena);
    return ok;
}

static bool read_voters(struct slice value, struct metadata_control *control) {
    struct voter_set *set = voter_set_decode(value);
    if (set == NULL) {
        return false;
    }
    voter_set_free(control->voters);
    control->voters = set;
    return true;
}

static bool read_control(const struct record *record, struct metadata_control *control) {
    if (record->key.len < 4 || load_be16(record->key.data) != 0) {
        return false;
    }
    switch (load_be16(record->key.data + 2)) {
    case CONTROL_SNAPSHOT_HEADER:
        control->header = true;
        return true;
    case CONTROL_SNAPSHOT_FOOTER:
        control->footer = true;
        return true;
    case CONTROL_KRAFT_VERSION:
        return read_kraft_version(record->value, control);
    case CONTROL_KRAFT_VOTERS:
        return read_voters(record->value, control);
    default:
        return true; /* readers skip types they do not know */
    }
}

bool metadata_control_read(struct slice bytes, const struct batch *batch,
                           struct metadata_control *control) {
    struct record_iterator *iterator = record_iterator_new(bytes, batch, RECORD_MAX);
    struct record record;
    int result;
    while ((result = record_iterator_next(iterator, &record)) == 1) {
        if (!read_control(&record, control)) {
            result = -1;
            break;
        }
    }
    record_iterator_free(iterator);
    return result == 0;
}

bool metadata_values_read(struct slice bytes, const struct batch *batch, struct record_list *out) {
    struct record_iterator *iterator = record_iterator_new(bytes, batch, RECORD_MAX);
    struct record record;
    int result;
    while ((result = record_iterator_next(iterator, &record)) == 1) {
        if (slice_is_null(record.value)) {
            result = -1;
            break;
        }
        record_list_add_value(out, record.value);
    }
    record_iterator_free(iterator);
    return result == 0;
}

struct voter_set *metadata_control_take_voters(struct metadata_control *control) {
    struct voter_set *set = control->voters;
    control->voters = NULL;
    return set;
}

void metadata_control_release(struct metadata_control *control) {
    voter_set_free(metadata_control_take_voters(control));
}

static void add_value(struct batch_builder *builder, int type, int64_t timestamp_ms,
                      struct slice value) {
    uint8_t key[4];
    store_be16(key, 0);
    store_be16(key + 2, (uint16_t)type);
    batch_builder_add(builder, timestamp_ms, slice_make(key, sizeof(key)), value, NULL, 0);
}

static void add_control(struct batch_builder *builder, int type, int64_t timestamp_ms,
                        const struct message_desc *desc, const void *message) {
    struct buffer value;
    buffer_init(&value, METADATA_BATCH_MAX);
    enum message_error error = message_encode(desc, 0, message, &value, NULL);
    ASSERT(error == MESSAGE_OK);
    add_value(builder, type, timestamp_ms, buffer_slice(&value));
    buffer_release(&value);
}

static void add_leader_change(struct batch_builder *builder,
                              const struct metadata_control_batch *what) {
    struct leader_change_message message;
    struct leader_change_message_voter voters[RAFT_VOTERS_MAX];
    struct leader_change_message_voter self = {.voter_id = what->leader_id};
    for (int i = 0; i < what->keys->count; i++) {
        voters[i] = (struct leader_change_message_voter){.voter_id = what->keys->keys[i].id};
    }
    message_init(&leader_change_message_desc, &message);
    message.leader_id = what->leader_id;
    message.voters = voters;
    message.voters_count = what->keys->count;
    message.granting_voters = &self;
    message.granting_voters_count = 1;
    add_control(builder, CONTROL_LEADER_CHANGE, what->timestamp_ms, &leader_change_message_desc,
                &message);
}

static void add_voters(struct batch_builder *builder, const struct metadata_control_batch *what) {
    struct buffer value;
    buffer_init(&value, METADATA_BATCH_MAX);
    voter_set_encode(what->voters, &value);
    add_value(builder, CONTROL_KRAFT_VOTERS, what->timestamp_ms, buffer_slice(&value));
    buffer_release(&value);
}

static void add_kraft_version(struct batch_builder *builder,
                              const struct metadata_control_batch *what) {
    struct kraft_version_record version;
    message_init(&kraft_version_record_desc, &version);
    version.kraft_version = 1;
    add_control(builder, CONTROL_KRAFT_VERSION, what->timestamp_ms, &kraft_version_record_desc,
                &version);
}

/* Returns whether there is one before the version and the voters. */
static bool add_first(struct batch_builder *builder, const struct metadata_control_batch *what) {
    struct snapshot_header_record header;
    struct snapshot_footer_record footer;
    switch (what->type) {
    case CONTROL_LEADER_CHANGE:
        add_leader_change(builder, what);
        return true;
    case CONTROL_SNAPSHOT_HEADER:
        message_init(&snapshot_header_record_desc, &header);
        header.last_contained_log_timestamp = what->timestamp_ms;
        add_control(builder, what->type, what->timestamp_ms, &snapshot_header_record_desc, &header);
        return true;
    case CONTROL_SNAPSHOT_FOOTER:
        message_init(&snapshot_footer_record_desc, &footer);
        add_control(builder, what->type, what->timestamp_ms, &snapshot_footer_record_desc, &footer);
        return true;
    default:
        return false;
    }
}

int metadata_control_build(const struct metadata_control_batch *what, struct buffer *out) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = what->base_offset;
    options.partition_leader_epoch = what->epoch;
    options.control = true;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, METADATA_BATCH_MAX);
    int count = 0;
    if (add_first(&builder, what)) {
        count++;
    }
    if (what->voters != NULL && what->type != CONTROL_KRAFT_VOTERS) {
        add_kraft_version(&builder, what);
        count++;
    }
    if (what->voters != NULL) {
        add_voters(&builder, what);
        count++;
    }
    bool ok = batch_builder_finish(&builder, out);
    ASSERT(ok);
    batch_builder_release(&builder);
    return count;
}

bool metadata_values_build(const struct slice *values, int count, int64_t base_offset,
                           int32_t epoch, int64_t timestamp_ms, struct buffer *out) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = base_offset;
    options.partition_leader_epoch = epoch;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, METADATA_BATCH_MAX);
    for (int i = 0; i < count; i++) {
        batch_builder_add(&builder, timestamp_ms, SLICE_NULL, values[i], NULL, 0);
    }
    bool ok = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return ok;
}
