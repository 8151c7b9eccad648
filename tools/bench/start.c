#include "tools/bench/start.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "protocol/errors.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"
#include "protocol/records.h"
#include "tools/bench/conn.h"
#include "tools/bench/process.h"
#include "tools/client/rpc.h"

static const char help_text[] =
    "usage: barnabasctl bench start [options] -- COMMAND...\n"
    "\n"
    "Starts a broker again and again, and measures the time from its start to its first "
    "acknowledged\n"
    "record (acks=all, one partition), with a probe that tries every 0.2 ms.\n"
    "\n"
    "  -b, --broker HOST:PORT   where it will listen [127.0.0.1:9092]\n"
    "  -t, --topic NAME         the record's topic [bench-start]\n"
    "      --create             the probe creates the topic, as part of the measured time\n"
    "  -n, --times N            [10]\n"
    "      --before COMMAND     runs before each start, not measured; with sh\n"
    "      --kill               ends the broker by SIGKILL instead of SIGTERM\n"
    "      --json FILE          - is stdout\n"
    "\n"
    "The command must become the broker itself (exec), as it is what is stopped. Its output is\n"
    "discarded.\n";

#define PROBE_WAIT_NS   200000
#define START_MAX_NS    INT64_C(120000000000)
#define RPC_TIMEOUT_S   5
#define PRODUCE         0
#define CREATE_TOPICS   19
#define PRODUCE_VERSION 9
#define CREATE_VERSION  5

struct start_options {
    char *host;
    uint16_t port;
    const char *topic;
    bool create;
    int times;
    const char *before;
    int signal;
    const char *json;
    char **command;
};

/* ---- Probing --------------------------------------------------------------------------------- */

static void encode_create(const struct start_options *options, struct buffer *out) {
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_defaults;
    topic.name = slice_str(options->topic);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    struct create_topics_request request;
    message_init(&create_topics_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    frame_request(out, CREATE_TOPICS, CREATE_VERSION, 1, &request, NULL);
}

static void encode_produce(const struct start_options *options, struct buffer *out) {
    struct batch_options batch_options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &batch_options, 4096);
    batch_builder_add(&builder, (int64_t)time(NULL) * 1000, SLICE_NULL, SLICE_LIT("hello"), NULL,
                      0);
    struct buffer batch;
    buffer_init(&batch, 4096);
    bool built = batch_builder_finish(&builder, &batch);
    ASSERT(built);
    batch_builder_release(&builder);
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_defaults;
    data.records = (struct message_records){.data = batch.data, .len = batch.len};
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_defaults;
    topic.name = slice_str(options->topic);
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = -1;
    request.timeout_ms = RPC_TIMEOUT_S * 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    frame_request(out, PRODUCE, PRODUCE_VERSION, 1, &request, NULL);
    buffer_release(&batch);
}

/* Sends the request and waits for the answer; NULL when the connection broke or was silent. */
static const void *ask(int fd, const struct buffer *request, int16_t api_key, int16_t version,
                       struct arena *arena) {
    uint8_t size[4];
    arena_reset(arena);
    if (send(fd, request->data, request->len, MSG_NOSIGNAL) != (ssize_t)request->len ||
        recv(fd, size, 4, MSG_WAITALL) != 4 || load_be32(size) > 65536) {
        return NULL;
    }
    size_t len = load_be32(size);
    uint8_t *frame = arena_alloc(arena, len);
    return recv(fd, frame, len, MSG_WAITALL) == (ssize_t)len
               ? frame_response(slice_make(frame, len), api_key, version, arena)
               : NULL;
}

struct probe {
    struct buffer create;
    struct buffer produce;
    struct arena arena;
    bool created;
};

/* One try over an open connection. 1: acknowledged, 0: not yet, -1: the connection is of no use. */
static int try_once(const struct start_options *options, struct probe *probe, int fd) {
    if (options->create && !probe->created) {
        const struct create_topics_response *created =
            ask(fd, &probe->create, CREATE_TOPICS, CREATE_VERSION, &probe->arena);
        if (created == NULL || created->topics_count != 1) {
            return -1;
        }
        int16_t error = created->topics[0].error_code;
        probe->created = error == ERROR_NONE || error == ERROR_TOPIC_ALREADY_EXISTS;
        if (!probe->created) {
            return 0;
        }
    }
    const struct produce_response *produced =
        ask(fd, &probe->produce, PRODUCE, PRODUCE_VERSION, &probe->arena);
    if (produced == NULL || produced->responses_count != 1 ||
        produced->responses[0].partition_responses_count != 1) {
        return -1;
    }
    return produced->responses[0].partition_responses[0].error_code == ERROR_NONE;
}

/* Tries until a record was acknowledged; when that was, or -1 when the broker ended or time is up.
 */
static int64_t probe_until_acked(const struct start_options *options, struct probe *probe,
                                 pid_t pid, int64_t began_ns) {
    int fd = -1;
    int64_t acked_ns = -1;
    struct timespec wait = {.tv_nsec = PROBE_WAIT_NS};
    while (acked_ns < 0 && bench_now_ns() - began_ns < START_MAX_NS &&
           waitpid(pid, NULL, WNOHANG) == 0) {
        if (fd < 0) {
            fd = tcp_connect(options->host, options->port, true);
            struct timeval timeout = {.tv_sec = RPC_TIMEOUT_S};
            if (fd >= 0) {
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
            }
        }
        int result = fd < 0 ? 0 : try_once(options, probe, fd);
        if (result == 1) {
            acked_ns = bench_now_ns();
        } else if (result < 0) {
            close(fd);
            fd = -1;
        }
        if (result != 1) {
            nanosleep(&wait, NULL);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return acked_ns;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static pid_t spawn(char **command) {
    pid_t pid = fork();
    if (pid == 0) {
        FILE *out = freopen("/dev/null", "w", stdout);
        FILE *err = freopen("/dev/null", "w", stderr);
        if (out != NULL && err != NULL) {
            execvp(command[0], command);
        }
        _exit(127);
    }
    return pid;
}

/* What one start took and cost; false, with a message, when there was no acknowledgement. */
struct round {
    int64_t took_ns;
    int64_t cpu_ns;
    int64_t rss;
};

static bool run_round(const struct start_options *options, struct probe *probe,
                      struct round *round) {
    if (options->before != NULL && system(options->before) != 0) {
        fprintf(stderr, "bench start: failed: %s\n", options->before);
        return false;
    }
    probe->created = false;
    int64_t began = bench_now_ns();
    pid_t pid = spawn(options->command);
    int64_t acked = pid < 0 ? -1 : probe_until_acked(options, probe, pid, began);
    if (acked < 0) {
        fprintf(stderr, "bench start: %s acknowledged nothing\n", options->command[0]);
    }
    *round = (struct round){acked - began, process_cpu_ns(pid), process_rss(pid)};
    if (pid > 0) {
        kill(pid, acked < 0 ? SIGKILL : options->signal);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    }
    return acked >= 0;
}

static int compare_rounds(const void *a, const void *b) {
    int64_t x = ((const struct round *)a)->took_ns;
    int64_t y = ((const struct round *)b)->took_ns;
    return (x > y) - (x < y);
}

static void print_json(const struct round *rounds, int count, FILE *out) {
    fputs("{\"mode\":\"start\",\"ms\":[", out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s%.3f", i == 0 ? "" : ",", (double)rounds[i].took_ns / 1e6);
    }
    const struct round *median = &rounds[count / 2];
    fprintf(out, "],\"median_ms\":%.3f,\"max_ms\":%.3f,\"cpu_s\":%.4f,\"rss\":%lld}\n",
            (double)median->took_ns / 1e6, (double)rounds[count - 1].took_ns / 1e6,
            (double)median->cpu_ns / 1e9, (long long)median->rss);
}

static bool print_results(const struct start_options *options, const struct round *rounds) {
    int count = options->times;
    const struct round *median = &rounds[count / 2];
    bool taken = options->json != NULL && strcmp(options->json, "-") == 0;
    fprintf(
        taken ? stderr : stdout,
        "start to first acknowledged record, %d times: min %.1f ms, median %.1f ms, max %.1f ms\n"
        "until then, in the median start: CPU %.1f ms, RSS %.1f MiB\n",
        count, (double)rounds[0].took_ns / 1e6, (double)median->took_ns / 1e6,
        (double)rounds[count - 1].took_ns / 1e6, (double)median->cpu_ns / 1e6,
        (double)median->rss / 1048576);
    if (options->json == NULL) {
        return true;
    }
    FILE *out = taken ? stdout : fopen(options->json, "w");
    if (out == NULL) {
        fprintf(stderr, "bench start: %s: %s\n", options->json, strerror(errno));
        return false;
    }
    print_json(rounds, count, out);
    return taken || fclose(out) == 0;
}

/* ---- The command line ------------------------------------------------------------------------ */

static bool parse_positive(const char *text, int64_t max, int64_t *out) {
    return slice_parse_i64(slice_str(text), out) && *out >= 1 && *out <= max;
}

/* -1: go on; otherwise the exit code. */
static int parse(int argc, char **argv, struct start_options *o) {
    static const struct option long_options[] = {
        {"broker", required_argument, NULL, 'b'},
        {"topic", required_argument, NULL, 't'},
        {"create", no_argument, NULL, 'c'},
        {"times", required_argument, NULL, 'n'},
        {"before", required_argument, NULL, 'B'},
        {"kill", no_argument, NULL, 'k'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    int64_t number = 0;
    char *colon;
    optind = 1;
    while ((option = getopt_long(argc, argv, "b:t:n:h", long_options, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case 'b':
            colon = strrchr(optarg, ':');
            good = colon != NULL && parse_positive(colon + 1, UINT16_MAX, &number);
            if (good) {
                *colon = '\0';
                o->host = optarg;
                o->port = (uint16_t)number;
            }
            break;
        case 'n':
            good = parse_positive(optarg, 100000, &number);
            o->times = (int)number;
            break;
        case 't':
            o->topic = optarg;
            break;
        case 'c':
            o->create = true;
            break;
        case 'B':
            o->before = optarg;
            break;
        case 'k':
            o->signal = SIGKILL;
            break;
        case 'j':
            o->json = optarg;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        default:
            return 2;
        }
        if (!good) {
            fprintf(stderr, "bench start: not a valid value: %s\n", optarg);
            return 2;
        }
    }
    if (optind == argc) {
        fputs(help_text, stderr);
        return 2;
    }
    o->command = argv + optind;
    return -1;
}

int bench_start_main(int argc, char **argv) {
    char host[] = "127.0.0.1";
    struct start_options options = {
        .host = host, .port = 9092, .topic = "bench-start", .times = 10, .signal = SIGTERM};
    int code = parse(argc, argv, &options);
    if (code >= 0) {
        return code;
    }
    struct probe probe = {.created = false};
    buffer_init(&probe.create, SIZE_MAX);
    buffer_init(&probe.produce, SIZE_MAX);
    arena_init(&probe.arena, SIZE_MAX);
    encode_create(&options, &probe.create);
    encode_produce(&options, &probe.produce);
    struct round *rounds = xcalloc((size_t)options.times, sizeof(struct round));
    bool good = true;
    for (int i = 0; good && i < options.times; i++) {
        good = run_round(&options, &probe, &rounds[i]);
        if (good && isatty(STDERR_FILENO)) {
            fprintf(stderr, "\r\033[K%d of %d: %.1f ms", i + 1, options.times,
                    (double)rounds[i].took_ns / 1e6);
        }
    }
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    if (good) {
        qsort(rounds, (size_t)options.times, sizeof(struct round), compare_rounds);
        good = print_results(&options, rounds);
    }
    free(rounds);
    buffer_release(&probe.create);
    buffer_release(&probe.produce);
    arena_release(&probe.arena);
    return good ? 0 : 1;
}
