#include "base/uuid.h"

#include "base/buffer.h"
#include "base/hmap.h"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Kafka keeps the ids below this for itself. */
#define UUID_RESERVED_COUNT 100

uint64_t uuid_hash(struct uuid id) {
    return hash_combine(load_be64(id.bytes), load_be64(id.bytes + 8));
}

struct uuid uuid_from_halves(uint64_t high, uint64_t low) {
    struct uuid id;
    store_be64(id.bytes, high);
    store_be64(id.bytes + 8, low);
    return id;
}

struct uuid uuid_from_random(const uint8_t random[16]) {
    struct uuid id;
    memcpy(id.bytes, random, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40); /* version 4 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80); /* RFC 4122 variant */
    return id;
}

bool uuid_is_reserved(struct uuid id) {
    bool low = load_be64(id.bytes) == 0 && load_be64(id.bytes + 8) < UUID_RESERVED_COUNT;
    bool dash = id.bytes[0] >> 2 == 62;
    return low || dash;
}

char *uuid_format(struct uuid id, char out[UUID_TEXT_LEN + 1]) {
    for (int i = 0; i < UUID_TEXT_LEN; i++) {
        int bit = i * 6;
        int value = id.bytes[bit / 8] << 8;
        if (bit / 8 + 1 < 16) {
            value |= id.bytes[bit / 8 + 1];
        }
        out[i] = base64url[(value >> (10 - bit % 8)) & 63];
    }
    out[UUID_TEXT_LEN] = '\0';
    return out;
}

static int base64url_value(uint8_t c) {
    const char *at = c == '\0' ? NULL : strchr(base64url, c);
    return at == NULL ? -1 : (int)(at - base64url);
}

bool uuid_parse(struct slice text, struct uuid *out) {
    if (text.len != UUID_TEXT_LEN) {
        return false;
    }
    uint8_t bytes[17] = {0};
    for (int i = 0; i < UUID_TEXT_LEN; i++) {
        int value = base64url_value(text.data[i]);
        if (value < 0) {
            return false;
        }
        int bit = i * 6;
        int placed = value << (10 - bit % 8);
        bytes[bit / 8] |= (uint8_t)(placed >> 8);
        bytes[bit / 8 + 1] |= (uint8_t)placed;
    }
    if (bytes[16] != 0) {
        return false; /* the last character carries only two bits */
    }
    memcpy(out->bytes, bytes, sizeof(out->bytes));
    return true;
}
