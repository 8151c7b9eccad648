/* Checks of values that depend on one another: identity, directories, related keys. */
#include <errno.h>
#include <inttypes.h>

#include "broker/config/config_internal.h"

static int64_t number(const struct config *config, enum config_id id) {
    return config->values.slots[id].number.integer;
}

static struct slice text(const struct config *config, enum config_id id) {
    return config->values.slots[id].text;
}

static bool is_set(const struct config *config, enum config_id id) {
    return config->values.slots[id].set;
}

/* ---- Identity -------------------------------------------------------------------------------- */

static int check_node_id(struct config *config, struct errmsg *errmsg) {
    struct config_slot *slots = config->values.slots;
    if (!is_set(config, CONFIG_BROKER_ID) || number(config, CONFIG_BROKER_ID) == -1) {
        slots[CONFIG_BROKER_ID] = slots[CONFIG_NODE_ID];
        return 0;
    }
    int64_t broker_id = number(config, CONFIG_BROKER_ID);
    if (broker_id < 0) {
        errmsg_set(errmsg, "broker.id=%" PRId64 " is not valid; allowed: an int of at least 0",
                   broker_id);
        return -EINVAL;
    }
    if (is_set(config, CONFIG_NODE_ID) && number(config, CONFIG_NODE_ID) != broker_id) {
        errmsg_set(errmsg,
                   "broker.id=%" PRId64 " contradicts node.id=%" PRId64
                   "; allowed: the same number, or only node.id",
                   broker_id, number(config, CONFIG_NODE_ID));
        return -EINVAL;
    }
    slots[CONFIG_NODE_ID] = slots[CONFIG_BROKER_ID];
    return 0;
}

/* ---- Directories ----------------------------------------------------------------------------- */

static int take_log_dirs(struct config *config, struct errmsg *errmsg) {
    enum config_id id =
        slice_is_null(text(config, CONFIG_LOG_DIRS)) ? CONFIG_LOG_DIR : CONFIG_LOG_DIRS;
    struct slice list = text(config, id);
    config->log_dirs = arena_array(&config->arena, list.len + 1, sizeof(*config->log_dirs));
    struct slice entry;
    while (config_list_next(&list, &entry)) {
        const char *dir = (const char *)arena_dup(&config->arena, entry).data;
        for (int i = 0; i < config->log_dir_count; i++) {
            if (strcmp(config->log_dirs[i], dir) == 0) {
                errmsg_set(errmsg, "%s names %s twice; allowed: different directories",
                           config_key(id)->name, dir);
                return -EINVAL;
            }
        }
        config->log_dirs[config->log_dir_count++] = dir;
    }
    if (config->log_dir_count == 0) {
        errmsg_set(errmsg, "%s is empty; allowed: at least one directory", config_key(id)->name);
        return -EINVAL;
    }
    struct slice metadata_dir = text(config, CONFIG_METADATA_LOG_DIR);
    config->metadata_dir = metadata_dir.len == 0
                               ? config->log_dirs[0]
                               : (const char *)arena_dup(&config->arena, metadata_dir).data;
    return 0;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static int check_numbers(const struct config *config, struct errmsg *errmsg) {
    if (number(config, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS) >
        number(config, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS)) {
        errmsg_set(errmsg,
                   "group.min.session.timeout.ms=%" PRId64
                   " is not valid; allowed: at most group.max.session.timeout.ms=%" PRId64,
                   number(config, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS),
                   number(config, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS));
        return -EINVAL;
    }
    return 0;
}

static int check_connections(const struct config *config, struct errmsg *errmsg) {
    if (number(config, CONFIG_MAX_CONNECTIONS_PER_IP) == 0 &&
        text(config, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES).len == 0) {
        errmsg_set(errmsg, "max.connections.per.ip=0 lets nobody in; allowed: at least 1, or "
                           "addresses in max.connections.per.ip.overrides");
        return -EINVAL;
    }
    int64_t queued = number(config, CONFIG_QUEUED_MAX_REQUEST_BYTES);
    int64_t largest = number(config, CONFIG_SOCKET_REQUEST_MAX_BYTES);
    if (queued > 0 && queued < largest) {
        errmsg_set(errmsg,
                   "queued.max.request.bytes=%" PRId64
                   " is not valid; allowed: at least socket.request.max.bytes=%" PRId64,
                   queued, largest);
        return -EINVAL;
    }
    return 0;
}

int config_check_together(struct config *config, struct errmsg *errmsg) {
    int err = check_node_id(config, errmsg);
    if (err == 0) {
        err = config_parse_quorum(config, errmsg);
    }
    if (err == 0) {
        err = take_log_dirs(config, errmsg);
    }
    if (err == 0) {
        err = check_numbers(config, errmsg);
    }
    if (err == 0) {
        err = check_connections(config, errmsg);
    }
    return err;
}
