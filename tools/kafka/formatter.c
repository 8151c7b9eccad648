#include "tools/kafka/formatter.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "tools/internal_record.h"

/* Records of these numbers are printed. */
struct formatter_kind {
    const char *class;
    enum record_log log;
    int16_t first, last;
};

static const struct formatter_kind kinds[] = {
    {"OffsetsMessageFormatter", RECORD_LOG_OFFSETS, 0, 1},
    {"GroupMetadataMessageFormatter", RECORD_LOG_OFFSETS, 2, 2},
    {"TransactionLogMessageFormatter", RECORD_LOG_TRANSACTIONS, 0, 0},
};

void formatter_init(struct formatter *formatter, struct kafka_call *call) {
    *formatter = (struct formatter){
        .call = call,
        .value = true,
        .key_separator = "\t",
        .line_separator = "\n",
        .headers_separator = ",",
        .null_literal = SLICE_LIT("null"),
    };
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

bool formatter_choose(struct formatter *formatter, const char *name) {
    if (ends_with(name, "NoOpMessageFormatter")) {
        formatter->silent = true;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (ends_with(name, kinds[i].class)) {
            formatter->kind = &kinds[i];
            return true;
        }
    }
    if (ends_with(name, "DefaultMessageFormatter") || ends_with(name, "LoggingMessageFormatter")) {
        return true;
    }
    fprintf(stderr, "The formatter %s is not served yet by this tool.\n", name);
    return false;
}

bool formatter_deserializer(enum deserializer *as, const char *name) {
    static const struct {
        const char *name;
        enum deserializer as;
    } known[] = {
        {"StringDeserializer", DESERIALIZER_STRING},
        {"ByteArrayDeserializer", DESERIALIZER_STRING},
        {"BytesDeserializer", DESERIALIZER_STRING},
        {"ShortDeserializer", DESERIALIZER_SHORT},
        {"IntegerDeserializer", DESERIALIZER_INTEGER},
        {"LongDeserializer", DESERIALIZER_LONG},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (ends_with(name, known[i].name)) {
            *as = known[i].as;
            return true;
        }
    }
    fprintf(stderr, "The deserializer %s is not served yet by this tool.\n", name);
    return false;
}

bool formatter_property(void *ctx, struct slice key, struct slice value) {
    struct formatter *f = ctx;
    const char *text = (const char *)arena_dup(&f->call->arena, value).data;
    const struct {
        const char *name;
        bool *flag;
        const char **text;
        enum deserializer *as;
    } known[] = {
        {"print.timestamp", .flag = &f->timestamp},
        {"print.partition", .flag = &f->partition},
        {"print.offset", .flag = &f->offset},
        {"print.epoch", .flag = &f->epoch},
        {"print.headers", .flag = &f->headers},
        {"print.key", .flag = &f->key},
        {"print.value", .flag = &f->value},
        {"key.separator", .text = &f->key_separator},
        {"line.separator", .text = &f->line_separator},
        {"headers.separator", .text = &f->headers_separator},
        {"key.deserializer", .as = &f->key_as},
        {"value.deserializer", .as = &f->value_as},
        {"headers.deserializer", .as = &f->headers_as},
    };
    if (slice_equal_str(key, "null.literal")) {
        f->null_literal = slice_str(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!slice_equal_str(key, known[i].name)) {
            continue;
        }
        if (known[i].flag != NULL) {
            *known[i].flag = strcasecmp(text, "true") == 0;
        } else if (known[i].text != NULL) {
            *known[i].text = text;
        } else if (!formatter_deserializer(known[i].as, text)) {
            return false;
        }
    }
    return true;
}

static void print_bytes(const struct formatter *f, struct slice bytes, enum deserializer as) {
    if (slice_is_null(bytes)) {
        bytes = f->null_literal;
    } else if (as == DESERIALIZER_SHORT && bytes.len == 2) {
        printf("%d", (int16_t)load_be16(bytes.data));
        return;
    } else if (as == DESERIALIZER_INTEGER && bytes.len == 4) {
        printf("%" PRId32, (int32_t)load_be32(bytes.data));
        return;
    } else if (as == DESERIALIZER_LONG && bytes.len == 8) {
        printf("%" PRId64, (int64_t)load_be64(bytes.data));
        return;
    }
    fwrite(bytes.data, 1, bytes.len, stdout);
}

static void print_headers(const struct formatter *f, const struct record *record) {
    struct slice headers = record->headers;
    struct record_header header;
    bool any = false;
    while (record_headers_next(&headers, &header)) {
        printf("%s%.*s:", any ? f->headers_separator : "", SLICE_ARG(header.key));
        print_bytes(f, header.value, f->headers_as);
        any = true;
    }
    if (!any) {
        fputs("NO_HEADERS", stdout);
    }
}

static void print_json(const struct message_desc *desc, int16_t version, const void *message) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    message_print_secrets(desc, version, message, &text);
    fwrite(text.data, 1, text.len, stdout);
    buffer_release(&text);
}

/* What does not decode is told, and passed over. */
static void print_internal(const struct formatter_kind *kind, const struct record *record) {
    if (slice_is_null(record->key)) {
        return;
    }
    struct arena arena = {.limit = SIZE_MAX};
    struct internal_record found;
    enum message_error error = internal_record_decode(kind->log, record, &arena, &found);
    if (error != MESSAGE_OK) {
        fprintf(stderr, "The record at offset %" PRId64 " cannot be read by %s.\n", record->offset,
                kind->class);
    } else if (found.type != NULL && found.number >= kind->first && found.number <= kind->last) {
        printf("{\"key\":{\"type\":%d,\"data\":", found.number);
        print_json(found.type->key, 0, found.key);
        if (found.value == NULL) {
            fputs("},\"value\":null}", stdout);
        } else {
            printf("},\"value\":{\"version\":%d,\"data\":", found.version);
            print_json(found.type->value, found.version, found.value);
            fputs("}}", stdout);
        }
    }
    arena_release(&arena);
}

void formatter_print(const struct formatter *f, const struct incoming *incoming) {
    const struct record *record = incoming->record;
    if (f->kind != NULL) {
        print_internal(f->kind, record);
        return;
    }
    if (f->silent) {
        return;
    }
    const bool parts[] = {f->timestamp, f->partition, f->offset, f->epoch,
                          f->headers,   f->key,       f->value};
    int last = -1;
    for (int i = 0; i < (int)ARRAY_LEN(parts); i++) {
        last = parts[i] ? i : last;
    }
    for (int i = 0; i <= last; i++) {
        if (!parts[i]) {
            continue;
        }
        switch (i) {
        case 0:
            if (record->timestamp == NO_TIMESTAMP) {
                fputs("NO_TIMESTAMP", stdout);
            } else {
                printf("%s:%" PRId64, incoming->log_append_time ? "LogAppendTime" : "CreateTime",
                       record->timestamp);
            }
            break;
        case 1:
            printf("Partition:%d", incoming->source->partition);
            break;
        case 2:
            printf("Offset:%" PRId64, record->offset);
            break;
        case 3:
            printf("Epoch:%d", incoming->leader_epoch);
            break;
        case 4:
            print_headers(f, record);
            break;
        case 5:
            print_bytes(f, record->key, f->key_as);
            break;
        default:
            print_bytes(f, record->value, f->value_as);
            break;
        }
        fputs(i == last ? f->line_separator : f->key_separator, stdout);
    }
}
