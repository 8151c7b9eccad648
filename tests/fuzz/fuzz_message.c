/*
 * Decodes input bytes as any message in any version. What is accepted must be encodable, decode to
 * the same message again, and encode to the same bytes from then on. What a decoder takes from the
 * heap stays within message_decode_limit().
 *
 * Input: u16 index of the message, u8 index of the version (the top bit: print it too), then the
 * message. The mutator keeps most inputs well-formed.
 */
#include "base/arena.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heap.h"
#include "tests/fuzz/message_mutate.h"

#define PREFIX 3

struct choice {
    const struct message_desc *desc;
    int16_t version;
};

static struct choice choose(const uint8_t *data) {
    struct choice choice = {.desc = fuzz_message_at(load_be16(data))};
    int min = message_min_version(choice.desc);
    int versions = message_max_version(choice.desc) - min + 1;
    choice.version = (int16_t)(min + (data[2] & 0x7f) % versions);
    return choice;
}

static void check(struct choice choice, const void *message, bool print) {
    static struct arena arena;
    static struct buffer first, second;
    arena.limit = SIZE_MAX;
    first.max = SIZE_MAX;
    second.max = SIZE_MAX;
    buffer_reset(&first);
    buffer_reset(&second);
    ASSERT(message_encode(choice.desc, choice.version, message, &first, NULL) == MESSAGE_OK);
    void *again = arena_alloc(&arena, message_size(choice.desc));
    size_t consumed;
    ASSERT(message_decode(choice.desc, choice.version, buffer_slice(&first), &arena, again,
                          &consumed) == MESSAGE_OK);
    ASSERT(consumed == first.len);
    ASSERT(message_equal(choice.desc, choice.version, message, again));
    ASSERT(message_encode(choice.desc, choice.version, again, &second, NULL) == MESSAGE_OK);
    ASSERT(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    if (print) {
        buffer_reset(&second);
        message_print(choice.desc, choice.version, message, &second);
        ASSERT(second.len >= 2 && second.data[0] == '{' && second.data[second.len - 1] == '}');
    }
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PREFIX) {
        return 0;
    }
    struct choice choice = choose(data);
    struct slice in = fuzz_input(data + PREFIX, size - PREFIX);
    struct arena arena;
    size_t limit = message_decode_limit(in.len);
    arena_init(&arena, limit);
    void *message = xmalloc(message_size(choice.desc));
    size_t consumed;
    heap_count_start();
    enum message_error error =
        message_decode(choice.desc, choice.version, in, &arena, message, &consumed);
    ASSERT(heap_count_end() <= limit + limit / 64); /* the arena's headers */
    ASSERT(consumed <= in.len);
    if (error == MESSAGE_OK) {
        check(choice, message, (data[2] & 0x80) != 0);
    }
    free(message);
    arena_release(&arena);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
    uint64_t random = seed;
    if (fuzz_random(&random) % 2 == 0 || size_max < PREFIX + 1) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    if (size < PREFIX || fuzz_random(&random) % 8 == 0) {
        uint64_t drawn = fuzz_random(&random);
        memcpy(data, &drawn, PREFIX);
        size = PREFIX;
    }
    struct choice choice = choose(data);
    size_t mutated = fuzz_mutate_message_behind(choice.desc, choice.version, data, PREFIX, size,
                                                size_max, &random);
    return mutated != 0 ? mutated : LLVMFuzzerMutate(data, size, size_max);
}
