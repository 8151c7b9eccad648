/*
 * A small HTTP/1.1 server for pages that are read: metrics and health. GET and HEAD without a body.
 *
 * It lives on shard 0, whose loop does its socket work; an exchange may be answered at once or
 * later. The answer is a page, which never changes once it is made, so that several connections may
 * be sending it while the next is made elsewhere.
 *
 * Peers are bounded: so many connections, and so many of one address, as the options say; a request
 * of HTTP_REQUEST_MAX bytes; HTTP_REQUEST_MS from a connection's opening, or from its last answer,
 * until the next request is there; HTTP_ANSWER_MS to take an answer. Whoever needs more is cut off.
 */
#ifndef RUNTIME_HTTP_H
#define RUNTIME_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct errmsg;
struct http_exchange;
struct http_page;
struct http_server;
struct machine;

#define HTTP_REQUEST_MAX ((size_t)16 * 1024)
#define HTTP_REQUEST_MS  10000
#define HTTP_ANSWER_MS   60000

/* ---- Pages ----------------------------------------------------------------------------------- */

/* Takes the heap block `data` (freed with free()); the texts are constant. `encoding` may be NULL.
 * One reference. Any thread. */
struct http_page *http_page_new(int status, const char *content_type, const char *encoding,
                                void *data, size_t len);

/* A short page of text/plain; copies. */
struct http_page *http_page_text(int status, const char *text);

/* On shard 0, but for a page that only one thread has. NULL does nothing. */
struct http_page *http_page_ref(struct http_page *page);
void http_page_unref(struct http_page *page);

/* ---- Serving --------------------------------------------------------------------------------- */

struct http_options {
    const char *host; /* NULL or "" for all addresses; copied */
    int port;         /* 0: the system picks one (http_port) */
    int connections_max;
    int connections_per_address_max;
    /* A request. `path` is without query and valid during the call. Leads to one http_reply(), at
     * once or later. `gzip`: the answer may be encoded so. */
    void (*on_get)(struct http_exchange *exchange, const char *path, bool gzip, void *ctx);
    void *ctx;
};

/* On shard 0. 0, or a negative errno with one line in errmsg. The simulated machine has none:
 * -ENOTSUP. */
MUST_CHECK int http_open(struct machine *machine, const struct http_options *options,
                         struct http_server **out, struct errmsg *errmsg);
int http_port(const struct http_server *server);

/* Ends the exchange; takes one reference of the page. Also when the peer has gone, or the server
 * was closed: then nobody sees it. On shard 0. */
void http_reply(struct http_exchange *exchange, struct http_page *page);

/* Closes everything, now. Exchanges that are open are valid until their http_reply(). NULL does
 * nothing. On shard 0, or after the machine has stopped. */
void http_close(struct http_server *server);

#endif
