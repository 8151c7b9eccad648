/*
 * Record batches, magic 2 (KIP-98): the unit that is produced, stored, replicated and fetched.
 *
 *      0 i64 base offset            17 u32 CRC-32C of all from 21 on   43 i64 producer id
 *      8 i32 length of what follows 21 i16 attributes                  51 i16 producer epoch
 *     12 i32 partition leader epoch 23 i32 last offset delta           53 i32 base sequence
 *     16 i8  magic                  27 i64 base timestamp              57 i32 record count
 *                                   35 i64 max timestamp               61 records
 *
 * Everything here works on bytes in memory and keeps no state.
 */
#ifndef PROTOCOL_RECORDS_H
#define PROTOCOL_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "protocol/compression.h"
#include "protocol/errors.h"

#define BATCH_LOG_OVERHEAD 12 /* base offset and length */
#define BATCH_HEADER_SIZE  61
#define BATCH_MAGIC_OFFSET 16
#define BATCH_CRC_OFFSET   17
#define BATCH_CRC_START    21

#define BATCH_ATTR_CODEC          0x07
#define BATCH_ATTR_LOG_APPEND     0x08 /* timestamp type LogAppendTime */
#define BATCH_ATTR_TRANSACTIONAL  0x10
#define BATCH_ATTR_CONTROL        0x20
#define BATCH_ATTR_DELETE_HORIZON 0x40

#define NO_TIMESTAMP   INT64_C(-1)
#define NO_PRODUCER_ID INT64_C(-1)

/* A batch header, decoded. */
struct batch {
    int64_t base_offset;
    int32_t length; /* as stored: without the first 12 bytes */
    int32_t partition_leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

static inline size_t batch_size(const struct batch *batch) {
    return (size_t)batch->length + BATCH_LOG_OVERHEAD;
}
static inline int64_t batch_last_offset(const struct batch *batch) {
    return batch->base_offset + batch->last_offset_delta;
}
static inline enum compression batch_codec(const struct batch *batch) {
    return (enum compression)(batch->attributes & BATCH_ATTR_CODEC);
}
/* The sequence of the last record, wrapping from 2^31-1 to 0; -1 without sequence. */
int32_t batch_last_sequence(const struct batch *batch);

enum batch_parse {
    BATCH_OK,
    BATCH_INCOMPLETE, /* in.len ends inside the batch (header fields valid when in.len >= 61) */
    BATCH_OLD_MAGIC,  /* magic 0 or 1: only base_offset, length and magic are set; whether all of it
                         is there is for the caller to see: in.len >= batch_size() */
    BATCH_CORRUPT,    /* a length below the minimum or above INT32_MAX - 12, an unknown magic, a
                         negative base offset, count or delta, an offset above INT64_MAX, counts
                         that contradict each other or the size. Fields are as they were read. */
};

/* Reads the header of the first batch of `in`. Does not look at the CRC or the records. */
enum batch_parse batch_parse(struct slice in, struct batch *out);

/* in: exactly one batch. */
bool batch_crc_valid(struct slice in);

/* Stamps a stored batch in place; neither field is under the CRC. data: a whole header. */
void batch_set_base_offset(uint8_t *data, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *data, int32_t partition_leader_epoch);

/* Changes max timestamp and (with log_append) the timestamp type of a whole batch in place and
 * recomputes its CRC. */
void batch_set_max_timestamp(uint8_t *data, size_t size, bool log_append, int64_t max_timestamp);

/* ---- Records --------------------------------------------------------------------------------- */

struct record_header {
    struct slice key;
    struct slice value; /* may be null */
};

struct record {
    int64_t offset;
    int64_t timestamp; /* of the record, or of the batch under LogAppendTime */
    int32_t offset_delta;
    struct slice key;   /* may be null */
    struct slice value; /* may be null */
    int32_t header_count;
    struct slice headers; /* encoded; record_headers_next() */
};

/* Takes the next header off `headers`; false at the end. Framing was checked by the iterator. */
bool record_headers_next(struct slice *headers, struct record_header *out);

/*
 * Walks the records of one batch, decompressing as a stream. Slices of a record are valid until the
 * next call. Memory while iterating compressed data: at most one window (64 KiB) and the largest
 * record, which must not exceed record_max.
 */
struct record_iterator; /* opaque; heap */

struct record_iterator *record_iterator_new(struct slice batch_bytes, const struct batch *batch,
                                            size_t record_max);
void record_iterator_free(struct record_iterator *iterator);

/* 1: *out is the next record; 0: the end, and all was consistent (count, no bytes left over);
 * -1: corrupt; -2: a record above record_max or output above the cap (a decompression bomb). */
int record_iterator_next(struct record_iterator *iterator, struct record *out);

/* Output of a whole batch above this is refused as a bomb: ratio cap and floor. */
size_t batch_decompressed_max(size_t compressed_len);

/* ---- Validation of what a client produced ---------------------------------------------------- */

struct produce_rules {
    bool compacted;       /* every record needs a key */
    bool log_append_time; /* message.timestamp.type=LogAppendTime */
    int64_t now_ms;
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms; INT64_MAX for none */
    int64_t timestamp_after_max_ms;
    bool header_only;        /* record.validation=header: records of compressed batches are
                                not looked into, unless they must have keys or be rewritten */
    enum compression target; /* COMPRESSION_PRODUCER keeps the producer's codec */
    int target_level;        /* for recompression; codec's default when INT_MIN */
    size_t record_max;
    size_t output_max; /* what may be decompressed now, see produce_verdict.unfinished; 0: all that
                          may be at all, batch_decompressed_max() */
    void (*give_way)(void); /* produce_validate() calls it after at most 64 KiB decompressed, each
                               time; NULL: nobody waits. batch_rebuild() does not */
};

/* More than these are not listed; the batch is refused as a whole anyway. */
#define RECORD_ERRORS_MAX 1024

struct record_error {
    int32_t batch_index;
    const char *message; /* constant text */
};

struct produce_verdict {
    enum kafka_error error; /* NONE, CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, ... */
    const char *message;    /* constant text or NULL */
    struct record_error *record_errors; /* in the arena */
    int32_t record_error_count;
    struct batch batch; /* header as it will be stored (offsets still relative) */
    int64_t max_timestamp;
    int32_t offset_of_max_timestamp; /* delta of the first record that has it */
    bool rewrite;    /* the batch must be rebuilt with batch_rebuild() before it is stored:
                        other codec, or offset deltas that are not 0, 1, 2, ... */
    bool unfinished; /* more would have to be decompressed than rules->output_max: nothing else
                        here says anything */
};

/*
 * Checks one batch as Kafka's leader does (reference: LogValidator's behaviour, KIP-467 for record
 * errors): header, CRC, counts, record framing, keys, timestamps. Does not change the bytes.
 */
void produce_validate(struct slice batch_bytes, const struct produce_rules *rules,
                      struct arena *arena, struct produce_verdict *out);

/* Rebuilds a batch that produce_validate() accepted, with contiguous offsets, the target codec, and
 * under LogAppendTime rules->now_ms; heap block in *out (free()). False, with NULL in *out, when
 * the result would exceed size_max (or the batch is not a valid one after all). */
MUST_CHECK bool batch_rebuild(struct slice batch_bytes, const struct produce_rules *rules,
                              size_t size_max, uint8_t **out, size_t *out_len);

/* ---- Building -------------------------------------------------------------------------------- */

/* What a builder stamps into the header. Start from BATCH_OPTIONS_DEFAULT. */
struct batch_options {
    int64_t base_offset;
    int32_t partition_leader_epoch;
    enum compression codec;
    int level; /* INT_MIN: the codec's default */
    bool log_append_time;
    bool transactional;
    bool control;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;

    /* For the rewriting of stored batches; compaction needs them, producers do not. */
    int32_t last_offset_delta; /* at least this, whatever the last record has; then a batch without
                                  records is allowed too. -1: that of the last record */
    int64_t max_timestamp;     /* NO_TIMESTAMP: the largest of the records */
    int64_t delete_horizon_ms; /* sets the flag and is the base timestamp; NO_TIMESTAMP: none */
};

#define BATCH_OPTIONS_DEFAULT                                                                      \
    ((struct batch_options){.partition_leader_epoch = -1,                                          \
                            .level = INT32_MIN,                                                    \
                            .producer_id = NO_PRODUCER_ID,                                         \
                            .producer_epoch = -1,                                                  \
                            .base_sequence = -1,                                                   \
                            .last_offset_delta = -1,                                               \
                            .max_timestamp = NO_TIMESTAMP,                                         \
                            .delete_horizon_ms = NO_TIMESTAMP})

struct batch_builder {
    struct batch_options options; /* all private */
    struct buffer records;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t last_offset_delta; /* -1 while empty */
    int32_t count;
};

/* size_max: of the whole batch before compression, header included. */
void batch_builder_init(struct batch_builder *builder, const struct batch_options *options,
                        size_t size_max);
void batch_builder_release(struct batch_builder *builder);

/* key and value may be null, keys of headers may not. Offsets are consecutive. A failure (size_max)
 * is told by batch_builder_finish(). */
void batch_builder_add(struct batch_builder *builder, int64_t timestamp, struct slice key,
                       struct slice value, const struct record_header *headers,
                       int32_t header_count);

/* The same at a chosen offset; deltas must grow from call to call. */
void batch_builder_add_at(struct batch_builder *builder, int32_t offset_delta, int64_t timestamp,
                          struct slice key, struct slice value, const struct record_header *headers,
                          int32_t header_count);

/* Takes over a record of an iterator, headers included; its own offset is not looked at. */
void batch_builder_add_record(struct batch_builder *builder, int32_t offset_delta,
                              const struct record *record);

/* Size of the batch so far, before compression, header included; 0 while empty. */
size_t batch_builder_len(const struct batch_builder *builder);

/* Appends the whole batch to `out`; false when a size limit was reached or nothing was added;
 * `out` has its old length then. The builder is empty again. */
MUST_CHECK bool batch_builder_finish(struct batch_builder *builder, struct buffer *out);

#endif
