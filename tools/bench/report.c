#include "tools/bench/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

#define NS_PER_S 1e9

/* The figures that table and JSON share, of the measured window. */
struct figures {
    double seconds;
    double offered; /* records (pings) a second; 0: closed loop */
    double requests_s;
    double records_s;
    double bytes_s;
    double consumed_records_s;
    double consumed_bytes_s;
    double fetches_s;
    double heartbeats_s;
    uint64_t requests; /* acknowledged */
    uint64_t records;  /* acknowledged, or consumed when nothing is produced */
    uint64_t bytes;
    double cpu_s; /* of the broker; < 0: not known */
    double own_cpu_s;
    double busy_s; /* of all CPUs, all processes */
    double steal;  /* share of all CPUs */
};

static struct figures figures_of(const struct bench *bench) {
    const struct bench_sample *from = &bench->from;
    const struct bench_sample *to = &bench->to;
    struct figures f = {.seconds = (double)(to->at_ns - from->at_ns) / NS_PER_S};
    double s = f.seconds > 0 ? f.seconds : 1;
    f.requests = to->totals.acked - from->totals.acked;
    f.records = to->totals.acked_records - from->totals.acked_records;
    f.bytes = to->totals.acked_bytes - from->totals.acked_bytes;
    uint64_t consumed_records = to->totals.records - from->totals.records;
    uint64_t consumed_bytes = to->totals.bytes - from->totals.bytes;
    if (bench->options->mode == BENCH_CONSUME) {
        f.requests = to->totals.fetches - from->totals.fetches;
        f.records = consumed_records;
        f.bytes = consumed_bytes;
    }
    f.offered = bench->open_loop ? (double)bench->schedule.rate_milli / 1000 : 0;
    f.requests_s = (double)f.requests / s;
    f.records_s = (double)f.records / s;
    f.bytes_s = (double)f.bytes / s;
    f.consumed_records_s = (double)consumed_records / s;
    f.consumed_bytes_s = (double)consumed_bytes / s;
    f.fetches_s = (double)(to->totals.fetches - from->totals.fetches) / s;
    f.heartbeats_s = (double)(to->totals.heartbeats - from->totals.heartbeats) / s;
    bool known = bench->pid != 0 && to->broker_cpu_ns >= 0 && from->broker_cpu_ns >= 0;
    f.cpu_s = known ? (double)(to->broker_cpu_ns - from->broker_cpu_ns) / NS_PER_S : -1;
    f.own_cpu_s = (double)(to->own_cpu_ns - from->own_cpu_ns) / NS_PER_S;
    f.busy_s = to->machine.busy - from->machine.busy;
    double total = to->machine.total - from->machine.total;
    f.steal = total > 0 ? (to->machine.steal - from->machine.steal) / total : 0;
    return f;
}

const char *report_verdict(const struct bench *bench) {
    const struct bench_options *options = bench->options;
    if (bench_fault_count(bench) > 0) {
        return "there were errors";
    }
    if (bench->in_flight > 0) {
        return "requests were not answered";
    }
    if (options->mode == BENCH_IDLE) {
        bool alive = bench->totals.fetches > 0 && bench->totals.heartbeats > 0;
        return alive ? NULL : "nothing happened";
    }
    if (bench->totals.sent == 0 && bench->totals.records == 0) {
        return "nothing happened";
    }
    if (bench->open_loop && bench->totals.sent < bench->event_count) {
        return "the broker (or this client) did not keep up with the rate";
    }
    bool compares =
        options->mode == BENCH_E2E || (options->mode == BENCH_CONSUME && options->fill > 0);
    if (compares && bench->totals.records != bench->totals.acked_records) {
        return "not as many records were consumed as were acknowledged";
    }
    if (compares && bench->payload.stamp_at != 0 && bench->consumed_sum != bench->acked_sum) {
        return "other records were consumed than were acknowledged";
    }
    return NULL;
}

/* ---- For people ------------------------------------------------------------------------------ */

static void latency_line(const char *name, const struct histogram *h, FILE *out) {
    if (h->count == 0) {
        return;
    }
    fprintf(out, "  %-12s %9.3f %9.3f %9.3f %9.3f %9.3f %10" PRIu64 " %9" PRIu64 "\n", name,
            (double)histogram_percentile(h, 50) / 1e6, (double)histogram_percentile(h, 90) / 1e6,
            (double)histogram_percentile(h, 99) / 1e6, (double)histogram_percentile(h, 99.9) / 1e6,
            (double)h->max / 1e6, histogram_count_above(h, 10000000), h->count);
}

static void latency_table(const struct bench *bench, FILE *out) {
    fprintf(out, "%-14s %9s %9s %9s %9s %9s %10s %9s\n",
            bench->open_loop ? "latency, ms" : "closed loop, ms", "p50", "p90", "p99", "p99.9",
            "max", "over 10 ms", "samples");
    latency_line("acknowledged", bench->ack, out);
    latency_line("consumed", bench->e2e, out);
    latency_line("client's lag", bench->lag, out);
}

static void cost_table(const struct bench *bench, const struct figures *f, FILE *out) {
    fprintf(out, "broker (pid %d)\n", (int)bench->pid);
    fprintf(out, "  CPU            %.3f s in %.2f s (%.2f%% of a CPU)\n", f->cpu_s, f->seconds,
            100 * f->cpu_s / f->seconds);
    if (f->requests > 0) {
        fprintf(out, "  per request    %.2f us\n", f->cpu_s * 1e6 / (double)f->requests);
        fprintf(out, "  per 1M records %.3f s\n", f->cpu_s * 1e6 / (double)f->records);
    }
    if (f->bytes > 0) {
        fprintf(out, "  per GB         %.3f s%s\n", f->cpu_s * 1e9 / (double)f->bytes,
                bench->options->mode == BENCH_E2E ? " (produced and consumed)" : "");
    }
    fprintf(out, "  memory         RSS %.1f MiB, PSS %.1f MiB (highest)\n",
            (double)bench->rss_max / 1048576, (double)bench->pss_max / 1048576);
}

static void fault_lines(const struct bench *bench, FILE *out) {
    const struct bench_faults *faults = &bench->faults;
    for (int i = 0; i < ERROR_CODE_MAX + 2; i++) {
        if (faults->codes[i] > 0) {
            fprintf(out, "errors           %" PRIu64 " x %s\n", faults->codes[i],
                    error_name((int16_t)(i - 1)));
        }
    }
    if (faults->lost_connections > 0) {
        fprintf(out, "lost connections %" PRIu64 "\n", faults->lost_connections);
    }
    if (faults->malformed > 0) {
        fprintf(out, "malformed        %" PRIu64 "\n", faults->malformed);
    }
    if (faults->disorder > 0) {
        fprintf(out, "lost or doubled  %" PRIu64 "\n", faults->disorder);
    }
    if (faults->detail != NULL) {
        fprintf(out, "                 %s\n", faults->detail);
    }
}

void report_table(const struct bench *bench, FILE *out) {
    struct figures f = figures_of(bench);
    if (bench->options->mode == BENCH_IDLE) {
        fprintf(out, "idle consumers   %d; %.1f answers to Fetch/s, %.1f to Heartbeat/s\n",
                bench->options->consumers, f.fetches_s, f.heartbeats_s);
    }
    if (bench->open_loop) {
        fprintf(out, "offered          %.0f %s/s\n", f.offered,
                bench->options->mode == BENCH_PING ? "requests" : "records");
    }
    if (bench->options->mode != BENCH_IDLE) {
        fprintf(out, "%s%.0f records/s, %.0f requests/s, %.2f MB/s\n",
                bench->options->mode == BENCH_CONSUME ? "consumed         " : "acknowledged     ",
                f.records_s, f.requests_s, f.bytes_s / 1e6);
    }
    if (bench->options->mode == BENCH_E2E) {
        fprintf(out, "consumed         %.0f records/s, %.2f MB/s\n", f.consumed_records_s,
                f.consumed_bytes_s / 1e6);
    }
    if (bench->options->mode != BENCH_CONSUME && bench->options->mode != BENCH_IDLE) {
        latency_table(bench, out);
    }
    if (f.cpu_s >= 0) {
        cost_table(bench, &f, out);
    }
    fprintf(out, "this client      CPU %.3f s\n", f.own_cpu_s);
    fprintf(out, "the machine      busy %.2f s, of it others %.2f s; stolen %.2f%%\n", f.busy_s,
            f.busy_s - f.own_cpu_s - (f.cpu_s > 0 ? f.cpu_s : 0), 100 * f.steal);
    fault_lines(bench, out);
    const char *verdict = report_verdict(bench);
    if (verdict != NULL) {
        fprintf(out, "FAILED           %s\n", verdict);
    }
}

/* ---- For programs ---------------------------------------------------------------------------- */

static void json_latency(const char *name, const struct histogram *h, FILE *out) {
    fprintf(out, "\"%s\":{\"count\":%" PRIu64, name, h->count);
    static const struct {
        const char *name;
        double percent;
    } shown[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        fprintf(out, ",\"%s\":%.6f", shown[i].name,
                (double)histogram_percentile(h, shown[i].percent) / 1e6);
    }
    fprintf(out, ",\"max\":%.6f,\"mean\":%.6f,\"over_10_ms\":%" PRIu64 "},", (double)h->max / 1e6,
            histogram_mean(h) / 1e6, histogram_count_above(h, 10000000));
}

static void json_faults(const struct bench *bench, FILE *out) {
    const struct bench_faults *faults = &bench->faults;
    fprintf(out, "\"errors\":{\"total\":%" PRIu64, bench_fault_count(bench));
    for (int i = 0; i < ERROR_CODE_MAX + 2; i++) {
        if (faults->codes[i] > 0) {
            fprintf(out, ",\"%s\":%" PRIu64, error_name((int16_t)(i - 1)), faults->codes[i]);
        }
    }
    fprintf(out,
            ",\"lost_connections\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"disorder\":%" PRIu64
            "},",
            faults->lost_connections, faults->malformed, faults->disorder);
    const char *verdict = report_verdict(bench);
    fprintf(out, "\"valid\":%s,\"verdict\":\"%s\"}\n", verdict == NULL ? "true" : "false",
            verdict == NULL ? "" : verdict);
}

static void json_broker(const struct bench *bench, const struct figures *f, FILE *out) {
    if (f->cpu_s < 0) {
        fputs("\"broker\":null,", out);
        return;
    }
    fprintf(out, "\"broker\":{\"pid\":%d,\"cpu_s\":%.6f,\"cpu_share\":%.6f", (int)bench->pid,
            f->cpu_s, f->cpu_s / f->seconds);
    if (f->requests > 0) {
        fprintf(out, ",\"us_per_request\":%.4f,\"s_per_million_records\":%.6f",
                f->cpu_s * 1e6 / (double)f->requests, f->cpu_s * 1e6 / (double)f->records);
    }
    if (f->bytes > 0) {
        fprintf(out, ",\"s_per_gb\":%.6f", f->cpu_s * 1e9 / (double)f->bytes);
    }
    fprintf(out, ",\"rss_max\":%" PRId64 ",\"pss_max\":%" PRId64 "},", bench->rss_max,
            bench->pss_max);
}

void report_json(const struct bench *bench, FILE *out) {
    static const char *const modes[] = {"produce", "consume", "e2e", "ping", "idle"};
    struct figures f = figures_of(bench);
    fprintf(out,
            "{\"mode\":\"%s\",\"loop\":\"%s\",\"seconds\":%.3f,\"offered_s\":%.3f,"
            "\"requests_s\":%.3f,\"records_s\":%.3f,\"bytes_s\":%.1f,"
            "\"consumed_records_s\":%.3f,\"consumed_bytes_s\":%.1f,"
            "\"fetches_s\":%.3f,\"heartbeats_s\":%.3f,"
            "\"requests\":%" PRIu64 ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
            ",\"batch_bytes\":%zu,",
            modes[bench->options->mode], bench->open_loop ? "open" : "closed", f.seconds, f.offered,
            f.requests_s, f.records_s, f.bytes_s, f.consumed_records_s, f.consumed_bytes_s,
            f.fetches_s, f.heartbeats_s, f.requests, f.records, f.bytes, bench->payload.batch_len);
    json_latency("ack_ms", bench->ack, out);
    json_latency("e2e_ms", bench->e2e, out);
    json_latency("client_lag_ms", bench->lag, out);
    json_broker(bench, &f, out);
    fprintf(out,
            "\"client_cpu_s\":%.6f,\"machine_busy_s\":%.3f,\"foreign_cpu_s\":%.3f,"
            "\"steal\":%.6f,",
            f.own_cpu_s, f.busy_s, f.busy_s - f.own_cpu_s - (f.cpu_s > 0 ? f.cpu_s : 0), f.steal);
    json_faults(bench, out);
}
