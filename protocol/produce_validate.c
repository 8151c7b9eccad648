/*
 * What a partition leader checks before it appends a batch, in Kafka's order: header, CRC, the
 * header's claims, then every record. Uncompressed records are checked in one pass over their
 * bytes, compressed ones through a record_scan. The success path of uncompressed batches
 * allocates nothing.
 *
 * Two kinds of bad records: those that are well-formed but not welcome here (no key, a timestamp
 * out of range) are listed one by one for the client (KIP-467); anything that breaks the format
 * ends the pass, since nothing behind it can be trusted.
 *
 * Differences from Kafka, all on the strict side: offset deltas of uncompressed batches that are
 * not 0, 1, 2, ... cause a rewrite too (Kafka stores them as they are, with offsets that the log
 * does not have); bytes behind the batch are refused, where Kafka drops them; streams that do not
 * decompress are INVALID_RECORD, because the CRC shows that sending them again will not help.
 */
#include "protocol/record_frame.h"
#include "protocol/record_scan.h"
#include "protocol/records.h"

static const char no_key[] = "Compacted topic cannot accept message without key.";
static const char timestamp_range[] = "Timestamp of message is out of range: see "
                                      "message.timestamp.before.max.ms and "
                                      "message.timestamp.after.max.ms.";
static const char timestamp_type[] = "Producer should not set timestamp type to LogAppendTime.";

/* The walk over the records of one batch. */
struct pass {
    const struct produce_rules *rules;
    struct arena *arena;
    struct produce_verdict *verdict;
    struct batch batch; /* as the client sent it */
    int32_t index;
    int32_t errors_capacity;
    bool bad_record;    /* whether or not it could be listed */
    bool bad_timestamp; /* among them */
    bool gaps;          /* offset deltas other than 0, 1, 2, ... */
};

static void reject(struct produce_verdict *verdict, enum kafka_error error, const char *message) {
    verdict->error = error;
    verdict->message = message;
}

/* ---- Records --------------------------------------------------------------------------------- */

/* Lists the record at `index`. The list ends early when it or the arena is full; the batch is
 * refused as a whole in any case. */
static void pass_add_error(struct pass *pass, const char *message) {
    struct produce_verdict *verdict = pass->verdict;
    if (verdict->record_error_count == pass->errors_capacity) {
        int32_t capacity = pass->errors_capacity == 0 ? 8 : pass->errors_capacity * 2;
        struct record_error *grown = NULL;
        if (capacity <= RECORD_ERRORS_MAX) {
            grown = arena_array(pass->arena, (size_t)capacity, sizeof(*grown));
        }
        if (grown == NULL) {
            return;
        }
        if (verdict->record_error_count > 0) {
            memcpy(grown, verdict->record_errors,
                   (size_t)verdict->record_error_count * sizeof(*grown));
        }
        verdict->record_errors = grown;
        pass->errors_capacity = capacity;
    }
    verdict->record_errors[verdict->record_error_count++] =
        (struct record_error){.batch_index = pass->index, .message = message};
}

static bool timestamp_in_range(const struct produce_rules *rules, int64_t timestamp) {
    if (timestamp == NO_TIMESTAMP) {
        return true;
    }
    bool past = timestamp <= rules->now_ms;
    uint64_t distance = past ? (uint64_t)rules->now_ms - (uint64_t)timestamp
                             : (uint64_t)timestamp - (uint64_t)rules->now_ms;
    int64_t allowed = past ? rules->timestamp_before_max_ms : rules->timestamp_after_max_ms;
    return allowed == INT64_MAX || distance <= (uint64_t)allowed;
}

/* What is wrong with a well-formed record, or NULL. */
static inline const char *record_fault(struct pass *pass, bool has_key, int64_t timestamp) {
    const struct produce_rules *rules = pass->rules;
    if (rules->compacted && !has_key) {
        return no_key;
    }
    if (!rules->log_append_time && !timestamp_in_range(rules, timestamp)) {
        pass->bad_timestamp = true;
        return timestamp_range;
    }
    /* Kafka minds a client's LogAppendTime flag only where it has no timestamp to look at. */
    if ((rules->log_append_time || timestamp == NO_TIMESTAMP) &&
        (pass->batch.attributes & BATCH_ATTR_LOG_APPEND) != 0) {
        pass->bad_timestamp = true;
        return timestamp_type;
    }
    return NULL;
}

static inline void pass_record(struct pass *pass, bool has_key, int64_t timestamp,
                               int32_t offset_delta) {
    struct produce_verdict *verdict = pass->verdict;
    const char *fault = record_fault(pass, has_key, timestamp);
    if (__builtin_expect(fault != NULL, 0)) {
        pass->bad_record = true;
        pass_add_error(pass, fault);
    }
    if (timestamp > verdict->max_timestamp) {
        verdict->max_timestamp = timestamp;
        verdict->offset_of_max_timestamp = pass->index;
    }
    if (offset_delta != pass->index) {
        pass->gaps = true;
    }
    pass->index++;
}

static void pass_uncompressed(struct pass *pass, struct slice records) {
    struct cursor cursor = cursor_of(records);
    while (pass->index < pass->batch.record_count) {
        int32_t len;
        struct record_frame frame;
        if (!cursor_varint(&cursor, &len) || len < 0 || (size_t)len > cursor_left(&cursor) ||
            !record_frame_read(slice_make(cursor.at, (size_t)len), &frame)) {
            reject(pass->verdict, ERROR_INVALID_RECORD, "A record of the batch is malformed.");
            return;
        }
        cursor.at += len;
        if ((size_t)len > pass->rules->record_max) {
            reject(pass->verdict, ERROR_MESSAGE_TOO_LARGE, "A record of the batch is too large.");
            return;
        }
        int64_t timestamp = wrapping_add(pass->batch.base_timestamp, frame.timestamp_delta);
        pass_record(pass, !slice_is_null(frame.key), timestamp, frame.offset_delta);
    }
    if (cursor_left(&cursor) > 0) {
        reject(pass->verdict, ERROR_INVALID_RECORD,
               "The batch holds more bytes than its number of records.");
    }
}

static void pass_compressed(struct pass *pass, struct slice records) {
    const struct produce_rules *rules = pass->rules;
    size_t output_max = batch_decompressed_max(records.len);
    bool limited = rules->output_max > 0 && rules->output_max < output_max;
    struct record_scan *scan = record_scan_new(
        batch_codec(&pass->batch), records, pass->batch.record_count, rules->record_max,
        limited ? rules->output_max : output_max, rules->give_way);
    struct record_marks marks;
    int got;
    while ((got = record_scan_next(scan, &marks)) == 1) {
        /* Whatever the client flagged, its own timestamps are looked at. */
        int64_t timestamp = wrapping_add(pass->batch.base_timestamp, marks.timestamp_delta);
        pass_record(pass, marks.has_key, timestamp, marks.offset_delta);
    }
    record_scan_free(scan);
    if (got == -2 && limited) {
        pass->verdict->unfinished = true;
    } else if (got == -2) {
        reject(pass->verdict, ERROR_MESSAGE_TOO_LARGE,
               "The batch, or a record of it, is too large when decompressed.");
    } else if (got < 0) {
        reject(pass->verdict, ERROR_INVALID_RECORD,
               "The batch does not decompress to its number of well-formed records.");
    }
}

/* ---- Headers --------------------------------------------------------------------------------- */

/* Reads the header of a batch that fills `batch_bytes`, of magic 2, with a matching CRC. */
static bool check_bytes(struct slice batch_bytes, struct produce_verdict *verdict) {
    struct batch *batch = &verdict->batch;
    switch (batch_parse(batch_bytes, batch)) {
    case BATCH_INCOMPLETE:
        reject(verdict, ERROR_INVALID_RECORD, "The batch is shorter than its length field says.");
        return false;
    case BATCH_OLD_MAGIC:
        reject(verdict, ERROR_INVALID_RECORD, "Only record batches of magic 2 are accepted.");
        return false;
    case BATCH_CORRUPT:
        /* Bad lengths and magics are corrupt; of a whole header, the claims are judged below. */
        if (batch_bytes.len < BATCH_HEADER_SIZE || batch->magic != 2 ||
            batch->length < BATCH_HEADER_SIZE - BATCH_LOG_OVERHEAD ||
            batch->length > INT32_MAX - BATCH_LOG_OVERHEAD) {
            reject(verdict, ERROR_CORRUPT_MESSAGE, "The length or magic of the batch is invalid.");
            return false;
        }
        break;
    case BATCH_OK:
        break;
    }
    if (batch_size(batch) != batch_bytes.len) {
        reject(verdict, ERROR_INVALID_RECORD, "There must be exactly one batch.");
        return false;
    }
    if (batch->base_offset != 0) {
        reject(verdict, ERROR_INVALID_RECORD, "The base offset of the batch must be 0.");
        return false;
    }
    if (!batch_crc_valid(batch_bytes)) {
        reject(verdict, ERROR_CORRUPT_MESSAGE, "The CRC of the batch does not match.");
        return false;
    }
    return true;
}

/* What the header claims must be possible, and allowed to clients. */
static bool check_claims(struct produce_verdict *verdict) {
    const struct batch *batch = &verdict->batch;
    const char *fault = NULL;
    if (batch->last_offset_delta < 0) {
        fault = "The batch has an invalid offset range.";
    } else if (batch->record_count <= 0) {
        fault = "The batch has an invalid number of records.";
    } else if (batch->record_count != (int64_t)batch->last_offset_delta + 1) {
        fault = "The offset range and the number of records of the batch differ.";
    } else if ((batch->attributes & BATCH_ATTR_CONTROL) != 0) {
        fault = "Clients are not allowed to write control records.";
    } else if (batch->producer_id >= 0 && batch->base_sequence < 0) {
        fault = "The batch has a producer id but an invalid sequence number.";
    }
    if (fault != NULL) {
        reject(verdict, ERROR_INVALID_RECORD, fault);
        return false;
    }
    if (batch_codec(batch) >= COMPRESSION_COUNT) {
        reject(verdict, ERROR_UNSUPPORTED_COMPRESSION_TYPE,
               "The compression type of the batch is unknown.");
        return false;
    }
    return true;
}

/* ---- Verdict --------------------------------------------------------------------------------- */

static enum compression target_codec(const struct batch *batch, const struct produce_rules *rules) {
    return rules->target == COMPRESSION_PRODUCER ? batch_codec(batch) : rules->target;
}

/* Kafka answers with the timestamp error when any record has one. */
static void conclude(struct pass *pass) {
    struct produce_verdict *verdict = pass->verdict;
    if (verdict->error != ERROR_NONE) {
        verdict->record_errors = NULL;
        verdict->record_error_count = 0;
        return;
    }
    if (pass->bad_timestamp) {
        reject(verdict, ERROR_INVALID_TIMESTAMP,
               "One or more records have been rejected due to invalid timestamp");
    } else if (pass->bad_record) {
        reject(verdict, ERROR_INVALID_RECORD, "One or more records have been rejected");
    }
}

/* The header as it will be stored. */
static void settle_header(struct pass *pass, enum compression target) {
    struct produce_verdict *verdict = pass->verdict;
    struct batch *batch = &verdict->batch;
    batch->attributes &= ~BATCH_ATTR_LOG_APPEND;
    if (pass->rules->log_append_time) {
        batch->attributes |= BATCH_ATTR_LOG_APPEND;
        verdict->max_timestamp = pass->rules->now_ms;
        verdict->offset_of_max_timestamp = 0;
    }
    batch->attributes = (int16_t)((batch->attributes & ~BATCH_ATTR_CODEC) | (int)target);
    batch->max_timestamp = verdict->max_timestamp;
    verdict->rewrite = pass->gaps || target != batch_codec(&pass->batch);
}

/* Compressed records that are not to be looked into: the header is believed, and judged as a
 * record. */
static void pass_header_only(struct pass *pass) {
    const struct batch *batch = &pass->batch;
    pass_record(pass, true, batch->max_timestamp, 0);
    pass->verdict->max_timestamp = batch->max_timestamp;
    pass->verdict->offset_of_max_timestamp = batch->last_offset_delta;
}

void produce_validate(struct slice batch_bytes, const struct produce_rules *rules,
                      struct arena *arena, struct produce_verdict *out) {
    *out = (struct produce_verdict){.error = ERROR_NONE, .max_timestamp = NO_TIMESTAMP};
    if (!check_bytes(batch_bytes, out) || !check_claims(out)) {
        return;
    }
    struct pass pass = {.rules = rules, .arena = arena, .verdict = out, .batch = out->batch};
    enum compression target = target_codec(&pass.batch, rules);
    enum compression source = batch_codec(&pass.batch);
    struct slice records =
        slice_make(batch_bytes.data + BATCH_HEADER_SIZE, batch_bytes.len - BATCH_HEADER_SIZE);
    if (source == COMPRESSION_NONE) {
        pass_uncompressed(&pass, records);
    } else if (rules->header_only && !rules->compacted && source == target) {
        pass_header_only(&pass);
    } else {
        pass_compressed(&pass, records);
    }
    if (out->unfinished) {
        return;
    }
    conclude(&pass);
    if (out->error == ERROR_NONE) {
        settle_header(&pass, target);
    }
}

/* ---- Rewriting ------------------------------------------------------------------------------- */

/* Records keep their timestamps under LogAppendTime, as the deltas of an untouched batch do. */
static bool copy_records(struct slice batch_bytes, const struct batch *batch, size_t record_max,
                         struct batch_builder *builder) {
    struct batch plain = *batch;
    plain.attributes &= ~BATCH_ATTR_LOG_APPEND;
    struct record_iterator *iterator = record_iterator_new(batch_bytes, &plain, record_max);
    struct record record;
    int32_t delta = 0;
    int got;
    while ((got = record_iterator_next(iterator, &record)) == 1) {
        batch_builder_add_record(builder, delta++, &record);
    }
    record_iterator_free(iterator);
    return got == 0;
}

bool batch_rebuild(struct slice batch_bytes, const struct produce_rules *rules, size_t size_max,
                   uint8_t **out, size_t *out_len) {
    struct batch batch;
    *out = NULL;
    *out_len = 0;
    if (batch_parse(batch_bytes, &batch) != BATCH_OK) {
        return false;
    }
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = batch.base_offset;
    options.partition_leader_epoch = batch.partition_leader_epoch;
    options.codec = target_codec(&batch, rules);
    options.level = rules->target_level;
    options.log_append_time = rules->log_append_time;
    options.max_timestamp = rules->log_append_time ? rules->now_ms : NO_TIMESTAMP;
    options.transactional = (batch.attributes & BATCH_ATTR_TRANSACTIONAL) != 0;
    options.producer_id = batch.producer_id;
    options.producer_epoch = batch.producer_epoch;
    options.base_sequence = batch.base_sequence;

    /* Records may be larger than the result while they are not compressed yet. */
    bool compressed = options.codec != COMPRESSION_NONE;
    size_t records_max = batch_decompressed_max(batch_bytes.len);
    struct batch_builder builder;
    batch_builder_init(&builder, &options, compressed ? records_max : size_max);
    struct buffer result;
    buffer_init(&result, size_max);
    bool ok = copy_records(batch_bytes, &batch, rules->record_max, &builder) &&
              batch_builder_finish(&builder, &result);
    batch_builder_release(&builder);
    if (!ok) {
        buffer_release(&result);
        return false;
    }
    *out = result.data;
    *out_len = result.len;
    return true;
}
