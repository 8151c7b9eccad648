#include "tools/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/metadata_request.h"
#include "tools/bench/consumer.h"
#include "tools/bench/member.h"
#include "tools/bench/producer.h"
#include "tools/bench/report.h"
#include "tools/bench/start.h"

#define PRODUCE      0
#define FETCH        1
#define METADATA     3
#define API_VERSIONS 18

#define EVENTS_MAX     256
#define TICK_NS        INT64_C(100000000)
#define PSS_TICKS      10 /* every so many ticks */
#define PROGRESS_TICKS 3
#define DRAIN_NS       INT64_C(10000000000)
#define FAULTS_MAX     1000 /* then a run ends early */

/* ---- Counting -------------------------------------------------------------------------------- */

bool bench_count_error(struct bench *bench, int16_t code, const char *api) {
    if (code == ERROR_NONE) {
        return false;
    }
    int index = code < -1 || code > ERROR_CODE_MAX ? 0 : code + 1;
    bench->faults.codes[index]++;
    if (bench->faults.detail == NULL) {
        bench->faults.detail = api;
    }
    return true;
}

uint64_t bench_fault_count(const struct bench *bench) {
    uint64_t count =
        bench->faults.lost_connections + bench->faults.malformed + bench->faults.disorder;
    for (int i = 0; i < ERROR_CODE_MAX + 2; i++) {
        count += bench->faults.codes[i];
    }
    return count;
}

static struct bench_sample take_sample(const struct bench *bench) {
    struct bench_sample sample = {.at_ns = bench_now_ns(), .totals = bench->totals};
    sample.broker_cpu_ns = bench->pid == 0 ? -1 : process_cpu_ns(bench->pid);
    sample.own_cpu_ns = process_cpu_ns(getpid());
    sample.machine = machine_cpu_now();
    return sample;
}

static void watch_memory(struct bench *bench, bool thoroughly) {
    if (bench->pid == 0) {
        return;
    }
    int64_t rss = process_rss(bench->pid);
    bench->rss_max = rss > bench->rss_max ? rss : bench->rss_max;
    if (thoroughly) {
        int64_t pss = process_pss(bench->pid);
        bench->pss_max = pss > bench->pss_max ? pss : bench->pss_max;
    }
}

/* ---- The loop -------------------------------------------------------------------------------- */

/* What a loop is to wait for. */
struct phase {
    const char *name;
    bool (*done)(const struct bench *bench, int64_t now_ns);
    bool measured; /* samples are taken at the bounds of the window */
};

struct loop {
    struct bench *bench;
    const struct phase *phase;
    int64_t next_tick_ns;
    int64_t next_heartbeat_ns;
    int64_t progress_ns; /* of the last line */
    uint64_t progress_records;
    uint64_t ticks;
    bool from_taken;
    bool to_taken;
};

static bool shows_progress(const struct bench *bench) {
    return !bench->options->quiet && isatty(STDERR_FILENO);
}

static void show_progress(struct loop *loop, int64_t now_ns) {
    struct bench *bench = loop->bench;
    uint64_t records = bench->options->mode == BENCH_CONSUME && bench->consumer_count > 0
                           ? bench->totals.records
                           : bench->totals.acked_records;
    double seconds = (double)(now_ns - loop->progress_ns) / 1e9;
    fprintf(stderr,
            "\r\033[K%s %5.1f s  %8.0f records/s  in flight %llu  p99 %.2f ms  RSS %.1f MiB",
            loop->phase->name, (double)(now_ns - bench->schedule.start_ns) / 1e9,
            seconds > 0 ? (double)(records - loop->progress_records) / seconds : 0,
            (unsigned long long)bench->in_flight,
            (double)histogram_percentile(bench->e2e->count > 0 ? bench->e2e : bench->ack, 99) / 1e6,
            (double)bench->rss_max / 1048576);
    loop->progress_ns = now_ns;
    loop->progress_records = records;
}

static void tick(struct loop *loop, int64_t now_ns) {
    struct bench *bench = loop->bench;
    if (now_ns < loop->next_tick_ns) {
        return;
    }
    loop->next_tick_ns = now_ns + TICK_NS;
    loop->ticks++;
    if (loop->from_taken && !loop->to_taken) {
        watch_memory(bench, loop->ticks % PSS_TICKS == 0);
    }
    if (loop->ticks % PROGRESS_TICKS == 0 && shows_progress(bench)) {
        show_progress(loop, now_ns);
    }
}

static void take_samples(struct loop *loop, int64_t now_ns) {
    struct bench *bench = loop->bench;
    if (!loop->phase->measured) {
        return;
    }
    if (!loop->from_taken && now_ns >= bench->measure_from_ns) {
        loop->from_taken = true;
        bench->from = take_sample(bench);
        watch_memory(bench, true);
    }
    if (!loop->to_taken && now_ns >= bench->measure_to_ns) {
        loop->to_taken = true;
        bench->to = take_sample(bench);
        watch_memory(bench, true);
        bench->sending = false;
    }
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When something is to be done although nothing comes in. */
static int64_t next_deadline(const struct loop *loop) {
    const struct bench *bench = loop->bench;
    int64_t deadline = earlier(loop->next_tick_ns, loop->next_heartbeat_ns);
    if (bench->open_loop && bench->dispatched < bench->event_count) {
        deadline = earlier(deadline, schedule_due_ns(&bench->schedule, bench->dispatched));
    }
    if (loop->phase->measured && !loop->from_taken) {
        deadline = earlier(deadline, bench->measure_from_ns);
    }
    if (loop->phase->measured && !loop->to_taken) {
        deadline = earlier(deadline, bench->measure_to_ns);
    }
    return deadline;
}

static void wait_events(struct bench *bench, int64_t until_ns) {
    int64_t wait = until_ns - bench_now_ns();
    wait = wait < 0 ? 0 : wait;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_pwait2(bench->epoll, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        bench_conn_ready(events[i].data.ptr, events[i].events);
    }
}

static void run_phase(struct bench *bench, const struct phase *phase) {
    int64_t now = bench_now_ns();
    struct loop loop = {.bench = bench, .phase = phase, .next_tick_ns = now, .progress_ns = now};
    bench->sending = true;
    do {
        producers_dispatch(bench, now);
        loop.next_heartbeat_ns = members_dispatch(bench, now);
        wait_events(bench, next_deadline(&loop));
        now = bench_now_ns();
        take_samples(&loop, now);
        tick(&loop, now);
    } while (!phase->done(bench, now) && bench_fault_count(bench) < FAULTS_MAX);
    if (phase->measured && !loop.to_taken) { /* it ended by itself */
        bench->to = take_sample(bench);
        watch_memory(bench, true);
    }
    if (shows_progress(bench)) {
        fputs("\r\033[K", stderr);
    }
}

/* ---- Phases ---------------------------------------------------------------------------------- */

static bool all_sent(const struct bench *bench) {
    return bench->open_loop ? bench->totals.sent == bench->event_count : !bench->sending;
}

/* The window is over, all is answered and consumed; or nothing of that comes any more. */
static bool load_done(const struct bench *bench, int64_t now_ns) {
    if (now_ns < bench->measure_to_ns) {
        return false;
    }
    bool settled =
        all_sent(bench) && bench->in_flight == 0 &&
        (bench->options->mode != BENCH_E2E || bench->totals.records >= bench->totals.acked_records);
    return settled || now_ns >= bench->measure_to_ns + DRAIN_NS;
}

static bool fill_done(const struct bench *bench, int64_t now_ns) {
    return bench->totals.sent >= bench->event_count && bench->in_flight == 0;
}

static bool consume_done(const struct bench *bench, int64_t now_ns) {
    return consumers_done(bench);
}

static const struct phase load_phase = {"load", load_done, true};
static const struct phase fill_phase = {"fill", fill_done, false};
static const struct phase consume_phase = {"consume", consume_done, true};

static void set_window(struct bench *bench, double warmup_s, double duration_s) {
    bench->schedule.start_ns = bench_now_ns() + 1000000;
    bench->measure_from_ns = bench->schedule.start_ns + (int64_t)(warmup_s * 1e9);
    bench->measure_to_ns = bench->measure_from_ns + (int64_t)(duration_s * 1e9);
}

static bool run_load(struct bench *bench) {
    const struct bench_options *options = bench->options;
    struct consumer_range range = {.from = bench->topic.offsets};
    if (!producers_open(bench) ||
        (options->mode == BENCH_E2E && !consumers_open(bench, &range, false))) {
        return false;
    }
    set_window(bench, options->warmup_s, options->duration_s);
    bench->open_loop = !options->saturate;
    bench->event_count = bench->open_loop
                             ? schedule_due_count(&bench->schedule, bench->measure_to_ns - 1)
                             : UINT64_MAX;
    run_phase(bench, &load_phase);
    return true;
}

static bool run_idle(struct bench *bench) {
    struct consumer_range range = {.from = bench->topic.offsets};
    if (!members_open(bench) || !consumers_open(bench, &range, true)) {
        return false;
    }
    set_window(bench, bench->options->warmup_s, bench->options->duration_s);
    run_phase(bench, &load_phase);
    return true;
}

static bool fill(struct bench *bench) {
    if (!producers_open(bench)) {
        return false;
    }
    uint64_t batch = bench->payload.batch_len;
    bench->event_count = ((uint64_t)bench->options->fill + batch - 1) / batch;
    run_phase(bench, &fill_phase);
    return true;
}

static bool run_consume(struct bench *bench) {
    const struct bench_options *options = bench->options;
    if (options->fill > 0 && !fill(bench)) {
        return false;
    }
    int64_t *ends = xcalloc((size_t)bench->topic.partition_count, sizeof(int64_t));
    bool good = true;
    struct consumer_range range = {.from = NULL, .to = ends};
    if (options->raw) {
        ends[0] = (int64_t)bench->totals.acked_bytes;
    } else {
        good = topic_list_offsets(&bench->topic, -2, bench->topic.offsets) &&
               topic_list_offsets(&bench->topic, -1, ends);
        range.from = bench->topic.offsets;
    }
    if (good && bench_fault_count(bench) == 0) {
        set_window(bench, 0, 1e6);
        bench->measure_from_ns = bench_now_ns();
        bench->from = take_sample(bench);
        good = consumers_open(bench, &range, false);
        if (good) {
            run_phase(bench, &consume_phase);
        }
    }
    free(ends);
    return good;
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static bool prepare_ping(struct bench *bench) {
    struct buffer frame;
    buffer_init(&frame, SIZE_MAX);
    topic_prepare_raw(&bench->topic, bench->options);
    if (bench->options->ping_metadata) {
        bench->produce_version = rpc_version(&bench->rpc, METADATA, 12);
        struct metadata_request request;
        message_init(&metadata_request_desc, &request);
        request.topics = NULL;
        request.topics_count = -1;
        if (bench->produce_version >= 0) {
            frame_request(&frame, METADATA, bench->produce_version, 0, &request, NULL);
        }
    } else {
        bench->produce_version = rpc_version(&bench->rpc, API_VERSIONS, 3);
        struct api_versions_request request;
        message_init(&api_versions_request_desc, &request);
        request.client_software_name = SLICE_LIT(RPC_CLIENT_ID);
        request.client_software_version = SLICE_LIT("1");
        if (bench->produce_version >= 0) {
            frame_request(&frame, API_VERSIONS, bench->produce_version, 0, &request, NULL);
        }
    }
    payload_init_request(&bench->payload, &frame);
    return bench->produce_version >= 0;
}

static bool prepare(struct bench *bench) {
    const struct bench_options *options = bench->options;
    if (options->raw) {
        topic_prepare_raw(&bench->topic, options);
        return payload_init_produce(&bench->payload, options, &bench->topic, 0);
    }
    if (!rpc_open(&bench->rpc, options->host, options->port)) {
        return false;
    }
    if (options->mode == BENCH_PING) {
        return prepare_ping(bench);
    }
    bench->produce_version = rpc_version(&bench->rpc, PRODUCE, 13);
    bench->fetch_version = rpc_version(&bench->rpc, FETCH, 17);
    return bench->produce_version >= 0 && bench->fetch_version >= 0 &&
           topic_prepare(&bench->topic, &bench->rpc, options) &&
           payload_init_produce(&bench->payload, options, &bench->topic, bench->produce_version);
}

static void set_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* 50 us by default: visible in latencies */
}

static bool write_results(const struct bench *bench) {
    const struct bench_options *options = bench->options;
    if (!options->quiet) {
        bool taken = options->json != NULL && strcmp(options->json, "-") == 0;
        report_table(bench, taken ? stderr : stdout);
    }
    if (options->json == NULL) {
        return true;
    }
    if (strcmp(options->json, "-") == 0) {
        report_json(bench, stdout);
        return true;
    }
    FILE *file = fopen(options->json, "w");
    if (file == NULL) {
        fprintf(stderr, "bench: %s: %s\n", options->json, strerror(errno));
        return false;
    }
    report_json(bench, file);
    return fclose(file) == 0;
}

static bool run(struct bench *bench) {
    if (!prepare(bench)) {
        return false;
    }
    bench->schedule = (struct schedule){
        .rate_milli = bench->options->rate_milli,
        .records = (uint64_t)bench->payload.records,
    };
    switch (bench->options->mode) {
    case BENCH_CONSUME:
        return run_consume(bench);
    case BENCH_IDLE:
        return run_idle(bench);
    case BENCH_PRODUCE:
    case BENCH_E2E:
    case BENCH_PING:
        return run_load(bench);
    }
    UNREACHABLE();
}

static int run_and_report(const struct bench_options *options) {
    struct bench *bench = NEW(struct bench);
    bench->options = options;
    bench->rpc.fd = -1;
    bench->ack = NEW(struct histogram);
    bench->e2e = NEW(struct histogram);
    bench->lag = NEW(struct histogram);
    bench->epoll = epoll_create1(EPOLL_CLOEXEC);
    bench->pid = options->find_pid ? process_listening_on(options->port) : options->pid;
    bool good = getrandom(&bench->run_id, sizeof(bench->run_id), 0) == sizeof(bench->run_id);
    good = good && run(bench);
    producers_close(bench);
    consumers_close(bench);
    members_close(bench);
    if (options->delete_topic || (bench->topic.created && !options->keep_topic)) {
        topic_delete(&bench->topic, &bench->rpc);
    }
    good = good && write_results(bench);
    int exit_code = good && report_verdict(bench) == NULL ? 0 : 1;
    payload_release(&bench->payload);
    topic_release(&bench->topic);
    rpc_close(&bench->rpc);
    close(bench->epoll);
    free(bench->ack);
    free(bench->e2e);
    free(bench->lag);
    free(bench);
    return exit_code;
}

int bench_main(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], "start") == 0) {
        return bench_start_main(argc, argv);
    }
    struct bench_options options;
    bool help;
    int status = bench_options_parse(argc, argv, &options, &help);
    if (status != 0 || help) {
        return status;
    }
    set_limits();
    return run_and_report(&options);
}
