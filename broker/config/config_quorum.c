/*
 * process.roles, controller.quorum.voters, controller.quorum.bootstrap.servers: who this node is
 * and who decides the metadata. What Kafka checks at start is checked here with what Kafka demands;
 * a node that names no quorum at all is a cluster of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#include "base/assert.h"
#include "broker/config/config_internal.h"

static int64_t node_id(const struct config *config) {
    return config->values.slots[CONFIG_NODE_ID].number.integer;
}

static struct slice text(const struct config *config, enum config_id id) {
    return config->values.slots[id].text;
}

/* ---- Roles ----------------------------------------------------------------------------------- */

static int check_roles(struct config *config, struct errmsg *errmsg) {
    struct slice roles = text(config, CONFIG_PROCESS_ROLES);
    config->is_broker = config_list_contains(roles, "broker");
    config->is_controller = config_list_contains(roles, "controller");
    if (!config->is_broker && !config->is_controller) {
        errmsg_set(errmsg,
                   "process.roles=%.*s is not valid; allowed: broker, controller, or "
                   "broker,controller",
                   SLICE_ARG(roles));
        return -EINVAL;
    }
    return 0;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* host:port or [ipv6]:port. */
static bool parse_address(struct config *config, struct slice entry, struct config_address *out) {
    const uint8_t *colon = memrchr(entry.data, ':', entry.len);
    if (colon == NULL) {
        return false;
    }
    struct slice host = slice_make(entry.data, (size_t)(colon - entry.data));
    int64_t port;
    if (!slice_parse_i64(slice_make(colon + 1, entry.len - host.len - 1), &port) || port < 1 ||
        port > 65535) {
        return false;
    }
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host = slice_make(host.data + 1, host.len - 2);
    }
    if (host.len == 0) {
        return false;
    }
    out->host = (const char *)arena_dup(&config->arena, host).data;
    out->port = (int)port;
    return true;
}

static bool parse_voter(struct config *config, struct slice entry, struct config_address *out) {
    const uint8_t *at = memchr(entry.data, '@', entry.len);
    int64_t id;
    if (at == NULL || !slice_parse_i64(slice_make(entry.data, (size_t)(at - entry.data)), &id) ||
        id < 0 || id > INT32_MAX) {
        return false;
    }
    out->id = (int32_t)id;
    return parse_address(config, slice_make(at + 1, entry.len - (size_t)(at - entry.data) - 1),
                         out);
}

static int parse_addresses(struct config *config, enum config_id id, struct config_address **out,
                           int *count, struct errmsg *errmsg) {
    bool voters = id == CONFIG_CONTROLLER_QUORUM_VOTERS;
    struct slice list = text(config, id);
    *out = arena_array(&config->arena, list.len + 1, sizeof(**out));
    *count = 0;
    struct slice entry;
    while (config_list_next(&list, &entry)) {
        struct config_address *address = &(*out)[*count];
        address->id = -1;
        bool ok =
            voters ? parse_voter(config, entry, address) : parse_address(config, entry, address);
        if (!ok) {
            errmsg_set(errmsg, "%s=%.*s is not valid; allowed: %s, separated by commas",
                       config_key(id)->name, SLICE_ARG(entry),
                       voters ? "id@host:port" : "host:port");
            return -EINVAL;
        }
        for (int i = 0; voters && i < *count; i++) {
            if ((*out)[i].id == address->id) {
                errmsg_set(errmsg, "%s=%.*s names node %" PRId32 " twice; allowed: each once",
                           config_key(id)->name, SLICE_ARG(text(config, id)), address->id);
                return -EINVAL;
            }
        }
        (*count)++;
    }
    if (voters && *count > CONFIG_VOTERS_MAX) {
        errmsg_set(errmsg, "%s names %d nodes; allowed: at most %d", config_key(id)->name, *count,
                   CONFIG_VOTERS_MAX);
        return -EINVAL;
    }
    return 0;
}

static bool is_voter(const struct config *config) {
    for (int i = 0; i < config->voter_count; i++) {
        if (config->voters[i].id == node_id(config)) {
            return true;
        }
    }
    return false;
}

/* A node that is a voter must be one of the static ones, and one that is not must not be. */
static int check_voters(const struct config *config, struct errmsg *errmsg) {
    if (config->voter_count == 0 || is_voter(config) == config->is_controller) {
        return 0;
    }
    struct slice voters = text(config, CONFIG_CONTROLLER_QUORUM_VOTERS);
    if (config->is_controller) {
        errmsg_set(errmsg,
                   "controller.quorum.voters=%.*s does not name this node; allowed with "
                   "process.roles=%.*s: a list with %" PRId64 "@host:port in it",
                   SLICE_ARG(voters), SLICE_ARG(text(config, CONFIG_PROCESS_ROLES)),
                   node_id(config));
    } else {
        errmsg_set(errmsg,
                   "controller.quorum.voters=%.*s names this node (%" PRId64
                   "); allowed with process.roles=broker: a list without it, or "
                   "process.roles=broker,controller",
                   SLICE_ARG(voters), node_id(config));
    }
    return -EINVAL;
}

int config_parse_quorum(struct config *config, struct errmsg *errmsg) {
    int err = check_roles(config, errmsg);
    if (err == 0) {
        err = parse_addresses(config, CONFIG_CONTROLLER_QUORUM_VOTERS, &config->voters,
                              &config->voter_count, errmsg);
    }
    if (err == 0) {
        err = parse_addresses(config, CONFIG_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS,
                              &config->bootstrap_servers, &config->bootstrap_server_count, errmsg);
    }
    if (err == 0) {
        err = check_voters(config, errmsg);
    }
    if (err == 0 && !config->is_controller && config->voter_count == 0 &&
        config->bootstrap_server_count == 0) {
        errmsg_set(errmsg, "process.roles=broker needs controllers; allowed: "
                           "controller.quorum.bootstrap.servers=host:port,... or "
                           "controller.quorum.voters=id@host:port,...");
        err = -EINVAL;
    }
    return err;
}

/* ---- Alone or not ---------------------------------------------------------------------------- */

static bool same_host(const char *server, const char *own) {
    return strcasecmp(server, own) == 0 || strcmp(server, "localhost") == 0 ||
           strcmp(server, "127.0.0.1") == 0 || strcmp(server, "::1") == 0;
}

/* Whether the only bootstrap server is a controller listener of this node. */
static bool bootstraps_itself(const struct config *config) {
    const struct config_address *server = &config->bootstrap_servers[0];
    for (int i = 0; i < config->listener_count; i++) {
        const struct config_listener *told = &config->advertised[i];
        if (told->controller && told->port == server->port && same_host(server->host, told->host)) {
            return true;
        }
    }
    return false;
}

static bool is_alone(const struct config *config) {
    if (!config->is_broker || !config->is_controller) {
        return false;
    }
    if (config->voter_count > 0) {
        return config->voter_count == 1;
    }
    return config->bootstrap_server_count == 0 ||
           (config->bootstrap_server_count == 1 && bootstraps_itself(config));
}

static bool listens_as_controller(const struct config *config) {
    for (int i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].controller) {
            return true;
        }
    }
    return false;
}

int config_check_cluster(struct config *config, struct errmsg *errmsg) {
    struct slice names = text(config, CONFIG_CONTROLLER_LISTENER_NAMES);
    config->alone = is_alone(config);
    if (config->alone) {
        return 0;
    }
    if (names.len == 0) {
        errmsg_set(errmsg,
                   "controller.listener.names is not set; allowed in a cluster of several nodes: "
                   "the name of the controllers' listener, such as CONTROLLER");
        return -EINVAL;
    }
    if (config->is_controller && !listens_as_controller(config)) {
        errmsg_set(errmsg,
                   "controller.listener.names=%.*s names no listener of this controller; allowed: "
                   "listeners=...,CONTROLLER://:9093 with such a name",
                   SLICE_ARG(names));
        return -EINVAL;
    }
    return 0;
}

/* ---- Questions ------------------------------------------------------------------------------- */

bool config_is_broker(const struct config *config) {
    return config->is_broker;
}

bool config_is_controller(const struct config *config) {
    return config->is_controller;
}

bool config_is_alone(const struct config *config) {
    return config->alone;
}

int config_voter_count(const struct config *config) {
    return config->voter_count;
}

const struct config_address *config_voter_at(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->voter_count);
    return &config->voters[index];
}

int config_bootstrap_server_count(const struct config *config) {
    return config->bootstrap_server_count;
}

const struct config_address *config_bootstrap_server_at(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->bootstrap_server_count);
    return &config->bootstrap_servers[index];
}

const char *config_inter_broker_listener(const struct config *config) {
    struct slice name = text(config, CONFIG_INTER_BROKER_LISTENER_NAME);
    const char *first = NULL;
    const char *plaintext = NULL;
    for (int i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->controller) {
            continue;
        }
        if (name.len == strlen(listener->name) &&
            strncasecmp((const char *)name.data, listener->name, name.len) == 0) {
            return listener->name;
        }
        first = first == NULL ? listener->name : first;
        if (strcmp(listener->name, "PLAINTEXT") == 0) {
            plaintext = listener->name;
        }
    }
    return plaintext != NULL ? plaintext : first;
}
