#include "broker/controller/decision.h"

#include <stdarg.h>
#include <stdio.h>

struct verdict verdict(enum kafka_error error, const char *message) {
    return (struct verdict){.error = error, .message = slice_str(message)};
}

struct verdict verdict_printf(const struct decision *d, enum kafka_error error, const char *format,
                              ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return (struct verdict){.error = error, .message = arena_dup(d->arena, slice_str(text))};
}

void decision_rewind(struct decision *d, int count) {
    while (d->records.count > count) {
        d->records.count--;
        d->records.bytes -= d->records.values[d->records.count].len;
    }
}

/* Beside its value a record has lengths and deltas: under 32 bytes. */
#define RECORD_OVERHEAD 32

void decision_check_size(const struct decision *d, struct verdict *outcome) {
    size_t bytes = d->records.bytes + (size_t)d->records.count * RECORD_OVERHEAD;
    if (outcome->error == ERROR_NONE &&
        (d->records.count > DECISION_RECORDS_MAX || bytes > METADATA_BATCH_MAX - 4096)) {
        *outcome = verdict(ERROR_POLICY_VIOLATION,
                           "The request needs more than 10000 records, or more than 8 MiB");
    }
}

bool broker_is_active(const struct image *image, int32_t id) {
    const struct image_broker *broker = image_broker(image, id);
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown;
}

struct uuid broker_default_directory(const struct image *image, int32_t id) {
    const struct image_broker *broker = image_broker(image, id);
    return broker != NULL && broker->log_dir_count == 1 ? broker->log_dirs[0] : UUID_ZERO;
}
