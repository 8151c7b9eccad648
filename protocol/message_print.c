/*
 * Messages as one line of JSON.
 *
 * The output is for people and tools; it is always valid JSON: bytes of strings that are not UTF-8
 * come out as U+FFFD, numbers that JSON lacks as strings.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/message_field.h"

static void print_struct(const struct struct_desc *desc, int16_t version, const void *base,
                         struct buffer *out);

static void print_string(struct slice s, struct buffer *out) {
    bool utf8 = slice_is_utf8(s);
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '"' || c == '\\') {
            buffer_put_u8(out, '\\');
            buffer_put_u8(out, c);
        } else if (c < 0x20 || c == 0x7f) {
            buffer_printf(out, "\\u%04x", c);
        } else if (c >= 0x80 && !utf8) {
            buffer_append_str(out, "\\ufffd");
        } else {
            buffer_put_u8(out, c);
        }
    }
    buffer_put_u8(out, '"');
}

/* RFC 4648 chapter 5, without padding. */
static void print_base64url(struct slice s, struct buffer *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < s.len; i += 3) {
        size_t len = s.len - i < 3 ? s.len - i : 3;
        uint32_t bits = (uint32_t)s.data[i] << 16;
        bits |= len > 1 ? (uint32_t)s.data[i + 1] << 8 : 0;
        bits |= len > 2 ? s.data[i + 2] : 0;
        for (size_t digit = 0; digit <= len; digit++) {
            buffer_put_u8(out, (uint8_t)digits[bits >> (18 - 6 * digit) & 63]);
        }
    }
    buffer_put_u8(out, '"');
}

static void print_float(double value, struct buffer *out) {
    if (isfinite(value)) {
        buffer_printf(out, "%.17g", value);
    } else {
        buffer_append_str(out, isnan(value) ? "\"NaN\""
                               : value > 0  ? "\"Infinity\""
                                            : "\"-Infinity\"");
    }
}

/* Integers and bools, from their C form. */
static void print_number(uint8_t type, const uint8_t *from, struct buffer *out) {
    union {
        int8_t i8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        double f64;
    } value;
    memcpy(&value, from, fixed_wire_size(type));
    switch ((enum field_type)type) {
    case FIELD_BOOL:
        buffer_append_str(out, value.i8 != 0 ? "true" : "false");
        break;
    case FIELD_INT8:
        buffer_printf(out, "%d", value.i8);
        break;
    case FIELD_INT16:
        buffer_printf(out, "%d", value.i16);
        break;
    case FIELD_UINT16:
        buffer_printf(out, "%u", value.u16);
        break;
    case FIELD_INT32:
        buffer_printf(out, "%" PRId32, value.i32);
        break;
    case FIELD_UINT32:
        buffer_printf(out, "%" PRIu32, value.u32);
        break;
    case FIELD_INT64:
        buffer_printf(out, "%" PRId64, value.i64);
        break;
    case FIELD_FLOAT64:
        print_float(value.f64, out);
        break;
    default:
        UNREACHABLE();
    }
}

static void print_value(const struct field_desc *field, int16_t version, const uint8_t *from,
                        struct buffer *out) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice;
        memcpy(&slice, from, sizeof(slice));
        if (slice_is_null(slice)) {
            buffer_append_str(out, "null");
        } else if (field->flags & FIELD_SECRET) {
            buffer_append_str(out, "\"***\"");
        } else if (field->type == FIELD_STRING) {
            print_string(slice, out);
        } else {
            print_base64url(slice, out);
        }
        break;
    }
    case FIELD_RECORDS: {
        struct message_records records;
        memcpy(&records, from, sizeof(records));
        if (records.data == NULL && records.external == NULL) {
            buffer_append_str(out, "null");
        } else {
            buffer_printf(out, "%zu", records.len);
        }
        break;
    }
    case FIELD_UUID: {
        print_base64url(slice_make(from, sizeof(struct uuid)), out);
        break;
    }
    case FIELD_STRUCT:
        print_struct(field->nested, version, from, out);
        break;
    default:
        print_number(field->type, from, out);
        break;
    }
}

static void print_array(const struct field_desc *field, int16_t version, const void *base,
                        struct buffer *out) {
    int32_t count = field_count(field, base);
    if (count < 0) {
        buffer_append_str(out, "null");
        return;
    }
    const uint8_t *element = field_pointer(field, base);
    size_t size = field_value_size(field);
    buffer_put_u8(out, '[');
    for (int32_t i = 0; i < count; i++, element += size) {
        if (i > 0) {
            buffer_put_u8(out, ',');
        }
        print_value(field, version, element, out);
    }
    buffer_put_u8(out, ']');
}

static void print_field(const struct field_desc *field, int16_t version, const void *base,
                        struct buffer *out) {
    buffer_printf(out, "\"%s\":", field->name);
    if (field->flags & FIELD_ARRAY) {
        print_array(field, version, base, out);
    } else if (field->flags & FIELD_POINTER) {
        const void *value = field_pointer(field, base);
        if (value == NULL) {
            buffer_append_str(out, "null");
        } else {
            print_struct(field->nested, version, value, out);
        }
    } else {
        print_value(field, version, field_at(field, base), out);
    }
}

static void print_struct(const struct struct_desc *desc, int16_t version, const void *base,
                         struct buffer *out) {
    bool first = true;
    buffer_put_u8(out, '{');
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, version)) {
            continue;
        }
        if (!first) {
            buffer_put_u8(out, ',');
        }
        first = false;
        print_field(field, version, base, out);
    }
    buffer_put_u8(out, '}');
}

void message_print(const struct message_desc *desc, int16_t version, const void *message,
                   struct buffer *out) {
    print_struct(desc->root, version, message, out);
}
