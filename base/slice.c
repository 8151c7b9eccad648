#include "base/slice.h"

#include "base/assert.h"
#include "base/memory.h"

bool slice_parse_i64(struct slice s, int64_t *out) {
    bool negative = s.len > 0 && s.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == s.len) {
        return false;
    }
    int64_t value = 0;
    for (; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        int64_t digit = s.data[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            (negative ? __builtin_sub_overflow(value, digit, &value)
                      : __builtin_add_overflow(value, digit, &value))) {
            return false;
        }
    }
    *out = value;
    return true;
}

char *slice_to_cstr(struct slice s) {
    ASSERT(!slice_is_null(s));
    char *copy = xmalloc(s.len + 1);
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* The length of the UTF-8 sequence that starts with `lead`, and the range of its second byte. */
static size_t utf8_sequence(uint8_t lead, uint8_t *second_min, uint8_t *second_max) {
    *second_min = 0x80;
    *second_max = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *second_min = lead == 0xe0 ? 0xa0 : 0x80;
        *second_max = lead == 0xed ? 0x9f : 0xbf;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *second_min = lead == 0xf0 ? 0x90 : 0x80;
        *second_max = lead == 0xf4 ? 0x8f : 0xbf;
        return 4;
    }
    return 0;
}

bool slice_is_utf8(struct slice s) {
    size_t i = 0;
    while (i < s.len) {
        if (s.data[i] < 0x80) {
            i++;
            continue;
        }
        uint8_t min, max;
        size_t len = utf8_sequence(s.data[i], &min, &max);
        if (len == 0 || len > s.len - i || s.data[i + 1] < min || s.data[i + 1] > max) {
            return false;
        }
        for (size_t k = 2; k < len; k++) {
            if ((s.data[i + k] & 0xc0) != 0x80) {
                return false;
            }
        }
        i += len;
    }
    return true;
}
