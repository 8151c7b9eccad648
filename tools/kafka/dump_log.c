/* kafka-dump-log: the command line, and logs; the other files have the rest */
#include "tools/kafka/dump_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define HEADER_SIZE      61
#define MAGIC_END        17 /* how much of a batch tells its size and magic */
#define BATCH_MIN        14 /* the smallest length that a batch may have */
#define BATCH_MAX        ((size_t)128 << 20)
#define RECORD_MAX       BATCH_MAX
#define MESSAGE_SIZE_MAX 5242880 /* what --max-message-size is by default */

const struct option_spec kafka_dump_log_options[] = {
    {"cluster-metadata-decoder", OPTION_FLAG, NULL, "Shows records of __cluster_metadata."},
    {"deep-iteration", OPTION_FLAG, NULL, "Looks at each record."},
    {"files", OPTION_VALUE, "file1, file2, ...", "The files (required)."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"index-sanity-check", OPTION_FLAG, NULL, "Only checks the form of index files."},
    {"key-decoder-class", OPTION_MAYBE, "class",
     "How keys are shown: StringDecoder, IntegerDecoder or LongDecoder of "
     "org.apache.kafka.tools.api."},
    {"max-bytes", OPTION_VALUE, "size", "How much of each log is read."},
    {"max-message-size", OPTION_VALUE, "size", "The largest batch that indexes are compared with."},
    {"offsets-decoder", OPTION_FLAG, NULL, "Shows records of __consumer_offsets."},
    {"print-data-log", OPTION_FLAG, NULL, "Prints keys and values."},
    {"remote-log-metadata-decoder", OPTION_FLAG, NULL, NULL},
    {"share-group-state-decoder", OPTION_FLAG, NULL, "Shows records of __share_group_state."},
    {"skip-record-metadata", OPTION_FLAG, NULL, "Prints records without what is about them."},
    {"transaction-log-decoder", OPTION_FLAG, NULL, "Shows records of __transaction_state."},
    {"value-decoder-class", OPTION_MAYBE, "class", "How values are shown."},
    {"verify-index-only", OPTION_FLAG, NULL, "Only compares index files with the log."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* ---- Files ----------------------------------------------------------------------------------- */

bool dump_read_at(int fd, int64_t pos, void *out, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, (uint8_t *)out + done, len - done, (off_t)pos + (off_t)done);
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static enum dump_read corrupt(const struct dump *dump, const char *what, int64_t value) {
    fflush(stdout);
    fprintf(
        stderr,
        "Exception in thread \"main\" org.apache.kafka.common.errors.CorruptRecordException: %s "
        "%" PRId64 "%s in file %s.\n",
        what, value, what[0] == 'F' ? " smaller than minimum record overhead (14)" : "",
        dump->path);
    return DUMP_CORRUPT;
}

enum dump_read dump_read_batch(const struct dump *dump, int fd, int64_t pos, int64_t end,
                               struct buffer *buffer, struct batch *batch) {
    uint8_t start[MAGIC_END];
    if (pos > end - MAGIC_END || !dump_read_at(fd, pos, start, sizeof(start))) {
        return DUMP_END;
    }
    int32_t length = (int32_t)load_be32(start + 8);
    if (length < BATCH_MIN) {
        return corrupt(dump, "Found record size", length);
    }
    size_t size = (size_t)length + BATCH_LOG_OVERHEAD;
    if ((int64_t)size > end - pos) {
        return DUMP_END;
    }
    buffer_reset(buffer);
    uint8_t *in = size <= BATCH_MAX ? buffer_extend(buffer, size) : NULL;
    if (in == NULL || !dump_read_at(fd, pos, in, size)) {
        return DUMP_END;
    }
    return batch_parse(buffer_slice(buffer), batch) == BATCH_OK
               ? DUMP_BATCH
               : corrupt(dump, "No batch of magic 2 at position", pos);
}

int64_t dump_base_offset(const char *path) {
    const char *slash = strrchr(path, '/');
    return strtoll(slash != NULL ? slash + 1 : path, NULL, 10);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool has_suffix(const char *path, const char *suffix) {
    size_t len = strlen(path), n = strlen(suffix);
    return len >= n && strcmp(path + len - n, suffix) == 0;
}

/* ---- What is told at the end ----------------------------------------------------------------- */

static const char *const titles[DUMP_FINDINGS] = {
    [DUMP_INDEX_MISMATCH] = "Mismatches in :",
    [DUMP_TIME_MISMATCH] = "Found timestamp mismatch in :",
    [DUMP_TIME_ORDER] = "Found out of order timestamp in :",
    [DUMP_TIME_NOT_FOUND] = "The following indexed offsets are not found in :",
    [DUMP_GAP] = "Non-consecutive offsets in ",
};

void dump_found(struct dump *dump, enum dump_finding kind, const char *format, ...) {
    struct buffer *out = &dump->findings[kind];
    if (dump->found_in[kind] != dump->path) {
        dump->found_in[kind] = dump->path;
        buffer_printf(out, "%s%s\n", titles[kind], dump->path);
    }
    char line[ERRMSG_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    buffer_printf(out, "%s\n", line);
}

static void print_findings(struct dump *dump) {
    fflush(stdout);
    for (size_t i = 0; i < DUMP_FINDINGS; i++) {
        fprintf(stderr, "%.*s", SLICE_ARG(buffer_slice(&dump->findings[i])));
    }
}

/* ---- Logs ------------------------------------------------------------------------------------ */

static const char *time_type(const struct batch *batch) {
    return (batch->attributes & BATCH_ATTR_LOG_APPEND) != 0 ? "LogAppendTime" : "CreateTime";
}

static const char *yes_no(bool value) {
    return value ? "true" : "false";
}

static void print_batch(const struct batch *batch, int64_t pos, bool valid) {
    const char *codec = compression_name(batch_codec(batch));
    printf("baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %d baseSequence: %d "
           "lastSequence: %d producerId: %" PRId64 " producerEpoch: %d partitionLeaderEpoch: %d "
           "isTransactional: %s isControl: %s deleteHorizonMs: ",
           batch->base_offset, batch_last_offset(batch), batch->record_count, batch->base_sequence,
           batch_last_sequence(batch), batch->producer_id, batch->producer_epoch,
           batch->partition_leader_epoch,
           yes_no((batch->attributes & BATCH_ATTR_TRANSACTIONAL) != 0),
           yes_no((batch->attributes & BATCH_ATTR_CONTROL) != 0));
    if ((batch->attributes & BATCH_ATTR_DELETE_HORIZON) != 0) {
        printf("OptionalLong[%" PRId64 "]", batch->base_timestamp);
    } else {
        fputs("OptionalLong.empty", stdout);
    }
    printf(" position: %" PRId64 " %s: %" PRId64 " size: %zu magic: %d compresscodec: %s crc: "
           "%" PRIu32 " isvalid: %s\n",
           pos, time_type(batch), batch->max_timestamp, batch_size(batch), batch->magic,
           codec != NULL ? codec : "unknown", batch->crc, yes_no(valid));
}

static int64_t size_of(struct slice s) {
    return slice_is_null(s) ? -1 : (int64_t)s.len;
}

static int32_t sequence_of(const struct batch *batch, const struct record *record) {
    uint32_t sequence = (uint32_t)batch->base_sequence + (uint32_t)record->offset_delta;
    return batch->base_sequence < 0 ? -1 : (int32_t)(sequence & INT32_MAX);
}

/* False when dumping cannot go on. */
static bool print_record(struct dump *dump, const struct batch *batch,
                         const struct record *record) {
    bool control = (batch->attributes & BATCH_ATTR_CONTROL) != 0, good = true;
    if (!dump->skip_metadata) {
        printf("| offset: %" PRId64 " %s: %" PRId64 " keySize: %" PRId64 " valueSize: %" PRId64
               " sequence: %d headerKeys: [",
               record->offset, time_type(batch), record->timestamp, size_of(record->key),
               size_of(record->value), sequence_of(batch, record));
        struct slice headers = record->headers;
        struct record_header header;
        for (bool first = true; record_headers_next(&headers, &header); first = false) {
            printf("%s%.*s", first ? "" : ",", SLICE_ARG(header.key));
        }
        putchar(']');
        if (control) {
            dump_control(dump, record);
        }
    }
    if (dump->contents && !control) {
        good = dump_contents(dump, record, dump->skip_metadata ? "| " : " ");
    }
    if (good) {
        putchar('\n');
    }
    arena_reset(&dump->arena);
    return good;
}

/* last_offset: of the record before. False when dumping cannot go on. */
static bool print_records(struct dump *dump, struct slice bytes, const struct batch *batch,
                          int64_t *last_offset) {
    struct record_iterator *it = record_iterator_new(bytes, batch, RECORD_MAX);
    struct record record;
    int got = it == NULL ? -1 : 0;
    bool good = true;
    while (it != NULL && good && (got = record_iterator_next(it, &record)) > 0) {
        if (record.offset != *last_offset + 1) {
            dump_found(dump, DUMP_GAP, "  %" PRId64 " is followed by %" PRId64, *last_offset,
                       record.offset);
        }
        *last_offset = record.offset;
        good = print_record(dump, batch, &record);
    }
    record_iterator_free(it);
    if (good && got < 0) {
        fflush(stdout);
        fprintf(stderr, "%s: the records at offset %" PRId64 " are damaged\n", dump->path,
                batch->base_offset);
    }
    return good && got >= 0;
}

static void print_title(const char *path) {
    if (has_suffix(path, ".log")) {
        printf("Log starting offset: %" PRId64 "\n", dump_base_offset(path));
    } else if (strcmp(name_of(path), "bootstrap.checkpoint") == 0) {
        puts("KRaft bootstrap snapshot");
    } else {
        const char *dash = strchr(name_of(path), '-');
        printf("Snapshot end offset: %" PRId64 ", epoch: %lld\n", dump_base_offset(path),
               dash != NULL ? strtoll(dash + 1, NULL, 10) : 0);
    }
}

static int dump_log(struct dump *dump, int fd) {
    struct buffer bytes;
    struct batch batch;
    int64_t size = lseek(fd, 0, SEEK_END), pos = 0, last_offset = -1;
    int64_t end = size < dump->max_bytes ? size : dump->max_bytes;
    enum dump_read read;
    bool good = true;
    buffer_init(&bytes, BATCH_MAX);
    print_title(dump->path);
    while (good && (read = dump_read_batch(dump, fd, pos, end, &bytes, &batch)) == DUMP_BATCH) {
        print_batch(&batch, pos, batch_crc_valid(buffer_slice(&bytes)));
        good = !dump->records || print_records(dump, buffer_slice(&bytes), &batch, &last_offset);
        pos += (int64_t)batch_size(&batch);
    }
    if (good && read == DUMP_END && pos < end && dump->max_bytes == INT32_MAX) {
        printf("Found %" PRId64 " invalid bytes at the end of %s\n", end - pos,
               name_of(dump->path));
    }
    buffer_release(&bytes);
    return good && read == DUMP_END ? 0 : EXIT_FAILED;
}

/* ---- All ------------------------------------------------------------------------------------- */

static int dump_file(struct dump *dump) {
    static const struct {
        const char *suffix;
        int (*run)(struct dump *dump, int fd);
    } kinds[] = {
        {".log", dump_log},
        {".checkpoint", dump_log},
        {".index", dump_index},
        {".timeindex", dump_time_index},
        {".txnindex", dump_txn_index},
        {".snapshot", dump_producers},
    };
    printf("Dumping %s\n", dump->path);
    fflush(stdout);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!has_suffix(dump->path, kinds[i].suffix)) {
            continue;
        }
        int fd = open(dump->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            fprintf(stderr, "%s: %s\n", dump->path, strerror(errno));
            return EXIT_FAILED;
        }
        int exit_code = kinds[i].run(dump, fd);
        close(fd);
        return exit_code;
    }
    fprintf(stderr, "Ignoring unknown file %s\n", dump->path);
    return 0;
}

/* One of the decoders for keys or values; false after a message. */
static bool take_class(const struct options *options, const char *option, enum dump_class *out) {
    static const struct {
        const char *name;
        enum dump_class class;
    } classes[] = {
        {"org.apache.kafka.tools.api.StringDecoder", DUMP_STRING},
        {"org.apache.kafka.tools.api.IntegerDecoder", DUMP_INTEGER},
        {"org.apache.kafka.tools.api.LongDecoder", DUMP_LONG},
    };
    const char *name = options_get(options, option, classes[0].name);
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (strcmp(name, classes[i].name) == 0) {
            *out = classes[i].class;
            return true;
        }
    }
    fprintf(stderr,
            "--%s %s is not served by this tool, which loads no classes; it has "
            "org.apache.kafka.tools.api.StringDecoder, IntegerDecoder and LongDecoder.\n",
            option, name);
    return false;
}

/* False after a message. */
static bool take_options(struct dump *dump) {
    static const struct {
        const char *name;
        enum dump_decoder decoder;
    } decoders[] = {/* the first that is given, as with Kafka's tool */
                    {"offsets-decoder", DUMP_OFFSETS},
                    {"transaction-log-decoder", DUMP_TRANSACTIONS},
                    {"cluster-metadata-decoder", DUMP_METADATA},
                    {"share-group-state-decoder", DUMP_SHARE}};
    const struct options *options = &dump->call->options;
    if (options_has(options, "remote-log-metadata-decoder")) {
        fputs(
            "--remote-log-metadata-decoder is not served by this tool: its brokers have no tiered "
            "storage.\n",
            stderr);
        return false;
    }
    for (size_t i = ARRAY_LEN(decoders); i-- > 0;) {
        dump->decoder =
            options_has(options, decoders[i].name) ? decoders[i].decoder : dump->decoder;
    }
    dump->contents = options_has(options, "print-data-log") || dump->decoder != DUMP_PLAIN ||
                     options_has(options, "key-decoder-class") ||
                     options_has(options, "value-decoder-class");
    dump->records = dump->contents || options_has(options, "deep-iteration");
    dump->skip_metadata = options_has(options, "skip-record-metadata");
    dump->index_sanity_only = options_has(options, "index-sanity-check");
    dump->verify_only = options_has(options, "verify-index-only");
    return take_class(options, "key-decoder-class", &dump->key_class) &&
           take_class(options, "value-decoder-class", &dump->value_class) &&
           options_i64(options, "max-bytes", &dump->max_bytes) &&
           options_i64(options, "max-message-size", &dump->max_message_size);
}

static int dump_all(struct dump *dump) {
    int exit_code = 0;
    const char *files = options_get(&dump->call->options, "files", "");
    while (*files != '\0' && exit_code == 0) {
        files += strspn(files, ", ");
        size_t len = strcspn(files, ",");
        if (len > 0) {
            dump->path = arena_printf(&dump->call->arena, "%.*s", (int)len, files);
            exit_code = dump_file(dump);
        }
        files += len;
    }
    return exit_code;
}

int kafka_dump_log(struct kafka_call *call) {
    static const char *const required[] = {"files", NULL};
    if (!kafka_require(call, required)) {
        return EXIT_FAILED;
    }
    struct dump dump = {.call = call, .max_bytes = INT32_MAX, .max_message_size = MESSAGE_SIZE_MAX};
    if (!take_options(&dump)) {
        return EXIT_FAILED;
    }
    arena_init(&dump.arena, SIZE_MAX);
    buffer_init(&dump.text, SIZE_MAX);
    for (size_t i = 0; i < DUMP_FINDINGS; i++) {
        buffer_init(&dump.findings[i], SIZE_MAX);
    }
    int exit_code = dump_all(&dump);
    if (exit_code == 0) {
        print_findings(&dump);
    }
    for (size_t i = 0; i < DUMP_FINDINGS; i++) {
        buffer_release(&dump.findings[i]);
    }
    buffer_release(&dump.text);
    arena_release(&dump.arena);
    return exit_code;
}
