/*
 * Only the list of topics is read, which stands first in every version: versions of the future and
 * what is damaged behind it do not matter.
 */
#include "broker/group/subscription.h"

#include "base/buffer.h"

bool subscription_may_contain(struct slice metadata, struct slice topic) {
    if (metadata.len < 6) {
        return true;
    }
    if ((int16_t)load_be16(metadata.data) < 0) {
        return true;
    }
    uint32_t count = load_be32(metadata.data + 2);
    struct slice rest = slice_make(metadata.data + 6, metadata.len - 6);
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        if (rest.len < 2) {
            return true;
        }
        size_t len = load_be16(rest.data);
        if (len > INT16_MAX || len > rest.len - 2) {
            return true;
        }
        found = found || slice_equal(slice_make(rest.data + 2, len), topic);
        rest = slice_make(rest.data + 2 + len, rest.len - 2 - len);
    }
    return found;
}
