/*
 * Encoding, by the descriptor tables.
 *
 * Everything is appended in one pass. The size of a tagged field comes before its content but is
 * known only after it, so the content is written first and moved up by the few bytes of its size;
 * tagged fields are rare and short. Records are never within one, so that the positions reported
 * for external bytes stay right.
 *
 * On failure the output is cut back to where it was (a buffer that reached its maximum stays
 * failed).
 */
#include <string.h>

#include "base/assert.h"
#include "protocol/message_field.h"

struct writer {
    struct buffer *out;
    const struct message_external *external;
    int16_t version;
    bool flexible;
};

static enum message_error encode_struct(struct writer *writer, const struct struct_desc *desc,
                                        const void *base);

static size_t varint_bytes(uint32_t value, uint8_t out[5]) {
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

static void put_varint(struct buffer *out, uint32_t value) {
    uint8_t bytes[5];
    buffer_append(out, bytes, varint_bytes(value, bytes));
}

/* len: -1 is null. */
static enum message_error put_length(struct writer *writer, const struct field_desc *field,
                                     size_t width, bool element, int64_t len) {
    if (len < -1 || len >= INT32_MAX || (width == 2 && len > INT16_MAX)) {
        return MESSAGE_INVALID;
    }
    if (len == -1 && (element || !version_in(field->nullable, writer->version))) {
        return MESSAGE_INVALID;
    }
    if (writer->flexible && (field->flags & FIELD_INFLEXIBLE) == 0) {
        put_varint(writer->out, (uint32_t)(len + 1));
    } else if (width == 2) {
        buffer_put_be16(writer->out, (uint16_t)len);
    } else {
        buffer_put_be32(writer->out, (uint32_t)len);
    }
    return MESSAGE_OK;
}

static enum message_error encode_records(struct writer *writer, const struct field_desc *field,
                                         const struct message_records *records) {
    bool null = records->data == NULL && records->external == NULL;
    if (records->len > INT32_MAX) {
        return MESSAGE_INVALID;
    }
    enum message_error error =
        put_length(writer, field, 4, false, null ? -1 : (int64_t)records->len);
    if (error != MESSAGE_OK || null) {
        return error;
    }
    if (records->external == NULL) {
        buffer_append(writer->out, records->data, records->len);
    } else if (writer->external == NULL) {
        return MESSAGE_INVALID;
    } else {
        writer->external->fn(writer->external->ctx, writer->out->len, records->external,
                             records->len);
    }
    return MESSAGE_OK;
}

static void put_fixed(struct buffer *out, uint8_t type, const uint8_t *from) {
    switch ((enum field_type)type) {
    case FIELD_BOOL:
        buffer_put_u8(out, *from != 0);
        break;
    case FIELD_INT8:
        buffer_put_u8(out, *from);
        break;
    case FIELD_INT16:
    case FIELD_UINT16: {
        uint16_t value;
        memcpy(&value, from, sizeof(value));
        buffer_put_be16(out, value);
        break;
    }
    case FIELD_INT32:
    case FIELD_UINT32: {
        uint32_t value;
        memcpy(&value, from, sizeof(value));
        buffer_put_be32(out, value);
        break;
    }
    case FIELD_INT64:
    case FIELD_FLOAT64: {
        uint64_t value;
        memcpy(&value, from, sizeof(value));
        buffer_put_be64(out, value);
        break;
    }
    case FIELD_UUID:
        buffer_append(out, from, sizeof(struct uuid));
        break;
    default:
        UNREACHABLE();
    }
}

static enum message_error encode_value(struct writer *writer, const struct field_desc *field,
                                       bool element, const uint8_t *from) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice;
        memcpy(&slice, from, sizeof(slice));
        if (slice.len > INT32_MAX) {
            return MESSAGE_INVALID;
        }
        enum message_error error =
            put_length(writer, field, field->type == FIELD_STRING ? 2 : 4, element,
                       slice_is_null(slice) ? -1 : (int64_t)slice.len);
        if (error == MESSAGE_OK && !slice_is_null(slice)) {
            buffer_append_slice(writer->out, slice);
        }
        return error;
    }
    case FIELD_RECORDS: {
        struct message_records records;
        memcpy(&records, from, sizeof(records));
        return encode_records(writer, field, &records);
    }
    case FIELD_STRUCT:
        return encode_struct(writer, field->nested, from);
    default:
        put_fixed(writer->out, field->type, from);
        return MESSAGE_OK;
    }
}

static enum message_error encode_array(struct writer *writer, const struct field_desc *field,
                                       const void *base) {
    int32_t count = field_count(field, base);
    enum message_error error = put_length(writer, field, 4, false, count);
    if (error != MESSAGE_OK || count <= 0) {
        return error;
    }
    const uint8_t *element = field_pointer(field, base);
    size_t size = field_value_size(field);
    ASSERT(element != NULL);
    for (int32_t i = 0; i < count && !writer->out->failed; i++, element += size) {
        error = encode_value(writer, field, true, element);
        if (error != MESSAGE_OK) {
            return error;
        }
    }
    return MESSAGE_OK;
}

static enum message_error encode_pointer(struct writer *writer, const struct field_desc *field,
                                         bool tagged, const void *base) {
    const void *value = field_pointer(field, base);
    bool nullable = version_in(field->nullable, writer->version);
    if (value == NULL && !nullable) {
        return MESSAGE_INVALID;
    }
    if (tagged) {
        put_varint(writer->out, value != NULL);
    } else if (nullable) {
        buffer_put_u8(writer->out, value != NULL ? 1 : 0xff);
    }
    return value != NULL ? encode_struct(writer, field->nested, value) : MESSAGE_OK;
}

static enum message_error encode_field(struct writer *writer, const struct field_desc *field,
                                       bool tagged, const void *base) {
    if (field->flags & FIELD_ARRAY) {
        return encode_array(writer, field, base);
    }
    if (field->flags & FIELD_POINTER) {
        return encode_pointer(writer, field, tagged, base);
    }
    return encode_value(writer, field, false, field_at(field, base));
}

/* Moves what was written from `start` on up, and puts its size in front. */
static void insert_size(struct buffer *out, size_t start) {
    if (out->failed) {
        return;
    }
    uint8_t bytes[5];
    size_t size = out->len - start;
    size_t len = varint_bytes((uint32_t)size, bytes);
    if (buffer_extend(out, len) != NULL) {
        memmove(out->data + start + len, out->data + start, size);
        memcpy(out->data + start, bytes, len);
    }
}

static bool tag_is_written(const struct writer *writer, const struct struct_desc *desc,
                           const struct field_desc *field, const void *base) {
    return version_in(field->tagged, writer->version) &&
           !field_is_default(field, desc, writer->version, base);
}

static enum message_error encode_tagged_fields(struct writer *writer,
                                               const struct struct_desc *desc, const void *base) {
    uint32_t count = 0;
    for (size_t i = 0; i < desc->tagged_count; i++) {
        count += tag_is_written(writer, desc, &desc->fields[desc->tagged[i]], base);
    }
    put_varint(writer->out, count);
    for (size_t i = 0; count > 0 && i < desc->tagged_count; i++) {
        const struct field_desc *field = &desc->fields[desc->tagged[i]];
        if (!tag_is_written(writer, desc, field, base)) {
            continue;
        }
        put_varint(writer->out, field->tag);
        size_t start = writer->out->len;
        enum message_error error = encode_field(writer, field, true, base);
        if (error != MESSAGE_OK) {
            return error;
        }
        insert_size(writer->out, start);
    }
    return MESSAGE_OK;
}

static enum message_error encode_struct(struct writer *writer, const struct struct_desc *desc,
                                        const void *base) {
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, writer->version)) {
            if ((field->flags & FIELD_IGNORABLE) == 0 &&
                !field_is_default(field, desc, writer->version, base)) {
                return MESSAGE_INVALID;
            }
        } else if (!version_in(field->tagged, writer->version)) {
            enum message_error error = encode_field(writer, field, false, base);
            if (error != MESSAGE_OK) {
                return error;
            }
        }
    }
    return writer->flexible ? encode_tagged_fields(writer, desc, base) : MESSAGE_OK;
}

enum message_error message_encode(const struct message_desc *desc, int16_t version,
                                  const void *message, struct buffer *out,
                                  const struct message_external *external) {
    if (version < desc->min_version || version > desc->max_version) {
        return MESSAGE_BAD_VERSION;
    }
    struct writer writer = {
        .out = out,
        .external = external,
        .version = version,
        .flexible = version >= desc->flexible,
    };
    size_t start = out->len;
    enum message_error error = encode_struct(&writer, desc->root, message);
    if (error == MESSAGE_OK && out->failed) {
        error = MESSAGE_TOO_LARGE;
    }
    if (error != MESSAGE_OK) {
        out->len = start;
    }
    return error;
}
