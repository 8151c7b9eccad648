/* Names and texts of Kafka's error codes. */
#include "protocol/errors.h"

#include <stddef.h>

enum error_retry {
    FINAL,
    RETRIABLE,
};

struct error_entry {
    const char *name;
    const char *text;
    enum error_retry retry;
};

/* Codes start at -1. */
static const struct error_entry entries[] = {
#define ERROR_ENTRY(name, code, retry, text) [(code) + 1] = {#name, text, retry},
    KAFKA_ERRORS(ERROR_ENTRY)
#undef ERROR_ENTRY
};

static const struct error_entry *find(int16_t code) {
    int index = code + 1;
    int count = (int)(sizeof(entries) / sizeof(entries[0]));
    if (index < 0 || index >= count || entries[index].name == NULL) {
        return &entries[0];
    }
    return &entries[index];
}

const char *error_name(int16_t code) {
    return find(code)->name;
}

const char *error_message(int16_t code) {
    return find(code)->text;
}

bool error_retriable(int16_t code) {
    return find(code)->retry == RETRIABLE;
}
