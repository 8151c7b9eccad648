#include "broker/metadata/metadata_record.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "protocol/message.h"

#define FRAME_VERSION 1

static bool take_uvarint(struct slice *in, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 32 && in->len > 0; shift += 7) {
        uint8_t byte = in->data[0];
        *in = slice_make(in->data + 1, in->len - 1);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static void put_uvarint(struct buffer *out, uint32_t value) {
    for (; value >= 0x80; value >>= 7) {
        buffer_put_u8(out, (uint8_t)(value | 0x80));
    }
    buffer_put_u8(out, (uint8_t)value);
}

bool metadata_record_parse(struct slice value, int *type, int16_t *version, struct slice *body) {
    uint32_t frame_version;
    uint32_t raw_type;
    uint32_t raw_version;
    if (slice_is_null(value) || !take_uvarint(&value, &frame_version) ||
        !take_uvarint(&value, &raw_type) || !take_uvarint(&value, &raw_version)) {
        return false;
    }
    if (frame_version != FRAME_VERSION || raw_type > INT16_MAX || raw_version > INT16_MAX) {
        return false;
    }
    *type = (int)raw_type;
    *version = (int16_t)raw_version;
    *body = value;
    return true;
}

void record_list_init(struct record_list *list, struct arena *arena) {
    *list = (struct record_list){.arena = arena};
}

static void push(struct record_list *list, struct slice value) {
    if (list->count == list->capacity) {
        int capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct slice *values =
            (struct slice *)arena_array(list->arena, (size_t)capacity, sizeof(struct slice));
        ASSERT(values != NULL);
        if (list->count > 0) {
            memcpy(values, list->values, (size_t)list->count * sizeof(struct slice));
        }
        list->values = values;
        list->capacity = capacity;
    }
    list->values[list->count++] = value;
    list->bytes += value.len;
}

void record_list_add(struct record_list *list, enum metadata_record_type type, int16_t version,
                     const struct message_desc *desc, const void *message) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    put_uvarint(&out, FRAME_VERSION);
    put_uvarint(&out, (uint32_t)type);
    put_uvarint(&out, (uint32_t)version);
    enum message_error error = message_encode(desc, version, message, &out, NULL);
    ASSERT(error == MESSAGE_OK);
    record_list_add_value(list, buffer_slice(&out));
    buffer_release(&out);
}

void record_list_add_value(struct record_list *list, struct slice value) {
    struct slice copy = arena_dup(list->arena, value);
    ASSERT(!slice_is_null(copy));
    push(list, copy);
}

int16_t partition_record_version(int16_t metadata_version) {
    return metadata_version >= 23 ? 2 : metadata_version >= 17 ? 1 : 0;
}

int16_t register_broker_record_version(int16_t metadata_version) {
    return metadata_version >= 30 ? 4 : metadata_version >= 17 ? 3 : metadata_version >= 8 ? 2 : 1;
}

int16_t broker_registration_change_record_version(int16_t metadata_version) {
    return metadata_version >= 30 ? 3 : metadata_version >= 17 ? 2 : 1;
}
