#include "tools/bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char help_text[] =
    "usage: barnabasctl bench MODE [options]\n"
    "       barnabasctl bench start [options] -- COMMAND...   (see bench start --help)\n"
    "\n"
    "Measures a Kafka broker on the wire: latency under an offered rate, and, for a broker on "
    "this\n"
    "machine, what it costs in CPU and memory.\n"
    "\n"
    "modes\n"
    "  produce          produce at a rate\n"
    "  e2e              produce at a rate and consume it; latency up to the consumer\n"
    "  consume          fill a topic, then read all of it; no rate\n"
    "  ping             ApiVersions requests at a rate\n"
    "  idle             consumers in groups, long polls and heartbeats, no data; they join one "
    "after\n"
    "                   the other, which wants group.initial.rebalance.delay.ms=0\n"
    "\n"
    "load\n"
    "  -b, --broker HOST:PORT     [127.0.0.1:9092]\n"
    "  -r, --rate N               records a second, all connections together [1000]; open loop:\n"
    "                             requests are due at fixed times, whatever the broker does, and\n"
    "                             latency counts from the time at which a request was due\n"
    "      --saturate             instead: a closed loop that keeps --in-flight requests in "
    "flight;\n"
    "                             latency counts from sending and says little\n"
    "  -s, --record-size BYTES    of a record's value [1k]\n"
    "  -n, --batch-records N      records in a batch, which is one request [1]\n"
    "      --batch-bytes BYTES    instead: as many records as fit\n"
    "  -c, --connections N        that produce (or ping) [1]\n"
    "  -i, --in-flight N          requests in flight on a connection [5]\n"
    "  -a, --acks 0|1|all         [all]\n"
    "      --codec NAME           none, gzip, snappy, lz4, zstd; batches are compressed once "
    "[none]\n"
    "      --idempotent           with producer ids and sequences\n"
    "  -C, --consumers N          connections that fetch, or idle consumers [1]\n"
    "      --fill BYTES           consume: how much to write first [256M]; 0: what is there\n"
    "      --no-sessions          full fetch requests instead of fetch sessions\n"
    "      --min-bytes N  --max-wait MS  --fetch-bytes N  --partition-bytes N\n"
    "                             as a consumer's fetch.* [1, 500, 50M, 1M]\n"
    "      --metadata             ping: Metadata of all topics instead of ApiVersions\n"
    "\n"
    "topic\n"
    "  -t, --topic NAME           an existing topic, or one to create [a new one, deleted in the "
    "end]\n"
    "  -p, --partitions N         of a new topic [1]\n"
    "      --replication N        of a new topic [-1: the broker's default]\n"
    "      --topic-config K=V     of a new topic; may be given several times\n"
    "      --keep-topic           does not delete it\n"
    "      --delete-topic         deletes it although it was there before\n"
    "\n"
    "measuring\n"
    "  -w, --warmup S             before the measurement, at the same rate [2]\n"
    "  -d, --duration S           [10]\n"
    "      --pid PID              of the broker [whoever listens on the port on this machine]\n"
    "      --no-pid               its cost is not measured\n"
    "      --json FILE            results as one JSON object; - is stdout\n"
    "  -q, --quiet                no table, no progress\n"
    "      --raw                  bench/floor.c instead of a Kafka broker\n"
    "\n"
    "Sizes may end in k, M or G (binary). Errors of the broker, lost, doubled or damaged records "
    "make\n"
    "the exit code 1.\n";

/* ---- Values ---------------------------------------------------------------------------------- */

static bool parse_number(const char *text, double min, double max, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= min && value <= max)) {
        return false;
    }
    *out = value;
    return true;
}

static bool parse_int(const char *text, int64_t min, int64_t max, int64_t *out) {
    return slice_parse_i64(slice_str(text), out) && *out >= min && *out <= max;
}

bool bench_parse_size(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno != 0 || !(value >= 0)) {
        return false;
    }
    static const char units[] = "kMG";
    if (*end != '\0') {
        const char *unit = strchr(units, *end == 'K' ? 'k' : *end);
        if (unit == NULL || end[1] != '\0') {
            return false;
        }
        value *= ldexp(1, 10 * (int)(unit - units + 1));
    }
    if (value >= 9e18) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

static bool parse_size_in(const char *text, int64_t min, int64_t max, int64_t *out) {
    return bench_parse_size(text, out) && *out >= min && *out <= max;
}

/* Splits argv's text in place. */
static bool parse_broker(char *text, struct bench_options *options) {
    char *colon = strrchr(text, ':');
    int64_t port;
    if (colon == NULL || colon == text || !parse_int(colon + 1, 1, UINT16_MAX, &port)) {
        return false;
    }
    *colon = '\0';
    options->host = text;
    options->port = (uint16_t)port;
    return true;
}

static bool parse_acks(const char *text, int16_t *out) {
    int64_t value = -1;
    if (strcmp(text, "all") != 0 && !parse_int(text, -1, 1, &value)) {
        return false;
    }
    *out = (int16_t)value;
    return true;
}

static bool parse_codec(const char *text, enum compression *out) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        if (strcmp(text, compression_name((enum compression)codec)) == 0) {
            *out = (enum compression)codec;
            return true;
        }
    }
    return false;
}

static bool parse_mode(const char *text, enum bench_mode *out) {
    static const char *const names[] = {"produce", "consume", "e2e", "ping", "idle"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum bench_mode)i;
            return true;
        }
    }
    return false;
}

/* ---- The command line ------------------------------------------------------------------------ */

enum {
    OPT_SATURATE = 256,
    OPT_BATCH_BYTES,
    OPT_CODEC,
    OPT_IDEMPOTENT,
    OPT_FILL,
    OPT_NO_SESSIONS,
    OPT_MIN_BYTES,
    OPT_MAX_WAIT,
    OPT_FETCH_BYTES,
    OPT_PARTITION_BYTES,
    OPT_METADATA,
    OPT_REPLICATION,
    OPT_TOPIC_CONFIG,
    OPT_KEEP_TOPIC,
    OPT_DELETE_TOPIC,
    OPT_PID,
    OPT_NO_PID,
    OPT_JSON,
    OPT_RAW,
};

static const struct option long_options[] = {
    {"broker", required_argument, NULL, 'b'},
    {"rate", required_argument, NULL, 'r'},
    {"saturate", no_argument, NULL, OPT_SATURATE},
    {"record-size", required_argument, NULL, 's'},
    {"batch-records", required_argument, NULL, 'n'},
    {"batch-bytes", required_argument, NULL, OPT_BATCH_BYTES},
    {"connections", required_argument, NULL, 'c'},
    {"in-flight", required_argument, NULL, 'i'},
    {"acks", required_argument, NULL, 'a'},
    {"codec", required_argument, NULL, OPT_CODEC},
    {"idempotent", no_argument, NULL, OPT_IDEMPOTENT},
    {"consumers", required_argument, NULL, 'C'},
    {"fill", required_argument, NULL, OPT_FILL},
    {"no-sessions", no_argument, NULL, OPT_NO_SESSIONS},
    {"min-bytes", required_argument, NULL, OPT_MIN_BYTES},
    {"max-wait", required_argument, NULL, OPT_MAX_WAIT},
    {"fetch-bytes", required_argument, NULL, OPT_FETCH_BYTES},
    {"partition-bytes", required_argument, NULL, OPT_PARTITION_BYTES},
    {"metadata", no_argument, NULL, OPT_METADATA},
    {"topic", required_argument, NULL, 't'},
    {"partitions", required_argument, NULL, 'p'},
    {"replication", required_argument, NULL, OPT_REPLICATION},
    {"topic-config", required_argument, NULL, OPT_TOPIC_CONFIG},
    {"keep-topic", no_argument, NULL, OPT_KEEP_TOPIC},
    {"delete-topic", no_argument, NULL, OPT_DELETE_TOPIC},
    {"warmup", required_argument, NULL, 'w'},
    {"duration", required_argument, NULL, 'd'},
    {"pid", required_argument, NULL, OPT_PID},
    {"no-pid", no_argument, NULL, OPT_NO_PID},
    {"json", required_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"raw", no_argument, NULL, OPT_RAW},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Where an option's integer goes. */
struct reading {
    struct bench_options *options;
    int64_t batch_bytes; /* 0: not given */
};

static bool apply_load(struct reading *reading, int option, char *value) {
    struct bench_options *o = reading->options;
    int64_t n = 0;
    double number = 0;
    bool good;
    switch (option) {
    case 'b':
        return parse_broker(value, o);
    case 'r':
        good = parse_number(value, 0.001, 1e9, &number);
        o->rate_milli = (uint64_t)(number * 1000 + 0.5);
        return good;
    case 's':
        good = parse_size_in(value, 0, 512 << 20, &n);
        o->record_size = (size_t)n;
        return good;
    case 'n':
        good = parse_int(value, 1, 1 << 20, &n);
        o->batch_records = (int32_t)n;
        return good;
    case OPT_BATCH_BYTES:
        return parse_size_in(value, 1, 512 << 20, &reading->batch_bytes);
    case 'c':
        good = parse_int(value, 1, 100000, &n);
        o->connections = (int)n;
        return good;
    case 'i':
        good = parse_int(value, 1, 10000, &n);
        o->in_flight = (int)n;
        return good;
    case 'a':
        return parse_acks(value, &o->acks);
    case OPT_CODEC:
        return parse_codec(value, &o->codec);
    default:
        return false;
    }
}

static bool apply_consumer(struct bench_options *o, int option, const char *value) {
    int64_t n = 0;
    if (option == OPT_FILL) {
        return bench_parse_size(value, &o->fill);
    }
    if (!parse_size_in(value, 0, INT32_MAX, &n)) {
        return false;
    }
    switch (option) {
    case 'C':
        o->consumers = (int)n;
        return n <= 100000;
    case OPT_MIN_BYTES:
        o->min_bytes = (int32_t)n;
        return true;
    case OPT_MAX_WAIT:
        o->max_wait_ms = (int32_t)n;
        return true;
    case OPT_FETCH_BYTES:
        o->fetch_bytes = (int32_t)n;
        return true;
    case OPT_PARTITION_BYTES:
        o->partition_bytes = (int32_t)n;
        return true;
    default:
        return false;
    }
}

static bool apply_topic(struct bench_options *o, int option, const char *value) {
    int64_t n = 0;
    bool good;
    switch (option) {
    case 't':
        o->topic = value;
        return *value != '\0';
    case 'p':
        good = parse_int(value, 1, 1000000, &n);
        o->partitions = (int32_t)n;
        return good;
    case OPT_REPLICATION:
        good = parse_int(value, -1, INT16_MAX, &n);
        o->replication_factor = (int16_t)n;
        return good;
    case OPT_TOPIC_CONFIG:
        if (o->topic_config_count == TOPIC_CONFIGS_MAX || strchr(value, '=') == NULL) {
            return false;
        }
        o->topic_configs[o->topic_config_count++] = value;
        return true;
    default:
        return false;
    }
}

static bool apply_measuring(struct bench_options *o, int option, const char *value) {
    int64_t n = 0;
    switch (option) {
    case 'w':
        return parse_number(value, 0, 1e6, &o->warmup_s);
    case 'd':
        return parse_number(value, 0.1, 1e6, &o->duration_s);
    case OPT_PID:
        if (!parse_int(value, 1, INT32_MAX, &n)) {
            return false;
        }
        o->pid = (pid_t)n;
        o->find_pid = false;
        return true;
    case OPT_JSON:
        o->json = value;
        return true;
    default:
        return false;
    }
}

/* Options without a value; false for others. */
static bool apply_flag(struct bench_options *o, int option) {
    switch (option) {
    case OPT_SATURATE:
        o->saturate = true;
        return true;
    case OPT_IDEMPOTENT:
        o->idempotent = true;
        return true;
    case OPT_NO_SESSIONS:
        o->sessions = false;
        return true;
    case OPT_METADATA:
        o->ping_metadata = true;
        return true;
    case OPT_DELETE_TOPIC:
        o->delete_topic = true;
        return true;
    case OPT_KEEP_TOPIC:
        o->keep_topic = true;
        return true;
    case OPT_NO_PID:
        o->find_pid = false;
        return true;
    case OPT_RAW:
        o->raw = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    default:
        return false;
    }
}

static bool apply(struct reading *reading, int option, char *value) {
    struct bench_options *o = reading->options;
    return value == NULL ? apply_flag(o, option)
                         : apply_load(reading, option, value) || apply_consumer(o, option, value) ||
                               apply_topic(o, option, value) || apply_measuring(o, option, value);
}

static int usage_error(const char *what, const char *detail) {
    fprintf(stderr, "barnabasctl bench: %s%s\n", what, detail);
    fputs("barnabasctl bench --help tells more\n", stderr);
    return 2;
}

/* What options mean together. */
static int check(struct reading *reading) {
    struct bench_options *o = reading->options;
    if (reading->batch_bytes > 0) {
        size_t per_record = o->record_size + 8; /* framing of a record: 7 to 15 bytes */
        int64_t count = (reading->batch_bytes - 61) / (int64_t)per_record;
        o->batch_records = count < 1 ? 1 : (int32_t)count;
    }
    if (o->mode == BENCH_E2E && o->acks == 0) {
        return usage_error(
            "e2e compares what was acknowledged with what came: acks=0 is for produce", "");
    }
    if (o->mode == BENCH_CONSUME && o->fill == 0 && o->topic == NULL) {
        return usage_error("--fill 0 needs a --topic to read", "");
    }
    if (o->idempotent && o->acks != -1) {
        return usage_error("--idempotent needs --acks all", "");
    }
    if (o->idempotent && o->in_flight > 5) {
        return usage_error("--idempotent allows 5 requests in flight", "");
    }
    if (o->raw && (o->mode == BENCH_PING || o->mode == BENCH_IDLE || o->idempotent)) {
        return usage_error("--raw is for produce, e2e and consume", "");
    }
    if (o->raw && o->partitions > UINT16_MAX) {
        return usage_error("--raw has at most 65535 partitions", "");
    }
    return 0;
}

int bench_options_parse(int argc, char **argv, struct bench_options *out, bool *help) {
    *help = false;
    *out = (struct bench_options){
        .host = "127.0.0.1",
        .port = 9092,
        .partitions = 1,
        .replication_factor = -1,
        .rate_milli = 1000 * 1000,
        .record_size = 1024,
        .batch_records = 1,
        .connections = 1,
        .in_flight = 5,
        .acks = -1,
        .consumers = 1,
        .sessions = true,
        .fill = 256 << 20,
        .min_bytes = 1,
        .max_wait_ms = 500,
        .fetch_bytes = 50 << 20,
        .partition_bytes = 1 << 20,
        .warmup_s = 2,
        .duration_s = 10,
        .find_pid = true,
    };
    if (argc < 1 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        fputs(help_text, argc < 1 ? stderr : stdout);
        *help = true;
        return argc < 1 ? 2 : 0;
    }
    if (!parse_mode(argv[0], &out->mode)) {
        return usage_error("no such mode: ", argv[0]);
    }
    struct reading reading = {.options = out};
    int option;
    optind = 0; /* begins anew, whatever was parsed before */
    while ((option = getopt_long(argc, argv, "b:r:s:n:c:i:a:C:t:p:w:d:qh", long_options, NULL)) !=
           -1) {
        if (option == 'h') {
            fputs(help_text, stdout);
            *help = true;
            return 0;
        }
        if (option == '?') {
            return 2;
        }
        if (!apply(&reading, option, optarg)) {
            return usage_error("not a valid value: ", optarg);
        }
    }
    if (optind < argc) {
        return usage_error("what is this: ", argv[optind]);
    }
    return check(&reading);
}
