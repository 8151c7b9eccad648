#include "tools/internal_record.h"

#include "base/memory.h"
#include "base/slice.h"

static enum message_error decode(const struct message_desc *desc, int16_t version, struct slice in,
                                 struct arena *arena, const void **out) {
    void *message = arena_alloc(arena, message_size(desc));
    *out = message;
    return message_decode(desc, version, in, arena, message, NULL);
}

/* Cuts an unsigned varint off; false when there is none. */
static bool take_uvarint(struct slice *in, uint32_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 35 && in->len > 0; shift += 7) {
        uint8_t byte = in->data[0];
        *in = slice_make(in->data + 1, in->len - 1);
        *out |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

/* KIP-631: frame version, type, version, message. */
static enum message_error decode_metadata(struct slice value, struct arena *arena,
                                          struct internal_record *out) {
    uint32_t frame, type, version;
    if (!take_uvarint(&value, &frame) || !take_uvarint(&value, &type) ||
        !take_uvarint(&value, &version)) {
        return MESSAGE_TRUNCATED;
    }
    if (frame != 1 || type > INT16_MAX || version > INT16_MAX) {
        return MESSAGE_INVALID;
    }
    out->number = (int16_t)type;
    out->version = (int16_t)version;
    out->type = record_type_find(RECORD_LOG_METADATA, out->number);
    return out->type == NULL ? MESSAGE_OK
                             : decode(out->type->value, out->version, value, arena, &out->value);
}

/* Cuts an int16 off; false when there is none. */
static bool take_i16(struct slice *in, int16_t *out) {
    if (in->len < 2) {
        return false;
    }
    *out = (int16_t)load_be16(in->data);
    *in = slice_make(in->data + 2, in->len - 2);
    return true;
}

enum message_error internal_record_decode(enum record_log log, const struct record *record,
                                          struct arena *arena, struct internal_record *out) {
    struct slice key = record->key, value = record->value;
    *out = (struct internal_record){.type = NULL};
    if (log == RECORD_LOG_METADATA) {
        return decode_metadata(value, arena, out);
    }
    if (!take_i16(&key, &out->number)) {
        return MESSAGE_TRUNCATED;
    }
    out->type = record_type_find(log, out->number);
    if (out->type == NULL) {
        return MESSAGE_OK;
    }
    enum message_error error = decode(out->type->key, 0, key, arena, &out->key);
    if (error != MESSAGE_OK || slice_is_null(value)) {
        return error;
    }
    return take_i16(&value, &out->version)
               ? decode(out->type->value, out->version, value, arena, &out->value)
               : MESSAGE_TRUNCATED;
}

int control_record_type(const struct record *record) {
    return record->key.len >= 4 ? (int16_t)load_be16(record->key.data + 2) : -1;
}

enum message_error control_record_decode(const struct record *record, struct arena *arena,
                                         const struct message_desc **desc, int16_t *version,
                                         const void **message) {
    static const char *const names[] = {NULL,
                                        NULL,
                                        "LeaderChangeMessage",
                                        "SnapshotHeaderRecord",
                                        "SnapshotFooterRecord",
                                        "KRaftVersionRecord",
                                        "VotersRecord"};
    int type = control_record_type(record);
    *desc = type >= 2 && type < (int)ARRAY_LEN(names) ? message_find(names[type]) : NULL;
    struct slice value = record->value;
    if (*desc == NULL) {
        return MESSAGE_OK;
    }
    if (!take_i16(&value, version)) { /* each begins with its own version */
        return MESSAGE_TRUNCATED;
    }
    return decode(*desc, *version, record->value, arena, message);
}
