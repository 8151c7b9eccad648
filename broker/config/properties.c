/*
 * First a logical line is taken: natural lines joined where they end in an odd number of
 * backslashes, leading blanks of each dropped. It is then cut at the first separator that is not
 * escaped, and both halves are unescaped.
 */
#include "broker/config/properties.h"

#include <errno.h>

void properties_init(struct properties *properties, struct slice text) {
    *properties = (struct properties){.rest = text};
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\f';
}

/* One natural line without its end (\n, \r or \r\n). */
static bool take_line(struct properties *properties, struct slice *line) {
    struct slice *rest = &properties->rest;
    if (rest->len == 0) {
        return false;
    }
    size_t len = 0;
    while (len < rest->len && rest->data[len] != '\n' && rest->data[len] != '\r') {
        len++;
    }
    *line = slice_make(rest->data, len);
    size_t end = len;
    if (end < rest->len) {
        end +=
            rest->data[end] == '\r' && end + 1 < rest->len && rest->data[end + 1] == '\n' ? 2 : 1;
    }
    *rest = slice_make(rest->data + end, rest->len - end);
    properties->lines_seen++;
    while (line->len > 0 && is_blank(line->data[0])) {
        line->data++;
        line->len--;
    }
    return true;
}

static bool continues(struct slice line) {
    size_t backslashes = 0;
    while (backslashes < line.len && line.data[line.len - 1 - backslashes] == '\\') {
        backslashes++;
    }
    return backslashes % 2 == 1;
}

/* The next logical line that is neither empty nor a comment, in a buffer of the arena. */
static bool take_logical_line(struct properties *properties, struct arena *arena,
                              struct slice *out) {
    struct slice line;
    do {
        if (!take_line(properties, &line)) {
            return false;
        }
    } while (line.len == 0 || line.data[0] == '#' || line.data[0] == '!');
    properties->line = properties->lines_seen;
    if (!continues(line)) {
        *out = line;
        return true;
    }
    struct properties ahead = *properties;
    size_t size = line.len;
    for (struct slice part = line; continues(part) && take_line(&ahead, &part);) {
        size += part.len;
    }
    uint8_t *text = arena_alloc(arena, size + 1);
    size_t len = 0;
    bool more;
    do {
        more = continues(line);
        size_t part = line.len - more;
        memcpy(text + len, line.data, part);
        len += part;
    } while (more && take_line(properties, &line));
    *out = slice_make(text, len);
    return true;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The 16 bits of \uXXXX at in[0..4), or -1. */
static int32_t parse_code_unit(struct slice in) {
    if (in.len < 4) {
        return -1;
    }
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(in.data[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static size_t put_utf8(uint8_t *out, int32_t code) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | (code >> 6));
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | (code >> 12));
        out[1] = (uint8_t)(0x80 | ((code >> 6) & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | (code >> 18));
    out[1] = (uint8_t)(0x80 | ((code >> 12) & 0x3f));
    out[2] = (uint8_t)(0x80 | ((code >> 6) & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* Decodes "uXXXX" (and the low half of a surrogate pair behind it) at in; how much was read, or 0
 * for nonsense. */
static size_t take_unicode(struct slice in, uint8_t *out, size_t *out_len) {
    int32_t unit = parse_code_unit(slice_make(in.data + 1, in.len - 1));
    if (unit <= 0) {
        return 0;
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        *out_len += put_utf8(out + *out_len, unit);
        return 5;
    }
    if (unit > 0xdbff || in.len < 11 || in.data[5] != '\\' || in.data[6] != 'u') {
        return 0;
    }
    int32_t low = parse_code_unit(slice_make(in.data + 7, in.len - 7));
    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    *out_len += put_utf8(out + *out_len, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    return 11;
}

static bool unescape(struct slice in, struct arena *arena, struct slice *out) {
    /* Nothing grows: \uXXXX is six bytes for at most three. */
    uint8_t *text = arena_alloc(arena, in.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < in.len;) {
        uint8_t c = in.data[i++];
        if (c == '\0') {
            return false;
        }
        if (c != '\\' || i == in.len) {
            text[len++] = c;
            continue;
        }
        c = in.data[i];
        if (c == 'u') {
            size_t used = take_unicode(slice_make(in.data + i, in.len - i), text, &len);
            if (used == 0) {
                return false;
            }
            i += used;
            continue;
        }
        static const char escapes[] = "t\tn\nr\rf\f";
        for (size_t e = 0; e < sizeof(escapes) - 1; e += 2) {
            if (c == (uint8_t)escapes[e]) {
                c = (uint8_t)escapes[e + 1];
                break;
            }
        }
        text[len++] = c;
        i++;
    }
    *out = slice_make(text, len);
    return true;
}

int properties_next(struct properties *properties, struct arena *arena, struct slice *key,
                    struct slice *value, struct errmsg *errmsg) {
    struct slice line;
    if (!take_logical_line(properties, arena, &line)) {
        return 0;
    }
    size_t end = 0;
    while (end < line.len && !is_blank(line.data[end]) && line.data[end] != '=' &&
           line.data[end] != ':') {
        end += line.data[end] == '\\' && end + 1 < line.len ? 2 : 1;
    }
    size_t start = end;
    bool separated = false;
    while (start < line.len) {
        uint8_t c = line.data[start];
        if (!is_blank(c) && (separated || (c != '=' && c != ':'))) {
            break;
        }
        separated = separated || !is_blank(c);
        start++;
    }
    if (!unescape(slice_make(line.data, end), arena, key) ||
        !unescape(slice_make(line.data + start, line.len - start), arena, value)) {
        errmsg_set(errmsg, "line %d: a broken \\u escape or a NUL byte", properties->line);
        return -EINVAL;
    }
    return 1;
}
