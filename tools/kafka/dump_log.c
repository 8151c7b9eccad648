/* kafka-dump-log */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/records.h"
#include "tools/kafka/kafka.h"

#define HEADER_SIZE    61
#define BATCH_MAX      ((size_t)128 << 20)
#define RECORD_MAX     BATCH_MAX
#define INDEX_ENTRY    8
#define TIME_ENTRY     12
#define MISMATCHES_MAX 1000

const struct option_spec kafka_dump_log_options[] = {
    {"cluster-metadata-decoder", OPTION_FLAG, NULL, NULL},
    {"deep-iteration", OPTION_FLAG, NULL, "Looks at each record."},
    {"files", OPTION_VALUE, "file1, file2, ...", "The files (required)."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"index-sanity-check", OPTION_FLAG, NULL, "Only checks the form of index files."},
    {"key-decoder-class", OPTION_VALUE, "class", NULL},
    {"max-bytes", OPTION_VALUE, "size", "How much of each file is read."},
    {"max-message-size", OPTION_VALUE, "size", "Accepted."},
    {"offsets-decoder", OPTION_FLAG, NULL, NULL},
    {"print-data-log", OPTION_FLAG, NULL, "Prints records."},
    {"remote-log-metadata-decoder", OPTION_FLAG, NULL, NULL},
    {"share-group-state-decoder", OPTION_FLAG, NULL, NULL},
    {"skip-record-metadata", OPTION_FLAG, NULL, "Prints records without what is about them."},
    {"transaction-log-decoder", OPTION_FLAG, NULL, NULL},
    {"value-decoder-class", OPTION_VALUE, "class", NULL},
    {"verify-index-only", OPTION_FLAG, NULL, "Only compares index files with the log."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static const char *const decoders[] = {
    "cluster-metadata-decoder",    "key-decoder-class",         "offsets-decoder",
    "remote-log-metadata-decoder", "share-group-state-decoder", "transaction-log-decoder",
    "value-decoder-class",
};

struct dump {
    struct kafka_call *call;
    const char *path;
    bool records;  /* looked at one by one */
    bool contents; /* with keys and values */
    bool skip_metadata;
    int64_t max_bytes;
};

/* ---- Files ----------------------------------------------------------------------------------- */

/* Reads `len` bytes at a position; false when there are fewer. */
static bool read_at(int fd, int64_t pos, void *out, size_t len) {
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

/* One batch at a position, its bytes in `buffer`; false at the end and where there is none. */
static bool read_batch(int fd, int64_t pos, struct buffer *buffer, struct batch *batch) {
    buffer_reset(buffer);
    uint8_t *in = buffer_extend(buffer, HEADER_SIZE);
    if (!read_at(fd, pos, in, HEADER_SIZE)) {
        return false;
    }
    enum batch_parse parsed = batch_parse(buffer_slice(buffer), batch);
    if ((parsed != BATCH_OK && parsed != BATCH_INCOMPLETE) || batch_size(batch) > BATCH_MAX ||
        batch_size(batch) < HEADER_SIZE) {
        return false;
    }
    size_t rest = batch_size(batch) - HEADER_SIZE;
    in = buffer_extend(buffer, rest);
    return in != NULL && read_at(fd, pos + HEADER_SIZE, in, rest) &&
           batch_parse(buffer_slice(buffer), batch) == BATCH_OK;
}

static int64_t base_offset_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return strtoll(slash != NULL ? slash + 1 : path, NULL, 10);
}

static bool has_suffix(const char *path, const char *suffix) {
    size_t len = strlen(path), n = strlen(suffix);
    return len >= n && strcmp(path + len - n, suffix) == 0;
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

static void print_control(const struct record *record) {
    int type = record->key.len >= 4 ? (int16_t)load_be16(record->key.data + 2) : -1;
    if (type == 0 || type == 1) {
        printf(" endTxnMarker: %s coordinatorEpoch: %d", type == 0 ? "ABORT" : "COMMIT",
               record->value.len >= 6 ? (int32_t)load_be32(record->value.data + 2) : -1);
    } else {
        printf(" controlType: %d", type);
    }
}

static void print_record(const struct dump *dump, const struct batch *batch,
                         const struct record *record) {
    bool control = (batch->attributes & BATCH_ATTR_CONTROL) != 0;
    putchar('|');
    if (!dump->skip_metadata) {
        int32_t sequence =
            batch->base_sequence < 0
                ? -1
                : (int32_t)(((uint32_t)batch->base_sequence + (uint32_t)record->offset_delta) &
                            INT32_MAX);
        printf(" offset: %" PRId64 " %s: %" PRId64 " keySize: %" PRId64 " valueSize: %" PRId64
               " sequence: %d headerKeys: [",
               record->offset, time_type(batch), record->timestamp, size_of(record->key),
               size_of(record->value), sequence);
        struct slice headers = record->headers;
        struct record_header header;
        for (bool first = true; record_headers_next(&headers, &header); first = false) {
            printf("%s%.*s", first ? "" : ",", SLICE_ARG(header.key));
        }
        putchar(']');
        if (control) {
            print_control(record);
        }
    }
    if (dump->contents && !control) {
        if (!slice_is_null(record->key)) {
            fputs(" key: ", stdout);
            fwrite(record->key.data, 1, record->key.len, stdout);
        }
        if (!slice_is_null(record->value)) {
            fputs(" payload: ", stdout);
            fwrite(record->value.data, 1, record->value.len, stdout);
        }
    }
    putchar('\n');
}

static void print_records(const struct dump *dump, struct slice bytes, const struct batch *batch) {
    struct record_iterator *it = record_iterator_new(bytes, batch, RECORD_MAX);
    struct record record;
    int got;
    while ((got = record_iterator_next(it, &record)) > 0) {
        print_record(dump, batch, &record);
    }
    if (got < 0) {
        fprintf(stderr, "%s: the records at offset %" PRId64 " are damaged\n", dump->path,
                batch->base_offset);
    }
    record_iterator_free(it);
}

static int dump_log(const struct dump *dump, int fd) {
    struct buffer bytes;
    struct batch batch;
    int64_t pos = 0, end = lseek(fd, 0, SEEK_END);
    int exit_code = 0;
    buffer_init(&bytes, BATCH_MAX);
    if (has_suffix(dump->path, ".log")) {
        printf("Log starting offset: %" PRId64 "\n", base_offset_of(dump->path));
    } else {
        const char *slash = strrchr(dump->path, '/');
        const char *dash = strchr(slash != NULL ? slash : dump->path, '-');
        printf("Snapshot end offset: %" PRId64 ", epoch: %lld\n", base_offset_of(dump->path),
               dash != NULL ? strtoll(dash + 1, NULL, 10) : 0);
    }
    while (pos < dump->max_bytes && read_batch(fd, pos, &bytes, &batch)) {
        print_batch(&batch, pos, batch_crc_valid(buffer_slice(&bytes)));
        if (dump->records) {
            print_records(dump, buffer_slice(&bytes), &batch);
        }
        pos += (int64_t)batch_size(&batch);
    }
    if (pos < end && pos < dump->max_bytes) {
        printf("Found %" PRId64 " invalid bytes at the end of %s\n", end - pos, dump->path);
        exit_code = EXIT_FAILED;
    }
    buffer_release(&bytes);
    return exit_code;
}

/* ---- Indexes --------------------------------------------------------------------------------- */

/* Opens the log beside an index; -1 after a message. */
static int open_log(const struct dump *dump) {
    size_t stem = (size_t)(strrchr(dump->path, '.') - dump->path);
    const char *log = arena_printf(&dump->call->arena, "%.*s.log", (int)stem, dump->path);
    int fd = open(log, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", log, strerror(errno));
    }
    return fd;
}

/* The batch that has an offset, from a position on. */
static bool find_batch(int fd, int64_t pos, int64_t offset, struct buffer *bytes,
                       struct batch *out) {
    while (read_batch(fd, pos, bytes, out)) {
        if (batch_last_offset(out) >= offset) {
            return true;
        }
        pos += (int64_t)batch_size(out);
    }
    return false;
}

/* Whether one entry tells the truth; says so if not. */
static bool verify_entry(const struct dump *dump, int log, const uint8_t *entry, bool by_time,
                         struct buffer *bytes) {
    int64_t base = base_offset_of(dump->path);
    struct batch batch;
    if (by_time) {
        int64_t time = (int64_t)load_be64(entry);
        bool found = find_batch(log, 0, base + load_be32(entry + 8), bytes, &batch);
        if (!found || batch.max_timestamp != time) {
            fprintf(stderr,
                    "Found timestamp mismatch in :%s\n  Index timestamp: %" PRId64
                    ", log timestamp: %" PRId64 "\n",
                    dump->path, time, found ? batch.max_timestamp : -1);
            return false;
        }
        return true;
    }
    int64_t offset = base + load_be32(entry);
    bool found = read_batch(log, load_be32(entry + 4), bytes, &batch);
    if (!found || offset < batch.base_offset || offset > batch_last_offset(&batch)) {
        fprintf(stderr, "Mismatches in :%s\n  Index offset: %" PRId64 ", log offset: %" PRId64 "\n",
                dump->path, offset, found ? batch_last_offset(&batch) : -1);
        return false;
    }
    return true;
}

static int dump_index(const struct dump *dump, int fd, bool by_time) {
    const struct options *options = &dump->call->options;
    size_t size = by_time ? TIME_ENTRY : INDEX_ENTRY;
    int64_t base = base_offset_of(dump->path), last = -1, end = lseek(fd, 0, SEEK_END);
    if (options_has(options, "index-sanity-check")) {
        bool sane = end % (int64_t)size == 0;
        printf("%s %s\n", dump->path, sane ? "passed sanity check." : "is corrupt.");
        return sane ? 0 : EXIT_FAILED;
    }
    bool verify = options_has(options, "verify-index-only");
    int log = verify ? open_log(dump) : -1;
    if (verify && log < 0) {
        return EXIT_FAILED;
    }
    struct buffer bytes;
    buffer_init(&bytes, BATCH_MAX);
    uint8_t entry[TIME_ENTRY];
    int mismatches = 0;
    for (int64_t pos = 0; mismatches < MISMATCHES_MAX && read_at(fd, pos, entry, size);
         pos += (int64_t)size) {
        int64_t offset = base + load_be32(entry + (by_time ? 8 : 0));
        if (offset <= last && pos > 0) {
            break; /* the rest was only allocated */
        }
        last = offset;
        if (verify) {
            mismatches += !verify_entry(dump, log, entry, by_time, &bytes);
        } else if (by_time) {
            printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", (int64_t)load_be64(entry),
                   offset);
        } else {
            printf("offset: %" PRId64 " position: %" PRIu32 "\n", offset, load_be32(entry + 4));
        }
    }
    buffer_release(&bytes);
    if (log >= 0) {
        close(log);
    }
    return 0;
}

/* ---- All ------------------------------------------------------------------------------------- */

static int dump_file(const struct dump *dump) {
    int fd = open(dump->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", dump->path, strerror(errno));
        return EXIT_FAILED;
    }
    printf("Dumping %s\n", dump->path);
    int exit_code = EXIT_FAILED;
    if (has_suffix(dump->path, ".log") || has_suffix(dump->path, ".checkpoint")) {
        exit_code = dump_log(dump, fd);
    } else if (has_suffix(dump->path, ".index") || has_suffix(dump->path, ".timeindex")) {
        exit_code = dump_index(dump, fd, has_suffix(dump->path, ".timeindex"));
    } else {
        fprintf(stderr, "Ignoring unknown file %s\n", dump->path);
    }
    close(fd);
    return exit_code;
}

int kafka_dump_log(struct kafka_call *call) {
    static const char *const required[] = {"files", NULL};
    const struct options *options = &call->options;
    if (!kafka_require(call, required)) {
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        if (options_has(options, decoders[i])) {
            fprintf(stderr,
                    "--%s is not served yet by this tool; barnabasctl log dump --records shows "
                    "records of internal topics decoded.\n",
                    decoders[i]);
            return EXIT_FAILED;
        }
    }
    struct dump dump = {
        .call = call,
        .contents = options_has(options, "print-data-log"),
        .skip_metadata = options_has(options, "skip-record-metadata"),
        .max_bytes = INT64_MAX,
    };
    dump.records = dump.contents || (options_has(options, "deep-iteration") && !dump.skip_metadata);
    if (!options_i64(options, "max-bytes", &dump.max_bytes)) {
        return EXIT_FAILED;
    }
    int exit_code = 0;
    const char *files = options_get(options, "files", "");
    while (*files != '\0') {
        files += strspn(files, ", ");
        size_t len = strcspn(files, ",");
        if (len > 0) {
            dump.path = arena_printf(&call->arena, "%.*s", (int)len, files);
            exit_code = dump_file(&dump) != 0 ? EXIT_FAILED : exit_code;
        }
        files += len;
    }
    return exit_code;
}
