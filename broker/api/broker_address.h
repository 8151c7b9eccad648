/* Where clients reach a broker. */
#ifndef BROKER_API_BROKER_ADDRESS_H
#define BROKER_API_BROKER_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct image_broker;
struct request;

struct broker_address {
    struct slice host;
    int32_t port;
};

/* By the listener that the request came in on, as it has to be told to that client; false when the
 * broker has no such endpoint. Texts live as long as the request and its shard's image. */
bool broker_address(const struct request *request, const struct image_broker *broker,
                    struct broker_address *out);

#endif
