/*
 * Records of __cluster_metadata: a sequence of any values applied to an image. The image as it is
 * then can be written as records and read back.
 *
 * Input: for each record u16 length, value. The mutator knows the records.
 */
#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/image_write.h"
#include "broker/metadata/metadata_record.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message_mutate.h"

#define VALUE_MAX 512
#define PREFIX    3 /* uvarints of one byte: frame version, type, version */

/* An image made from the records of another one has the same records. */
static void check_round_trip(const struct image *image) {
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct record_list first, second;
    record_list_init(&first, &arena);
    record_list_init(&second, &arena);
    image_write(image, &first);
    struct image *copy = image_new();
    for (int i = 0; i < first.count; i++) {
        ASSERT(image_apply(copy, first.values[i], NULL));
    }
    image_write(copy, &second);
    ASSERT(first.count == second.count);
    for (int i = 0; i < first.count; i++) {
        ASSERT(slice_equal(first.values[i], second.values[i]));
    }
    image_free(copy);
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct image *image = image_new();
    struct image_changes changes;
    image_changes_init(&changes);
    struct slice in = slice_make(data, size);
    bool changed = false;
    while (in.len >= 2) {
        struct slice value = fuzz_take_block(&in);
        changed |= image_apply(image, fuzz_input(value.data, value.len), &changes);
    }
    image_changes_release(&changes);
    if (changed) {
        check_round_trip(image);
    }
    image_free(image);
    return 0;
}

/* ---- Mutations ------------------------------------------------------------------------------- */

static size_t draw_value(uint8_t *out, uint64_t *random) {
    const struct record_type *type = NULL;
    while (type == NULL) {
        type = record_type_find(RECORD_LOG_METADATA, (int16_t)(fuzz_random(random) % 30));
    }
    int versions = message_max_version(type->value) - message_min_version(type->value) + 1;
    int16_t version = (int16_t)(message_min_version(type->value) +
                                (int)(fuzz_random(random) % (uint64_t)versions));
    out[0] = 1;
    out[1] = (uint8_t)type->number;
    out[2] = (uint8_t)version;
    return fuzz_mutate_message_behind(type->value, version, out, PREFIX, 0, VALUE_MAX, random);
}

static size_t mutate_value(uint8_t *value, size_t len, uint64_t *random) {
    const struct record_type *type =
        len < PREFIX ? NULL : record_type_find(RECORD_LOG_METADATA, value[1]);
    if (type == NULL || value[2] < message_min_version(type->value) ||
        value[2] > message_max_version(type->value)) {
        return draw_value(value, random);
    }
    return fuzz_mutate_message_behind(type->value, value[2], value, PREFIX, len, VALUE_MAX, random);
}

/* Changes some record, or puts another one in front of it. */
static size_t mutate(uint8_t *data, size_t size, size_t size_max, uint64_t *random) {
    uint8_t block[2 + VALUE_MAX];
    size_t at = 0;
    while (size - at >= 2) {
        size_t len = load_be16(data + at);
        len = len < size - at - 2 ? len : size - at - 2;
        if (fuzz_random(random) % 3 != 0 || len > VALUE_MAX) {
            at += 2 + len;
            continue;
        }
        memcpy(block + 2, data + at + 2, len);
        size_t old_len = 2 + len;
        switch (fuzz_random(random) % 4) {
        case 0:
            len = draw_value(block + 2, random);
            old_len = 0;
            break;
        case 1:
            old_len = 0; /* the same again */
            break;
        default:
            len = mutate_value(block + 2, len, random);
            break;
        }
        store_be16(block, (uint16_t)len);
        return len == 0 ? 0 : fuzz_splice(data, size, size_max, at, old_len, block, 2 + len);
    }
    size_t len = draw_value(block + 2, random);
    store_be16(block, (uint16_t)len);
    return len == 0 ? 0
                    : fuzz_splice(data, size, size_max, at < size ? at : size, 0, block, 2 + len);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
    uint64_t random = seed;
    if (fuzz_random(&random) % 4 == 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    size_t mutated = mutate(data, size, size_max, &random);
    return mutated != 0 ? mutated : LLVMFuzzerMutate(data, size, size_max);
}
