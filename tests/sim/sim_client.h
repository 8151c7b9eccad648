/*
 * A client of the wire on a simulated machine: one connection, one request at a time.
 *
 * A request that gets no answer because the connection broke, or because the broker could not be
 * reached, is told as such; the caller decides whether to try again.
 */
#ifndef TESTS_SIM_SIM_CLIENT_H
#define TESTS_SIM_SIM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "protocol/message.h"
#include "runtime/machine.h"
#include "runtime/net.h"

struct sim_client {
    struct shard *shard;
    const char *host;
    int port;
    struct conn *conn; /* NULL while not connected and not dialling */
    bool connected;
    bool stopped;
    struct timer redial;
    int32_t correlation_id;

    /* The request under way. */
    const struct api *api;
    int16_t version;
    bool waiting; /* for the connection, or for the answer */
    bool sent;
    bool impatient; /* a connection that cannot be made is no answer either */
    struct buffer request;
    struct arena arena;  /* of the last answer */
    struct frame *frame; /* of the last answer */
    void (*answered)(void *ctx, const void *response);
    void *ctx;
};

void sim_client_init(struct sim_client *client, struct shard *shard, const char *host, int port);

/* Closes the connection; nobody is called any more. Before the machine goes. */
void sim_client_stop(struct sim_client *client);
void sim_client_release(struct sim_client *client);

/* Sends a request as soon as there is a connection; one at a time. The message may live on the
 * stack. `answered` gets the decoded response, valid until the next answer, or NULL when the
 * connection broke meanwhile. */
void sim_client_call(struct sim_client *client, int16_t api_key, int16_t version,
                     const void *message, void (*answered)(void *ctx, const void *response),
                     void *ctx);

#endif
