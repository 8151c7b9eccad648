#include "tools/client/consumer_protocol.h"

#include "base/assert.h"
#include "base/buffer.h"

bool consumer_protocol_decode(const struct message_desc *desc, struct slice in, struct arena *arena,
                              void *message) {
    message_init(desc, message);
    if (in.len < 2) {
        return false;
    }
    int16_t version = (int16_t)load_be16(in.data);
    if (version > message_max_version(desc)) {
        version = message_max_version(desc); /* what newer ones add stands at the end */
    }
    return version >= 0 && message_decode(desc, version, slice_make(in.data + 2, in.len - 2), arena,
                                          message, NULL) == MESSAGE_OK;
}

struct slice consumer_protocol_encode(const struct message_desc *desc, const void *message,
                                      struct arena *arena) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    buffer_put_be16(&out, 0);
    enum message_error error = message_encode(desc, 0, message, &out, NULL);
    ASSERT(error == MESSAGE_OK);
    struct slice copy = arena_dup(arena, buffer_slice(&out));
    buffer_release(&out);
    return copy;
}
