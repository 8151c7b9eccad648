/*
 * Where values come from, as DescribeConfigs tells it.
 *
 * A broker key's synonyms are, in order of precedence: what was set dynamically for this broker, as
 * default of all brokers, in the file, and the built-in default; each of the key itself and then of
 * its fallbacks. As in Kafka, a list that does not begin with the key itself is left out, and the
 * source of a value is that of the first synonym.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "broker/config/broker_config_internal.h"
#include "broker/metadata/image.h"

/* Layers of one key, and keys of one chain of fallbacks. */
#define SYNONYMS_MAX 16

struct explainer {
    const struct broker_config *broker;
    const struct image *image;
    struct arena *arena;
    struct config_synonym synonyms[SYNONYMS_MAX];
    int count;
};

static struct slice all_brokers(void) {
    return slice_make("", 0);
}

static void add_synonym(struct explainer *e, const struct config_key *key, struct slice value,
                        enum config_source source) {
    if (slice_is_null(value)) {
        return;
    }
    ASSERT(e->count < SYNONYMS_MAX);
    e->synonyms[e->count++] = (struct config_synonym){
        .name = key->name,
        .value = config_key_sensitive(key) ? SLICE_NULL : value,
        .source = source,
    };
}

static struct slice dynamic_value(const struct explainer *e, const struct config_key *key,
                                  struct slice broker_name) {
    return key->mode == CONFIG_MODE_READ_ONLY
               ? SLICE_NULL
               : image_config_value(e->image, CONFIG_RESOURCE_BROKER, broker_name, key->name);
}

/* The synonyms of broker key `id` behind those that are there. */
static void add_broker_synonyms(struct explainer *e, enum config_id id) {
    enum config_id chain[4] = {id};
    int fallback_count;
    const enum config_id *fallbacks = config_fallbacks(id, &fallback_count);
    ASSERT(fallback_count < (int)ARRAY_LEN(chain));
    /* log.dirs and node.id are of another kind: Kafka keeps them apart from their old names. */
    bool chained = id != CONFIG_LOG_DIRS && id != CONFIG_NODE_ID;
    for (int i = 0; chained && i < fallback_count; i++) {
        chain[1 + i] = fallbacks[i];
    }
    int chain_count = chained ? 1 + fallback_count : 1;
    int first = e->count;
    struct slice own = slice_str(e->broker->node_name);
    for (int i = 0; i < chain_count; i++) {
        const struct config_key *key = config_key(chain[i]);
        const struct config_slot *given = &e->broker->config->values.slots[chain[i]];
        add_synonym(e, key, dynamic_value(e, key, own), CONFIG_SOURCE_DYNAMIC_BROKER);
        add_synonym(e, key, dynamic_value(e, key, all_brokers()),
                    CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
        add_synonym(e, key, given->set ? given->text : SLICE_NULL, CONFIG_SOURCE_STATIC_BROKER);
        add_synonym(e, key, config_key_default(key), CONFIG_SOURCE_DEFAULT);
    }
    if (e->count > first && strcmp(e->synonyms[first].name, config_key(id)->name) != 0) {
        e->count = first;
    }
}

/* Copies the synonyms that were gathered, and forgets them. */
static void finish(struct explainer *e, struct config_explanation *out) {
    out->synonym_count = e->count;
    out->synonyms = arena_array(e->arena, (size_t)e->count, sizeof(*out->synonyms));
    for (int i = 0; i < e->count; i++) {
        out->synonyms[i] = e->synonyms[i];
    }
    out->source = e->count > 0 ? e->synonyms[0].source : CONFIG_SOURCE_DEFAULT;
    e->count = 0;
}

static void explain_broker_key(struct explainer *e, enum config_id id,
                               struct config_explanation *out) {
    const struct config_key *key = config_key(id);
    *out = (struct config_explanation){
        .key = key,
        .name = slice_str(key->name),
        .sensitive = config_key_sensitive(key),
        .read_only = key->mode == CONFIG_MODE_READ_ONLY,
        .value = config_key_sensitive(key) ? SLICE_NULL : e->broker->values.slots[id].text,
    };
    add_broker_synonyms(e, id);
    finish(e, out);
}

/* The key that "listener.name.<listener>.<key>" overrides for one listener, or a quota of the
 * broker; NULL for other names. */
static const struct config_key *key_behind(struct slice name) {
    static const struct config_key quota = {.type = CONFIG_TYPE_LONG,
                                            .mode = CONFIG_MODE_CLUSTER_WIDE};
    if (config_is_broker_quota(name)) {
        return &quota;
    }
    enum config_id id = config_listener_key(name);
    return id == CONFIG_NONE ? NULL : config_key(id);
}

/* A dynamic config of a name that is in no table: unless it says what it is, it may be a secret. */
static void explain_unknown(struct explainer *e, const struct image_config *entry,
                            enum config_source source, struct config_explanation *out) {
    const struct config_key *key = key_behind(entry->name);
    bool sensitive = key == NULL || config_key_sensitive(key);
    *out = (struct config_explanation){
        .key = key,
        .name = entry->name,
        .value = sensitive ? SLICE_NULL : entry->value,
        .sensitive = sensitive,
        .read_only = !config_is_broker_quota(entry->name), /* of listeners too, says Kafka */
        .source = source,
        .synonyms = ARENA_NEW(e->arena, struct config_synonym),
        .synonym_count = 1,
    };
    out->synonyms[0] = (struct config_synonym){
        .name = (const char *)arena_dup(e->arena, entry->name).data,
        .value = out->value,
        .source = source,
    };
}

static int entry_count(const struct image_config_resource *resource) {
    int count = 0;
    if (resource != NULL) {
        LIST_FOREACH(it, &resource->entries) {
            count++;
        }
    }
    return count;
}

static bool has_entry(const struct image_config_resource *resource, struct slice name) {
    if (resource != NULL) {
        LIST_FOREACH(it, &resource->entries) {
            if (slice_equal(CONTAINER_OF(it, struct image_config, link)->name, name)) {
                return true;
            }
        }
    }
    return false;
}

/* Entries of `resource` with names that are in no table, but for those that `nearer` has too. */
static int explain_unknowns(struct explainer *e, const struct image_config_resource *resource,
                            enum config_source source, const struct image_config_resource *nearer,
                            struct config_explanation *out) {
    int count = 0;
    if (resource != NULL) {
        LIST_FOREACH(it, &resource->entries) {
            const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
            if (config_id_of(entry->name) == CONFIG_NONE && !has_entry(nearer, entry->name)) {
                explain_unknown(e, entry, source, &out[count++]);
            }
        }
    }
    return count;
}

static int explain_broker(struct explainer *e, struct config_explanation **out) {
    const struct image_config_resource *own =
        image_config_resource(e->image, CONFIG_RESOURCE_BROKER, slice_str(e->broker->node_name));
    const struct image_config_resource *all =
        image_config_resource(e->image, CONFIG_RESOURCE_BROKER, all_brokers());
    int room = CONFIG_ID_COUNT + entry_count(own) + entry_count(all);
    struct config_explanation *list = arena_array(e->arena, (size_t)room, sizeof(*list));
    int count = 0;
    for (int i = 0; i < CONFIG_ID_COUNT; i++) {
        if (!config_key((enum config_id)i)->internal || e->broker->values.slots[i].set) {
            explain_broker_key(e, (enum config_id)i, &list[count++]);
        }
    }
    count += explain_unknowns(e, own, CONFIG_SOURCE_DYNAMIC_BROKER, NULL, &list[count]);
    count += explain_unknowns(e, all, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER, own, &list[count]);
    *out = list;
    return count;
}

/* Of the default of all brokers only what was set is listed. */
static int explain_all_brokers(struct explainer *e, struct config_explanation **out) {
    const struct image_config_resource *resource =
        image_config_resource(e->image, CONFIG_RESOURCE_BROKER, all_brokers());
    int count = 0;
    *out = arena_array(e->arena, (size_t)entry_count(resource), sizeof(**out));
    if (resource == NULL) {
        return 0;
    }
    LIST_FOREACH(it, &resource->entries) {
        const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        struct config_explanation *explanation = &(*out)[count++];
        enum config_id id = config_id_of(entry->name);
        if (id == CONFIG_NONE) {
            explain_unknown(e, entry, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER, explanation);
            continue;
        }
        const struct config_key *key = config_key(id);
        *explanation = (struct config_explanation){
            .key = key,
            .name = slice_str(key->name),
            .value = config_key_sensitive(key) ? SLICE_NULL : entry->value,
            .sensitive = config_key_sensitive(key),
            .read_only = key->mode == CONFIG_MODE_READ_ONLY,
        };
        add_synonym(e, key, entry->value, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
        finish(e, explanation);
    }
    return count;
}

/* What a key of a topic, group or subscription is worth without an override. */
static struct slice inherited(const struct explainer *e, const struct config_key *key) {
    if (key->broker_key == CONFIG_NONE) {
        return config_key_default(key);
    }
    const struct config_slot *slot = &e->broker->values.slots[key->broker_key];
    return slice_is_null(slot->text)
               ? slice_str(arena_printf(e->arena, "%lld", (long long)slot->number.integer))
               : slot->text;
}

static enum config_source override_source(int8_t resource_type) {
    switch (resource_type) {
    case CONFIG_RESOURCE_GROUP:
        return CONFIG_SOURCE_GROUP;
    case CONFIG_RESOURCE_CLIENT_METRICS:
        return CONFIG_SOURCE_CLIENT_METRICS;
    default:
        return CONFIG_SOURCE_TOPIC;
    }
}

static int explain_other(struct explainer *e, int8_t resource_type, struct slice name,
                         struct config_explanation **out) {
    const struct config_key_table *table = config_key_table(resource_type);
    struct config_explanation *list = arena_array(e->arena, (size_t)table->count, sizeof(*list));
    int count = 0;
    for (int i = 0; i < table->count; i++) {
        const struct config_key *key = &table->keys[i];
        struct slice override = image_config_value(e->image, resource_type, name, key->name);
        if (key->internal && slice_is_null(override)) {
            continue;
        }
        struct config_explanation *explanation = &list[count++];
        *explanation = (struct config_explanation){
            .key = key,
            .name = slice_str(key->name),
            .value = slice_is_null(override) ? inherited(e, key) : override,
        };
        add_synonym(e, key, override, override_source(resource_type));
        if (key->broker_key != CONFIG_NONE) {
            add_broker_synonyms(e, key->broker_key);
        } else if (resource_type == CONFIG_RESOURCE_GROUP) {
            add_synonym(e, key, config_key_default(key), CONFIG_SOURCE_DEFAULT);
        }
        finish(e, explanation);
    }
    *out = list;
    return count;
}

void config_explain(const struct broker_config *broker, const struct image *image,
                    int8_t resource_type, struct slice name, struct arena *arena,
                    struct config_explanation **out, int *count) {
    struct explainer e = {.broker = broker, .image = image, .arena = arena};
    if (resource_type != CONFIG_RESOURCE_BROKER) {
        *count = explain_other(&e, resource_type, name, out);
    } else if (name.len == 0) {
        *count = explain_all_brokers(&e, out);
    } else {
        *count = explain_broker(&e, out);
    }
}
