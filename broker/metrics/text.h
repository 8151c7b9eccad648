/*
 * Prometheus' text format, version 0.0.4. All samples of a family stand together behind its head.
 *
 * Labels are built once and used for many samples: `topic="a",partition="0"`, without braces; empty
 * is none.
 */
#ifndef BROKER_METRICS_TEXT_H
#define BROKER_METRICS_TEXT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* `type` is one of Prometheus'; `help` is one line. */
void text_family(struct buffer *out, const char *name, const char *type, const char *help);

void text_int(struct buffer *out, const char *name, struct slice labels, int64_t value);
void text_real(struct buffer *out, const char *name, struct slice labels, double value);

/* A family of one sample without labels. */
void text_single(struct buffer *out, const char *name, const char *type, const char *help,
                 double value);

/* Appends `name="value"`, behind a comma where `labels` is not empty. What the format cannot carry
 * is escaped; bytes that are no UTF-8, and control characters, become \xNN. */
void text_label(struct buffer *labels, const char *name, struct slice value);
void text_label_int(struct buffer *labels, const char *name, int64_t value);

#endif
