/* A simulated machine serves no pages. */
#include "runtime/http.h"

#include <errno.h>

#include "base/errmsg.h"

int http_open(struct machine *machine, const struct http_options *options, struct http_server **out,
              struct errmsg *errmsg) {
    errmsg_set(errmsg, "a simulated machine serves no pages");
    return -ENOTSUP;
}

int http_port(const struct http_server *server) {
    return -1;
}

struct http_page *http_page_new(int status, const char *content_type, const char *encoding,
                                void *data, size_t len) {
    return NULL;
}

struct http_page *http_page_text(int status, const char *text) {
    return NULL;
}

struct http_page *http_page_ref(struct http_page *page) {
    return page;
}

void http_page_unref(struct http_page *page) {
}

void http_reply(struct http_exchange *exchange, struct http_page *page) {
}

void http_close(struct http_server *server) {
}
