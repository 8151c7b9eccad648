/*
 * Decoding, by the descriptor tables.
 *
 * One cursor over the input. A length or a count is compared with the bytes that are left before
 * anything is done with it; what is left is never added to. A count is first divided into the bytes
 * that are left by the fewest bytes an element can take (struct_desc.wire_min, never 0 for an
 * element), so an array's C memory is proportional to the input even before the arena's limit is
 * looked at. Recursion follows the nesting of the schema, which the generator knows to be finite.
 *
 * Kafka takes tagged fields in any order and lets the last of several with the same tag win; so do
 * we. It ignores the declared size of a tag that it knows; we insist on it.
 */
#include <string.h>

#include "base/assert.h"
#include "protocol/message_field.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
    int16_t version;
    int16_t version_index; /* into wire_min */
    bool flexible;
};

static enum message_error decode_struct(struct reader *reader, const struct struct_desc *desc,
                                        uint8_t *base);

static size_t left(const struct reader *reader) {
    return (size_t)(reader->end - reader->at);
}

static enum message_error read_varint(struct reader *reader, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
        if (reader->at == reader->end) {
            return MESSAGE_TRUNCATED;
        }
        uint8_t byte = *reader->at++;
        if (shift == 28 && byte > 0x0f) {
            return MESSAGE_INVALID; /* above 32 bits, or longer than five bytes */
        }
        value |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    *out = value;
    return MESSAGE_OK;
}

/* A length or count: -1 is null. `width` is that of the inflexible form, 2 or 4 bytes. */
static enum message_error read_length(struct reader *reader, const struct field_desc *field,
                                      size_t width, int32_t *out) {
    if (reader->flexible && (field->flags & FIELD_INFLEXIBLE) == 0) {
        uint32_t value;
        enum message_error error = read_varint(reader, &value);
        if (error != MESSAGE_OK) {
            return error;
        }
        if (value > (uint32_t)INT32_MAX) {
            return MESSAGE_INVALID;
        }
        *out = (int32_t)value - 1;
    } else {
        if (left(reader) < width) {
            return MESSAGE_TRUNCATED;
        }
        *out = width == 2 ? (int16_t)load_be16(reader->at) : (int32_t)load_be32(reader->at);
        reader->at += width;
    }
    if (*out < -1 || (*out == -1 && !version_in(field->nullable, reader->version))) {
        return MESSAGE_INVALID;
    }
    return MESSAGE_OK;
}

/* Elements of arrays are never null: they have no range of their own. */
static enum message_error read_element_length(struct reader *reader, const struct field_desc *field,
                                              size_t width, int32_t *out) {
    enum message_error error = read_length(reader, field, width, out);
    return error == MESSAGE_OK && *out < 0 ? MESSAGE_INVALID : error;
}

static enum message_error decode_slice(struct reader *reader, const struct field_desc *field,
                                       bool element, struct slice *out) {
    size_t width = field->type == FIELD_STRING ? 2 : 4;
    int32_t len;
    enum message_error error = element ? read_element_length(reader, field, width, &len)
                                       : read_length(reader, field, width, &len);
    if (error != MESSAGE_OK) {
        return error;
    }
    if (len < 0) {
        *out = SLICE_NULL;
        return MESSAGE_OK;
    }
    if (field->type == FIELD_STRING && len > INT16_MAX) {
        return MESSAGE_INVALID; /* compact lengths could say more than Kafka takes */
    }
    if ((size_t)len > left(reader)) {
        return MESSAGE_TRUNCATED;
    }
    *out = slice_make(reader->at, (size_t)len);
    reader->at += len;
    return MESSAGE_OK;
}

/* One value of a type of fixed size; its bytes are known to be there. */
static void load_fixed(uint8_t type, const uint8_t *from, uint8_t *to) {
    switch ((enum field_type)type) {
    case FIELD_BOOL:
        *to = *from != 0;
        break;
    case FIELD_INT8:
        *to = *from;
        break;
    case FIELD_INT16:
    case FIELD_UINT16: {
        uint16_t value = load_be16(from);
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_INT32:
    case FIELD_UINT32: {
        uint32_t value = load_be32(from);
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_INT64:
    case FIELD_FLOAT64: {
        uint64_t value = load_be64(from);
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_UUID:
        memcpy(to, from, sizeof(struct uuid));
        break;
    default:
        UNREACHABLE();
    }
}

static enum message_error decode_value(struct reader *reader, const struct field_desc *field,
                                       bool element, uint8_t *to) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice;
        enum message_error error = decode_slice(reader, field, element, &slice);
        if (error == MESSAGE_OK) {
            memcpy(to, &slice, sizeof(slice));
        }
        return error;
    }
    case FIELD_RECORDS: {
        struct slice slice;
        enum message_error error = decode_slice(reader, field, element, &slice);
        if (error == MESSAGE_OK) {
            struct message_records records = {.data = slice.data, .len = slice.len};
            memcpy(to, &records, sizeof(records));
        }
        return error;
    }
    case FIELD_STRUCT:
        return decode_struct(reader, field->nested, to);
    default: {
        size_t size = fixed_wire_size(field->type);
        if (left(reader) < size) {
            return MESSAGE_TRUNCATED;
        }
        load_fixed(field->type, reader->at, to);
        reader->at += size;
        return MESSAGE_OK;
    }
    }
}

static size_t element_wire_min(const struct reader *reader, const struct field_desc *field) {
    if (field->type == FIELD_STRUCT) {
        return field->nested->wire_min[reader->version_index];
    }
    size_t fixed = fixed_wire_size(field->type);
    if (fixed > 0) {
        return fixed;
    }
    return reader->flexible ? 1 : field->type == FIELD_STRING ? 2 : 4;
}

static enum message_error decode_array(struct reader *reader, const struct field_desc *field,
                                       uint8_t *base) {
    int32_t count;
    enum message_error error = read_length(reader, field, 4, &count);
    if (error != MESSAGE_OK) {
        return error;
    }
    field_set_count(field, base, count);
    field_set_pointer(field, base, NULL);
    if (count <= 0) {
        return MESSAGE_OK;
    }
    if ((size_t)count > left(reader) / element_wire_min(reader, field)) {
        return MESSAGE_TRUNCATED;
    }
    size_t size = field_value_size(field);
    uint8_t *element = arena_array(reader->arena, (size_t)count, size);
    if (element == NULL) {
        return MESSAGE_TOO_LARGE;
    }
    field_set_pointer(field, base, element);
    size_t fixed = fixed_wire_size(field->type);
    if (fixed > 0) { /* all of them are there, by the check above */
        for (int32_t i = 0; i < count; i++, element += size, reader->at += fixed) {
            load_fixed(field->type, reader->at, element);
        }
        return MESSAGE_OK;
    }
    for (int32_t i = 0; i < count; i++, element += size) {
        error = decode_value(reader, field, true, element);
        if (error != MESSAGE_OK) {
            return error;
        }
    }
    return MESSAGE_OK;
}

/* A struct that may be null: a sign in front says whether it is there, as a varint within a tag. */
static enum message_error decode_pointer(struct reader *reader, const struct field_desc *field,
                                         bool tagged, uint8_t *base) {
    bool present = true;
    if (tagged) {
        uint32_t sign;
        enum message_error error = read_varint(reader, &sign);
        if (error != MESSAGE_OK) {
            return error;
        }
        present = sign != 0;
    } else if (version_in(field->nullable, reader->version)) {
        if (left(reader) < 1) {
            return MESSAGE_TRUNCATED;
        }
        present = (int8_t)*reader->at++ >= 0;
    }
    if (!present) {
        field_set_pointer(field, base, NULL);
        return MESSAGE_OK;
    }
    uint8_t *value = arena_alloc(reader->arena, field->nested->size);
    if (value == NULL) {
        return MESSAGE_TOO_LARGE;
    }
    field_set_pointer(field, base, value);
    return decode_struct(reader, field->nested, value);
}

static enum message_error decode_field(struct reader *reader, const struct field_desc *field,
                                       bool tagged, uint8_t *base) {
    if (field->flags & FIELD_ARRAY) {
        return decode_array(reader, field, base);
    }
    if (field->flags & FIELD_POINTER) {
        return decode_pointer(reader, field, tagged, base);
    }
    return decode_value(reader, field, false, field_at_mutable(field, base));
}

static const struct field_desc *find_tagged(const struct struct_desc *desc, uint32_t tag,
                                            int16_t version) {
    for (size_t i = 0; i < desc->tagged_count; i++) {
        const struct field_desc *field = &desc->fields[desc->tagged[i]];
        if (field->tag == tag && version_in(field->tagged, version)) {
            return field;
        }
    }
    return NULL;
}

static enum message_error decode_tagged_fields(struct reader *reader,
                                               const struct struct_desc *desc, uint8_t *base) {
    uint32_t count;
    enum message_error error = read_varint(reader, &count);
    for (uint32_t i = 0; error == MESSAGE_OK && i < count; i++) {
        uint32_t tag;
        uint32_t size;
        error = read_varint(reader, &tag);
        if (error == MESSAGE_OK) {
            error = read_varint(reader, &size);
        }
        if (error != MESSAGE_OK) {
            break;
        }
        if (size > left(reader)) {
            return MESSAGE_TRUNCATED;
        }
        const struct field_desc *field = find_tagged(desc, tag, reader->version);
        if (field == NULL) {
            reader->at += size;
            continue;
        }
        struct reader inner = *reader;
        inner.end = inner.at + size;
        error = decode_field(&inner, field, true, base);
        if (error == MESSAGE_OK && inner.at != inner.end) {
            error = MESSAGE_INVALID;
        }
        reader->at = inner.end;
    }
    return error;
}

/* The structs that are empty, not null, unless the wire says otherwise. */
static enum message_error fill_empty_structs(struct reader *reader, const struct struct_desc *desc,
                                             uint8_t *base) {
    for (size_t i = 0; i < desc->tagged_count; i++) {
        const struct field_desc *field = &desc->fields[desc->tagged[i]];
        if ((field->flags & FIELD_EMPTY_BY_DEFAULT) == 0 ||
            !version_in(field->tagged, reader->version)) {
            continue;
        }
        void *value = arena_alloc(reader->arena, field->nested->size);
        if (value == NULL) {
            return MESSAGE_TOO_LARGE;
        }
        memcpy(value, field->nested->defaults, field->nested->size);
        field_set_pointer(field, base, value);
    }
    return MESSAGE_OK;
}

/* `base` is uninitialised memory for the struct. */
static enum message_error decode_struct(struct reader *reader, const struct struct_desc *desc,
                                        uint8_t *base) {
    memcpy(base, desc->defaults, desc->size);
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, reader->version) ||
            version_in(field->tagged, reader->version)) {
            continue;
        }
        enum message_error error = decode_field(reader, field, false, base);
        if (error != MESSAGE_OK) {
            return error;
        }
    }
    if (!reader->flexible) {
        return MESSAGE_OK;
    }
    enum message_error error = fill_empty_structs(reader, desc, base);
    return error == MESSAGE_OK ? decode_tagged_fields(reader, desc, base) : error;
}

enum message_error message_decode(const struct message_desc *desc, int16_t version, struct slice in,
                                  struct arena *arena, void *message, size_t *consumed) {
    if (version < desc->min_version || version > desc->max_version) {
        return MESSAGE_BAD_VERSION;
    }
    if (slice_is_null(in)) {
        in = SLICE_LIT("");
    }
    struct reader reader = {
        .at = in.data,
        .end = in.data + in.len,
        .arena = arena,
        .version = version,
        .version_index = (int16_t)(version - desc->min_version),
        .flexible = version >= desc->flexible,
    };
    enum message_error error = decode_struct(&reader, desc->root, message);
    if (consumed != NULL) {
        *consumed = (size_t)(reader.at - in.data);
    }
    return error;
}
