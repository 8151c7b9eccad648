/*
 * Messages drawn from the input, as this node would send them: they are encoded, fit a buffer of
 * exactly their size and no smaller one, and decode to what they were. Bytes behind a message and
 * bytes cut off its end do not change that or are refused.
 *
 * Input: u16 index of the message, u8 index of the version, u8 where it is cut, then the dice.
 */
#include "base/arena.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message_mutate.h"

#define PREFIX 4

/* The part of the message in front of a cut is not the message. */
static void check_cut(const struct message_desc *desc, int16_t version, struct slice bytes,
                      uint8_t at, struct arena *arena) {
    size_t len = bytes.len * at / 256;
    void *message = arena_alloc(arena, message_size(desc));
    size_t consumed;
    enum message_error error =
        message_decode(desc, version, fuzz_input(bytes.data, len), arena, message, &consumed);
    ASSERT(error != MESSAGE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct arena arena;
    static struct buffer out;
    if (size < PREFIX) {
        return 0;
    }
    const struct message_desc *desc = fuzz_message_at(load_be16(data));
    int versions = message_max_version(desc) - message_min_version(desc) + 1;
    int16_t version = (int16_t)(message_min_version(desc) + data[2] % versions);
    struct slice in = slice_make(data + PREFIX, size - PREFIX);
    struct message_dice dice = {.draw = fuzz_draw_input, .ctx = &in};
    arena.limit = SIZE_MAX;
    void *message = arena_alloc(&arena, message_size(desc));
    message_random(desc, version, &dice, &arena, message);

    out.max = SIZE_MAX;
    buffer_reset(&out);
    ASSERT(message_encode(desc, version, message, &out, NULL) == MESSAGE_OK);
    size_t len = out.len;
    if (len > 0) {
        buffer_reset(&out);
        out.max = len - 1;
        ASSERT(message_encode(desc, version, message, &out, NULL) == MESSAGE_TOO_LARGE);
        buffer_reset(&out);
        out.max = len;
        ASSERT(message_encode(desc, version, message, &out, NULL) == MESSAGE_OK && out.len == len);
    }
    void *again = arena_alloc(&arena, message_size(desc));
    size_t consumed;
    ASSERT(message_decode(desc, version, fuzz_input(out.data, len), &arena, again, &consumed) ==
           MESSAGE_OK);
    ASSERT(consumed == len && message_equal(desc, version, message, again));
    if (len > 0) {
        check_cut(desc, version, buffer_slice(&out), data[3], &arena);
    }
    arena_reset(&arena);
    return 0;
}
