#include "broker/server/limits.h"

#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "broker/config/config_value.h"
#include "broker/server/server_internal.h"
#include "runtime/conn_limits.h"
#include "runtime/log.h"
#include "runtime/net.h"

/* More of them say nothing that an address range would not say better. */
#define OVERRIDES_MAX 10000

struct override {
    char *host; /* heap, as it was configured */
    int connections_max;
    bool known;
    char address[HOST_ADDRESS_SIZE];
};

/* One reading of max.connections.per.ip.overrides. A new one takes its place, and it is freed when
 * no worker has it any more. */
struct overrides {
    struct work work;
    struct list link;
    struct server_limits *limits;
    bool on_worker;
    int count;
    struct override entries[];
};

struct server_limits {
    struct server *server;
    struct conn_limits *shared;
    struct list readings;      /* of struct overrides */
    struct overrides *current; /* of them */
};

static void overrides_free(struct overrides *overrides) {
    list_remove(&overrides->link);
    for (int i = 0; i < overrides->count; i++) {
        free(overrides->entries[i].host);
    }
    free(overrides);
}

struct server_limits *server_limits_new(struct server *server) {
    struct server_limits *limits = NEW(struct server_limits);
    limits->server = server;
    limits->shared = conn_limits_new(server->listener_count);
    list_init(&limits->readings);
    return limits;
}

void server_limits_free(struct server_limits *limits) {
    while (!list_empty(&limits->readings)) {
        overrides_free(LIST_FIRST(&limits->readings, struct overrides, link));
    }
    conn_limits_free(limits->shared);
    free(limits);
}

struct conn_limits *server_limits_shared(const struct server_limits *limits) {
    return limits->shared;
}

/* ---- Overrides ------------------------------------------------------------------------------- */

static struct overrides *overrides_parse(struct slice text) {
    struct slice rest = text;
    struct slice entry;
    int count = 0;
    while (config_list_next(&rest, &entry) && count < OVERRIDES_MAX) {
        count++;
    }
    size_t size = sizeof(struct overrides) + (size_t)count * sizeof(struct override);
    struct overrides *overrides = xcalloc(1, size);
    rest = text;
    while (overrides->count < count && config_list_next(&rest, &entry)) {
        struct override *out = &overrides->entries[overrides->count];
        struct slice host;
        int32_t max;
        if (config_host_entry(entry, &host, &max)) {
            out->host = xcalloc(1, host.len + 1);
            memcpy(out->host, host.data, host.len);
            out->connections_max = max;
            out->known = host_resolve(out->host, true, out->address) == 0;
            overrides->count++;
        }
    }
    return overrides;
}

static bool all_known(const struct overrides *overrides) {
    for (int i = 0; i < overrides->count; i++) {
        if (!overrides->entries[i].known) {
            return false;
        }
    }
    return true;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static int client_listener_count(const struct server *server) {
    int count = 0;
    for (int i = 0; i < server->listener_count; i++) {
        count += server->listeners[i].scope == API_SCOPE_BROKER;
    }
    return count;
}

/* A listener of the controllers; that of the other brokers, when clients have one of their own. */
static bool is_protected(const struct server *server, const struct config_listener *listener) {
    if (listener->controller) {
        return true;
    }
    const struct config *config = server->node->config;
    struct slice name = config_string(config, CONFIG_INTER_BROKER_LISTENER_NAME);
    if (slice_is_null(name)) {
        name = config_string(config, CONFIG_SECURITY_INTER_BROKER_PROTOCOL);
    }
    return client_listener_count(server) > 1 && name.len == strlen(listener->name) &&
           strncasecmp((const char *)name.data, listener->name, name.len) == 0;
}

static void set_values(struct server_limits *limits) {
    const struct server *server = limits->server;
    const struct node_shard *shard = &server->node->shards[0];
    const struct overrides *overrides = limits->current;
    struct conn_limit_listener *listeners =
        xcalloc((size_t)server->listener_count, sizeof(*listeners));
    for (int i = 0; i < server->listener_count; i++) {
        const struct config_listener *config = server->listeners[i].config;
        listeners[i] = (struct conn_limit_listener){
            .connections_max = (int)broker_config_listener_int(
                shard->config, shard->image, config->name, CONFIG_MAX_CONNECTIONS),
            .creation_rate_max = (int)broker_config_listener_int(
                shard->config, shard->image, config->name, CONFIG_MAX_CONNECTION_CREATION_RATE),
            .is_protected = is_protected(server, config),
        };
    }
    struct conn_limit_address *addresses =
        xcalloc((size_t)overrides->count + 1, sizeof(*addresses));
    int address_count = 0;
    for (int i = 0; i < overrides->count; i++) {
        const struct override *entry = &overrides->entries[i];
        if (entry->known) {
            addresses[address_count++] =
                (struct conn_limit_address){entry->address, entry->connections_max};
        }
    }
    struct conn_limit_values values = {
        .connections_max = (int)broker_config_int(shard->config, CONFIG_MAX_CONNECTIONS),
        .creation_rate_max =
            (int)broker_config_int(shard->config, CONFIG_MAX_CONNECTION_CREATION_RATE),
        .connections_per_ip_max =
            (int)broker_config_int(shard->config, CONFIG_MAX_CONNECTIONS_PER_IP),
        .addresses = addresses,
        .address_count = address_count,
        .listeners = listeners,
    };
    conn_limits_set(limits->shared, &values);
    free(addresses);
    free(listeners);
}

static void look_up(struct work *work) {
    struct overrides *overrides = CONTAINER_OF(work, struct overrides, work);
    for (int i = 0; i < overrides->count; i++) {
        struct override *entry = &overrides->entries[i];
        if (!entry->known) {
            entry->known = host_resolve(entry->host, false, entry->address) == 0;
        }
    }
}

static void looked_up(struct work *work) {
    struct overrides *overrides = CONTAINER_OF(work, struct overrides, work);
    struct server_limits *limits = overrides->limits;
    overrides->on_worker = false;
    if (overrides != limits->current) {
        overrides_free(overrides);
        return;
    }
    for (int i = 0; i < overrides->count; i++) {
        if (!overrides->entries[i].known) {
            LOG_WARN(limits->server->node->machine, "server",
                     "a host of max.connections.per.ip.overrides is not known", "host=%s",
                     overrides->entries[i].host);
        }
    }
    set_values(limits);
}

void server_limits_apply(struct server_limits *limits) {
    struct node_shard *shard = &limits->server->node->shards[0];
    struct overrides *before = limits->current;
    struct overrides *overrides = overrides_parse(
        broker_config_string(shard->config, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES));
    overrides->limits = limits;
    list_append(&limits->readings, &overrides->link);
    limits->current = overrides;
    if (before != NULL && !before->on_worker) {
        overrides_free(before);
    }
    set_values(limits);
    if (!all_known(overrides)) {
        overrides->on_worker = true;
        work_submit(shard->shard, &overrides->work, look_up, looked_up);
    }
}
