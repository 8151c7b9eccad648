#include "tools/cli/record_format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define LETTERS "sSRkKhTtpo"

static int hex_digit(char c) {
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* Takes an escape from behind its backslash; false when it is none. */
static bool take_escape(const char **text, struct buffer *out) {
    static const char from[] = "nrt\\0";
    static const char to[] = {'\n', '\r', '\t', '\\', '\0'};
    char c = **text;
    if (c == 'x') {
        int high = hex_digit((*text)[1]);
        int low = high < 0 ? -1 : hex_digit((*text)[2]);
        if (low < 0) {
            return false;
        }
        buffer_put_u8(out, (uint8_t)(high << 4 | low));
        *text += 3;
        return true;
    }
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL) {
        return false;
    }
    buffer_put_u8(out, (uint8_t)to[found - from]);
    (*text)++;
    return true;
}

bool unescape(const char *text, struct buffer *out) {
    while (*text != '\0') {
        if (*text != '\\') {
            buffer_put_u8(out, (uint8_t)*text++);
        } else if (text++, !take_escape(&text, out)) {
            return false;
        }
    }
    return true;
}

/* Ends a piece of literal text that began at `start`. */
static void end_literal(struct record_format *f, size_t start) {
    if (f->text.len > start) {
        f->letters[f->count] = 'l';
        /* The text may still move: for now only where it is. */
        f->literals[f->count++] = slice_make((const void *)start, f->text.len - start);
    }
}

bool record_format_parse(struct record_format *f, const char *text, struct errmsg *errmsg) {
    *f = (struct record_format){.null = SLICE_LIT("")};
    f->letters = xcalloc(strlen(text) + 1, 1);
    f->literals = xcalloc(strlen(text) + 1, sizeof(*f->literals));
    buffer_init(&f->text, SIZE_MAX);
    size_t start = 0;
    while (*text != '\0') {
        char c = *text++;
        if (c == '\\') {
            if (!take_escape(&text, &f->text)) {
                errmsg_set(errmsg, "\\%c is no escape; there are \\n \\r \\t \\\\ \\0 \\xFF",
                           *text);
                return false;
            }
        } else if (c != '%' || *text == '%') {
            text += c == '%';
            buffer_put_u8(&f->text, (uint8_t)c);
        } else if (*text != '\0' && strchr(LETTERS, *text) != NULL) {
            end_literal(f, start);
            f->letters[f->count++] = *text++;
            start = f->text.len;
        } else {
            errmsg_set(errmsg,
                       "%%%c is not known; there are %%s %%S %%R %%k %%K %%h %%T %%t %%p %%o "
                       "%%%%",
                       *text);
            return false;
        }
    }
    end_literal(f, start);
    for (size_t i = 0; i < f->count; i++) {
        if (f->letters[i] == 'l') {
            f->literals[i].data = f->text.data + (uintptr_t)f->literals[i].data;
        }
    }
    return true;
}

void record_format_release(struct record_format *f) {
    free(f->letters);
    free(f->literals);
    buffer_release(&f->text);
    *f = (struct record_format){0};
}

/* ---- Printing -------------------------------------------------------------------------------- */

static void put(const struct record_format *f, struct slice s, struct buffer *out) {
    buffer_append_slice(out, slice_is_null(s) ? f->null : s);
}

static int64_t length(struct slice s) {
    return slice_is_null(s) ? -1 : (int64_t)s.len;
}

static void put_headers(const struct record_format *f, struct slice headers, struct buffer *out) {
    struct record_header header;
    for (bool first = true; record_headers_next(&headers, &header); first = false) {
        if (!first) {
            buffer_put_u8(out, ',');
        }
        buffer_append_slice(out, header.key);
        buffer_put_u8(out, '=');
        if (slice_is_null(header.value)) {
            buffer_append_str(out, "NULL");
        } else {
            put(f, header.value, out);
        }
    }
}

void record_format_print(const struct record_format *f, struct slice topic, int32_t partition,
                         const struct record *record, struct buffer *out) {
    for (size_t i = 0; i < f->count; i++) {
        switch (f->letters[i]) {
        case 'l':
            buffer_append_slice(out, f->literals[i]);
            break;
        case 's':
            put(f, record->value, out);
            break;
        case 'S':
            buffer_printf(out, "%" PRId64, length(record->value));
            break;
        case 'R':
            buffer_put_be32(out, (uint32_t)length(record->value));
            break;
        case 'k':
            put(f, record->key, out);
            break;
        case 'K':
            buffer_printf(out, "%" PRId64, length(record->key));
            break;
        case 'h':
            put_headers(f, record->headers, out);
            break;
        case 'T':
            buffer_printf(out, "%" PRId64, record->timestamp);
            break;
        case 't':
            buffer_append_slice(out, topic);
            break;
        case 'p':
            buffer_printf(out, "%" PRId32, partition);
            break;
        default:
            buffer_printf(out, "%" PRId64, record->offset);
            break;
        }
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* How many bytes at the start are one valid character; 0: none. */
static size_t utf8_len(struct slice s) {
    size_t len = s.data[0] < 0x80 ? 1 : s.data[0] < 0xe0 ? 2 : s.data[0] < 0xf0 ? 3 : 4;
    return len <= s.len && slice_is_utf8(slice_make(s.data, len)) ? len : 0;
}

/* Appends a JSON string; bytes that are no UTF-8 become U+FFFD. null: null. */
static void json_string_append(struct slice s, struct buffer *out) {
    if (slice_is_null(s)) {
        buffer_append_str(out, "null");
        return;
    }
    buffer_put_u8(out, '"');
    while (s.len > 0) {
        size_t len = utf8_len(s);
        uint8_t c = s.data[0];
        if (len == 0) {
            buffer_append_str(out, "\\ufffd");
            len = 1;
        } else if (c == '"' || c == '\\') {
            buffer_printf(out, "\\%c", c);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            buffer_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        } else if (c < 0x20) {
            buffer_printf(out, "\\u%04x", c);
        } else {
            buffer_append(out, s.data, len);
        }
        s = slice_make(s.data + len, s.len - len);
    }
    buffer_put_u8(out, '"');
}

void record_json_print(struct slice topic, int32_t partition, int32_t broker, bool log_append_time,
                       const struct record *record, struct buffer *out) {
    buffer_append_str(out, "{\"topic\":");
    json_string_append(topic, out);
    buffer_printf(out,
                  ",\"partition\":%" PRId32 ",\"offset\":%" PRId64
                  ",\"tstype\":\"%s\",\"ts\":%" PRId64 ",\"broker\":%" PRId32,
                  partition, record->offset, log_append_time ? "logappend" : "create",
                  record->timestamp, broker);
    struct slice headers = record->headers;
    struct record_header header;
    for (bool first = true; record_headers_next(&headers, &header); first = false) {
        buffer_append_str(out, first ? ",\"headers\":[" : ",");
        json_string_append(header.key, out);
        buffer_put_u8(out, ',');
        json_string_append(header.value, out);
    }
    buffer_append_str(out, record->header_count > 0 ? "],\"key\":" : ",\"key\":");
    json_string_append(record->key, out);
    buffer_append_str(out, ",\"payload\":");
    json_string_append(record->value, out);
    buffer_append_str(out, "}\n");
}
