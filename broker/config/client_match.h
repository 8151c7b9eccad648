/*
 * Which clients a subscription is for: "key=pattern,..." of the configuration `match`. A pattern is
 * a POSIX extended regular expression and has to match the whole value; all entries have to match.
 */
#ifndef BROKER_CONFIG_CLIENT_MATCH_H
#define BROKER_CONFIG_CLIENT_MATCH_H

#include <stdbool.h>

#include "base/slice.h"

enum client_attribute {
    CLIENT_INSTANCE_ID,
    CLIENT_ID,
    CLIENT_SOFTWARE_NAME,
    CLIENT_SOFTWARE_VERSION,
    CLIENT_SOURCE_ADDRESS,
    CLIENT_SOURCE_PORT,
    CLIENT_ATTRIBUTE_COUNT
};

/* Of one client; none is null. */
struct client_attributes {
    struct slice values[CLIENT_ATTRIBUTE_COUNT];
};

/* Whether the text is of that form, with known keys and patterns that can be compiled. */
bool client_match_valid(struct slice match);

/* An empty `match` is for all clients, one that is not valid for none. */
bool client_match(struct slice match, const struct client_attributes *client);

#endif
