/*
 * What barnabasctl is given: the arguments of bench and format, and a broker's answers, as far as
 * they decide what is done next (versions, topics, leaders, offsets, the quorum). It parses them or
 * says what is wrong. The files under test are included, so that their messages go nowhere and
 * their connections are the input.
 *
 * Input: u8 what (modulo 4: bench, format, a topic for bench, a client of a cluster, of which the
 * next two bits choose the quorum, topics, a group or a consumer), then arguments
 * that end with a zero each, or for each answer u8 how (bit 0: the rest of the bytes as they are)
 * and [u16 length, dice of the message or bytes].
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "protocol/message.h"
#include "protocol/records.h"
#include "tests/fuzz/fuzz.h"

#define ARGUMENTS_MAX 24
#define CALLS_MAX     40

static FILE *nowhere;

/* Nobody waits, in the files that are linked either. */
int nanosleep(const struct timespec *time, struct timespec *left) {
    return 0;
}

/* ---- A broker's answers ---------------------------------------------------------------------- */

static struct slice answers;
static struct buffer answer; /* to the request that was sent last */
static size_t answer_at;
static int calls;

static void draw_answer(const struct api *api, int16_t version, uint32_t correlation_id) {
    static struct arena arena;
    arena.limit = SIZE_MAX;
    uint8_t how = fuzz_take_u8(&answers);
    struct slice rest = fuzz_take_block(&answers);
    buffer_reset(&answer);
    answer.max = SIZE_MAX;
    answer_at = 0;
    buffer_put_be32(&answer, 0);
    if ((how & 1) != 0) {
        buffer_append_slice(&answer, rest);
    } else {
        void *response = arena_alloc(&arena, message_size(api->response));
        struct message_dice dice = {.draw = fuzz_draw_input, .ctx = &rest};
        message_random(api->response, version, &dice, &arena, response);
        buffer_put_be32(&answer, correlation_id);
        if (api_response_header_version(api, version) > 0) {
            buffer_append(&answer, "\0", 1);
        }
        enum message_error error = message_encode(api->response, version, response, &answer, NULL);
        ASSERT(error == MESSAGE_OK);
    }
    uint32_t len = (uint32_t)(answer.len - 4);
    store_be32(answer.data, (how & 2) != 0 ? len + 1 : len);
    arena_reset(&arena);
}

static ssize_t fuzz_send(const uint8_t *data, size_t len) {
    ASSERT(len >= 12 && load_be32(data) == len - 4);
    if (++calls > CALLS_MAX) {
        errno = EPIPE;
        return -1;
    }
    draw_answer(api_by_key((int16_t)load_be16(data + 4)), (int16_t)load_be16(data + 6),
                load_be32(data + 8));
    return (ssize_t)len;
}

static ssize_t fuzz_recv(uint8_t *data, size_t len) {
    size_t left = answer.len - answer_at;
    len = len < left ? len : left;
    if (len > 0) {
        memcpy(data, answer.data + answer_at, len);
    }
    answer_at += len;
    return (ssize_t)len;
}

static int fuzz_address(struct addrinfo **out) {
    static struct addrinfo address;
    *out = &address;
    return 0;
}

#undef stderr
#define stderr nowhere
#undef stdout
#define stdout nowhere
#undef printf /* a macro where the C library is hardened */
#define printf(...)                      fprintf(nowhere, __VA_ARGS__)
#define socket(family, type, protocol)   100
#define connect(fd, address, len)        ((void)(fd), 0)
#define close(fd)                        ((void)(fd), 0)
#define setsockopt(fd, l, o, v, n)       ((void)(fd), (void)(v), 0)
#define getaddrinfo(host, service, h, a) ((void)(host), (void)(h), fuzz_address(a))
#define freeaddrinfo(a)                  ((void)(a))
#define send(fd, data, len, flags)       fuzz_send(data, len)
#define recv(fd, data, len, flags)       fuzz_recv(data, len)

#include "tools/bench/options.c"
#include "tools/client/rpc.c"
#undef TIMEOUT_S
#include "tools/admin/groups.h"
#include "tools/admin/lag.h"
#include "tools/admin/quorum.h"
#include "tools/admin/reset.h"
#include "tools/bench/topic.c"
#include "tools/format_options.h"
#include "tools/stream/consumer.h"
#include "tools/stream/member.h"

/* ---- What is tried --------------------------------------------------------------------------- */

static int take_arguments(struct slice in, char *argv[ARGUMENTS_MAX + 1]) {
    uint8_t *copy = fuzz_copy(in.data, in.len);
    int argc = 0;
    size_t begin = 0;
    for (size_t i = 0; i < in.len && argc < ARGUMENTS_MAX; i++) {
        if (copy[i] == '\0') {
            argv[argc++] = (char *)copy + begin;
            begin = i + 1;
        }
    }
    argv[argc] = NULL;
    return argc;
}

static void check_bench_options(const struct bench_options *options) {
    ASSERT(options->host != NULL && options->connections > 0 && options->in_flight > 0);
    ASSERT(options->batch_records > 0 && options->partitions > 0);
    ASSERT(options->acks >= -1 && options->acks <= 1 && options->codec < COMPRESSION_COUNT);
    ASSERT(options->topic_config_count <= TOPIC_CONFIGS_MAX);
    ASSERT(options->duration_s > 0 && options->warmup_s >= 0);
    for (int i = 0; i < options->topic_config_count; i++) {
        ASSERT(strchr(options->topic_configs[i], '=') != NULL);
    }
}

static void try_bench(struct slice in) {
    char *argv[ARGUMENTS_MAX + 1];
    int argc = take_arguments(in, argv);
    struct bench_options parsed;
    bool help = false;
    opterr = 0;
    if (bench_options_parse(argc, argv, &parsed, &help) == 0 && !help) {
        check_bench_options(&parsed);
    }
}

static void try_format(struct slice in) {
    char *argv[ARGUMENTS_MAX + 1];
    int argc = take_arguments(in, argv);
    struct format_options parsed = {0};
    struct errmsg errmsg = {""};
    bool good = format_options_parse(argc, argv, &parsed, &errmsg);
    ASSERT(good || errmsg.text[0] != '\0');
    ASSERT(parsed.voter_count <= FORMAT_VOTERS_MAX && parsed.feature_count <= FORMAT_FEATURES_MAX);
}

static void try_topic(void) {
    static const struct bench_options wanted = {
        .mode = BENCH_PRODUCE, .host = "host", .port = 1, .topic = "aa", .partitions = 2};
    struct rpc rpc;
    if (rpc_open(&rpc, wanted.host, wanted.port)) {
        struct topic topic;
        if (topic_prepare(&topic, &rpc, &wanted)) {
            for (int i = 0; i < topic.partition_count; i++) {
                ASSERT(topic.leaders[i] >= 0 && topic.leaders[i] < topic.broker_count);
            }
            topic_delete(&topic, &rpc);
        }
        topic_release(&topic);
    }
    rpc_close(&rpc);
}

static bool count_record(void *ctx, const struct incoming *incoming) {
    ASSERT(incoming->record->offset >= 0);
    return ++*(int *)ctx < 1000;
}

/* A consumer that is a member of a group, and its records. */
static void try_consumer(struct client *client) {
    struct slice topic = SLICE_LIT("aa");
    struct consumer_options options = CONSUMER_OPTIONS_DEFAULT;
    options.read_committed = true;
    struct consumer consumer;
    struct member member;
    int16_t code;
    int records = 0;
    consumer_init(&consumer, client, &options);
    consumer.record = count_record;
    consumer.ctx = &records;
    member_init(&member, client, SLICE_LIT("g"), &topic, 1);
    (void)member_join(&member, &consumer, START_TAIL(1));
    if (consumer.count == 0) {
        consumer_add(&consumer, topic, 0, 0);
        consumer_add(&consumer, topic, 1, 0);
    }
    for (int i = 0; i < 4 && consumer_poll(&consumer, &code) >= 0; i++) {
        (void)member_keep(&member, &consumer, START_TAIL(1), true);
    }
    (void)member_commit(&member, &consumer);
    member_leave(&member);
    member_release(&member);
    consumer_release(&consumer);
}

static void try_group(struct client *client) {
    struct group_list groups;
    struct reset_list plan = {NULL, 0};
    struct lag_list lag = {NULL, 0};
    int16_t code;
    (void)groups_list(client, &groups);
    const struct describe_groups_response_described_group *group =
        group_describe(client, SLICE_LIT("g"), NULL, &code);
    if (group != NULL && group_lag(client, group, &lag, &code)) {
        for (size_t i = 0; i < lag.count; i++) {
            (void)lag_of(&lag.items[i]);
        }
    }
    if (reset_add_topic(client, "aa:0,1", &plan) == 0 &&
        reset_compute(client, SLICE_LIT("g"), RESET_BY_SHIFT, -1, &plan) == 0) {
        (void)reset_commit(client, SLICE_LIT("g"), &plan);
    }
}

static void try_cluster(uint8_t what) {
    const struct describe_quorum_response_partition_data *quorum;
    struct topic_list topics;
    struct slice topic = SLICE_LIT("aa");
    struct client client;
    client_init(&client, "first:9092,second:9092", "fuzz");
    switch (what / 4 % 4) {
    case 0:
        (void)quorum_describe(&client, &quorum);
        break;
    case 1:
        if (topics_all(&client, &topics)) {
            (void)topic_find(&topics, topic);
        }
        (void)topics_describe(&client, &topic, 1, 1, &topics);
        break;
    case 2:
        try_group(&client);
        break;
    default:
        try_consumer(&client);
    }
    client_release(&client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        ASSERT(nowhere != NULL);
    }
    struct slice in = slice_make(data, size);
    uint8_t what = fuzz_take_u8(&in);
    answers = in;
    calls = 0;
    switch (what % 4) {
    case 0:
        try_bench(in);
        break;
    case 1:
        try_format(in);
        break;
    case 2:
        try_topic();
        break;
    default:
        try_cluster(what);
    }
    return 0;
}
