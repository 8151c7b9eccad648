/* Single messages byte by byte: the forms of fields, and input that is refused for a reason. */
#include <criterion/criterion.h>

#include "protocol/errors.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/consumer_group_heartbeat_request.h"
#include "protocol/generated/consumer_group_member_metadata_value.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/describe_topic_partitions_request.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"
#include "protocol/generated/sasl_authenticate_request.h"
#include "protocol/message.h"

static struct arena arena;
static struct buffer out;

static void setup(void) {
    arena_init(&arena, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
}

static void teardown(void) {
    arena_release(&arena);
    buffer_release(&out);
}

TestSuite(message_wire, .init = setup, .fini = teardown);

#define BYTES(...)                                                                                 \
    slice_make((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_wire(struct slice expected) {
    cr_assert_eq(out.len, expected.len, "%zu bytes, not %zu", out.len, expected.len);
    for (size_t i = 0; i < expected.len; i++) {
        cr_assert_eq(out.data[i], expected.data[i], "byte %zu is %02x, not %02x", i, out.data[i],
                     expected.data[i]);
    }
}

static enum message_error decode(const struct message_desc *desc, int16_t version, struct slice in,
                                 void *message) {
    return message_decode(desc, version, in, &arena, message, NULL);
}

Test(message_wire, a_request_header_keeps_the_old_length_of_its_client_id) {
    struct request_header header;
    message_init(&request_header_desc, &header);
    header.request_api_key = 18;
    header.request_api_version = 3;
    header.correlation_id = 7;
    header.client_id = SLICE_LIT("ab");
    cr_assert_eq(message_encode(&request_header_desc, 2, &header, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0, 18, 0, 3, 0, 0, 0, 7, 0, 2, 'a', 'b', 0));
    buffer_reset(&out);
    header.client_id = SLICE_NULL;
    cr_assert_eq(message_encode(&request_header_desc, 1, &header, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0, 18, 0, 3, 0, 0, 0, 7, 0xff, 0xff));
}

Test(message_wire, null_and_empty_arrays_differ) {
    struct metadata_request request;
    message_init(&metadata_request_desc, &request);
    cr_assert_eq(request.topics_count, 0);
    cr_assert_eq(message_encode(&metadata_request_desc, 1, &request, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0, 0, 0, 0));
    buffer_reset(&out);
    request.topics_count = -1;
    cr_assert_eq(message_encode(&metadata_request_desc, 1, &request, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0xff, 0xff, 0xff, 0xff));
    buffer_reset(&out);
    cr_assert_eq(message_encode(&metadata_request_desc, 12, &request, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0, 1, 0, 0)); /* null, auto creation, no topic operations, no tags */
    cr_assert_eq(decode(&metadata_request_desc, 12, buffer_slice(&out), &request), MESSAGE_OK);
    cr_assert_eq(request.topics_count, -1);
}

Test(message_wire, null_is_refused_where_the_version_does_not_allow_it) {
    struct metadata_request request;
    cr_assert_eq(decode(&metadata_request_desc, 0, BYTES(0xff, 0xff, 0xff, 0xff), &request),
                 MESSAGE_INVALID);
    message_init(&metadata_request_desc, &request);
    request.topics_count = -1;
    cr_assert_eq(message_encode(&metadata_request_desc, 0, &request, &out, NULL), MESSAGE_INVALID);
    cr_assert_eq(out.len, 0u);
    cr_assert_eq(decode(&metadata_request_desc, 1, BYTES(0xff, 0xff, 0xff, 0xfe), &request),
                 MESSAGE_INVALID); /* -2 */
}

Test(message_wire, an_array_that_may_be_null_has_no_null_elements) {
    struct consumer_group_heartbeat_request request;
    message_init(&consumer_group_heartbeat_request_desc, &request);
    request.subscribed_topic_names = &(struct slice){0};
    request.subscribed_topic_names_count = 1;
    cr_assert_eq(message_encode(&consumer_group_heartbeat_request_desc, 0, &request, &out, NULL),
                 MESSAGE_INVALID);
    request.subscribed_topic_names = &SLICE_LIT("t");
    cr_assert_eq(message_encode(&consumer_group_heartbeat_request_desc, 0, &request, &out, NULL),
                 MESSAGE_OK);
    uint8_t *name = memchr(out.data, 't', out.len);
    name[-1] = 0; /* null; the byte behind it becomes the length of what follows */
    cr_assert_eq(decode(&consumer_group_heartbeat_request_desc, 0, buffer_slice(&out), &request),
                 MESSAGE_INVALID);
}

Test(message_wire, any_byte_but_zero_is_true) {
    struct metadata_request request;
    cr_assert_eq(decode(&metadata_request_desc, 4, BYTES(0, 0, 0, 0, 0x7f), &request), MESSAGE_OK);
    uint8_t byte;
    memcpy(&byte, &request.allow_auto_topic_creation, 1);
    cr_assert_eq(byte, 1);
}

Test(message_wire, an_empty_string_is_not_null) {
    struct metadata_request request;
    cr_assert_eq(decode(&metadata_request_desc, 0, BYTES(0, 0, 0, 1, 0, 0), &request), MESSAGE_OK);
    cr_assert_not_null(request.topics[0].name.data);
    cr_assert_eq(request.topics[0].name.len, 0u);
}

Test(message_wire, a_decoded_string_points_into_the_input) {
    struct slice in = SLICE_LIT("\0\0\0\1\0\3abc");
    struct metadata_request request;
    cr_assert_eq(decode(&metadata_request_desc, 0, in, &request), MESSAGE_OK);
    cr_assert_eq(request.topics[0].name.data, in.data + 6);
}

Test(message_wire, fields_that_a_version_lacks_have_their_defaults) {
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    cr_assert_eq(message_encode(&fetch_request_desc, 4, &request, &out, NULL), MESSAGE_OK);
    memset(&request, 0x55, sizeof(request));
    cr_assert_eq(decode(&fetch_request_desc, 4, buffer_slice(&out), &request), MESSAGE_OK);
    cr_assert_eq(request.session_epoch, -1);
    cr_assert(slice_is_null(request.cluster_id));
    cr_assert_eq(request.max_bytes, INT32_MAX);
    cr_assert_eq(request.replica_state.replica_epoch, -1);
    cr_assert_not(slice_is_null(request.rack_id));
}

Test(message_wire, new_array_elements_have_their_defaults) {
    struct fetch_request_partition *partitions = MESSAGE_ARRAY(&arena, fetch_request_partition, 2);
    cr_assert_eq(partitions[1].current_leader_epoch, -1);
    cr_assert_eq(partitions[1].high_watermark, INT64_MAX);
    cr_assert_eq(partitions[1].partition_max_bytes, 0);
    arena.limit = arena.used;
    cr_assert_null(MESSAGE_ARRAY(&arena, fetch_request_partition, 2));
}

Test(message_wire, a_value_that_a_version_cannot_carry_is_refused_unless_ignorable) {
    struct create_topics_request request;
    message_init(&create_topics_request_desc, &request);
    request.validate_only = true; /* since version 1 */
    cr_assert_eq(message_encode(&create_topics_request_desc, 0, &request, &out, NULL),
                 MESSAGE_INVALID);
    struct fetch_request fetch;
    message_init(&fetch_request_desc, &fetch);
    fetch.rack_id = SLICE_LIT("a"); /* since version 11, ignorable */
    cr_assert_eq(message_encode(&fetch_request_desc, 4, &fetch, &out, NULL), MESSAGE_OK);
}

Test(message_wire, tagged_fields_are_written_by_tag_and_only_when_not_default) {
    struct partition_change_record record;
    message_init(&partition_change_record_desc, &record);
    record.partition_id = 1;
    int32_t isr[] = {5};
    struct uuid directory = uuid_from_halves(0, 9);
    record.isr = isr;
    record.isr_count = 1;
    record.leader = -1;
    record.eligible_leader_replicas_count = 0; /* tag 6 */
    record.directories = &directory;           /* tag 8, described before 6 */
    record.directories_count = 1;
    cr_assert_eq(message_encode(&partition_change_record_desc, 2, &record, &out, NULL), MESSAGE_OK);
    assert_wire(BYTES(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* ids */
                      4, 0, 5, 2, 0, 0, 0, 5,                                     /* isr */
                      1, 4, 0xff, 0xff, 0xff, 0xff,                               /* leader */
                      6, 1, 1,                                                    /* eligible */
                      8, 17, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9));
}

Test(message_wire, unknown_tags_are_skipped_without_memory) {
    struct response_header header;
    struct arena none;
    arena_init(&none, 0);
    size_t consumed;
    struct slice in = BYTES(0, 0, 0, 9, 2, 5, 3, 'x', 'y', 'z', 0x80, 0x01, 0);
    cr_assert_eq(message_decode(&response_header_desc, 1, in, &none, &header, &consumed),
                 MESSAGE_OK);
    cr_assert_eq(header.correlation_id, 9);
    cr_assert_eq(consumed, in.len);
    cr_assert_eq(none.used, 0u);
    arena_release(&none);
}

/* ApiVersionsResponse 3: error, no keys, throttle time; then the tags under test. */
#define API_VERSIONS_3(...) BYTES(0, 0, 1, 0, 0, 0, 0, __VA_ARGS__)

Test(message_wire, known_tags_may_come_in_any_order_and_the_last_of_several_wins) {
    struct api_versions_response response;
    struct slice in = API_VERSIONS_3(3, 3, 1, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 4, /* epoch 4 */
                                     1, 8, 0, 0, 0, 0, 0, 0, 0, 6);            /* epoch 6 */
    cr_assert_eq(decode(&api_versions_response_desc, 3, in, &response), MESSAGE_OK);
    cr_assert(response.zk_migration_ready);
    cr_assert_eq(response.finalized_features_epoch, 6);
}

Test(message_wire, a_tag_of_another_size_than_its_field_is_refused) {
    struct api_versions_response response;
    cr_assert_eq(decode(&api_versions_response_desc, 3, API_VERSIONS_3(1, 3, 2, 1, 1), &response),
                 MESSAGE_INVALID);
    cr_assert_eq(decode(&api_versions_response_desc, 3, API_VERSIONS_3(1, 3, 0), &response),
                 MESSAGE_TRUNCATED);
    cr_assert_eq(decode(&api_versions_response_desc, 3, API_VERSIONS_3(1, 3, 2, 1), &response),
                 MESSAGE_TRUNCATED);
}

Test(message_wire, a_struct_that_may_be_null_has_a_sign_in_front) {
    struct describe_topic_partitions_request request;
    message_init(&describe_topic_partitions_request_desc, &request);
    cr_assert_null(request.cursor);
    request.response_partition_limit = 2000;
    cr_assert_eq(message_encode(&describe_topic_partitions_request_desc, 0, &request, &out, NULL),
                 MESSAGE_OK);
    assert_wire(BYTES(1, 0, 0, 7, 0xd0, 0xff, 0));
    buffer_reset(&out);
    struct describe_topic_partitions_request_cursor cursor = {SLICE_LIT("t"), 3};
    request.cursor = &cursor;
    cr_assert_eq(message_encode(&describe_topic_partitions_request_desc, 0, &request, &out, NULL),
                 MESSAGE_OK);
    assert_wire(BYTES(1, 0, 0, 7, 0xd0, 1, 2, 't', 0, 0, 0, 3, 0, 0));
    cr_assert_eq(decode(&describe_topic_partitions_request_desc, 0, buffer_slice(&out), &request),
                 MESSAGE_OK);
    cr_assert_eq(request.cursor->partition_index, 3);
}

Test(message_wire, a_tagged_struct_that_may_be_null_is_null_only_when_it_says_so) {
    struct consumer_group_member_metadata_value value;
    message_init(&consumer_group_member_metadata_value_desc, &value);
    cr_assert_null(value.classic_member_metadata);
    cr_assert_eq(message_encode(&consumer_group_member_metadata_value_desc, 0, &value, &out, NULL),
                 MESSAGE_OK);
    cr_assert_eq(memcmp(out.data + out.len - 4, "\1\0\1\0", 4), 0); /* one tag: 0, 1 byte: null */
    cr_assert_eq(decode(&consumer_group_member_metadata_value_desc, 0, buffer_slice(&out), &value),
                 MESSAGE_OK);
    cr_assert_null(value.classic_member_metadata);
    out.data[out.len - 4] = 0; /* no tags */
    cr_assert_eq(decode(&consumer_group_member_metadata_value_desc, 0,
                        slice_make(out.data, out.len - 3), &value),
                 MESSAGE_OK);
    cr_assert_not_null(value.classic_member_metadata);
}

/* ---- Hostile lengths ------------------------------------------------------------------------- */

Test(message_wire, a_count_beyond_the_bytes_that_are_left_allocates_nothing) {
    struct metadata_request request;
    arena.limit = 0;
    cr_assert_eq(decode(&metadata_request_desc, 0, BYTES(0x7f, 0xff, 0xff, 0xff, 0, 0), &request),
                 MESSAGE_TRUNCATED);
    cr_assert_eq(decode(&metadata_request_desc, 12, BYTES(0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0),
                        &request),
                 MESSAGE_TRUNCATED);
    struct list_offsets_request offsets;
    cr_assert_eq(decode(&list_offsets_request_desc, 1,
                        BYTES(0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0), &offsets),
                 MESSAGE_TRUNCATED); /* two topics of at least six bytes in six */
    cr_assert_eq(arena.used, 0u);
}

Test(message_wire, a_varint_above_32_bits_is_refused) {
    struct metadata_request request;
    cr_assert_eq(decode(&metadata_request_desc, 12,
                        BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0, 0), &request),
                 MESSAGE_INVALID);
    cr_assert_eq(
        decode(&metadata_request_desc, 12, BYTES(0x81, 0x80, 0x80, 0x80, 0x10, 0, 0, 0), &request),
        MESSAGE_INVALID);
    cr_assert_eq(
        decode(&metadata_request_desc, 12, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0), &request),
        MESSAGE_INVALID); /* 2^32 - 1 elements */
    cr_assert_eq(
        decode(&metadata_request_desc, 12, BYTES(0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0), &request),
        MESSAGE_INVALID); /* 2^31 */
    cr_assert_eq(
        decode(&metadata_request_desc, 12, BYTES(0x81, 0x80, 0x80, 0x80, 0x00, 1, 0, 0), &request),
        MESSAGE_OK); /* a long form of 1 is Kafka's to accept */
}

Test(message_wire, a_string_longer_than_an_int16_says_is_refused) {
    struct produce_request request;
    size_t len = 32768;
    buffer_append(&out, "\x81\x80\x02", 3); /* compact length 32769 */
    uint8_t *text = buffer_extend(&out, len);
    memset(text, 'x', len);
    cr_assert_eq(decode(&produce_request_desc, 9, buffer_slice(&out), &request), MESSAGE_INVALID);
    message_init(&produce_request_desc, &request);
    request.transactional_id = slice_make(text, len);
    struct buffer encoded;
    buffer_init(&encoded, SIZE_MAX);
    cr_assert_eq(message_encode(&produce_request_desc, 9, &request, &encoded, NULL),
                 MESSAGE_INVALID);
    buffer_release(&encoded);
}

Test(message_wire, elements_that_grow_in_memory_stop_at_the_limit) {
    /* Topics of three bytes each become structs of 32: beyond the floor that is too much. */
    size_t topics = 40000;
    buffer_append(&out, "\xc1\xb8\x02", 3); /* count 40000, as a compact length */
    for (size_t i = 0; i < topics; i++) {
        buffer_append(&out, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
    }
    buffer_append(&out, "\0\0\0", 3);
    struct metadata_request request;
    arena.limit = message_decode_limit(out.len);
    cr_assert_eq(decode(&metadata_request_desc, 12, buffer_slice(&out), &request), MESSAGE_OK);
    arena_reset(&arena);
    out.len = 0;
    buffer_append(&out, "\xc1\xb8\x02", 3);
    for (size_t i = 0; i < topics; i++) {
        buffer_append(&out, "\1\0", 2); /* version 9: an empty name, no tags */
    }
    buffer_append(&out, "\0\0\0\0", 4);
    arena.limit = message_decode_limit(out.len);
    cr_assert_eq(decode(&metadata_request_desc, 9, buffer_slice(&out), &request),
                 MESSAGE_TOO_LARGE);
    cr_assert_leq(arena.used, 4 * out.len);
}

/* ---- Records --------------------------------------------------------------------------------- */

struct hole {
    size_t at;
    const void *external;
    size_t len;
    int calls;
};

static void note_hole(void *ctx, size_t at, const void *external, size_t len) {
    struct hole *hole = ctx;
    *hole = (struct hole){at, external, len, hole->calls + 1};
}

static struct fetch_response fetch_with(struct message_records records) {
    struct fetch_response response;
    message_init(&fetch_response_desc, &response);
    response.responses = MESSAGE_ARRAY(&arena, fetch_response_fetchable_topic_response, 1);
    response.responses_count = 1;
    response.responses->topic = SLICE_LIT("t");
    response.responses->partitions = MESSAGE_ARRAY(&arena, fetch_response_partition_data, 1);
    response.responses->partitions_count = 1;
    struct fetch_response_partition_data *partition = response.responses->partitions;
    partition->records = records;
    return response;
}

Test(message_wire, external_records_leave_a_hole_where_inline_ones_are) {
    struct fetch_response inline_response =
        fetch_with((struct message_records){.data = (const uint8_t *)"12345", .len = 5});
    cr_assert_eq(message_encode(&fetch_response_desc, 12, &inline_response, &out, NULL),
                 MESSAGE_OK);
    struct buffer around;
    buffer_init(&around, SIZE_MAX);
    buffer_append_str(&around, "head");
    struct hole hole = {0};
    struct message_external external = {note_hole, &hole};
    int file;
    struct fetch_response external_response =
        fetch_with((struct message_records){.len = 5, .external = &file});
    cr_assert_eq(message_encode(&fetch_response_desc, 12, &external_response, &around, &external),
                 MESSAGE_OK);
    cr_assert_eq(hole.calls, 1);
    cr_assert_eq(hole.external, &file);
    cr_assert_eq(hole.len, 5u);
    cr_assert_eq(around.len, 4 + out.len - 5);
    size_t at = hole.at - 4;
    cr_assert_eq(memcmp(around.data + 4, out.data, at), 0);
    cr_assert_eq(memcmp(out.data + at, "12345", 5), 0);
    cr_assert_eq(memcmp(around.data + hole.at, out.data + at + 5, out.len - at - 5), 0);
    cr_assert_eq(message_encode(&fetch_response_desc, 12, &external_response, &around, NULL),
                 MESSAGE_INVALID);
    buffer_release(&around);
}

/* ---- Text ------------------------------------------------------------------------------------ */

Test(message_wire, a_message_prints_as_json_without_what_its_version_lacks) {
    struct metadata_request request;
    struct metadata_request_topic topic;
    memset(&topic, 0, sizeof(topic));
    topic.name = SLICE_LIT("a\"\n\x01\xff");
    message_init(&metadata_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    message_print(&metadata_request_desc, 4, &request, &out);
    buffer_put_u8(&out, 0);
    cr_assert_str_eq((const char *)out.data, "{\"topics\":[{\"name\":\"a\\\"\\n\\u0001\\ufffd\"}],"
                                             "\"allowAutoTopicCreation\":true}");
}

Test(message_wire, secrets_are_not_printed) {
    struct sasl_authenticate_request request;
    message_init(&sasl_authenticate_request_desc, &request);
    request.auth_bytes = SLICE_LIT("n,,n=user,r=nonce");
    message_print(&sasl_authenticate_request_desc, 2, &request, &out);
    buffer_put_u8(&out, 0);
    cr_assert_str_eq((const char *)out.data, "{\"authBytes\":\"***\"}");
}

Test(message_wire, every_error_code_has_a_name_and_a_text) {
    for (int16_t code = -1; code <= 136; code++) {
        cr_assert_not_null(error_name(code));
        cr_assert(code == -1 || strcmp(error_name(code), "UNKNOWN_SERVER_ERROR") != 0, "%d", code);
        cr_assert_gt(strlen(error_message(code)), 5u);
    }
    cr_assert_str_eq(error_name(ERROR_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE");
    cr_assert_str_eq(error_name(INT16_MAX), "UNKNOWN_SERVER_ERROR");
    cr_assert_str_eq(error_name(INT16_MIN), "UNKNOWN_SERVER_ERROR");
    cr_assert(error_retriable(ERROR_NOT_LEADER_OR_FOLLOWER));
    cr_assert_not(error_retriable(ERROR_NONE));
}
