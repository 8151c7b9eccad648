#include "broker/telemetry/otlp.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"

#define LABELS_MAX     512
#define NAME_MAX_LEN   256
#define LABEL_NAME_MAX 64

/* ---- Protocol buffers ------------------------------------------------------------------------ */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct field {
    uint32_t number;
    enum wire_type type;
    uint64_t scalar;
    struct slice bytes;
};

static bool take_varint(struct slice *in, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        uint8_t byte = in->data[0];
        *in = slice_make(in->data + 1, in->len - 1);
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct slice *in, size_t len, struct slice *out) {
    if (len > in->len) {
        return false;
    }
    *out = slice_make(in->data, len);
    *in = slice_make(in->data + len, in->len - len);
    return true;
}

static bool take_fixed(struct slice *in, size_t len, uint64_t *out) {
    struct slice bytes;
    if (!take_bytes(in, len, &bytes)) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        *out |= (uint64_t)bytes.data[i] << (8 * i);
    }
    return true;
}

/* 1: a field, 0: the end, -1: no protocol buffer. */
static int next_field(struct slice *in, struct field *out) {
    uint64_t tag;
    uint64_t len;
    if (in->len == 0) {
        return 0;
    }
    *out = (struct field){0};
    if (!take_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) {
        return -1;
    }
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum wire_type)(tag & 7);
    switch (out->type) {
    case WIRE_VARINT:
        return take_varint(in, &out->scalar) ? 1 : -1;
    case WIRE_FIXED64:
        return take_fixed(in, 8, &out->scalar) ? 1 : -1;
    case WIRE_FIXED32:
        return take_fixed(in, 4, &out->scalar) ? 1 : -1;
    case WIRE_BYTES:
        return take_varint(in, &len) && len <= in->len && take_bytes(in, (size_t)len, &out->bytes)
                   ? 1
                   : -1;
    default:
        return -1;
    }
}

static bool is_message(const struct field *field, uint32_t number) {
    return field->number == number && field->type == WIRE_BYTES;
}

/* ---- Messages -------------------------------------------------------------------------------- */

struct reader {
    struct arena *arena;
    struct otlp_samples *out;
};

/* A metric, while its points are read. */
struct metric {
    struct slice name;
    bool counter;
    bool delta;
};

/* Whether `name="` begins a label. A quote in a value has a backslash before it. */
static bool has_label(const struct buffer *labels, const char *name, size_t len) {
    for (size_t at = 0; at + len < labels->len; at++) {
        if ((at == 0 || labels->data[at - 1] == ',') && memcmp(labels->data + at, name, len) == 0 &&
            labels->data[at + len] == '=') {
            return true;
        }
    }
    return false;
}

/* As in Prometheus' text format: names keep letters, digits and '_', come once, and are none that
 * the exporter gives (client_...) or that Prometheus has for itself (__...). */
static void put_label(struct buffer *out, struct slice key, struct slice value) {
    char name[LABEL_NAME_MAX + 1];
    if (key.len > LABEL_NAME_MAX) {
        return;
    }
    for (size_t i = 0; i < key.len; i++) {
        uint8_t c = key.data[i];
        bool digit = c >= '0' && c <= '9';
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (digit && i > 0);
        name[i] = plain ? (char)c : '_';
    }
    name[key.len] = '\0';
    if (strncmp(name, "__", 2) == 0 || strncmp(name, "client_", 7) == 0 ||
        has_label(out, name, key.len)) {
        return;
    }
    buffer_append_str(out, out->len > 0 ? "," : "");
    buffer_append_str(out, name);
    buffer_append_str(out, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c == '"' || c == '\\') {
            buffer_put_u8(out, '\\');
        }
        buffer_put_u8(out, c < 0x20 || c >= 0x7f ? '?' : c);
    }
    buffer_append_str(out, "\"");
}

/* KeyValue: key = 1, value = 2 (AnyValue: string_value = 1, bool_value = 2, int_value = 3). */
static bool read_attribute(struct slice in, struct buffer *labels) {
    struct field field;
    struct slice key = SLICE_LIT("");
    struct slice value = SLICE_LIT("");
    char number[24];
    int more = 0;
    while ((more = next_field(&in, &field)) == 1) {
        if (is_message(&field, 1)) {
            key = field.bytes;
        } else if (is_message(&field, 2)) {
            struct slice any = field.bytes;
            struct field inner;
            while ((more = next_field(&any, &inner)) == 1) {
                if (is_message(&inner, 1)) {
                    value = inner.bytes;
                } else if (inner.type == WIRE_VARINT) {
                    int len = snprintf(number, sizeof(number), "%lld", (long long)inner.scalar);
                    value = slice_make(number, (size_t)len);
                }
            }
            if (more < 0) {
                return false;
            }
        }
    }
    if (more == 0 && key.len > 0) {
        put_label(labels, key, value);
    }
    return more == 0;
}

/* NumberDataPoint: as_double = 4, as_int = 6, attributes = 7. */
static bool read_point(struct reader *reader, const struct metric *metric, struct slice in) {
    struct buffer labels;
    struct field field;
    bool known = false;
    bool ok = true;
    double value = 0;
    int more = 0;
    buffer_init(&labels, LABELS_MAX);
    while (ok && (more = next_field(&in, &field)) == 1) {
        if (field.number == 4 && field.type == WIRE_FIXED64) {
            memcpy(&value, &field.scalar, sizeof(value));
            known = true;
        } else if (field.number == 6 && field.type == WIRE_FIXED64) {
            value = (double)(int64_t)field.scalar;
            known = true;
        } else if (is_message(&field, 7)) {
            ok = read_attribute(field.bytes, &labels);
        }
    }
    ok = ok && more == 0;
    struct otlp_samples *out = reader->out;
    if (ok && known && !labels.failed && out->count < OTLP_SAMPLES_MAX) {
        out->samples[out->count++] = (struct otlp_sample){
            .name = metric->name,
            .labels = arena_dup(reader->arena, buffer_slice(&labels)),
            .value = value,
            .counter = metric->counter,
            .delta = metric->delta,
        };
    } else {
        out->skipped++;
    }
    buffer_release(&labels);
    return ok;
}

/* Gauge: data_points = 1. Sum: also aggregation_temporality = 2 (1: delta), is_monotonic = 3. */
static bool read_points(struct reader *reader, struct metric *metric, struct slice in) {
    struct field field;
    int more = 0;
    struct slice rest = in;
    while ((more = next_field(&rest, &field)) == 1) {
        metric->delta |= field.number == 2 && field.type == WIRE_VARINT && field.scalar == 1;
        metric->counter |= field.number == 3 && field.type == WIRE_VARINT && field.scalar != 0;
    }
    while (more == 0 && in.len > 0) {
        if (next_field(&in, &field) == 1 && is_message(&field, 1) &&
            !read_point(reader, metric, field.bytes)) {
            return false;
        }
    }
    return more == 0;
}

/* Metric: name = 1, gauge = 5, sum = 7, and histograms of several kinds. */
static bool read_metric(struct reader *reader, struct slice in) {
    struct metric metric = {.name = SLICE_LIT("")};
    struct field field;
    struct slice rest = in;
    int more = 0;
    while ((more = next_field(&rest, &field)) == 1) {
        if (is_message(&field, 1)) {
            metric.name = arena_dup(reader->arena, field.bytes);
        }
    }
    if (more < 0) {
        return false;
    }
    while (in.len > 0 && next_field(&in, &field) == 1) {
        if (field.number < 5 || field.type != WIRE_BYTES) {
            continue;
        }
        if ((field.number == 5 || field.number == 7) && metric.name.len > 0 &&
            metric.name.len <= NAME_MAX_LEN) {
            if (!read_points(reader, &metric, field.bytes)) {
                return false;
            }
        } else {
            reader->out->skipped++;
        }
    }
    return true;
}

/* MetricsData: resource_metrics = 1; ResourceMetrics: scope_metrics = 2; ScopeMetrics: metrics = 2.
 */
static bool read_level(struct reader *reader, struct slice in, int level) {
    static const uint32_t inner[] = {1, 2, 2};
    struct field field;
    int more = 0;
    while ((more = next_field(&in, &field)) == 1) {
        if (!is_message(&field, inner[level])) {
            continue;
        }
        bool ok = level == 2 ? read_metric(reader, field.bytes)
                             : read_level(reader, field.bytes, level + 1);
        if (!ok) {
            return false;
        }
    }
    return more == 0;
}

bool otlp_read(struct slice bytes, struct arena *arena, struct otlp_samples *out) {
    struct reader reader = {.arena = arena, .out = out};
    *out = (struct otlp_samples){.samples =
                                     arena_array(arena, OTLP_SAMPLES_MAX, sizeof(*out->samples))};
    return read_level(&reader, bytes, 0);
}
