#include "broker/metrics/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define INT_DIGITS_MAX 20

/* The digits of a value, right-aligned; where they begin. */
static char *digits(char out[INT_DIGITS_MAX + 1], int64_t value, size_t *len) {
    char *end = out + INT_DIGITS_MAX + 1;
    char *at = end;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--at = '-';
    }
    *len = (size_t)(end - at);
    return at;
}

void text_family(struct buffer *out, const char *name, const char *type, const char *help) {
    buffer_append_str(out, "# HELP ");
    buffer_append_str(out, name);
    buffer_append_str(out, " ");
    buffer_append_str(out, help);
    buffer_append_str(out, "\n# TYPE ");
    buffer_append_str(out, name);
    buffer_append_str(out, " ");
    buffer_append_str(out, type);
    buffer_append_str(out, "\n");
}

static void sample_head(struct buffer *out, const char *name, struct slice labels) {
    buffer_append(out, name, strlen(name));
    if (labels.len > 0) {
        buffer_append(out, "{", 1);
        buffer_append_slice(out, labels);
        buffer_append(out, "} ", 2);
    } else {
        buffer_append(out, " ", 1);
    }
}

void text_int(struct buffer *out, const char *name, struct slice labels, int64_t value) {
    char text[INT_DIGITS_MAX + 1];
    size_t len;
    const char *at = digits(text, value, &len);
    sample_head(out, name, labels);
    buffer_append(out, at, len);
    buffer_append(out, "\n", 1);
}

void text_real(struct buffer *out, const char *name, struct slice labels, double value) {
    char text[32];
    if (isnan(value)) {
        snprintf(text, sizeof(text), "NaN\n");
    } else {
        snprintf(text, sizeof(text), "%.15g\n", value);
    }
    sample_head(out, name, labels);
    buffer_append_str(out, text);
}

void text_single(struct buffer *out, const char *name, const char *type, const char *help,
                 double value) {
    text_family(out, name, type, help);
    text_real(out, name, SLICE_NULL, value);
}

/* ---- Labels ---------------------------------------------------------------------------------- */

/* The length of the UTF-8 sequence at p, of at most `left` bytes; 0 when it is none. */
static size_t utf8_len(const uint8_t *p, size_t left) {
    size_t len = p[0] < 0x80                    ? 1
                 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
                 : (p[0] & 0xf0) == 0xe0        ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;
    if (len == 0 || len > left) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : len;
}

static void append_escaped(struct buffer *out, struct slice value) {
    for (size_t i = 0; i < value.len;) {
        const uint8_t *p = value.data + i;
        size_t len = utf8_len(p, value.len - i);
        if (*p == '\\' || *p == '"') {
            buffer_append(out, "\\", 1);
            buffer_append(out, p, 1);
        } else if (len == 0 || *p < 0x20 || *p == 0x7f) {
            buffer_printf(out, "\\\\x%02x", *p);
            len = 1;
        } else {
            buffer_append(out, p, len);
        }
        i += len;
    }
}

static void label_head(struct buffer *labels, const char *name) {
    if (labels->len > 0) {
        buffer_append(labels, ",", 1);
    }
    buffer_append_str(labels, name);
    buffer_append(labels, "=\"", 2);
}

void text_label(struct buffer *labels, const char *name, struct slice value) {
    label_head(labels, name);
    append_escaped(labels, value);
    buffer_append(labels, "\"", 1);
}

void text_label_int(struct buffer *labels, const char *name, int64_t value) {
    char text[INT_DIGITS_MAX + 1];
    size_t len;
    const char *at = digits(text, value, &len);
    label_head(labels, name);
    buffer_append(labels, at, len);
    buffer_append(labels, "\"", 1);
}
