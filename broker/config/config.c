/*
 * Loading: the file and then the overrides are read into one set of values, each checked by itself
 * (config_value_check) and then all together (config_check.c, config_listener.c,
 * config_topic_list.c). The first error ends it; what is odd but harmless becomes a note for
 * config_log_warnings().
 */
#include "broker/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config_internal.h"
#include "broker/config/properties.h"
#include "runtime/file.h"
#include "runtime/log.h"

/* Largest configuration file. */
#define FILE_SIZE_MAX ((size_t)1024 * 1024)

/* Longest value that an error message repeats. */
#define SHOWN_VALUE_MAX 128

/* Keys with these prefixes are about single listeners or plug-ins. */
#define LISTENER_PREFIX "listener.name."

static void config_note(struct config *config, const char *key, const char *text) {
    for (int i = 0; i < config->note_count; i++) {
        if (strcmp(config->notes[i].key, key) == 0) {
            config->notes[i].text = text;
            return;
        }
    }
    if (config->note_count == config->note_cap) {
        config->note_cap = config->note_cap == 0 ? 8 : config->note_cap * 2;
        config->notes = xrealloc(config->notes, (size_t)config->note_cap * sizeof(*config->notes));
    }
    config->notes[config->note_count++] =
        (struct config_note){arena_printf(&config->arena, "%s", key), text};
}

static void note_meaningless(struct config *config, const char *name) {
    config->meaningless = config->meaningless == NULL
                              ? arena_printf(&config->arena, "%s", name)
                              : arena_printf(&config->arena, "%s, %s", config->meaningless, name);
}

static int bad_value(const struct config_key *key, struct slice value, struct errmsg *errmsg) {
    char allowed[256];
    config_value_describe(key, allowed, sizeof(allowed));
    if (config_key_sensitive(key)) {
        errmsg_set(errmsg, "%s: its value is not valid; allowed: %s", key->name, allowed);
    } else {
        int shown = value.len > SHOWN_VALUE_MAX ? SHOWN_VALUE_MAX : (int)value.len;
        errmsg_set(errmsg, "%s=%.*s is not valid; allowed: %s", key->name, shown,
                   (const char *)value.data, allowed);
    }
    return -EINVAL;
}

/* Takes one entry; key and value live in the arena. */
static int take_entry(struct config *config, struct slice name, struct slice value,
                      struct errmsg *errmsg) {
    enum config_id id = config_id_of(name);
    if (id == CONFIG_NONE) {
        int taken = config_take_listener_value(config, name, value, errmsg);
        if (taken <= 0) {
            return taken;
        }
        const char *text = arena_printf(&config->arena, "%.*s", SLICE_ARG(name));
        bool listener = strncmp(text, LISTENER_PREFIX, strlen(LISTENER_PREFIX)) == 0;
        config_note(config, text, listener ? "not honoured for single listeners" : "unknown key");
        return 0;
    }
    const struct config_key *key = config_key(id);
    if (!config_values_set(&config->values, id, value)) {
        return bad_value(key, value, errmsg);
    }
    return 0;
}

static int take_file(struct config *config, struct slice text, struct errmsg *errmsg) {
    struct properties properties;
    properties_init(&properties, text);
    struct slice key;
    struct slice value;
    int result;
    while ((result = properties_next(&properties, &config->arena, &key, &value, errmsg)) == 1) {
        int err = take_entry(config, key, value, errmsg);
        if (err != 0) {
            errmsg_prefix(errmsg, "line %d", properties.line);
            return err;
        }
    }
    return result;
}

static int read_file(struct config *config, struct machine *machine, const char *path,
                     struct errmsg *errmsg) {
    uint8_t *text;
    size_t len;
    int err = file_read_all(machine, path, FILE_SIZE_MAX, &text, &len);
    if (err != 0) {
        errmsg_set(errmsg, "cannot read %s: %s", path, strerror(-err));
        return err;
    }
    struct slice copy = arena_dup(&config->arena, slice_make(text, len));
    free(text);
    err = take_file(config, copy, errmsg);
    if (err != 0) {
        errmsg_prefix(errmsg, "%s", path);
    }
    return err;
}

static int take_override(struct config *config, const char *override, struct errmsg *errmsg) {
    struct slice text = arena_dup(&config->arena, slice_str(override));
    const uint8_t *equals = memchr(text.data, '=', text.len);
    if (equals == NULL) {
        errmsg_set(errmsg, "--override %s: key=value expected", override);
        return -EINVAL;
    }
    size_t len = (size_t)(equals - text.data);
    int err = take_entry(config, config_trim(slice_make(text.data, len)),
                         slice_make(equals + 1, text.len - len - 1), errmsg);
    if (err != 0) {
        errmsg_prefix(errmsg, "--override");
    }
    return err;
}

/* Keys that were set to something that Barnabas does not do. */
static int check_support(struct config *config, struct errmsg *errmsg) {
    for (int i = 0; i < CONFIG_ID_COUNT; i++) {
        const struct config_key *key = config_key((enum config_id)i);
        const struct config_slot *slot = &config->values.slots[i];
        if (!slot->set || key->support == CONFIG_SUPPORT_HONOURED) {
            continue;
        }
        struct slice usual = config_key_default(key);
        if (slice_equal(slot->text, slice_is_null(usual) ? slice_make("", 0) : usual)) {
            continue;
        }
        if (key->support == CONFIG_SUPPORT_REFUSED) {
            errmsg_set(errmsg,
                       "%s=%.*s is not supported, and ignoring it would not be safe; allowed: %s",
                       key->name, SLICE_ARG(slot->text),
                       usual.len == 0 ? "only not to set it" : key->default_value);
            return -EINVAL;
        }
        if (key->support == CONFIG_SUPPORT_MEANINGLESS) {
            note_meaningless(config, key->name);
        } else {
            config_note(config, key->name, "known, but not honoured yet");
        }
    }
    return 0;
}

/* Kafka's default of three replicas can never be met by a single node: committed offsets would not
 * work until somebody configures it. A value that was given is left as it is. */
static void default_to_one_replica(struct config *config) {
    struct config_slot *slot = &config->values.slots[CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR];
    if (!slot->set) {
        slot->text = SLICE_LIT("1");
        slot->number.integer = 1;
    }
}

static int load(struct config *config, struct machine *machine, const char *const *overrides,
                int override_count, struct errmsg *errmsg) {
    int err = 0;
    for (int i = 0; err == 0 && i < override_count; i++) {
        err = take_override(config, overrides[i], errmsg);
    }
    if (err == 0) {
        config_values_derive(&config->values);
        err = check_support(config, errmsg);
    }
    if (err == 0) {
        err = config_check_together(config, errmsg);
    }
    if (err == 0) {
        err = config_parse_listeners(config, machine, errmsg);
    }
    if (err == 0) {
        err = config_check_cluster(config, errmsg);
    }
    if (err == 0 && config->alone) {
        default_to_one_replica(config);
    }
    if (err == 0) {
        err = config_parse_metrics(config, errmsg);
    }
    if (err == 0) {
        err = config_parse_topics(config, errmsg);
    }
    return err;
}

static struct config *config_new(void) {
    struct config *config = NEW(struct config);
    arena_init(&config->arena, SIZE_MAX);
    config_values_init(&config->values);
    return config;
}

static int config_end_load(struct config *config, int err, struct config **out) {
    if (err != 0) {
        config_free(config);
        return err;
    }
    *out = config;
    return 0;
}

int config_load(struct machine *machine, const char *path, const char *const *overrides,
                int override_count, struct config **out, struct errmsg *errmsg) {
    struct config *config = config_new();
    int err = path == NULL ? 0 : read_file(config, machine, path, errmsg);
    if (err == 0) {
        err = load(config, machine, overrides, override_count, errmsg);
    }
    return config_end_load(config, err, out);
}

int config_load_text(struct machine *machine, struct slice text, const char *const *overrides,
                     int override_count, struct config **out, struct errmsg *errmsg) {
    struct config *config = config_new();
    int err = take_file(config, arena_dup(&config->arena, text), errmsg);
    if (err == 0) {
        err = load(config, machine, overrides, override_count, errmsg);
    }
    return config_end_load(config, err, out);
}

void config_free(struct config *config) {
    if (config != NULL) {
        arena_release(&config->arena);
        free(config->notes);
        free(config->listener_values);
        free(config);
    }
}

void config_log_warnings(const struct config *config, struct machine *machine) {
    for (int i = 0; i < config->note_count; i++) {
        LOG_WARN(machine, "config", "key without effect", "key=%s reason=\"%s\"",
                 config->notes[i].key, config->notes[i].text);
    }
    if (config->meaningless != NULL) {
        LOG_INFO(machine, "config", "keys about the insides of Kafka have no meaning here",
                 "keys=\"%s\"", config->meaningless);
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

bool config_bool(const struct config *config, enum config_id id) {
    ASSERT(config_key(id)->type == CONFIG_TYPE_BOOLEAN);
    return config->values.slots[id].number.boolean;
}

int64_t config_int(const struct config *config, enum config_id id) {
    ASSERT(config_key(id)->type == CONFIG_TYPE_INT || config_key(id)->type == CONFIG_TYPE_LONG ||
           config_key(id)->type == CONFIG_TYPE_SHORT);
    return config->values.slots[id].number.integer;
}

struct slice config_string(const struct config *config, enum config_id id) {
    return config->values.slots[id].text;
}

bool config_is_set(const struct config *config, enum config_id id) {
    return config->values.slots[id].set;
}

int config_listener_count(const struct config *config) {
    return config->listener_count;
}

const struct config_listener *config_listener_at(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->listener_count);
    return &config->listeners[index];
}

const char *config_told_host(const struct config *config, int index, const char *local,
                             const char *peer) {
    ASSERT(index >= 0 && index < config->listener_count);
    return config->automatic[index] ? auto_tell(&config->network, config->alone, local, peer)
                                    : NULL;
}

const struct config_listener *config_advertised(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->listener_count);
    return &config->advertised[index];
}

int config_log_dir_count(const struct config *config) {
    return config->log_dir_count;
}

const char *config_log_dir(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->log_dir_count);
    return config->log_dirs[index];
}

const char *config_metadata_dir(const struct config *config) {
    return config->metadata_dir;
}

int config_topic_count(const struct config *config) {
    return config->topic_count;
}

const struct config_topic *config_topic_at(const struct config *config, int index) {
    ASSERT(index >= 0 && index < config->topic_count);
    return &config->topics[index];
}
