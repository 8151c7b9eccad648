/*
 * Keys of single listeners: listener.name.<listener>.<key>, the listener in small letters, over the
 * key itself. As in Kafka what is set for a listener wins over what is set for the broker,
 * whichever of the two is dynamic.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/config/broker_config_internal.h"
#include "broker/metadata/image.h"

bool config_is_listener_key(enum config_id id) {
    return id == CONFIG_MAX_CONNECTIONS || id == CONFIG_MAX_CONNECTION_CREATION_RATE;
}

bool config_listener_value_check(enum config_id id, struct slice value, int64_t *out) {
    union config_number number;
    if (!config_value_check(config_key(id), value, &number) || number.integer < 1) {
        return false;
    }
    *out = number.integer;
    return true;
}

int config_take_listener_value(struct config *config, struct slice name, struct slice value,
                               struct errmsg *errmsg) {
    enum config_id id = config_listener_key(name);
    int64_t number;
    if (!config_is_listener_key(id)) {
        return 1;
    }
    if (!config_listener_value_check(id, value, &number)) {
        errmsg_set(errmsg, "%.*s=%.*s is not valid; allowed: an int of at least 1", SLICE_ARG(name),
                   SLICE_ARG(value));
        return -EINVAL;
    }
    if (config->listener_value_count == config->listener_value_cap) {
        config->listener_value_cap = config->listener_value_cap * 2 + 4;
        config->listener_values =
            xrealloc(config->listener_values,
                     (size_t)config->listener_value_cap * sizeof(*config->listener_values));
    }
    config->listener_values[config->listener_value_count++] =
        (struct config_listener_value){arena_dup(&config->arena, name), number};
    return 0;
}

/* What the image says of `name`, for this broker or for all; false when nothing that is valid. */
static bool find_dynamic(const struct broker_config *broker, const struct image *image,
                         const char *name, enum config_id id, int64_t *out) {
    const struct slice resources[] = {slice_str(broker->node_name), slice_make("", 0)};
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        struct slice value = image_config_value(image, CONFIG_RESOURCE_BROKER, resources[i], name);
        if (!slice_is_null(value) && config_listener_value_check(id, value, out)) {
            return true;
        }
    }
    return false;
}

int64_t broker_config_listener_int(const struct broker_config *broker, const struct image *image,
                                   const char *listener, enum config_id id) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    char *name = arena_printf(&arena, "listener.name.%s.%s", listener, config_key(id)->name);
    for (char *c = name; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    int64_t number = broker_config_int(broker, id);
    const struct config *config = broker->config;
    if (!find_dynamic(broker, image, name, id, &number)) {
        for (int i = 0; i < config->listener_value_count; i++) {
            if (slice_equal_str(config->listener_values[i].name, name)) {
                number = config->listener_values[i].number; /* the last one wins */
            }
        }
    }
    arena_release(&arena);
    return number;
}
