/*
 * listeners, advertised.listeners, listener.security.protocol.map, controller.listener.names.
 *
 * What Kafka does with them: a listener's name gives its security protocol through the map; names
 * of controller listeners that the map (when it is not given) lacks are PLAINTEXT; a listener
 * without an advertised address advertises its own. Where it listens everywhere, each connection is
 * told what works for it (auto_address.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "broker/config/config_internal.h"

static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};

static struct slice text(const struct config *config, enum config_id id) {
    return config->values.slots[id].text;
}

/* NAME://host:port or NAME://[ipv6]:port. */
static bool parse_endpoint(struct arena *arena, struct slice entry, struct config_listener *out) {
    const uint8_t *scheme = memmem(entry.data, entry.len, "://", 3);
    if (scheme == NULL || scheme == entry.data) {
        return false;
    }
    size_t name_len = (size_t)(scheme - entry.data);
    struct slice rest = slice_make(scheme + 3, entry.len - name_len - 3);
    const uint8_t *colon = memrchr(rest.data, ':', rest.len);
    if (colon == NULL) {
        return false;
    }
    struct slice host = slice_make(rest.data, (size_t)(colon - rest.data));
    int64_t port;
    if (!slice_parse_i64(slice_make(colon + 1, rest.len - host.len - 1), &port) || port < 0 ||
        port > 65535) {
        return false;
    }
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host = slice_make(host.data + 1, host.len - 2);
    } else if (memchr(host.data, ':', host.len) != NULL) {
        return false;
    }
    char *name = (char *)(uintptr_t)arena_dup(arena, slice_make(entry.data, name_len)).data;
    for (char *c = name; *c != '\0'; c++) {
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    *out = (struct config_listener){
        .name = name,
        .host = (const char *)arena_dup(arena, host).data,
        .port = (int)port,
    };
    return true;
}

static bool is_any_address(const char *host) {
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Whether only one of two can be opened. */
static bool same_socket(const struct config_listener *a, const struct config_listener *b) {
    bool families = strchr(a->host, ':') != NULL
                        ? strchr(b->host, ':') == NULL && b->host[0] != '\0'
                        : strchr(b->host, ':') != NULL && a->host[0] != '\0';
    return a->port != 0 && a->port == b->port &&
           (strcmp(a->host, b->host) == 0 ||
            (!families && (is_any_address(a->host) || is_any_address(b->host))));
}

static int parse_list(struct config *config, enum config_id id, struct config_listener **out,
                      int *count, struct errmsg *errmsg) {
    struct slice list = text(config, id);
    struct config_listener *listeners =
        arena_array(&config->arena, list.len + 1, sizeof(*listeners));
    *count = 0;
    struct slice entry;
    while (config_list_next(&list, &entry)) {
        struct config_listener *listener = &listeners[*count];
        if (!parse_endpoint(&config->arena, entry, listener)) {
            errmsg_set(errmsg,
                       "%s=%.*s is not valid; allowed: NAME://host:port with a port of 0 to 65535",
                       config_key(id)->name, SLICE_ARG(entry));
            return -EINVAL;
        }
        for (int i = 0; i < *count; i++) {
            if (strcmp(listeners[i].name, listener->name) == 0 ||
                (id == CONFIG_LISTENERS && same_socket(&listeners[i], listener))) {
                errmsg_set(errmsg, "%s=%.*s is not valid; allowed: each name and each port once",
                           config_key(id)->name, SLICE_ARG(text(config, id)));
                return -EINVAL;
            }
        }
        (*count)++;
    }
    *out = listeners;
    return 0;
}

/* ---- Security protocols ---------------------------------------------------------------------- */

static int16_t protocol_number(struct slice name) {
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (name.len == strlen(protocols[i]) &&
            strncasecmp((const char *)name.data, protocols[i], name.len) == 0) {
            return (int16_t)i;
        }
    }
    return -1;
}

/* The protocol of a listener's name; -1 when the map has none; -2 when the map is malformed. */
static int16_t map_protocol(struct slice map, const char *name) {
    int16_t found = -1;
    struct slice entry;
    while (config_list_next(&map, &entry)) {
        const uint8_t *colon = memchr(entry.data, ':', entry.len);
        if (colon == NULL) {
            return -2;
        }
        struct slice key = config_trim(slice_make(entry.data, (size_t)(colon - entry.data)));
        struct slice value =
            config_trim(slice_make(colon + 1, entry.len - (size_t)(colon - entry.data) - 1));
        int16_t protocol = protocol_number(value);
        if (protocol < 0) {
            return -2;
        }
        if (key.len == strlen(name) && strncasecmp((const char *)key.data, name, key.len) == 0) {
            found = protocol;
        }
    }
    return found;
}

static int find_protocol(struct config *config, struct config_listener *listener,
                         struct errmsg *errmsg) {
    enum config_id id = CONFIG_LISTENER_SECURITY_PROTOCOL_MAP;
    int16_t protocol = map_protocol(text(config, id), listener->name);
    if (protocol == -1 && listener->controller && !config->values.slots[id].set) {
        protocol = 0;
    }
    if (protocol < 0) {
        errmsg_set(errmsg,
                   "listener.security.protocol.map=%.*s does not say how listener %s is secured; "
                   "allowed: NAME:PROTOCOL for each, PROTOCOL one of PLAINTEXT, SSL, "
                   "SASL_PLAINTEXT, SASL_SSL",
                   SLICE_ARG(text(config, id)), listener->name);
        return -EINVAL;
    }
    if (protocol != 0) {
        errmsg_set(errmsg, "listeners: %s wants %s, which is not supported yet; allowed: PLAINTEXT",
                   listener->name, protocols[protocol]);
        return -EINVAL;
    }
    listener->security_protocol = protocol;
    return 0;
}

/* ---- Roles of listeners ---------------------------------------------------------------------- */

static bool named(const struct config *config, struct slice name) {
    for (int i = 0; i < config->listener_count; i++) {
        const char *own = config->listeners[i].name;
        if (name.len == strlen(own) && strncasecmp((const char *)name.data, own, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static int mark_controllers(struct config *config, struct errmsg *errmsg) {
    struct slice names = text(config, CONFIG_CONTROLLER_LISTENER_NAMES);
    struct slice entry;
    int clients = 0;
    for (int i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        struct slice rest = names;
        while (config_list_next(&rest, &entry)) {
            listener->controller |=
                entry.len == strlen(listener->name) &&
                strncasecmp((const char *)entry.data, listener->name, entry.len) == 0;
        }
        clients += !listener->controller;
        if (listener->controller && !config->is_controller) {
            errmsg_set(errmsg,
                       "listeners names %s, which controller.listener.names gives to the "
                       "controllers; allowed with process.roles=broker: other listeners",
                       listener->name);
            return -EINVAL;
        }
    }
    if (clients > 0 && !config->is_broker) {
        errmsg_set(errmsg,
                   "listeners=%.*s has listeners for clients; allowed with "
                   "process.roles=controller: only those of controller.listener.names",
                   SLICE_ARG(text(config, CONFIG_LISTENERS)));
        return -EINVAL;
    }
    if (clients == 0 && config->is_broker) {
        errmsg_set(errmsg,
                   "listeners=%.*s leaves nothing for clients; allowed: at least one "
                   "listener that is not in controller.listener.names",
                   SLICE_ARG(text(config, CONFIG_LISTENERS)));
        return -EINVAL;
    }
    return 0;
}

static int check_inter_broker(const struct config *config, struct errmsg *errmsg) {
    struct slice name = text(config, CONFIG_INTER_BROKER_LISTENER_NAME);
    if (!slice_is_null(name) && !named(config, name)) {
        errmsg_set(errmsg,
                   "inter.broker.listener.name=%.*s is not valid; allowed: a name of listeners",
                   SLICE_ARG(name));
        return -EINVAL;
    }
    if (!slice_is_null(name) && config->values.slots[CONFIG_SECURITY_INTER_BROKER_PROTOCOL].set) {
        errmsg_set(errmsg,
                   "inter.broker.listener.name=%.*s and security.inter.broker.protocol exclude one "
                   "another; allowed: only the first",
                   SLICE_ARG(name));
        return -EINVAL;
    }
    for (int i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->controller && name.len == strlen(listener->name) &&
            strncasecmp((const char *)name.data, listener->name, name.len) == 0) {
            errmsg_set(errmsg,
                       "inter.broker.listener.name=%.*s is in controller.listener.names, and "
                       "controllers do not serve brokers' fetches; allowed: another listener",
                       SLICE_ARG(name));
            return -EINVAL;
        }
    }
    struct slice protocol = text(config, CONFIG_SECURITY_INTER_BROKER_PROTOCOL);
    if (protocol_number(protocol) != 0) {
        errmsg_set(errmsg,
                   "security.inter.broker.protocol=%.*s is not supported yet; allowed: PLAINTEXT",
                   SLICE_ARG(protocol));
        return -EINVAL;
    }
    return 0;
}

/* ---- Advertised addresses -------------------------------------------------------------------- */

/* The list without "auto", which says nothing of any listener. */
static int parse_advertised(struct config *config, struct config_listener **out, int *count,
                            struct errmsg *errmsg) {
    struct config_slot *slot = &config->values.slots[CONFIG_ADVERTISED_LISTENERS];
    struct slice whole = slot->text;
    struct slice list = whole;
    struct slice entry;
    const char *rest = "";
    while (config_list_next(&list, &entry)) {
        if (!slice_equal_str(entry, "auto")) {
            rest = arena_printf(&config->arena, "%s%s%.*s", rest, rest[0] == '\0' ? "" : ",",
                                SLICE_ARG(entry));
        }
    }
    slot->text = slice_str(rest);
    int err =
        rest[0] == '\0' ? 0 : parse_list(config, CONFIG_ADVERTISED_LISTENERS, out, count, errmsg);
    slot->text = whole;
    return err;
}

static int check_advertised(const struct config *config, const struct config_listener *given,
                            int given_count, struct errmsg *errmsg) {
    for (int i = 0; i < given_count; i++) {
        const struct config_listener *told = &given[i];
        if (!named(config, slice_str(told->name))) {
            errmsg_set(errmsg,
                       "advertised.listeners names %s, which is not in listeners; allowed: names "
                       "of listeners",
                       told->name);
            return -EINVAL;
        }
        if (told->host[0] != '\0' && is_any_address(told->host)) {
            errmsg_set(errmsg,
                       "advertised.listeners: clients cannot connect to %s://%s:%d; allowed: a "
                       "host name or address of this machine, or advertised.listeners=auto",
                       told->name, told->host, told->port);
            return -EINVAL;
        }
    }
    return 0;
}

static int fill_advertised(struct config *config, struct machine *machine, struct errmsg *errmsg) {
    struct config_listener *given = NULL;
    int given_count = 0;
    int err = parse_advertised(config, &given, &given_count, errmsg);
    if (err == 0) {
        err = check_advertised(config, given, given_count, errmsg);
    }
    if (err != 0) {
        return err;
    }
    auto_network_read(machine, &config->arena, &config->network);
    size_t count = (size_t)config->listener_count;
    config->advertised = arena_array(&config->arena, count, sizeof(*config->advertised));
    config->automatic = arena_array(&config->arena, count, sizeof(*config->automatic));
    for (int i = 0; i < config->listener_count; i++) {
        struct config_listener *out = &config->advertised[i];
        *out = config->listeners[i];
        config->automatic[i] = is_any_address(out->host);
        out->host = config->automatic[i] ? config->network.name : out->host;
        for (int j = 0; j < given_count; j++) {
            if (strcmp(given[j].name, out->name) == 0) {
                config->automatic[i] = given[j].host[0] == '\0'; /* only the port: NAME://:9092 */
                out->host = config->automatic[i] ? config->network.name : given[j].host;
                out->port = given[j].port;
            }
        }
    }
    return 0;
}

int config_parse_listeners(struct config *config, struct machine *machine, struct errmsg *errmsg) {
    int err =
        parse_list(config, CONFIG_LISTENERS, &config->listeners, &config->listener_count, errmsg);
    if (err == 0) {
        err = mark_controllers(config, errmsg);
    }
    for (int i = 0; err == 0 && i < config->listener_count; i++) {
        err = find_protocol(config, &config->listeners[i], errmsg);
    }
    if (err == 0) {
        err = check_inter_broker(config, errmsg);
    }
    if (err == 0) {
        err = fill_advertised(config, machine, errmsg);
    }
    return err;
}
