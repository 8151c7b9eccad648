/*
 * Properties that hold for every message in every version: round trips, and what happens to input
 * that is cut or changed.
 */
#include "protocol/message.h"

#include <criterion/criterion.h>

#include "base/memory.h"
#include "tests/unit/protocol/message_support.h"

enum { ROUNDS = 20 };

/* A random message, its encoding, and room to decode it. */
struct sample {
    const struct message_desc *desc;
    int16_t version;
    struct arena arena;
    struct buffer wire;
    void *message;
    void *decoded;
    struct arena decoded_arena;
};

static void sample_init(struct sample *sample, const struct message_desc *desc, int16_t version,
                        uint64_t *seed) {
    struct message_dice dice = {dice_draw, seed};
    sample->desc = desc;
    sample->version = version;
    arena_init(&sample->arena, SIZE_MAX);
    arena_init(&sample->decoded_arena, SIZE_MAX);
    buffer_init(&sample->wire, SIZE_MAX);
    sample->message = arena_alloc(&sample->arena, message_size(desc));
    sample->decoded = arena_alloc(&sample->arena, message_size(desc));
    message_random(desc, version, &dice, &sample->arena, sample->message);
    cr_assert_eq(message_encode(desc, version, sample->message, &sample->wire, NULL), MESSAGE_OK,
                 "%s %d", message_name(desc), version);
}

static void sample_release(struct sample *sample) {
    arena_release(&sample->arena);
    arena_release(&sample->decoded_arena);
    buffer_release(&sample->wire);
}

/* Decodes from a block of exactly this size, so that a sanitizer sees every byte read beyond it. */
static enum message_error decode_exact(struct sample *sample, const uint8_t *data, size_t len,
                                       size_t *consumed) {
    uint8_t *exact = xmalloc(len + 1);
    if (len > 0) {
        memcpy(exact, data, len);
    }
    uint8_t *block = xrealloc(exact, len > 0 ? len : 1);
    arena_reset(&sample->decoded_arena);
    enum message_error error = message_decode(sample->desc, sample->version, slice_make(block, len),
                                              &sample->decoded_arena, sample->decoded, consumed);
    free(block);
    return error;
}

Test(message, every_message_is_the_same_after_a_round_trip) {
    uint64_t seed = 1;
    size_t count = 0;
    FOR_EACH_MESSAGE(desc, version) {
        for (int round = 0; round < ROUNDS; round++, count++) {
            struct sample sample;
            sample_init(&sample, desc, version, &seed);
            size_t consumed;
            cr_assert_eq(message_decode(desc, version, buffer_slice(&sample.wire),
                                        &sample.decoded_arena, sample.decoded, &consumed),
                         MESSAGE_OK, "%s %d", message_name(desc), version);
            cr_assert_eq(consumed, sample.wire.len);
            cr_assert(message_equal(desc, version, sample.message, sample.decoded), "%s %d",
                      message_name(desc), version);
            sample_release(&sample);
        }
    }
    cr_assert_gt(count, 1000u);
}

Test(message, defaults_are_encodable_and_come_back) {
    FOR_EACH_MESSAGE(desc, version) {
        struct arena arena;
        struct buffer wire;
        arena_init(&arena, SIZE_MAX);
        buffer_init(&wire, SIZE_MAX);
        void *message = arena_alloc(&arena, message_size(desc));
        void *decoded = arena_alloc(&arena, message_size(desc));
        message_init(desc, message);
        cr_assert_eq(message_encode(desc, version, message, &wire, NULL), MESSAGE_OK, "%s %d",
                     message_name(desc), version);
        cr_assert_eq(message_decode(desc, version, buffer_slice(&wire), &arena, decoded, NULL),
                     MESSAGE_OK);
        cr_assert(message_equal(desc, version, message, decoded), "%s %d", message_name(desc),
                  version);
        arena_release(&arena);
        buffer_release(&wire);
    }
}

Test(message, every_truncation_is_refused_and_reads_nothing_beyond_its_end) {
    uint64_t seed = 2;
    FOR_EACH_MESSAGE(desc, version) {
        struct sample sample;
        sample_init(&sample, desc, version, &seed);
        for (size_t len = 0; len < sample.wire.len; len++) {
            enum message_error error = decode_exact(&sample, sample.wire.data, len, NULL);
            cr_assert_eq(error, MESSAGE_TRUNCATED, "%s %d cut to %zu of %zu: %d",
                         message_name(desc), version, len, sample.wire.len, error);
        }
        sample_release(&sample);
    }
}

Test(message, changed_bytes_never_read_outside_or_take_more_than_the_limit) {
    uint64_t seed = 3;
    size_t accepted = 0;
    FOR_EACH_MESSAGE(desc, version) {
        struct sample sample;
        sample_init(&sample, desc, version, &seed);
        for (int round = 0; round < 50 && sample.wire.len > 0; round++) {
            uint8_t copy[4096];
            size_t len = sample.wire.len < sizeof(copy) ? sample.wire.len : sizeof(copy);
            memcpy(copy, sample.wire.data, len);
            copy[dice_draw(&seed) % len] = (uint8_t)dice_draw(&seed);
            copy[dice_draw(&seed) % len] = 0xff;
            sample.decoded_arena.limit = message_decode_limit(len);
            size_t consumed = 0;
            accepted += decode_exact(&sample, copy, len, &consumed) == MESSAGE_OK;
            cr_assert_leq(consumed, len);
            cr_assert_leq(sample.decoded_arena.used, message_decode_limit(len));
        }
        sample_release(&sample);
    }
    cr_assert_gt(accepted, 0u);
}

Test(message, bytes_behind_a_message_are_left_alone) {
    uint64_t seed = 4;
    FOR_EACH_MESSAGE(desc, version) {
        struct sample sample;
        sample_init(&sample, desc, version, &seed);
        size_t len = sample.wire.len;
        buffer_append_str(&sample.wire, "\xff\xff\xff\xff");
        size_t consumed;
        cr_assert_eq(decode_exact(&sample, sample.wire.data, sample.wire.len, &consumed),
                     MESSAGE_OK);
        cr_assert_eq(consumed, len, "%s %d", message_name(desc), version);
        sample_release(&sample);
    }
}

Test(message, a_full_buffer_is_too_large_and_keeps_nothing) {
    uint64_t seed = 5;
    FOR_EACH_MESSAGE(desc, version) {
        struct sample sample;
        sample_init(&sample, desc, version, &seed);
        if (sample.wire.len > 0) {
            struct buffer small;
            buffer_init(&small, sample.wire.len - 1);
            cr_assert_eq(message_encode(desc, version, sample.message, &small, NULL),
                         MESSAGE_TOO_LARGE);
            cr_assert_eq(small.len, 0u);
            buffer_release(&small);
        }
        sample_release(&sample);
    }
}

Test(message, versions_that_are_not_described_are_refused) {
    struct arena arena;
    struct buffer out;
    arena_init(&arena, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    for (size_t i = 0; message_at(i) != NULL; i++) {
        const struct message_desc *desc = message_at(i);
        void *message = arena_alloc(&arena, message_size(desc));
        message_init(desc, message);
        const int16_t versions[] = {(int16_t)(message_min_version(desc) - 1),
                                    (int16_t)(message_max_version(desc) + 1), INT16_MIN, INT16_MAX};
        for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
            cr_assert_eq(
                message_decode(desc, versions[v], SLICE_LIT("0000"), &arena, message, NULL),
                MESSAGE_BAD_VERSION);
            cr_assert_eq(message_encode(desc, versions[v], message, &out, NULL),
                         MESSAGE_BAD_VERSION);
        }
    }
    arena_release(&arena);
    buffer_release(&out);
}

Test(message, messages_are_found_by_name_and_listed_in_order) {
    size_t count = 0;
    for (; message_at(count) != NULL; count++) {
        const char *name = message_name(message_at(count));
        cr_assert_eq(message_find(name), message_at(count));
        cr_assert(count == 0 || strcmp(message_name(message_at(count - 1)), name) < 0);
    }
    cr_assert_gt(count, 250u);
    cr_assert_null(message_find("MetadataRequests"));
}

Test(message, apis_pair_messages_of_the_same_versions) {
    int count = 0;
    for (int16_t key = 0; key <= API_KEY_MAX; key++) {
        const struct api *api = api_by_key(key);
        if (api == NULL) {
            continue;
        }
        count++;
        cr_assert_eq(api->key, key);
        cr_assert_eq(message_min_version(api->request), message_min_version(api->response));
        cr_assert_eq(message_max_version(api->request), message_max_version(api->response));
        cr_assert_eq(message_flexible_version(api->request),
                     message_flexible_version(api->response));
    }
    cr_assert_eq(count, 89);
    cr_assert_null(api_by_key(-1));
    cr_assert_null(api_by_key(4)); /* LeaderAndIsr went away with ZooKeeper */
    cr_assert_null(api_by_key(API_KEY_MAX + 1));
    cr_assert(api_by_key(22)->latest_unstable);
    cr_assert_not(api_by_key(0)->latest_unstable);
}

Test(message, header_versions_follow_flexibility_except_for_api_versions) {
    const struct api *metadata = api_by_key(3);
    cr_assert_eq(api_request_header_version(metadata, 8), 1);
    cr_assert_eq(api_request_header_version(metadata, 9), 2);
    cr_assert_eq(api_response_header_version(metadata, 8), 0);
    cr_assert_eq(api_response_header_version(metadata, 9), 1);
    const struct api *api_versions = api_by_key(18);
    cr_assert_eq(api_request_header_version(api_versions, 3), 2);
    cr_assert_eq(api_response_header_version(api_versions, 3), 0);
    const struct api *sasl_handshake = api_by_key(17);
    cr_assert_eq(api_request_header_version(sasl_handshake, 1), 1);
}

Test(message, record_types_are_found_by_log_and_number) {
    const struct record_type *type = record_type_find(RECORD_LOG_METADATA, 2);
    cr_assert_str_eq(message_name(type->value), "TopicRecord");
    cr_assert_null(type->key);
    type = record_type_find(RECORD_LOG_OFFSETS, 1);
    cr_assert_str_eq(message_name(type->key), "OffsetCommitKey");
    cr_assert_str_eq(message_name(type->value), "OffsetCommitValue");
    cr_assert_str_eq(message_name(record_type_find(RECORD_LOG_TRANSACTIONS, 0)->value),
                     "TransactionLogValue");
    cr_assert_str_eq(message_name(record_type_find(RECORD_LOG_SHARE, 1)->key), "ShareUpdateKey");
    cr_assert_null(record_type_find(RECORD_LOG_METADATA, 6));
    cr_assert_null(record_type_find(RECORD_LOG_METADATA, -1));
}
