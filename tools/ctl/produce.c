/* barnabasctl produce: records out of lines or files, with kcat's options. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli/interrupt.h"
#include "tools/cli/lines.h"
#include "tools/cli/record_format.h"
#include "tools/ctl/ctl.h"
#include "tools/stream/producer.h"

#define LINGER_MS     200
#define PROGRESS_MS   1000
#define FILE_SIZE_MAX ((size_t)256 << 20)

static const struct option_spec specs[] = {
    {"topic|t", OPTION_VALUE, "TOPIC", "where to; the first argument otherwise"},
    {"partition|p", OPTION_VALUE, "N", "into this one; else by the key, else any"},
    {"key|k", OPTION_VALUE, "KEY", "the key of all records"},
    {"key-delimiter|K", OPTION_VALUE, "DELIM", "the key stands in front of it, in each line"},
    {"delimiter|D", OPTION_VALUE, "DELIM", "between records; a line end otherwise"},
    {"header|H", OPTION_VALUE, "key=value", "a header of all records"},
    {"null|Z", OPTION_FLAG, NULL, "empty keys and values are null"},
    {"compression|z", OPTION_VALUE, "CODEC", "none, gzip, snappy, lz4, zstd"},
    {"acks", OPTION_VALUE, "all|1|0", "who has to have it before it counts"},
    {"count|c", OPTION_VALUE, "N", "stops after so many"},
    {"lines|l", OPTION_FLAG, NULL, "files are lines of records, not a record each"},
    {"quiet|q", OPTION_FLAG, NULL, "says nothing when all went well"},
    CTL_OPTIONS,
};

struct produce {
    struct ctl ctl;
    struct producer_options options;
    struct producer producer;
    bool producing; /* the producer is to be released */
    const char *topic;
    const char *key;
    const char *key_delimiter, *delimiter; /* NULL: none; unescaped */
    bool nulls, quiet, tty;
    int64_t partition, limit;
    int64_t taken;
    int64_t told_ms;
    struct record_header *headers;
    int32_t header_count;
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool set_codec(struct produce *p, const char *name) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        if (strcmp(compression_name((enum compression)codec), name) == 0) {
            p->options.codec = (enum compression)codec;
            return true;
        }
    }
    return false;
}

static bool set_acks(struct produce *p, const char *text) {
    if (strcmp(text, "all") == 0 || strcmp(text, "-1") == 0) {
        p->options.acks = -1;
        return true;
    }
    p->options.acks = (int16_t)(text[0] - '0');
    return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
}

static bool property(void *ctx, struct slice key, const char *value) {
    struct produce *p = ctx;
    if (slice_equal_str(key, "acks") || slice_equal_str(key, "request.required.acks")) {
        return set_acks(p, value);
    }
    if (slice_equal_str(key, "compression.type") || slice_equal_str(key, "compression.codec")) {
        return set_codec(p, value);
    }
    return slice_equal_str(key, "enable.idempotence") || slice_equal_str(key, "linger.ms");
}

/* An option's value without its escapes; NULL when it was not given. */
static const char *unescaped(struct produce *p, const char *name) {
    const char *text = options_get(&p->ctl.options, name, NULL);
    if (text == NULL) {
        return NULL;
    }
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    if (unescape(text, &out)) {
        text = (const char *)arena_dup(&p->ctl.arena, buffer_slice(&out)).data;
    }
    buffer_release(&out);
    return text;
}

static void take_headers(struct produce *p) {
    const struct options *options = &p->ctl.options;
    p->headers = arena_array(&p->ctl.arena, options->given_count + 1, sizeof(*p->headers));
    const char *text;
    while ((text = options_nth(options, "header", (size_t)p->header_count)) != NULL) {
        const char *equals = strchrnul(text, '=');
        p->headers[p->header_count++] = (struct record_header){
            slice_make(text, (size_t)(equals - text)),
            *equals == '=' ? slice_str(equals + 1) : SLICE_NULL,
        };
    }
}

/* 0, or an exit code after a message. */
static int configure(struct produce *p) {
    const struct options *options = &p->ctl.options;
    const char *codec = options_get(options, "compression", "none");
    const char *acks = options_get(options, "acks", NULL);
    p->topic = options_get(options, "topic", NULL);
    p->key = options_get(options, "key", NULL);
    p->key_delimiter = unescaped(p, "key-delimiter");
    p->delimiter = unescaped(p, "delimiter");
    p->nulls = options_has(options, "null");
    p->quiet = options_has(options, "quiet");
    p->tty = isatty(STDERR_FILENO);
    take_headers(p);
    if (options_has(options, "compression") && !set_codec(p, codec)) {
        return ctl_usage(&p->ctl, "there is no codec %s: none, gzip, snappy, lz4, zstd", codec);
    }
    if (acks != NULL && !set_acks(p, acks)) {
        return ctl_usage(&p->ctl, "acks is all, 1 or 0");
    }
    if (p->delimiter == NULL || p->delimiter[0] == '\0') {
        p->delimiter = "\n";
    }
    if (!options_i64(options, "partition", &p->partition) ||
        !options_i64(options, "count", &p->limit)) {
        return CTL_USAGE;
    }
    if (p->topic == NULL && options->arg_count > 0) {
        p->topic = options->args[0];
    }
    return p->topic == NULL ? ctl_usage(&p->ctl, "name a topic") : 0;
}

/* ---- Records --------------------------------------------------------------------------------- */

static struct slice or_null(const struct produce *p, struct slice s) {
    return p->nulls && s.len == 0 ? SLICE_NULL : s;
}

static void progress(struct produce *p) {
    int64_t now = client_ticks_ms();
    if (p->tty && !p->quiet && now - p->told_ms >= PROGRESS_MS) {
        p->told_ms = now;
        fprintf(stderr, "\r%" PRId64 " records", p->taken);
    }
}

/* False when nobody answers, or enough is taken. */
static bool take(struct produce *p, struct slice text) {
    struct outgoing record = {
        .key = p->key != NULL ? slice_str(p->key) : SLICE_NULL,
        .value = text,
        .headers = p->headers,
        .header_count = p->header_count,
        .timestamp = NO_TIMESTAMP,
        .partition = (int32_t)p->partition,
    };
    const uint8_t *found =
        p->key_delimiter == NULL || text.len == 0
            ? NULL
            : memmem(text.data, text.len, p->key_delimiter, strlen(p->key_delimiter));
    if (found != NULL) {
        size_t len = (size_t)(found - text.data), used = len + strlen(p->key_delimiter);
        record.key = or_null(p, slice_make(text.data, len));
        record.value = slice_make(text.data + used, text.len - used);
    }
    record.value = or_null(p, record.value);
    p->taken++;
    progress(p);
    return producer_add(&p->producer, &record) && (p->limit < 0 || p->taken < p->limit);
}

/* Lines of a descriptor; false when nobody answers. */
static bool take_lines(struct produce *p, int fd) {
    struct lines lines;
    lines_init(&lines, fd, p->delimiter);
    struct slice line;
    int got;
    bool more = p->limit != 0;
    while (more && !interrupted() && (got = lines_next(&lines, LINGER_MS, &line)) >= 0) {
        more = got == 0 ? producer_flush(&p->producer) : take(p, line);
    }
    lines_release(&lines);
    return more || (p->limit >= 0 && p->taken >= p->limit);
}

/* A file as one record, or as lines. */
static bool take_file(struct produce *p, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        errmsg_set(&p->ctl.client.error, "%s: %s", path, strerror(errno));
        return false;
    }
    bool good;
    if (options_has(&p->ctl.options, "lines")) {
        good = take_lines(p, fd);
    } else {
        struct buffer text;
        buffer_init(&text, FILE_SIZE_MAX);
        ssize_t got = 1;
        while (got > 0) {
            uint8_t *room = buffer_extend(&text, 1 << 16);
            got = room == NULL ? -1 : read(fd, room, 1 << 16);
            text.len -= (size_t)(1 << 16) - (size_t)(got > 0 ? got : 0);
        }
        good = got == 0 && take(p, buffer_slice(&text));
        if (got < 0) {
            errmsg_set(&p->ctl.client.error, "%s cannot be read, or is too large", path);
        }
        buffer_release(&text);
    }
    close(fd);
    return good;
}

static void refused(void *ctx, const struct outgoing *record, int16_t code, struct slice text) {
    struct produce *p = ctx;
    ctl_fail(&p->ctl, "a record of %zu bytes for partition %d was refused: %s: %.*s",
             record->value.len, record->partition, error_name(code), SLICE_ARG(text));
}

static int run(struct produce *p) {
    int16_t code = producer_init(&p->producer, &p->ctl.client, slice_str(p->topic), &p->options);
    p->producing = true;
    if (code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        return ctl_fail(&p->ctl,
                        "there is no topic %s, and the broker does not make topics by itself; "
                        "barnabasctl topic create %s makes it",
                        p->topic, p->topic);
    }
    if (code != ERROR_NONE) {
        return ctl_fail_client(&p->ctl);
    }
    p->producer.refused = refused;
    p->producer.ctx = p;
    interrupt_hold();
    const struct options *options = &p->ctl.options;
    size_t first = options_has(options, "topic") ? 0 : 1;
    bool good = true;
    if (first >= options->arg_count) {
        good = take_lines(p, STDIN_FILENO);
    }
    for (size_t i = first; good && i < options->arg_count; i++) {
        good = take_file(p, options->args[i]);
    }
    good = producer_flush(&p->producer) && good;
    if (p->tty && !p->quiet) {
        fprintf(stderr, "\r%" PRIu64 " records written\n", p->producer.acknowledged);
    }
    if (p->ctl.json) {
        ctl_json(json_pack("{s:s,s:I,s:I}", "topic", p->topic, "written",
                           (json_int_t)p->producer.acknowledged, "refused",
                           (json_int_t)p->producer.refused_count));
    }
    return !good ? ctl_fail_client(&p->ctl) : p->producer.refused_count > 0 ? CTL_FAILS : 0;
}

int produce_main(int argc, char **argv) {
    struct produce p = {.options = PRODUCER_OPTIONS_DEFAULT, .partition = -1, .limit = -1};
    p.options.block_ms = 5000;
    p.ctl.property = property;
    p.ctl.ctx = &p;
    int exit_code;
    if (ctl_open(&p.ctl, "produce", "TOPIC [FILE...] [options]", specs, argc, argv, &exit_code)) {
        exit_code = configure(&p);
        exit_code = exit_code != 0 ? exit_code : run(&p);
    }
    if (p.producing) {
        producer_release(&p.producer);
    }
    ctl_close(&p.ctl);
    return exit_code;
}
