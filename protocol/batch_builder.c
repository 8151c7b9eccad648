/*
 * Records are encoded into one buffer as they are added; finishing puts a header before them and
 * compresses. Failure is sticky in that buffer and told once, by batch_builder_finish().
 */
#include "protocol/record_frame.h"
#include "protocol/records.h"

void batch_builder_init(struct batch_builder *builder, const struct batch_options *options,
                        size_t size_max) {
    *builder = (struct batch_builder){
        .options = *options,
        .base_timestamp = NO_TIMESTAMP,
        .max_timestamp = NO_TIMESTAMP,
        .last_offset_delta = -1,
    };
    buffer_init(&builder->records, size_max < BATCH_HEADER_SIZE ? 0 : size_max - BATCH_HEADER_SIZE);
}

void batch_builder_release(struct batch_builder *builder) {
    buffer_release(&builder->records);
    builder->count = 0;
}

static uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static size_t varlong_size(int64_t value) {
    size_t bits = 64 - (size_t)__builtin_clzll(zigzag(value) | 1);
    return (bits + 6) / 7;
}

static uint8_t *put_varlong(uint8_t *to, int64_t value) {
    uint64_t raw = zigzag(value);
    while (raw >= 0x80) {
        *to++ = (uint8_t)(raw | 0x80);
        raw >>= 7;
    }
    *to++ = (uint8_t)raw;
    return to;
}

static size_t bytes_size(struct slice s) {
    return slice_is_null(s) ? 1 : varlong_size((int64_t)s.len) + s.len;
}

static uint8_t *put_bytes(uint8_t *to, struct slice s) {
    if (slice_is_null(s)) {
        return put_varlong(to, -1);
    }
    to = put_varlong(to, (int64_t)s.len);
    return s.len == 0 ? to : (uint8_t *)memcpy(to, s.data, s.len) + s.len;
}

/* Sets the base timestamp with the first record, and follows the largest. */
static void builder_note_timestamp(struct batch_builder *builder, int64_t timestamp) {
    if (builder->count == 0) {
        bool horizon = builder->options.delete_horizon_ms != NO_TIMESTAMP;
        builder->base_timestamp = horizon ? builder->options.delete_horizon_ms : timestamp;
    }
    if (timestamp > builder->max_timestamp) {
        builder->max_timestamp = timestamp;
    }
}

/* Encodes one record; `headers` is `header_count` of them, already encoded. */
static void builder_put(struct batch_builder *builder, int32_t offset_delta, int64_t timestamp,
                        struct slice key, struct slice value, int32_t header_count,
                        size_t headers_len, uint8_t **headers_at) {
    *headers_at = NULL;
    if (offset_delta <= builder->last_offset_delta || builder->count == INT32_MAX ||
        key.len > INT32_MAX || value.len > INT32_MAX || headers_len > INT32_MAX) {
        builder->records.failed = true;
        return;
    }
    builder_note_timestamp(builder, timestamp);
    int64_t timestamp_delta =
        wrapping_add(timestamp, (int64_t)(0 - (uint64_t)builder->base_timestamp));
    size_t body_len = 1 + varlong_size(timestamp_delta) + varlong_size(offset_delta) +
                      bytes_size(key) + bytes_size(value) + varlong_size(header_count) +
                      headers_len;
    if (body_len > INT32_MAX) {
        builder->records.failed = true;
        return;
    }
    uint8_t *to = buffer_extend(&builder->records, varlong_size((int64_t)body_len) + body_len);
    if (to == NULL) {
        return;
    }
    to = put_varlong(to, (int64_t)body_len);
    *to++ = 0; /* attributes */
    to = put_varlong(to, timestamp_delta);
    to = put_varlong(to, offset_delta);
    to = put_bytes(to, key);
    to = put_bytes(to, value);
    *headers_at = put_varlong(to, header_count);
    builder->last_offset_delta = offset_delta;
    builder->count++;
}

void batch_builder_add_at(struct batch_builder *builder, int32_t offset_delta, int64_t timestamp,
                          struct slice key, struct slice value, const struct record_header *headers,
                          int32_t header_count) {
    size_t headers_len = 0;
    for (int32_t i = 0; i < header_count; i++) {
        ASSERT(!slice_is_null(headers[i].key));
        headers_len += bytes_size(headers[i].key) + bytes_size(headers[i].value);
    }
    uint8_t *to;
    builder_put(builder, offset_delta, timestamp, key, value, header_count, headers_len, &to);
    for (int32_t i = 0; i < header_count && to != NULL; i++) {
        to = put_bytes(put_bytes(to, headers[i].key), headers[i].value);
    }
}

void batch_builder_add(struct batch_builder *builder, int64_t timestamp, struct slice key,
                       struct slice value, const struct record_header *headers,
                       int32_t header_count) {
    if (builder->last_offset_delta == INT32_MAX) {
        builder->records.failed = true;
        return;
    }
    batch_builder_add_at(builder, builder->last_offset_delta + 1, timestamp, key, value, headers,
                         header_count);
}

void batch_builder_add_record(struct batch_builder *builder, int32_t offset_delta,
                              const struct record *record) {
    uint8_t *to;
    builder_put(builder, offset_delta, record->timestamp, record->key, record->value,
                record->header_count, record->headers.len, &to);
    if (to != NULL && record->headers.len > 0) {
        memcpy(to, record->headers.data, record->headers.len);
    }
}

size_t batch_builder_len(const struct batch_builder *builder) {
    return builder->count == 0 ? 0 : BATCH_HEADER_SIZE + builder->records.len;
}

static struct batch builder_header(const struct batch_builder *builder) {
    const struct batch_options *options = &builder->options;
    bool empty = builder->count == 0;
    bool horizon = options->delete_horizon_ms != NO_TIMESTAMP;
    int attributes = empty ? COMPRESSION_NONE : (int)options->codec;
    attributes |= options->log_append_time ? BATCH_ATTR_LOG_APPEND : 0;
    attributes |= options->transactional ? BATCH_ATTR_TRANSACTIONAL : 0;
    attributes |= options->control ? BATCH_ATTR_CONTROL : 0;
    attributes |= horizon ? BATCH_ATTR_DELETE_HORIZON : 0;
    bool max_given = options->max_timestamp != NO_TIMESTAMP;
    int64_t max_timestamp = max_given ? options->max_timestamp : builder->max_timestamp;
    int64_t empty_base = horizon ? options->delete_horizon_ms : max_timestamp;
    bool delta_given = options->last_offset_delta > builder->last_offset_delta;
    return (struct batch){
        .base_offset = options->base_offset,
        .partition_leader_epoch = options->partition_leader_epoch,
        .magic = 2,
        .attributes = (int16_t)attributes,
        .last_offset_delta = delta_given ? options->last_offset_delta : builder->last_offset_delta,
        .base_timestamp = empty ? empty_base : builder->base_timestamp,
        .max_timestamp = max_timestamp,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = builder->count,
    };
}

/* Appends the batch; on failure `out` may hold a part of it. */
static bool builder_write(const struct batch_builder *builder, struct buffer *out) {
    size_t start = out->len;
    if (buffer_extend(out, BATCH_HEADER_SIZE) == NULL) {
        return false;
    }
    struct batch header = builder_header(builder);
    struct slice records = buffer_slice(&builder->records);
    if (builder->count > 0 &&
        !compress(builder->options.codec, builder->options.level, records, out)) {
        return false;
    }
    size_t size = out->len - start;
    if (size > INT32_MAX) {
        return false;
    }
    header.length = (int32_t)(size - BATCH_LOG_OVERHEAD);
    batch_header_write(out->data + start, &header);
    batch_seal(out->data + start, size);
    return true;
}

bool batch_builder_finish(struct batch_builder *builder, struct buffer *out) {
    size_t start = out->len;
    bool something = builder->count > 0 || builder->options.last_offset_delta >= 0;
    bool ok = something && !builder->records.failed && !out->failed && builder_write(builder, out);
    if (!ok) {
        out->len = start; /* no half of a batch stays behind */
    }
    buffer_reset(&builder->records);
    builder->count = 0;
    builder->last_offset_delta = -1;
    builder->base_timestamp = NO_TIMESTAMP;
    builder->max_timestamp = NO_TIMESTAMP;
    return ok;
}
