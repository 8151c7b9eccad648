/*
 * Records of __consumer_offsets: any keys and values, in batches of any kind, replayed into a group
 * table. A replay ends with every record applied or with an error that says why.
 *
 * Input: for each batch u8 attributes (1 transactional, 2 control, 4 of another producer, 8 cut
 * short), u8 count, and as many times u16 length, key, u16 length, value; the length 0xffff is
 * null.
 */
#include "broker/group/group_table.h"
#include "protocol/records.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"
#include "tests/fuzz/message_mutate.h"

#define BATCHES_MAX 8
#define RECORDS_MAX 8

static void no_persist(struct group_env *env, struct group *group, struct group_write *write) {
}

static struct slice take_nullable(struct slice *in) {
    if (in->len >= 2 && load_be16(in->data) == 0xffff) {
        (void)fuzz_take(in, 2);
        return SLICE_NULL;
    }
    return fuzz_take_block(in);
}

static bool build_batch(struct slice *in, struct buffer *out) {
    static struct batch_builder builder;
    uint8_t attributes = fuzz_take_u8(in);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.transactional = (attributes & 1) != 0;
    options.control = (attributes & 2) != 0;
    options.producer_id = (attributes & 4) != 0 ? 2 : 1;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    batch_builder_init(&builder, &options, SIZE_MAX);
    int count = 1 + fuzz_take_u8(in) % RECORDS_MAX;
    for (int i = 0; i < count && in->len > 0; i++) {
        struct slice key = take_nullable(in);
        struct slice value = take_nullable(in);
        batch_builder_add(&builder, 1, key, value, NULL, 0);
    }
    bool built = batch_builder_finish(&builder, out);
    if (built && (attributes & 8) != 0) {
        out->data[out->len - 1] ^= 0x55;
        out->len -= attributes >> 7;
    }
    batch_builder_release(&builder);
    return built;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct group_limits limits = {.session_timeout_min_ms = 1,
                                               .session_timeout_max_ms = INT32_MAX};
    static struct buffer batch;
    struct group_env env = {
        .machine = fuzz_machine(),
        .shard = machine_shard(fuzz_machine(), 0),
        .limits = &limits,
        .persist = no_persist,
    };
    struct group_table table;
    group_table_init(&table, &env);
    struct slice in = slice_make(data, size);
    batch.max = SIZE_MAX;
    for (int i = 0; i < BATCHES_MAX && in.len > 0; i++) {
        buffer_reset(&batch);
        if (!build_batch(&in, &batch)) {
            continue;
        }
        struct errmsg errmsg = {""};
        int result = group_table_replay(&table, fuzz_input(batch.data, batch.len), &errmsg);
        ASSERT((result == 0) == (errmsg.text[0] == '\0'));
    }
    (void)group_table_unstable(&table, SLICE_LIT("a"), SLICE_LIT("a"), 0);
    group_table_release(&table);
    return 0;
}

/* ---- Mutations ------------------------------------------------------------------------------- */

#define VALUE_MAX 512

/* A record of a known type: type and key, version and value, each behind its length. */
static size_t draw_record(uint8_t *out, uint64_t *random) {
    static const int16_t numbers[] = {0, 1, 1, 1, 2, 2, 2, 3};
    const struct record_type *type =
        record_type_find(RECORD_LOG_OFFSETS, numbers[fuzz_random(random) % ARRAY_LEN(numbers)]);
    store_be16(out + 2, (uint16_t)type->number);
    size_t key = fuzz_mutate_message_behind(type->key, message_min_version(type->key), out + 2, 2,
                                            0, VALUE_MAX, random);
    if (key == 0) {
        return 0;
    }
    store_be16(out, (uint16_t)key);
    uint8_t *at = out + 2 + key;
    if (fuzz_random(random) % 8 == 0) {
        store_be16(at, 0xffff);
        return key + 4;
    }
    int versions = message_max_version(type->value) - message_min_version(type->value) + 1;
    int16_t version = (int16_t)(message_min_version(type->value) +
                                (int)(fuzz_random(random) % (uint64_t)versions));
    store_be16(at + 2, (uint16_t)version);
    size_t value =
        fuzz_mutate_message_behind(type->value, version, at + 2, 2, 0, VALUE_MAX, random);
    store_be16(at, (uint16_t)value);
    return value == 0 ? 0 : key + value + 4;
}

/* Mutates the message of a key or value in place; its block begins at `block`. */
static size_t mutate_block(uint8_t *data, size_t size, size_t size_max, size_t block, size_t len,
                           const struct message_desc *desc, int16_t version, uint64_t *random) {
    uint8_t changed[2 + VALUE_MAX];
    if (len < 2 || len > VALUE_MAX || version < message_min_version(desc) ||
        version > message_max_version(desc)) {
        return 0;
    }
    memcpy(changed + 2, data + block + 2, len);
    size_t new_len =
        fuzz_mutate_message_behind(desc, version, changed + 2, 2, len, VALUE_MAX, random);
    if (new_len == 0) {
        return 0;
    }
    store_be16(changed, (uint16_t)new_len);
    return fuzz_splice(data, size, size_max, block, 2 + len, changed, 2 + new_len);
}

/* The block at `at`, its length field included; 0 when it is not whole. */
static size_t block_size(const uint8_t *data, size_t size, size_t at) {
    if (size - at < 2) {
        return 0;
    }
    size_t len = load_be16(data + at);
    len = len == 0xffff ? 0 : len;
    return len <= size - at - 2 ? 2 + len : 0;
}

/* Walks to some record and changes, doubles or drops it, or puts another one in front of it. */
static size_t mutate(uint8_t *data, size_t size, size_t size_max, uint64_t *random) {
    uint8_t record[2 + 2 * (2 + VALUE_MAX)];
    size_t at = 0;
    while (size - at > 2) {
        size_t batch = at;
        int count = 1 + data[at + 1] % RECORDS_MAX;
        at += 2;
        for (int i = 0; i < count; i++) {
            size_t key = block_size(data, size, at);
            size_t value = key == 0 ? 0 : block_size(data, size, at + key);
            if (value == 0) {
                break;
            }
            if (fuzz_random(random) % 3 != 0) {
                at += key + value;
                continue;
            }
            const struct record_type *type =
                key < 4 ? NULL
                        : record_type_find(RECORD_LOG_OFFSETS, (int16_t)load_be16(data + at + 2));
            switch (fuzz_random(random) % 5) {
            case 0: {
                size_t len = draw_record(record, random);
                data[batch + 1]++;
                return fuzz_splice(data, size, size_max, at, 0, record, len);
            }
            case 1:
                return type == NULL
                           ? 0
                           : mutate_block(data, size, size_max, at, key - 2, type->key, 0, random);
            case 2:
                return key + value > sizeof(record)
                           ? 0
                           : fuzz_splice(data, size, size_max, at, 0,
                                         memcpy(record, data + at, key + value), key + value);
            default:
                return type == NULL || value < 4
                           ? 0
                           : mutate_block(data, size, size_max, at + key, value - 2, type->value,
                                          (int16_t)load_be16(data + at + key + 2), random);
            }
        }
        if (at == batch + 2) {
            break;
        }
    }
    size_t len = draw_record(record + 2, random);
    record[0] = (uint8_t)fuzz_random(random) & 7;
    record[1] = 0;
    return len == 0 ? 0 : fuzz_splice(data, size, size_max, size, 0, record, 2 + len);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
    uint64_t random = seed;
    if (fuzz_random(&random) % 4 == 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    size_t mutated = mutate(data, size, size_max, &random);
    return mutated != 0 ? mutated : LLVMFuzzerMutate(data, size, size_max);
}
