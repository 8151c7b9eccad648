#include "tools/log_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "protocol/message.h"
#include "protocol/records.h"
#include "runtime/file.h"
#include "tools/internal_record.h"

/* Batches are read whole; nothing legitimate is larger than a frame. */
#define BATCH_SIZE_MAX ((size_t)128 * 1024 * 1024)

/* Of a text value that is shown. */
#define VALUE_SHOWN_MAX 200

struct dump {
    const struct log_dump_options *options;
    const char *path;
    bool internal; /* a topic of the cluster's own: log says which */
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

static void print_message(struct dump *dump, const struct message_desc *desc, int16_t version,
                          const void *message) {
    buffer_reset(&dump->text);
    message_print(desc, version, message, &dump->text);
    fprintf(dump->options->out, "%s v%d %.*s", message_name(desc), version,
            SLICE_ARG(buffer_slice(&dump->text)));
}

/* Of an internal topic; false when it does not decode. */
static bool print_internal(struct dump *dump, const struct record *record) {
    struct internal_record found;
    if (internal_record_decode(dump->log, record, &dump->arena, &found) != MESSAGE_OK ||
        found.type == NULL) {
        return false;
    }
    if (found.key != NULL) {
        print_message(dump, found.type->key, 0, found.key);
        fputs(" -> ", dump->options->out);
    }
    if (found.value != NULL) {
        print_message(dump, found.type->value, found.version, found.value);
    } else {
        fputs("deleted", dump->options->out);
    }
    return true;
}

static void print_control(struct dump *dump, const struct record *record) {
    static const char *const names[] = {"ABORT",           "COMMIT",          "LEADER_CHANGE",
                                        "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION",
                                        "KRAFT_VOTERS"};
    int type = control_record_type(record);
    if (type < 0 || (size_t)type >= ARRAY_LEN(names)) {
        fprintf(dump->options->out, "control type %d", type);
        return;
    }
    fputs(names[type], dump->options->out);
    const struct message_desc *desc;
    int16_t version;
    const void *message;
    if (control_record_decode(record, &dump->arena, &desc, &version, &message) == MESSAGE_OK &&
        desc != NULL) {
        fputc(' ', dump->options->out);
        print_message(dump, desc, version, message);
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
    } else if (dump->internal) {
        shown = print_internal(dump, record);
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
        enum record_log log;
    } known[] = {
        {"__cluster_metadata-", RECORD_LOG_METADATA},
        {"__consumer_offsets-", RECORD_LOG_OFFSETS},
        {"__transaction_state-", RECORD_LOG_TRANSACTIONS},
        {"__share_group_state-", RECORD_LOG_SHARE},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strstr(dump->path, known[i].topic) != NULL) {
            dump->internal = true;
            dump->log = known[i].log;
        }
    }
}

bool log_dump_file(struct machine *machine, const char *path,
                   const struct log_dump_options *options) {
    struct dump dump = {.options = options, .path = path};
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
