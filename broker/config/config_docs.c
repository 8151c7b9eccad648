#include "broker/config/config_docs.h"

#include "broker/config/config_value.h"
#include "broker/metadata/image.h"

static const char head[] =
    "# Configuration\n"
    "\n"
    "<!-- Generated: build/barnabas --print-config-docs > docs/configuration.md -->\n"
    "\n"
    "    barnabas [server.properties] [--override key=value]...\n"
    "    barnabas --environment[=DIALECT] [--override key=value]...\n"
    "\n"
    "Barnabas reads Apache Kafka's `server.properties` with Kafka's keys, types and defaults "
    "(those "
    "of Kafka 4.3). An override wins over the file; of a key that is given twice, the last counts. "
    "Without a file a single node starts with the defaults.\n"
    "\n"
    "In a container every key can be a variable: `KAFKA_CFG_LOG_RETENTION_HOURS=24`, or "
    "`KAFKA_LOG_RETENTION_HOURS=24`, is `log.retention.hours=24` ([image.md](image.md)).\n"
    "\n"
    "A value that is not valid ends the start with one line that names key, value and what is "
    "allowed, and exit code 1, before anything on disk is touched. Keys that are unknown, or known "
    "but not honoured, are named in a warning each.\n"
    "\n"
    "What differs from Kafka:\n"
    "\n"
    "- `node.id` and `process.roles` are not required: they default to `1` and "
    "`broker,controller`.\n"
    "- A log directory that is empty is formatted at the first start of a single node; in a "
    "cluster of several nodes when `barnabas.cluster.id` says which it belongs to.\n"
    "- `offsets.topic.replication.factor` counts as 1 where it is not set and there is one node.\n"
    "- `advertised.listeners` is `auto` where it is not set: a broker that is alone tells each "
    "client an address that works for it, instead of the host's name.\n"
    "- `acks=all` means on the disk (`log.durability`, per topic `durability`).\n"
    "- TLS, SASL and authorization are not supported yet; configurations that ask for them are "
    "refused.\n"
    "\n"
    "*Changes*: restart = only in the file; broker = also while running, for one broker; cluster = "
    "also while running, for one broker or as the default of all. *Honoured*: no = accepted with a "
    "warning; - = about the insides of Kafka, accepted; refused = only the default is accepted.\n";

/* Text of a table's cell: '|' would end it. */
static void put_cell(struct buffer *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            buffer_append_str(out, "\\|");
        } else {
            buffer_append(out, c, 1);
        }
    }
}

static const char *type_name(enum config_type type) {
    static const char *const names[] = {
        [CONFIG_TYPE_BOOLEAN] = "boolean",   [CONFIG_TYPE_STRING] = "string",
        [CONFIG_TYPE_INT] = "int",           [CONFIG_TYPE_SHORT] = "short",
        [CONFIG_TYPE_LONG] = "long",         [CONFIG_TYPE_DOUBLE] = "double",
        [CONFIG_TYPE_LIST] = "list",         [CONFIG_TYPE_CLASS] = "class",
        [CONFIG_TYPE_PASSWORD] = "password",
    };
    return names[type];
}

static const char *support_name(enum config_support support) {
    static const char *const names[] = {
        [CONFIG_SUPPORT_HONOURED] = "yes",
        [CONFIG_SUPPORT_IGNORED] = "no",
        [CONFIG_SUPPORT_MEANINGLESS] = "-",
        [CONFIG_SUPPORT_REFUSED] = "refused",
    };
    return names[support];
}

static const char *mode_name(enum config_mode mode) {
    static const char *const names[] = {
        [CONFIG_MODE_READ_ONLY] = "restart",
        [CONFIG_MODE_PER_BROKER] = "broker",
        [CONFIG_MODE_CLUSTER_WIDE] = "cluster",
    };
    return names[mode];
}

static void put_key(struct buffer *out, const struct config_key *key, bool of_broker) {
    buffer_printf(out, "| `%s` | %s | ", key->name, type_name(key->type));
    if (key->default_value == NULL) {
        buffer_append_str(out, "not set");
    } else if (key->default_value[0] == '\0') {
        buffer_append_str(out, "empty");
    } else {
        buffer_append_str(out, "`");
        put_cell(out, key->default_value);
        buffer_append_str(out, "`");
    }
    char allowed[256];
    config_value_describe(key, allowed, sizeof(allowed));
    buffer_append_str(out, " | ");
    put_cell(out, key->valid[0] == '\0' ? "" : allowed);
    const char *source = of_broker                        ? mode_name(key->mode)
                         : key->broker_key == CONFIG_NONE ? ""
                                                          : config_key(key->broker_key)->name;
    buffer_printf(out, " | %s%s%s | %s | ", of_broker || source[0] == '\0' ? "" : "`", source,
                  of_broker || source[0] == '\0' ? "" : "`", support_name(key->support));
    put_cell(out, key->doc);
    buffer_append_str(out, " |\n");
}

static void put_table(struct buffer *out, const char *title, int8_t resource_type) {
    const struct config_key_table *table = config_key_table(resource_type);
    bool of_broker = resource_type == CONFIG_RESOURCE_BROKER;
    buffer_printf(out,
                  "\n## %s\n\n| Key | Type | Default | Allowed | %s | Honoured | Meaning |\n"
                  "|---|---|---|---|---|---|---|\n",
                  title, of_broker ? "Changes" : "Default from");
    for (int i = 0; i < table->count; i++) {
        if (!table->keys[i].internal) {
            put_key(out, &table->keys[i], of_broker);
        }
    }
}

void config_docs(struct buffer *out) {
    buffer_append_str(out, head);
    put_table(out, "Broker", CONFIG_RESOURCE_BROKER);
    put_table(out, "Topics", CONFIG_RESOURCE_TOPIC);
    put_table(out, "Groups", CONFIG_RESOURCE_GROUP);
    put_table(out, "Client metrics", CONFIG_RESOURCE_CLIENT_METRICS);
}
