#include "tools/client/rpc.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "protocol/errors.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"

#define TIMEOUT_S    60
#define RESPONSE_MAX ((size_t)256 << 20)
#define API_VERSIONS 18

/* ---- Frames ---------------------------------------------------------------------------------- */

static bool frame_try(struct buffer *out, int16_t api_key, int16_t version, int32_t correlation_id,
                      const char *client_id, const void *request,
                      const struct message_external *external) {
    const struct api *api = api_by_key(api_key);
    size_t start = out->len;
    buffer_put_be32(out, 0);
    struct request_header header;
    message_init(&request_header_desc, &header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.correlation_id = correlation_id;
    header.client_id = slice_str(client_id);
    enum message_error error = message_encode(
        &request_header_desc, api_request_header_version(api, version), &header, out, NULL);
    ASSERT(error == MESSAGE_OK);
    if (message_encode(api->request, version, request, out, external) != MESSAGE_OK) {
        return false;
    }
    store_be32(out->data + start, (uint32_t)(out->len - start - 4));
    return true;
}

void frame_request(struct buffer *out, int16_t api_key, int16_t version, int32_t correlation_id,
                   const void *request, const struct message_external *external) {
    bool framed =
        frame_try(out, api_key, version, correlation_id, RPC_CLIENT_ID, request, external);
    ASSERT(framed);
}

const void *frame_response(struct slice frame, int16_t api_key, int16_t version,
                           struct arena *arena) {
    const struct api *api = api_by_key(api_key);
    struct response_header header;
    size_t used;
    if (message_decode(&response_header_desc, api_response_header_version(api, version), frame,
                       arena, &header, &used) != MESSAGE_OK) {
        return NULL;
    }
    void *response = arena_alloc(arena, message_size(api->response));
    if (message_decode(api->response, version, slice_make(frame.data + used, frame.len - used),
                       arena, response, NULL) != MESSAGE_OK) {
        return NULL;
    }
    return response;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int dial(const char *host, uint16_t port, const char **reason) {
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int failed = getaddrinfo(host, service, &hints, &addresses);
    *reason = failed != 0 ? gai_strerror(failed) : "no address";
    int fd = -1;
    for (struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            *reason = strerror(errno);
            close(fd);
            fd = -1;
        }
    }
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
    if (fd >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

int tcp_connect(const char *host, uint16_t port, bool silent) {
    const char *reason;
    int fd = dial(host, port, &reason);
    if (fd < 0 && !silent) {
        fprintf(stderr, "barnabasctl: %s:%u: %s\n", host, port, reason);
    }
    return fd;
}

PRINTF_LIKE(2, 3) static void fail(struct rpc *rpc, const char *format, ...) {
    char text[ERRMSG_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    errmsg_set(&rpc->error, "%s", text);
    if (!rpc->quiet) {
        fprintf(stderr, "barnabasctl: %s\n", text);
    }
}

static bool send_all(int fd, const uint8_t *data, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *data, size_t len) {
    while (len > 0) {
        ssize_t got = recv(fd, data, len, 0);
        if (got <= 0) {
            if (got == 0) {
                errno = ECONNRESET;
            }
            return false;
        }
        data += got;
        len -= (size_t)got;
    }
    return true;
}

bool rpc_send(struct rpc *rpc, int16_t api_key, int16_t version, const void *request) {
    const char *name = api_by_key(api_key)->name;
    buffer_reset(&rpc->frame);
    if (!frame_try(&rpc->frame, api_key, version, ++rpc->correlation_id, rpc->client_id, request,
                   NULL)) {
        fail(rpc, "the broker's version %d of %s cannot ask for this", version, name);
        return false;
    }
    if (!send_all(rpc->fd, rpc->frame.data, rpc->frame.len)) {
        fail(rpc, "%s: %s", name, strerror(errno));
        return false;
    }
    return true;
}

const void *rpc_receive(struct rpc *rpc, int16_t api_key, int16_t version, struct arena *arena) {
    const char *name = api_by_key(api_key)->name;
    uint8_t size[4];
    if (!receive_all(rpc->fd, size, 4)) {
        fail(rpc, "%s: %s", name, errno == EAGAIN ? "no answer came" : strerror(errno));
        return NULL;
    }
    buffer_reset(&rpc->frame);
    uint8_t *in = buffer_extend(&rpc->frame, load_be32(size));
    if (in == NULL || !receive_all(rpc->fd, in, rpc->frame.len)) {
        fail(rpc, "%s: no whole answer came", name);
        return NULL;
    }
    struct slice frame = arena_dup(arena, buffer_slice(&rpc->frame));
    const void *response = frame_response(frame, api_key, version, arena);
    if (response == NULL) {
        fail(rpc, "the answer to %s is malformed", name);
    }
    return response;
}

const void *rpc_call_into(struct rpc *rpc, int16_t api_key, int16_t version, const void *request,
                          struct arena *arena) {
    return rpc_send(rpc, api_key, version, request) ? rpc_receive(rpc, api_key, version, arena)
                                                    : NULL;
}

const void *rpc_call(struct rpc *rpc, int16_t api_key, int16_t version, const void *request) {
    if (!rpc_send(rpc, api_key, version, request)) {
        return NULL;
    }
    arena_reset(&rpc->arena);
    return rpc_receive(rpc, api_key, version, &rpc->arena);
}

static bool ask_versions(struct rpc *rpc) {
    struct api_versions_request request;
    message_init(&api_versions_request_desc, &request);
    const struct api_versions_response *response = rpc_call(rpc, API_VERSIONS, 0, &request);
    if (response == NULL || response->error_code != ERROR_NONE) {
        fail(rpc, "the broker does not tell its versions");
        return false;
    }
    for (int32_t i = 0; i < response->api_keys_count; i++) {
        int16_t key = response->api_keys[i].api_key;
        if (key >= 0 && key <= API_KEY_MAX) {
            rpc->min_version[key] = response->api_keys[i].min_version;
            rpc->max_version[key] = response->api_keys[i].max_version;
        }
    }
    return true;
}

static bool open_as(struct rpc *rpc, const char *host, uint16_t port, const char *client_id,
                    bool quiet) {
    const char *reason;
    *rpc = (struct rpc){.fd = dial(host, port, &reason), .client_id = client_id, .quiet = quiet};
    arena_init(&rpc->arena, SIZE_MAX);
    buffer_init(&rpc->frame, RESPONSE_MAX);
    for (int key = 0; key <= API_KEY_MAX; key++) {
        rpc->max_version[key] = -1;
    }
    if (rpc->fd < 0) {
        fail(rpc, "%s:%u: %s", host, port, reason);
        return false;
    }
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    setsockopt(rpc->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(rpc->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    return ask_versions(rpc);
}

bool rpc_open(struct rpc *rpc, const char *host, uint16_t port) {
    return open_as(rpc, host, port, RPC_CLIENT_ID, false);
}

bool rpc_open_quietly(struct rpc *rpc, const char *host, uint16_t port, const char *client_id) {
    return open_as(rpc, host, port, client_id, true);
}

void rpc_close(struct rpc *rpc) {
    if (rpc->fd >= 0) {
        close(rpc->fd);
    }
    rpc->fd = -1;
    arena_release(&rpc->arena);
    buffer_release(&rpc->frame);
}

/* The lowest versions of requests that are framed once and sent often. */
static int16_t lowest_version(const struct api *api) {
    switch (api->key) {
    case 0: /* Produce: batches of magic 2 */
        return 3;
    case 1: /* Fetch: the same, and an isolation level */
    case 3: /* Metadata: without creating topics */
        return 4;
    default:
        return message_min_version(api->request);
    }
}

int16_t rpc_version(struct rpc *rpc, int16_t api_key, int16_t highest) {
    const struct api *api = api_by_key(api_key);
    int16_t version = rpc->max_version[api_key];
    int16_t ours = message_max_version(api->request);
    if (version > ours) {
        version = ours;
    }
    if (version > highest) {
        version = highest;
    }
    if (version < rpc->min_version[api_key] || version < lowest_version(api)) {
        fail(rpc, "%s",
             rpc->max_version[api_key] < 0
                 ? arena_printf(&rpc->arena, "the broker does not serve %s", api->name)
                 : arena_printf(&rpc->arena, "no version of %s that both sides know", api->name));
        return -1;
    }
    return version;
}
