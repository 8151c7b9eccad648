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

#define SCOPES_B   API_SCOPE_BROKER
#define SCOPES_C   API_SCOPE_CONTROLLER
#define SCOPES_BC  (API_SCOPE_BROKER | API_SCOPE_CONTROLLER)
#define SCOPES_BCF SCOPES_BC
#define SCOPES_CF  SCOPES_C

#define FORWARDABLE_B   false
#define FORWARDABLE_C   false
#define FORWARDABLE_BC  false
#define FORWARDABLE_BCF true
#define FORWARDABLE_CF  true

#define API_ROW(key_, name, scope, min, max)                                                       \
    [key_] = {                                                                                     \
        .key = (key_),                                                                             \
        .scopes = SCOPES_##scope,                                                                  \
        .forwardable = FORWARDABLE_##scope,                                                        \
        .min_version = (min),                                                                      \
        .max_version = (max),                                                                      \
        .advertised_min_version = (key_) == API_KEY_PRODUCE ? 0 : (min),                           \
        .handle = api_##name,                                                                      \
    },

/* By key; no handler where the key is not served. */
static const struct api_handler handlers[] = {API_LIST(API_ROW)};

const struct api_handler *api_handler(int16_t key, enum api_scope scope) {
    if (key < 0 || (size_t)key >= ARRAY_LEN(handlers)) {
        return NULL;
    }
    bool served = handlers[key].handle != NULL && (handlers[key].scopes & scope) != 0;
    return served ? &handlers[key] : NULL;
}

const struct api_handler *api_handler_next(int key, enum api_scope scope) {
    for (size_t i = (size_t)(key + 1); i < ARRAY_LEN(handlers); i++) {
        const struct api_handler *handler = api_handler((int16_t)i, scope);
        if (handler != NULL) {
            return handler;
        }
    }
    return NULL;
}
