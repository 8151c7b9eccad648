#include "tools/client/client.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/metadata_request.h"

#define RETRY_PAUSE_MS  50
#define RETRY_PAUSE_MAX 500
#define RETRIES_MAX     65 /* 30 s */
#define REDIAL_PAUSE_MS 200

/* ---- Time ------------------------------------------------------------------------------------ */

static int64_t clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t client_now_ms(void) {
    return clock_ms(CLOCK_REALTIME);
}

int64_t client_ticks_ms(void) {
    return clock_ms(CLOCK_MONOTONIC);
}

void client_pause_ms(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

bool client_retry(int *attempt) {
    if (*attempt >= RETRIES_MAX) {
        return false;
    }
    int64_t pause = (int64_t)RETRY_PAUSE_MS << (*attempt < 4 ? *attempt : 4);
    client_pause_ms(pause < RETRY_PAUSE_MAX ? pause : RETRY_PAUSE_MAX);
    (*attempt)++;
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

void client_init(struct client *client, const char *bootstrap, const char *client_id) {
    *client = (struct client){.bootstrap = bootstrap, .client_id = client_id, .active = -1};
    arena_init(&client->answers, SIZE_MAX);
}

static void hang_up(struct client_node *node) {
    if (node->open) {
        rpc_close(&node->rpc);
        node->open = false;
    }
}

void client_release(struct client *client) {
    while (client->nodes != NULL) {
        struct client_node *node = client->nodes;
        client->nodes = node->next;
        hang_up(node);
        free(node);
    }
    arena_release(&client->answers);
}

void client_forget(struct client *client) {
    arena_reset(&client->answers);
}

void client_fail(struct client *client, int16_t code, struct slice text) {
    if (text.len > 0) {
        errmsg_set(&client->error, "%.*s", SLICE_ARG(text));
    } else {
        errmsg_set(&client->error, "%s", error_message(code));
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

static struct client_node *find_node(struct client *client, int32_t id) {
    struct client_node *node = client->nodes;
    while (node != NULL && node->id != id) {
        node = node->next;
    }
    return node;
}

static struct client_node *add_node(struct client *client, int32_t id) {
    struct client_node *node = NEW(struct client_node);
    node->id = id;
    node->next = client->nodes;
    client->nodes = node;
    return node;
}

void client_learn(struct client *client, int32_t id, struct slice host, int32_t port) {
    if (id < 0 || host.len == 0 || host.len >= CLIENT_HOST_MAX || port < 1 || port > UINT16_MAX) {
        return;
    }
    struct client_node *node = find_node(client, id);
    if (node == NULL) {
        node = add_node(client, id);
    } else if (node->port == port && slice_equal_str(host, node->host)) {
        return;
    }
    hang_up(node);
    memcpy(node->host, host.data, host.len);
    node->host[host.len] = '\0';
    node->port = (uint16_t)port;
}

static bool dial(struct client *client, struct client_node *node) {
    if (node->open) {
        return true;
    }
    node->open = rpc_open_quietly(&node->rpc, node->host, node->port, client->client_id);
    if (node->open) {
        return true;
    }
    if (node->rpc.fd < 0) {
        errmsg_set(&client->error,
                   "nothing listens at %s; is it the right port, and does the broker run?",
                   node->rpc.error.text);
    } else {
        errmsg_set(&client->error,
                   "what listens at %s:%u does not speak Kafka's protocol, or wants TLS (%s)",
                   node->host, node->port, node->rpc.error.text);
    }
    rpc_close(&node->rpc);
    return false;
}

/* Cuts the first address off; false when it is none. */
static bool take_address(const char **list, struct client_node *node) {
    const char *start = *list;
    const char *end = strchrnul(start, ',');
    const char *scheme = memmem(start, (size_t)(end - start), "://", 3);
    if (scheme != NULL) {
        start = scheme + 3;
    }
    const char *colon = memrchr(start, ':', (size_t)(end - start));
    size_t host_len = (size_t)((colon != NULL ? colon : end) - start);
    int64_t port = 9092;
    if (host_len >= CLIENT_HOST_MAX ||
        (colon != NULL &&
         (!slice_parse_i64(slice_make(colon + 1, (size_t)(end - colon - 1)), &port) || port < 1 ||
          port > UINT16_MAX))) {
        return false;
    }
    if (host_len > 2 && start[0] == '[' && start[host_len - 1] == ']') {
        start++;
        host_len -= 2;
    }
    memcpy(node->host, start, host_len);
    node->host[host_len] = '\0';
    if (host_len == 0) {
        strcpy(node->host, "localhost");
    }
    node->port = (uint16_t)port;
    *list = *end == ',' ? end + 1 : end;
    return true;
}

/* Tries the bootstrap addresses in order. */
static struct client_node *dial_any(struct client *client) {
    struct client_node *node = find_node(client, -1);
    if (node == NULL) {
        node = add_node(client, -1);
    }
    if (node->open) {
        return node;
    }
    int64_t until = client_ticks_ms() + client->wait_ms;
    do {
        const char *list = client->bootstrap;
        do {
            if (!take_address(&list, node)) {
                errmsg_set(&client->error, "'%s' is no list of HOST:PORT", client->bootstrap);
                return NULL;
            }
            if (dial(client, node)) {
                return node;
            }
        } while (*list != '\0');
        if (client_ticks_ms() < until) {
            client_pause_ms(REDIAL_PAUSE_MS);
        }
    } while (client_ticks_ms() < until);
    return NULL;
}

/* Asks a controller which of them is the active one; leaves it open when it does not know. */
static void find_active(struct client *client) {
    struct client_node *node = dial_any(client);
    struct describe_cluster_request request;
    message_init(&describe_cluster_request_desc, &request);
    request.endpoint_type = 2;
    int16_t version = node == NULL
                          ? -1
                          : rpc_version(&node->rpc, API_DESCRIBE_CLUSTER,
                                        message_max_version(&describe_cluster_request_desc));
    const struct describe_cluster_response *response =
        version < 1
            ? NULL
            : rpc_call_into(&node->rpc, API_DESCRIBE_CLUSTER, version, &request, &client->answers);
    for (int32_t i = 0; response != NULL && i < response->brokers_count; i++) {
        client_learn(client, response->brokers[i].broker_id, response->brokers[i].host,
                     response->brokers[i].port);
    }
    client->active = response != NULL ? response->controller_id : -1;
}

struct client_node *client_node(struct client *client, int32_t id) {
    if (id < 0 && client->controllers && client->active < 0) {
        find_active(client);
    }
    id = id < 0 && client->controllers ? client->active : id;
    if (id < 0) {
        return dial_any(client);
    }
    struct client_node *node = find_node(client, id);
    struct slice none = SLICE_LIT("");
    if (node == NULL && client_metadata(client, &none, 0) != NULL) {
        node = find_node(client, id); /* who was only named: any broker knows the others */
    }
    if (node == NULL) {
        errmsg_set(&client->error, "broker %d is not known to the cluster", id);
        return NULL;
    }
    return dial(client, node) ? node : NULL;
}

void client_hang_up(struct client *client, int32_t id) {
    struct client_node *node = find_node(client, id);
    if (node != NULL) {
        hang_up(node);
    }
}

bool client_serves(struct client *client, int32_t id, int16_t api_key, int16_t version) {
    struct client_node *node = client_node(client, id);
    return node != NULL && node->rpc.max_version[api_key] >= version;
}

const void *client_call(struct client *client, int32_t id, int16_t api_key, int16_t highest,
                        const void *request, int16_t *used) {
    for (int attempt = 0;; attempt++) {
        struct client_node *node = client_node(client, id);
        if (node == NULL) {
            return NULL;
        }
        int16_t version = rpc_version(&node->rpc, api_key, highest);
        const void *response =
            version < 0 ? NULL
                        : rpc_call_into(&node->rpc, api_key, version, request, &client->answers);
        if (response != NULL) {
            if (used != NULL) {
                *used = version;
            }
            return response;
        }
        errmsg_set(&client->error, "%s:%u: %s", node->host, node->port, node->rpc.error.text);
        if (version < 0) {
            return NULL;
        }
        hang_up(node);
        if (attempt > 0) {
            return NULL;
        }
    }
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static const struct metadata_response *
ask_metadata(struct client *client, const struct slice *names, int32_t count, bool create) {
    struct metadata_request request;
    message_init(&metadata_request_desc, &request);
    request.allow_auto_topic_creation = create;
    request.topics_count = -1;
    if (names != NULL) {
        request.topics_count = count;
        request.topics = MESSAGE_ARRAY(&client->answers, metadata_request_topic, (size_t)count);
        for (int32_t i = 0; i < count; i++) {
            request.topics[i].name = names[i];
        }
    }
    const struct metadata_response *response =
        client_call(client, CLIENT_ANY, API_METADATA, VERSION_MAX, &request, NULL);
    for (int32_t i = 0; response != NULL && i < response->brokers_count; i++) {
        client_learn(client, response->brokers[i].node_id, response->brokers[i].host,
                     response->brokers[i].port);
    }
    return response;
}

const struct metadata_response *client_metadata(struct client *client, const struct slice *names,
                                                int32_t count) {
    return ask_metadata(client, names, count, false);
}

const struct metadata_response *client_metadata_creating(struct client *client, struct slice name) {
    return ask_metadata(client, &name, 1, true);
}

/* ---- Coordinators ---------------------------------------------------------------------------- */

int32_t client_coordinator(struct client *client, struct slice group, int16_t *code) {
    int attempt = 0;
    for (;;) {
        struct find_coordinator_request request;
        message_init(&find_coordinator_request_desc, &request);
        request.key = group;
        const struct find_coordinator_response *response =
            client_call(client, CLIENT_ANY, API_FIND_COORDINATOR, 3, &request, NULL);
        int16_t error = response == NULL ? ERROR_UNKNOWN_SERVER_ERROR : response->error_code;
        if (code != NULL) {
            *code = error;
        }
        if (response == NULL) {
            return -1;
        }
        if (error == ERROR_NONE) {
            client_learn(client, response->node_id, response->host, response->port);
            return response->node_id;
        }
        client_fail(client, error, response->error_message);
        if (!error_retriable(error) || !client_retry(&attempt)) {
            return -1;
        }
    }
}
