#include "tools/kafka/perf.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "tools/client/client.h"

#define MIB          (1024.0 * 1024.0)
#define PAUSE_MIN_MS 2 /* as Kafka's: shorter pauses are put off */

struct perf_number perf_number(double value, int digits) {
    struct perf_number number;
    if (isnan(value)) {
        snprintf(number.text, sizeof(number.text), "NaN");
    } else if (isinf(value)) {
        snprintf(number.text, sizeof(number.text), "%sInfinity", value < 0 ? "-" : "");
    } else {
        snprintf(number.text, sizeof(number.text), "%.*f", digits, value);
    }
    return number;
}

/* ---- Statistics ------------------------------------------------------------------------------ */

void perf_stats_record(struct perf_stats *stats, int64_t latency_ms, size_t bytes) {
    stats->count++;
    stats->bytes += bytes;
    stats->total_ms += (uint64_t)latency_ms;
    if (latency_ms > stats->max_ms) {
        stats->max_ms = latency_ms;
    }
}

/* "..., N records/sec (N MB/sec), N ms avg latency, N ms max latency" */
static void print_rates(const struct perf_stats *stats, int64_t now_ms, int rate_digits, int digits,
                        FILE *out) {
    double elapsed = (double)(now_ms - stats->start_ms);
    fprintf(out, "%s records/sec (%s MB/sec), %s ms avg latency, %s ms max latency",
            perf_number(1000.0 * (double)stats->count / elapsed, rate_digits).text,
            perf_number(1000.0 * (double)stats->bytes / elapsed / MIB, 2).text,
            perf_number((double)stats->total_ms / (double)stats->count, digits).text,
            perf_number((double)stats->max_ms, digits).text);
}

void perf_stats_print_window(const struct perf_stats *stats, int64_t now_ms, FILE *out) {
    fprintf(out, "%" PRIu64 " records sent, ", stats->count);
    print_rates(stats, now_ms, 1, 1, out);
    fputs(".\n", out);
}

void perf_stats_print_total(const struct perf_stats *stats, const struct histogram *latencies,
                            const char *kind, int64_t now_ms, FILE *out) {
    fprintf(out, "%" PRIu64 "%s records sent, ", stats->count, kind);
    print_rates(stats, now_ms, 6, 2, out);
    static const struct {
        double percent;
        const char *name;
    } shown[] = {{50, "50th"}, {95, "95th"}, {99, "99th"}, {99.9, "99.9th"}};
    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        fprintf(out, ", %" PRId64 " ms %s", histogram_percentile(latencies, shown[i].percent),
                shown[i].name);
    }
    fputs(".\n", out);
}

void perf_metrics_print(const char *group, const char *client_id, const struct perf_metric *metrics,
                        size_t count, FILE *out) {
    int width = 0;
    char name[256];
    for (size_t i = 0; i < count; i++) {
        int len =
            snprintf(name, sizeof(name), "%s:%s:{client-id=%s}", group, metrics[i].name, client_id);
        width = len > width ? len : width;
    }
    fprintf(out, "\n%-*s   Value\n", width, "Metric Name");
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s:%s:{client-id=%s}", group, metrics[i].name, client_id);
        fprintf(out, "%-*s : %s\n", width, name, perf_number(metrics[i].value, 3).text);
    }
}

/* ---- Throttling ------------------------------------------------------------------------------ */

int64_t perf_due(double throughput, int64_t start_ms, int64_t sent) {
    if (throughput < 0) {
        return 0;
    }
    double due = (double)start_ms + (double)sent / throughput * 1000;
    int64_t due_ms = due < 1e18 ? (int64_t)due : INT64_MAX;
    return due_ms - client_ticks_ms() >= PAUSE_MIN_MS ? due_ms : 0;
}

/* ---- Times ----------------------------------------------------------------------------------- */

/* One field of the pattern, `run` equal letters; false when the letter is none. */
static bool put_field(FILE *out, char letter, int run, const struct tm *tm, int ms) {
    char text[64];
    switch (letter) {
    case 'y':
        fprintf(out, "%0*d", run, run == 2 ? (tm->tm_year + 1900) % 100 : tm->tm_year + 1900);
        return true;
    case 'M':
    case 'E':
    case 'a':
    case 'z':
    case 'Z':
        if (letter == 'M' && run <= 2) {
            fprintf(out, "%0*d", run, tm->tm_mon + 1);
            return true;
        }
        strftime(text, sizeof(text),
                 letter == 'M'   ? (run == 3 ? "%b" : "%B")
                 : letter == 'E' ? (run <= 3 ? "%a" : "%A")
                 : letter == 'a' ? "%p"
                 : letter == 'z' ? "%Z"
                                 : "%z",
                 tm);
        fputs(text, out);
        return true;
    default:
        break;
    }
    const struct {
        char letter;
        int value;
    } numbers[] = {
        {'d', tm->tm_mday},
        {'D', tm->tm_yday + 1},
        {'H', tm->tm_hour},
        {'k', tm->tm_hour == 0 ? 24 : tm->tm_hour},
        {'K', tm->tm_hour % 12},
        {'h', tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12},
        {'m', tm->tm_min},
        {'s', tm->tm_sec},
        {'S', ms},
        {'u', tm->tm_wday == 0 ? 7 : tm->tm_wday},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (numbers[i].letter == letter) {
            fprintf(out, "%0*d", run, numbers[i].value);
            return true;
        }
    }
    return false;
}

/* Text between quotes, two of which are one; returns what is behind. */
static const char *put_quoted(FILE *out, const char *at) {
    if (at[1] == '\'') {
        fputc('\'', out);
        return at + 2;
    }
    for (at++; *at != '\0'; at++) {
        if (*at == '\'' && at[1] != '\'') {
            return at + 1;
        }
        at += *at == '\'';
        fputc(*at, out);
    }
    return at;
}

bool perf_date(char *text, size_t size, const char *pattern, int64_t ms, char *illegal) {
    time_t seconds = ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    memset(text, 0, size);
    FILE *out = fmemopen(text, size - 1, "w");
    const char *at = pattern;
    bool known = out != NULL;
    while (known && *at != '\0') {
        if (*at == '\'') {
            at = put_quoted(out, at);
        } else if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z')) {
            int run = 1;
            while (at[run] == *at) {
                run++;
            }
            known = put_field(out, *at, run < 32 ? run : 32, &tm, (int)(ms % 1000));
            *illegal = *at;
            at += run;
        } else {
            fputc(*at++, out);
        }
    }
    if (out != NULL) {
        fclose(out);
    }
    return known;
}
