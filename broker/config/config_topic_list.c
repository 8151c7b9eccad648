/* barnabas.topics: the topics to create at start, name:partitions[:replicas][;key=value]... */
#include <errno.h>

#include "broker/config/config_internal.h"
#include "broker/metadata/image.h"
#include "storage/log_dir.h"

static const char form[] = "name:partitions[:replicas][;key=value]..., separated by commas";

static int invalid(struct slice entry, struct errmsg *errmsg) {
    errmsg_set(errmsg, "barnabas.topics=%.*s is not valid; allowed: %s", SLICE_ARG(entry), form);
    return -EINVAL;
}

/* Cuts `text` at the first `separator`; the part in front of it is returned. */
static struct slice cut(struct slice *text, char separator) {
    const uint8_t *found = memchr(text->data, separator, text->len);
    struct slice head = *text;
    if (found == NULL) {
        *text = SLICE_NULL;
    } else {
        head.len = (size_t)(found - text->data);
        *text = slice_make(found + 1, text->len - head.len - 1);
    }
    return config_trim(head);
}

static bool parse_count(struct slice text, int64_t max, int64_t *out) {
    return slice_parse_i64(text, out) && (*out == -1 || (*out >= 1 && *out <= max));
}

static int parse_topic_configs(struct arena *arena, struct slice text, struct config_topic *topic,
                               struct errmsg *errmsg) {
    size_t most = text.len + 1;
    topic->config_names = arena_array(arena, most, sizeof(struct slice));
    topic->config_values = arena_array(arena, most, sizeof(struct slice));
    while (!slice_is_null(text)) {
        struct slice value = cut(&text, ';');
        struct slice name = cut(&value, '=');
        if (slice_is_null(value)) {
            return invalid(name, errmsg);
        }
        value = config_trim(value);
        if (config_validate(CONFIG_RESOURCE_TOPIC, name, value, errmsg) != ERROR_NONE) {
            errmsg_prefix(errmsg, "barnabas.topics, topic %.*s", SLICE_ARG(topic->name));
            return -EINVAL;
        }
        topic->config_names[topic->config_count] = name;
        topic->config_values[topic->config_count++] = value;
    }
    return 0;
}

static int parse_topic(struct arena *arena, struct slice entry, struct config_topic *topic,
                       struct errmsg *errmsg) {
    struct slice configs = entry;
    struct slice numbers = cut(&configs, ';');
    *topic = (struct config_topic){
        .name = cut(&numbers, ':'),
        .partitions = -1,
        .replication_factor = -1,
    };
    int64_t partitions = -1;
    int64_t replicas = -1;
    if (!topic_name_valid(topic->name) ||
        (!slice_is_null(numbers) && !parse_count(cut(&numbers, ':'), INT32_MAX, &partitions)) ||
        (!slice_is_null(numbers) && !parse_count(cut(&numbers, ':'), INT16_MAX, &replicas)) ||
        !slice_is_null(numbers)) {
        return invalid(entry, errmsg);
    }
    topic->partitions = (int32_t)partitions;
    topic->replication_factor = (int16_t)replicas;
    return parse_topic_configs(arena, configs, topic, errmsg);
}

int config_parse_topics(struct config *config, struct errmsg *errmsg) {
    struct slice list = config->values.slots[CONFIG_BARNABAS_TOPICS].text;
    config->topics = arena_array(&config->arena, list.len / 2 + 1, sizeof(*config->topics));
    struct slice entry;
    while (config_list_next(&list, &entry)) {
        struct config_topic *topic = &config->topics[config->topic_count];
        int err = parse_topic(&config->arena, entry, topic, errmsg);
        if (err != 0) {
            return err;
        }
        for (int i = 0; i < config->topic_count; i++) {
            if (slice_equal(config->topics[i].name, topic->name)) {
                errmsg_set(errmsg, "barnabas.topics names %.*s twice; allowed: each topic once",
                           SLICE_ARG(topic->name));
                return -EINVAL;
            }
        }
        config->topic_count++;
    }
    return 0;
}
