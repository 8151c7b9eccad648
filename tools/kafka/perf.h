/* What kafka-producer-perf-test and kafka-consumer-perf-test have in common. */
#ifndef TOOLS_KAFKA_PERF_H
#define TOOLS_KAFKA_PERF_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/bench/histogram.h"

/* What Java's printf makes of a double with this many digits behind the point: NaN and Infinity
 * have other names there. */
struct perf_number {
    char text[48];
};
struct perf_number perf_number(double value, int digits);

/* Latencies in milliseconds and what was sent, of the whole run or of one interval. */
struct perf_stats {
    int64_t start_ms;
    uint64_t count;
    uint64_t bytes;
    uint64_t total_ms;
    int64_t max_ms;
};

void perf_stats_record(struct perf_stats *stats, int64_t latency_ms, size_t bytes);

/* "N records sent, ..." of an interval that ends now. */
void perf_stats_print_window(const struct perf_stats *stats, int64_t now_ms, FILE *out);

/* The same of a run, with percentiles. kind: "" or " steady state". */
void perf_stats_print_total(const struct perf_stats *stats, const struct histogram *latencies,
                            const char *kind, int64_t now_ms, FILE *out);

struct perf_metric {
    const char *name;
    double value;
};

/* Metrics of a group as Java's clients print theirs. */
void perf_metrics_print(const char *group, const char *client_id, const struct perf_metric *metrics,
                        size_t count, FILE *out);

/* When the next record is due after `sent` of them at so many a second, as client_ticks_ms(); 0
 * when that is now, or sooner than it is worth to wait. A negative throughput is no limit. */
int64_t perf_due(double throughput, int64_t start_ms, int64_t sent);

/* How a time looks by a pattern of Java's SimpleDateFormat, in local time; false with the pattern's
 * first letter that is none in *illegal. Quoted text is taken as it is. */
bool perf_date(char *out, size_t size, const char *pattern, int64_t ms, char *illegal);

#endif
