/*
 * Messages as one line of JSON, in the form that Kafka's tools print them in.
 *
 * The output is for people and tools; it is always valid JSON: bytes of strings that are not UTF-8
 * come out as U+FFFD, numbers that JSON lacks as strings.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "protocol/message_field.h"

struct printer {
    int16_t version;
    bool secrets; /* are shown */
    struct buffer *out;
};

static void print_struct(const struct printer *printer, const struct struct_desc *desc,
                         const void *base);

static void print_control(uint8_t c, struct buffer *out) {
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c < sizeof(letters) && letters[c] != 0) {
        buffer_put_u8(out, '\\');
        buffer_put_u8(out, (uint8_t)letters[c]);
    } else {
        buffer_printf(out, "\\u%04X", c);
    }
}

static void print_string(struct slice s, struct buffer *out) {
    bool utf8 = slice_is_utf8(s);
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '"' || c == '\\') {
            buffer_put_u8(out, '\\');
            buffer_put_u8(out, c);
        } else if (c < 0x20) {
            print_control(c, out);
        } else if (c >= 0x80 && !utf8) {
            buffer_append_str(out, "\\ufffd");
        } else {
            buffer_put_u8(out, c);
        }
    }
    buffer_put_u8(out, '"');
}

/* RFC 4648 chapter 4. */
static void print_base64(struct slice s, struct buffer *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < s.len; i += 3) {
        size_t len = s.len - i < 3 ? s.len - i : 3;
        uint32_t bits = (uint32_t)s.data[i] << 16;
        bits |= len > 1 ? (uint32_t)s.data[i + 1] << 8 : 0;
        bits |= len > 2 ? s.data[i + 2] : 0;
        for (size_t digit = 0; digit <= len; digit++) {
            buffer_put_u8(out, (uint8_t)digits[bits >> (18 - 6 * digit) & 63]);
        }
        buffer_append(out, "==", 3 - len);
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

static void print_value(const struct printer *printer, const struct field_desc *field,
                        const uint8_t *from) {
    struct buffer *out = printer->out;
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice;
        memcpy(&slice, from, sizeof(slice));
        if (slice_is_null(slice)) {
            buffer_append_str(out, "null");
        } else if ((field->flags & FIELD_SECRET) != 0 && !printer->secrets) {
            buffer_append_str(out, "\"***\"");
        } else if (field->type == FIELD_STRING) {
            print_string(slice, out);
        } else {
            print_base64(slice, out);
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
        struct uuid id;
        char text[UUID_TEXT_LEN + 1];
        memcpy(&id, from, sizeof(id));
        buffer_printf(out, "\"%s\"", uuid_format(id, text));
        break;
    }
    case FIELD_STRUCT:
        print_struct(printer, field->nested, from);
        break;
    default:
        print_number(field->type, from, out);
        break;
    }
}

static void print_array(const struct printer *printer, const struct field_desc *field,
                        const void *base) {
    struct buffer *out = printer->out;
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
        print_value(printer, field, element);
    }
    buffer_put_u8(out, ']');
}

static void print_field(const struct printer *printer, const struct field_desc *field,
                        const void *base) {
    struct buffer *out = printer->out;
    char first = field->name[0];
    first = (char)(first >= 'A' && first <= 'Z' ? first - 'A' + 'a' : first);
    buffer_printf(out, "\"%c%s\":", first, field->name + 1);
    if (field->flags & FIELD_ARRAY) {
        print_array(printer, field, base);
    } else if (field->flags & FIELD_POINTER) {
        const void *value = field_pointer(field, base);
        if (value == NULL) {
            buffer_append_str(out, "null");
        } else {
            print_struct(printer, field->nested, value);
        }
    } else {
        print_value(printer, field, field_at(field, base));
    }
}

static void print_struct(const struct printer *printer, const struct struct_desc *desc,
                         const void *base) {
    struct buffer *out = printer->out;
    int16_t version = printer->version;
    bool first = true;
    buffer_put_u8(out, '{');
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, version) ||
            (version_in(field->tagged, version) && field_is_default(field, desc, version, base))) {
            continue;
        }
        if (!first) {
            buffer_put_u8(out, ',');
        }
        first = false;
        print_field(printer, field, base);
    }
    buffer_put_u8(out, '}');
}

void message_print(const struct message_desc *desc, int16_t version, const void *message,
                   struct buffer *out) {
    struct printer printer = {.version = version, .out = out};
    print_struct(&printer, desc->root, message);
}

void message_print_secrets(const struct message_desc *desc, int16_t version, const void *message,
                           struct buffer *out) {
    struct printer printer = {.version = version, .secrets = true, .out = out};
    print_struct(&printer, desc->root, message);
}
