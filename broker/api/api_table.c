#include "broker/api/api.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

/*
 * Produce 0 to 2 are not served, but 0 must be advertised: librdkafka before 2.11.1 compresses only
 * if the advertised range reaches down to it (KAFKA-18659). They are answered as Kafka does, by
 * closing the connection.
 */
#define API_KEY_PRODUCE 0

#define API_ROW(key_, name, min, max)                                                              \
    [key_] = {                                                                                     \
        .key = (key_),                                                                             \
        .min_version = (min),                                                                      \
        .max_version = (max),                                                                      \
        .advertised_min_version = (key_) == API_KEY_PRODUCE ? 0 : (min),                           \
        .handle = api_##name,                                                                      \
    },

/* By key; no handler where the key is not served. */
static const struct api_handler handlers[] = {API_LIST(API_ROW)};

const struct api_handler *api_handler(int16_t key) {
    bool served = key >= 0 && (size_t)key < ARRAY_LEN(handlers) && handlers[key].handle != NULL;
    return served ? &handlers[key] : NULL;
}

const struct api_handler *api_handler_next(int key) {
    for (size_t i = (size_t)(key + 1); i < ARRAY_LEN(handlers); i++) {
        if (handlers[i].handle != NULL) {
            return &handlers[i];
        }
    }
    return NULL;
}
