#include "tools/log_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "protocol/message.h"
#include "protocol/records.h"
#include "runtime/file.h"

/* Batches are read whole; nothing legitimate is larger than a frame. */
#define BATCH_SIZE_MAX ((size_t)128 * 1024 * 1024)

/* Of a text value that is shown. */
#define VALUE_SHOWN_MAX 200

enum content {
    CONTENT_DATA,
    CONTENT_METADATA,
    CONTENT_KEYED, /* an internal topic: log says which */
};

struct dump {
    const struct log_dump_options *options;
    const char *path;
    enum content content;
    enum record_log log;
    struct arena arena;
    struct buffer text;
};

/* ---- Values ---------------------------------------------------------------------------------- */

static void print_text(FILE *out, struct slice s) {
    if (slice_is_null(s)) {
        fputs("null", out);
        return;
    }
    bool readable = slice_is_utf8(s);
    for (size_t i = 0; readable && i < s.len; i++) {
        readable = s.data[i] >= ' ' || s.data[i] == '\t';
    }
    size_t shown = s.len < VALUE_SHOWN_MAX ? s.len : VALUE_SHOWN_MAX;
    if (readable) {
        fprintf(out, "\"%.*s\"", (int)shown, (const char *)s.data);
    } else {
        fputs("0x", out);
        for (size_t i = 0; i < shown; i++) {
            fprintf(out, "%02x", s.data[i]);
        }
    }
    if (shown < s.len) {
        fprintf(out, "... (%zu bytes)", s.len);
    }
}

/* The message as JSON; false when it does not decode. */
static bool print_message(struct dump *dump, const struct message_desc *desc, int16_t version,
                          struct slice body) {
    void *message = arena_alloc(&dump->arena, message_size(desc));
    if (message_decode(desc, version, body, &dump->arena, message, NULL) != MESSAGE_OK) {
        return false;
    }
    buffer_reset(&dump->text);
    message_print(desc, version, message, &dump->text);
    fprintf(dump->options->out, "%s v%d %.*s", message_name(desc), version,
            SLICE_ARG(buffer_slice(&dump->text)));
    return true;
}

/* Cuts an unsigned varint off; false when there is none. */
static bool take_uvarint(struct slice *in, uint32_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 35 && in->len > 0; shift += 7) {
        uint8_t byte = in->data[0];
        *in = slice_make(in->data + 1, in->len - 1);
        *out |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

/* KIP-631: frame version, type, version, message. */
static bool print_metadata(struct dump *dump, struct slice value) {
    uint32_t frame, type, version;
    if (!take_uvarint(&value, &frame) || frame != 1 || !take_uvarint(&value, &type) ||
        type > INT16_MAX || !take_uvarint(&value, &version) || version > INT16_MAX) {
        return false;
    }
    const struct record_type *found = record_type_find(RECORD_LOG_METADATA, (int16_t)type);
    return found != NULL && print_message(dump, found->value, (int16_t)version, value);
}

/* An int16 in front of key and value: the record's type, the value's version. */
static bool print_keyed(struct dump *dump, const struct record *record) {
    if (record->key.len < 2) {
        return false;
    }
    int16_t type = (int16_t)load_be16(record->key.data);
    const struct record_type *found = record_type_find(dump->log, type);
    struct slice key = slice_make(record->key.data + 2, record->key.len - 2);
    if (found == NULL || !print_message(dump, found->key, 0, key)) {
        return false;
    }
    fputs(" -> ", dump->options->out);
    if (slice_is_null(record->value)) {
        fputs("deleted", dump->options->out);
        return true;
    }
    if (record->value.len < 2) {
        return false;
    }
    struct slice value = slice_make(record->value.data + 2, record->value.len - 2);
    return print_message(dump, found->value, (int16_t)load_be16(record->value.data), value);
}

static void print_control(struct dump *dump, const struct record *record) {
    static const char *const names[] = {"ABORT",           "COMMIT",          "LEADER_CHANGE",
                                        "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION",
                                        "KRAFT_VOTERS"};
    static const char *const messages[] = {NULL,
                                           NULL,
                                           "LeaderChangeMessage",
                                           "SnapshotHeaderRecord",
                                           "SnapshotFooterRecord",
                                           "KRaftVersionRecord",
                                           "VotersRecord"};
    int type = record->key.len >= 4 ? (int16_t)load_be16(record->key.data + 2) : -1;
    if (type < 0 || (size_t)type >= ARRAY_LEN(names)) {
        fprintf(dump->options->out, "control type %d", type);
        return;
    }
    fputs(names[type], dump->options->out);
    const struct message_desc *desc = messages[type] ? message_find(messages[type]) : NULL;
    if (desc != NULL) {
        fputc(' ', dump->options->out);
        print_message(dump, desc, 0, record->value);
    }
}

static void print_record(struct dump *dump, const struct batch *batch,
                         const struct record *record) {
    FILE *out = dump->options->out;
    fprintf(out, "  offset=%" PRId64 " timestamp=%" PRId64 " ", record->offset, record->timestamp);
    bool shown = false;
    if ((batch->attributes & BATCH_ATTR_CONTROL) != 0) {
        print_control(dump, record);
        shown = true;
    } else if (dump->content == CONTENT_METADATA) {
        shown = print_metadata(dump, record->value);
    } else if (dump->content == CONTENT_KEYED) {
        shown = print_keyed(dump, record);
    }
    if (!shown) {
        fputs("key=", out);
        print_text(out, record->key);
        fputs(" value=", out);
        print_text(out, record->value);
        struct slice headers = record->headers;
        struct record_header header;
        while (record_headers_next(&headers, &header)) {
            fprintf(out, " header:%.*s=", SLICE_ARG(header.key));
            print_text(out, header.value);
        }
    }
    fputc('\n', out);
    arena_reset(&dump->arena);
}

/* ---- Batches --------------------------------------------------------------------------------- */

static void print_batch(FILE *out, const struct batch *batch, int64_t pos, bool crc_valid) {
    fprintf(out,
            "batch position=%" PRId64 " size=%zu offsets=%" PRId64 "..%" PRId64 " records=%" PRId32
            " leader_epoch=%" PRId32 " codec=%s max_timestamp=%" PRId64,
            pos, batch_size(batch), batch->base_offset, batch_last_offset(batch),
            batch->record_count, batch->partition_leader_epoch,
            compression_name(batch_codec(batch)) ? compression_name(batch_codec(batch)) : "unknown",
            batch->max_timestamp);
    if (batch->producer_id != NO_PRODUCER_ID) {
        fprintf(out, " producer_id=%" PRId64 " producer_epoch=%d sequences=%" PRId32 "..%" PRId32,
                batch->producer_id, batch->producer_epoch, batch->base_sequence,
                batch_last_sequence(batch));
    }
    if ((batch->attributes & BATCH_ATTR_CONTROL) != 0) {
        fputs(" control", out);
    }
    if ((batch->attributes & BATCH_ATTR_TRANSACTIONAL) != 0) {
        fputs(" transactional", out);
    }
    fprintf(out, " crc=%08" PRIx32 "%s\n", batch->crc, crc_valid ? "" : " (WRONG)");
}

static bool dump_records(struct dump *dump, struct slice bytes, const struct batch *batch) {
    struct record_iterator *iterator = record_iterator_new(bytes, batch, BATCH_SIZE_MAX);
    struct record record;
    int got = iterator == NULL ? -1 : record_iterator_next(iterator, &record);
    while (got == 1) {
        print_record(dump, batch, &record);
        got = record_iterator_next(iterator, &record);
    }
    record_iterator_free(iterator);
    return got == 0;
}

/* One batch at pos: its size, 0 at the end, -1 for damage or an error. */
static int64_t dump_batch(struct dump *dump, struct file *file, int64_t pos) {
    uint8_t header[BATCH_HEADER_SIZE];
    int64_t got = file_read_at(file, header, sizeof(header), pos);
    if (got == 0) {
        return 0;
    }
    struct batch batch;
    enum batch_parse parsed =
        got < 0 ? BATCH_CORRUPT : batch_parse(slice_make(header, (size_t)got), &batch);
    if (got < (int64_t)sizeof(header) || (parsed != BATCH_OK && parsed != BATCH_INCOMPLETE) ||
        batch_size(&batch) > BATCH_SIZE_MAX) {
        fprintf(stderr, "%s: no batch at position %" PRId64 "\n", dump->path, pos);
        return -1;
    }
    size_t size = batch_size(&batch);
    uint8_t *data = malloc(size);
    if (data == NULL || file_read_at(file, data, size, pos) != (int64_t)size) {
        fprintf(stderr, "%s: the batch at position %" PRId64 " is cut off\n", dump->path, pos);
        free(data);
        return -1;
    }
    struct slice bytes = slice_make(data, size);
    bool valid = batch_crc_valid(bytes);
    print_batch(dump->options->out, &batch, pos, valid);
    if (valid && dump->options->records && !dump_records(dump, bytes, &batch)) {
        fprintf(stderr, "%s: the records at position %" PRId64 " are damaged\n", dump->path, pos);
        valid = false;
    }
    free(data);
    return valid ? (int64_t)size : -1;
}

/* What the name of the directory above says about the records. */
static void guess_content(struct dump *dump) {
    static const struct {
        const char *topic;
        enum content content;
        enum record_log log;
    } known[] = {
        {"__cluster_metadata-", CONTENT_METADATA, RECORD_LOG_METADATA},
        {"__consumer_offsets-", CONTENT_KEYED, RECORD_LOG_OFFSETS},
        {"__transaction_state-", CONTENT_KEYED, RECORD_LOG_TRANSACTIONS},
        {"__share_group_state-", CONTENT_KEYED, RECORD_LOG_SHARE},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strstr(dump->path, known[i].topic) != NULL) {
            dump->content = known[i].content;
            dump->log = known[i].log;
        }
    }
}

bool log_dump_file(struct machine *machine, const char *path,
                   const struct log_dump_options *options) {
    struct dump dump = {.options = options, .path = path, .content = CONTENT_DATA};
    struct file *file;
    int error = file_open(machine, path, FILE_READ, &file);
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(-error));
        return false;
    }
    guess_content(&dump);
    arena_init(&dump.arena, SIZE_MAX);
    buffer_init(&dump.text, SIZE_MAX);
    fprintf(options->out, "%s\n", path);
    int64_t pos = 0;
    int64_t size;
    while ((size = dump_batch(&dump, file, pos)) > 0) {
        pos += size;
    }
    buffer_release(&dump.text);
    arena_release(&dump.arena);
    file_unref(file);
    return size == 0;
}
