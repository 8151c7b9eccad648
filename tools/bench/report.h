/* What a run has measured, for people and for programs. */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/bench/bench.h"

/* What can be said against a run's result; NULL: it counts. Constant text. */
const char *report_verdict(const struct bench *bench);

/* A table. */
void report_table(const struct bench *bench, FILE *out);

/* One JSON object with a line break. */
void report_json(const struct bench *bench, FILE *out);

#endif
