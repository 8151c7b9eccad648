/* What the verifiable clients print: a JSON object a line, which begins with time and name. */
#ifndef TOOLS_KAFKA_EVENT_H
#define TOOLS_KAFKA_EVENT_H

#include <jansson.h>

#include "base/slice.h"

/* The caller adds what belongs to it, in the order in which it is to be printed. */
json_t *kafka_event(const char *name);

/* A string, or null; bytes that are no UTF-8 become question marks. */
json_t *kafka_event_text(struct slice text);

/* Prints and frees it. */
void kafka_event_print(json_t *event);

#endif
