/* How configuration is held. Private to broker/config/. */
#ifndef BROKER_CONFIG_CONFIG_INTERNAL_H
#define BROKER_CONFIG_CONFIG_INTERNAL_H

#include "base/arena.h"
#include "broker/config/auto_address.h"
#include "broker/config/config.h"
#include "broker/config/config_value.h"

/* The value of one key in one layer. */
struct config_slot {
    struct slice text; /* null: not set, and no default */
    bool set;          /* by a file, an override or dynamically; else `text` is the default */
    union config_number number;
};

/* Values of all broker keys. */
struct config_values {
    struct config_slot slots[CONFIG_ID_COUNT];
};

/* All defaults. */
void config_values_init(struct config_values *values);

/* False when the text is no value of the key: then nothing changed. `text` must outlive it. */
MUST_CHECK bool config_values_set(struct config_values *values, enum config_id id,
                                  struct slice text);

/* Numbers of keys without text out of their fallbacks (log.retention.ms from minutes, hours). */
void config_values_derive(struct config_values *values);

/* What a file or an override sets for one listener: listener.name.<listener>.<key>. */
struct config_listener_value {
    struct slice name; /* the whole one */
    int64_t number;
};

struct config_note {
    const char *key;
    const char *text;
};

struct config {
    struct arena arena;
    struct config_values values;
    struct config_listener *listeners;
    struct config_listener *advertised;
    bool *automatic; /* of each listener: advertised.listeners says no address, nor does it */
    struct auto_network network;
    int listener_count;
    const char **log_dirs;
    int log_dir_count;
    const char *metadata_dir;
    bool is_broker;
    bool is_controller;
    bool alone;
    struct config_address *voters;
    int voter_count;
    struct config_address *bootstrap_servers;
    int bootstrap_server_count;
    struct config_listener_value *listener_values;
    int listener_value_count;
    int listener_value_cap;
    const char *metrics_host; /* NULL: not set */
    int metrics_port;
    struct config_topic *topics;
    int topic_count;
    struct config_note *notes; /* for config_log_warnings() */
    int note_count;
    int note_cap;
    char *meaningless; /* names of keys without meaning here, for one line; NULL for none */
};

/* Parse listeners, advertised.listeners, the protocol map and the controller's names. -EINVAL. */
MUST_CHECK int config_parse_listeners(struct config *config, struct machine *machine,
                                      struct errmsg *errmsg);

/* Parse roles, voters and bootstrap servers; and, once listeners are known, whether this node can
 * be reached as what it is, and whether it is alone. -EINVAL. */
MUST_CHECK int config_parse_quorum(struct config *config, struct errmsg *errmsg);
MUST_CHECK int config_check_cluster(struct config *config, struct errmsg *errmsg);

/* Parse metrics.listener. -EINVAL. */
MUST_CHECK int config_parse_metrics(struct config *config, struct errmsg *errmsg);

/* Parse barnabas.topics. -EINVAL. */
MUST_CHECK int config_parse_topics(struct config *config, struct errmsg *errmsg);

/* What one value alone does not tell: identity, directories, related keys. -EINVAL. */
MUST_CHECK int config_check_together(struct config *config, struct errmsg *errmsg);

/* Takes the value of a single listener; 1 when it is none that is honoured. -EINVAL. */
MUST_CHECK int config_take_listener_value(struct config *config, struct slice name,
                                          struct slice value, struct errmsg *errmsg);

/* Whether `id` may be set for single listeners (and is honoured then). */
bool config_is_listener_key(enum config_id id);

/* Whether `value` is one that a single listener, or a running broker, may have for `id`. */
bool config_listener_value_check(enum config_id id, struct slice value, int64_t *out);

/* The key that "listener.name.<listener>.<key>" overrides for one listener; or CONFIG_NONE. */
enum config_id config_listener_key(struct slice name);

/* Dynamic broker configs that are quotas, and so stand in no table. */
bool config_is_broker_quota(struct slice name);

#endif
