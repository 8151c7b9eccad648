/*
 * Decodes input bytes as any message in any version. What is accepted must be encodable, decode to
 * the same message again, and encode to the same bytes from then on; memory stays within the limit.
 *
 * Input: int16 index of the message, int8 index of the version, then the message.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "protocol/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct message_desc *desc, int16_t version, const void *message,
                   struct buffer *out) {
    buffer_init(out, SIZE_MAX);
    ASSERT(message_encode(desc, version, message, out, NULL) == MESSAGE_OK);
}

static void check(const struct message_desc *desc, int16_t version, const void *message) {
    struct arena arena;
    struct buffer first;
    struct buffer second;
    struct buffer text;
    arena_init(&arena, SIZE_MAX);
    encode(desc, version, message, &first);
    void *again = arena_alloc(&arena, message_size(desc));
    size_t consumed;
    ASSERT(message_decode(desc, version, buffer_slice(&first), &arena, again, &consumed) ==
           MESSAGE_OK);
    ASSERT(consumed == first.len);
    ASSERT(message_equal(desc, version, message, again));
    encode(desc, version, again, &second);
    ASSERT(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    buffer_init(&text, SIZE_MAX);
    message_print(desc, version, message, &text);
    ASSERT(text.len >= 2 && text.data[0] == '{' && text.data[text.len - 1] == '}');
    buffer_release(&first);
    buffer_release(&second);
    buffer_release(&text);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t count = 0;
    while (message_at(count) != NULL) {
        count++;
    }
    if (size < 3) {
        return 0;
    }
    const struct message_desc *desc = message_at(load_be16(data) % count);
    int versions = message_max_version(desc) - message_min_version(desc) + 1;
    int16_t version = (int16_t)(message_min_version(desc) + data[2] % versions);
    struct slice in = slice_make(data + 3, size - 3);
    struct arena arena;
    arena_init(&arena, message_decode_limit(in.len));
    void *message = calloc(1, message_size(desc));
    ASSERT(message != NULL);
    size_t consumed;
    enum message_error error = message_decode(desc, version, in, &arena, message, &consumed);
    ASSERT(consumed <= in.len);
    ASSERT(arena.used <= message_decode_limit(in.len));
    if (error == MESSAGE_OK) {
        check(desc, version, message);
    }
    free(message);
    arena_release(&arena);
    return 0;
}
