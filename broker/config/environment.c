#include "broker/config/environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/slice.h"
#include "runtime/file.h"
#include "runtime/machine.h"

/* Largest mounted file. */
#define FILE_SIZE_MAX ((size_t)1024 * 1024)

/* What tells the dialects apart but for the names of variables. */
struct dialect {
    const char *name;
    const char *mounted[4]; /* where a server.properties may be; the first that exists counts */
    const char *data_dir;
    bool mounted_replaces;  /* the variables, where a file is mounted */
    bool derives_listeners; /* from the advertised ones, where only those are given */
};

static const struct dialect dialects[] = {
    [ENVIRONMENT_AUTO] = {.name = "auto"},
    [ENVIRONMENT_BITNAMI] = {.name = "bitnami",
                             .mounted = {"/bitnami/kafka/config/server.properties",
                                         "/opt/bitnami/kafka/config/server.properties"},
                             .data_dir = "/bitnami/kafka/data",
                             .mounted_replaces = true},
    [ENVIRONMENT_APACHE] = {.name = "apache",
                            .mounted = {"/mnt/shared/config/server.properties",
                                        "/opt/kafka/config/server.properties"},
                            .data_dir = "/var/lib/kafka/data",
                            .derives_listeners = true},
    [ENVIRONMENT_CONFLUENT] = {.name = "confluent",
                               .mounted = {"/mnt/shared/config/server.properties",
                                           "/etc/kafka/server.properties"},
                               .data_dir = "/var/lib/kafka/data",
                               .derives_listeners = true},
};

/* Where Apache Kafka's image has its data when nothing is said; used where that is mounted. */
#define APACHE_TEMPORARY_DIR "/tmp/kraft-combined-logs"

/* What Apache Kafka's image takes for all clusters that are not given one. */
#define APACHE_CLUSTER_ID "5L6g3nShT-eMCtK--X86sw"

/* Variables that are no keys: about a JVM, or about the image, or read elsewhere in this file. A
 * star is any end. */
static const char *const no_keys[] = {
    "KAFKA_HEAP_OPT*",
    "KAFKA_OPTS",
    "KAFKA_JMX_*",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_LOG4J_*",
    "KAFKA_LOG4J2_*",
    "KAFKA_TOOLS_LOG4J_*",
    "KAFKA_VERSION",
    "KAFKA_DEBUG",
    "KAFKA_CLASSPATH",
    "KAFKA_NATIVE_*",
    /* Bitnami's */
    "KAFKA_HOME",
    "KAFKA_BASE_DIR",
    "KAFKA_VOLUME_DIR",
    "KAFKA_DATA_DIR",
    "KAFKA_DATA_DIRS",
    "KAFKA_CONF_DIR",
    "KAFKA_CONF_FILE",
    "KAFKA_MOUNTED_CONF_DIR*",
    "KAFKA_CERTS_DIR",
    "KAFKA_INITSCRIPTS_DIR",
    "KAFKA_PID_FILE",
    "KAFKA_DAEMON_USER",
    "KAFKA_DAEMON_GROUP",
    "KAFKA_CLUSTER_ID*",
    "KAFKA_KRAFT_CLUSTER_ID*",
    "KAFKA_INITIAL_CONTROLLERS*",
    "KAFKA_SKIP_KRAFT_STORAGE_INIT*",
    "KAFKA_KRAFT_BOOTSTRAP_SCRAM_USERS",
    "KAFKA_CLIENT_*",
    "KAFKA_BROKER_USER",
    "KAFKA_BROKER_PASSWORD",
    "KAFKA_INTER_BROKER_USER*",
    "KAFKA_INTER_BROKER_PASSWORD*",
    "KAFKA_CONTROLLER_USER*",
    "KAFKA_CONTROLLER_PASSWORD*",
    "KAFKA_CERTIFICATE_PASSWORD*",
    "KAFKA_TLS_*",
    "KAFKA_NODE_ID_COMMAND",
    "KAFKA_BROKER_ID_COMMAND",
    "KAFKA_CONTROLLER_QUORUM_VOTERS_COMMAND",
};

/* Old names of Bitnami's image. */
static const struct alias {
    const char *variable;
    const char *key;
} aliases[] = {
    {"KAFKA_LOGS_DIRS", "log.dirs"},
    {"KAFKA_SEGMENT_BYTES", "log.segment.bytes"},
    {"KAFKA_MAX_MESSAGE_BYTES", "message.max.bytes"},
};

struct entry {
    const char *key;
    struct slice value;
    int rank; /* of two with one key the higher counts */
};

struct environment {
    struct machine *machine;
    const char *const *variables;
    const struct dialect *dialect;
    const char *root;
    struct arena arena;
    struct entry *entries; /* heap */
    int count;
};

/* ---- Variables ------------------------------------------------------------------------------- */

bool environment_dialect_find(const char *name, enum environment_dialect *out) {
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
        if (strcmp(name, dialects[i].name) == 0) {
            *out = (enum environment_dialect)i;
            return true;
        }
    }
    return false;
}

static bool begins_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* NULL: not set. */
static const char *variable(const struct environment *environment, const char *name) {
    size_t len = strlen(name);
    for (const char *const *v = environment->variables; *v != NULL; v++) {
        if (strncmp(*v, name, len) == 0 && (*v)[len] == '=') {
            return *v + len + 1;
        }
    }
    return NULL;
}

static bool matches(const char *name, const char *pattern) {
    size_t len = strlen(pattern);
    return pattern[len - 1] == '*' ? strncmp(name, pattern, len - 1) == 0
                                   : strcmp(name, pattern) == 0;
}

/* What Kubernetes sets for each Service "kafka..." in the namespace. */
static bool is_service_link(const char *name, const char *value) {
    size_t len = strlen(name);
    static const char host[] = "_SERVICE_HOST";
    bool of_host = len > sizeof(host) && strcmp(name + len - strlen(host), host) == 0;
    const char *port = strstr(name, "_PORT_");
    bool of_port = port != NULL && isdigit((unsigned char)port[strlen("_PORT_")]) &&
                   (strstr(port, "_TCP") != NULL || strstr(port, "_UDP") != NULL);
    return of_host || of_port || strstr(name, "_SERVICE_PORT") != NULL ||
           begins_with(value, "tcp://") || begins_with(value, "udp://");
}

static bool is_key(const char *name, const char *value) {
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.') {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(no_keys); i++) {
        if (matches(name, no_keys[i])) {
            return false;
        }
    }
    return !is_service_link(name, value);
}

/* LOG_DIRS: log.dirs; "__" is "_" and "___" is "-". */
static char *key_of(struct environment *environment, const char *suffix) {
    char *key = arena_alloc(&environment->arena, strlen(suffix) + 1);
    char *out = key;
    for (const char *c = suffix; *c != '\0';) {
        if (begins_with(c, "___")) {
            *out++ = '-';
            c += 3;
        } else if (begins_with(c, "__")) {
            *out++ = '_';
            c += 2;
        } else {
            *out++ = *c == '_' ? '.' : (char)tolower((unsigned char)*c);
            c++;
        }
    }
    *out = '\0';
    return key;
}

/* In KAFKA_CFG_ variables, listeners named SASL_SSL and SASL_PLAINTEXT keep their names. */
static void keep_listener_name(char *key) {
    static const char *const names[] = {".sasl.ssl.", ".sasl.plaintext."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *found = strstr(key, names[i]);
        if (found != NULL) {
            found[strlen(".sasl")] = '_';
        }
    }
}

static void add(struct environment *environment, const char *key, const char *value, int rank) {
    environment->entries[environment->count++] = (struct entry){key, slice_str(value), rank};
}

static void take_variable(struct environment *environment, const char *text) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || !begins_with(text, "KAFKA_")) {
        return;
    }
    const char *name =
        (const char *)arena_dup(&environment->arena, slice_make(text, (size_t)(equals - text)))
            .data;
    const char *value = equals + 1;
    if (!is_key(name, value)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(name, aliases[i].variable) == 0) {
            add(environment, aliases[i].key, value, 1);
            return;
        }
    }
    if (begins_with(name, "KAFKA_CFG_")) {
        char *key = key_of(environment, name + strlen("KAFKA_CFG_"));
        keep_listener_name(key);
        add(environment, key, value, 3);
    } else {
        add(environment, key_of(environment, name + strlen("KAFKA_")), value, 2);
    }
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a;
    const struct entry *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : x->rank - y->rank;
}

static const struct entry *find(const struct environment *environment, const char *key) {
    const struct entry *found = NULL;
    for (int i = 0; i < environment->count; i++) {
        const struct entry *entry = &environment->entries[i];
        if (strcmp(entry->key, key) == 0 && (found == NULL || entry->rank > found->rank)) {
            found = entry;
        }
    }
    return found;
}

/* ---- What variables say together ------------------------------------------------------------- */

/* Of several names the first that is set and not empty; of each, <NAME>_FILE may be a file with the
 * value. NULL in *out when there is none. */
static int read_cluster_id(struct environment *environment, const char **out,
                           struct errmsg *errmsg) {
    static const char *const names[] = {"KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID", "CLUSTER_ID"};
    *out = NULL;
    for (size_t i = 0; *out == NULL && i < ARRAY_LEN(names); i++) {
        const char *path =
            variable(environment, arena_printf(&environment->arena, "%s_FILE", names[i]));
        if (path != NULL && path[0] != '\0') {
            uint8_t *text;
            size_t len;
            int err = file_read_all(environment->machine, path, FILE_SIZE_MAX, &text, &len);
            if (err != 0) {
                errmsg_set(errmsg, "%s_FILE=%s cannot be read: %s", names[i], path, strerror(-err));
                return err;
            }
            while (len > 0 && isspace(text[len - 1])) {
                len--;
            }
            *out = (const char *)arena_dup(&environment->arena, slice_make(text, len)).data;
            free(text);
        } else {
            const char *value = variable(environment, names[i]);
            *out = value != NULL && value[0] != '\0' ? value : NULL;
        }
    }
    return 0;
}

/* NAME://host:port,... as NAME://0.0.0.0:port,... */
static const char *listen_everywhere(struct environment *environment, struct slice advertised) {
    char *out = arena_alloc(&environment->arena, advertised.len * 8 + 1);
    char *end = out;
    const char *text = (const char *)arena_dup(&environment->arena, advertised).data;
    for (const char *entry = text; *entry != '\0';) {
        const char *next = strchrnul(entry, ',');
        const char *host = strstr(entry, "://");
        const char *port = memrchr(entry, ':', (size_t)(next - entry));
        if (host != NULL && port != NULL && host < port) {
            end = mempcpy(end, entry, (size_t)(host + 3 - entry));
            end = stpcpy(end, "0.0.0.0");
            end = mempcpy(end, port, (size_t)(next - port));
        } else {
            end = mempcpy(end, entry, (size_t)(next - entry));
        }
        if (*next == ',') {
            *end++ = ',';
            next++;
        }
        entry = next;
    }
    *end = '\0';
    return out;
}

static void derive_listeners(struct environment *environment) {
    const struct entry *advertised = find(environment, "advertised.listeners");
    if (environment->dialect->derives_listeners && advertised != NULL &&
        memmem(advertised->value.data, advertised->value.len, "://", 3) != NULL &&
        find(environment, "listeners") == NULL) {
        add(environment, "listeners", listen_everywhere(environment, advertised->value), 0);
    }
}

static int take_cluster_id(struct environment *environment, struct errmsg *errmsg) {
    const char *id;
    int err = read_cluster_id(environment, &id, errmsg);
    if (err != 0) {
        return err;
    }
    bool quorum = find(environment, "controller.quorum.voters") != NULL ||
                  find(environment, "controller.quorum.bootstrap.servers") != NULL;
    if (id == NULL && quorum && strcmp(environment->dialect->name, "apache") == 0) {
        id = APACHE_CLUSTER_ID;
    }
    if (id != NULL) {
        add(environment, "barnabas.cluster.id", id, 0);
    }
    return 0;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static const char *path_of(struct environment *environment, const char *path) {
    return arena_printf(&environment->arena, "%s%s", environment->root, path);
}

static bool exists(struct environment *environment, const char *path, enum path_kind wanted) {
    enum path_kind kind;
    return path_kind(environment->machine, path, &kind) == 0 && kind == wanted;
}

/* NULL: none. */
static const char *mounted_file(struct environment *environment) {
    const char *dir = variable(environment, "KAFKA_MOUNTED_CONF_DIR");
    if (dir != NULL && dir[0] != '\0') {
        const char *path =
            arena_printf(&environment->arena, "%s%s/server.properties", environment->root, dir);
        if (exists(environment, path, PATH_FILE)) {
            return path;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(environment->dialect->mounted); i++) {
        if (environment->dialect->mounted[i] != NULL) {
            const char *path = path_of(environment, environment->dialect->mounted[i]);
            if (exists(environment, path, PATH_FILE)) {
                return path;
            }
        }
    }
    return NULL;
}

static const char *data_dir(struct environment *environment) {
    return strcmp(environment->dialect->name, "apache") == 0 &&
                   exists(environment, path_of(environment, APACHE_TEMPORARY_DIR), PATH_DIRECTORY)
               ? APACHE_TEMPORARY_DIR
               : environment->dialect->data_dir;
}

/* ---- The text -------------------------------------------------------------------------------- */

/* Values as Kafka's image writes them, with escapes of their own; only what would end the line is
 * escaped. */
static void print_value(struct buffer *out, struct slice value) {
    size_t backslashes = 0;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c == '\n' || c == '\r') {
            buffer_append_str(out, c == '\n' ? "\\n" : "\\r");
        } else {
            buffer_put_u8(out, c);
        }
        backslashes = c == '\\' ? backslashes + 1 : 0;
    }
    if (backslashes % 2 == 1) {
        buffer_put_u8(out, '\\');
    }
}

static void print_entries(struct environment *environment, struct buffer *out) {
    qsort(environment->entries, (size_t)environment->count, sizeof(struct entry), compare_entries);
    for (int i = 0; i < environment->count; i++) {
        const struct entry *entry = &environment->entries[i];
        bool last = i + 1 == environment->count || strcmp(entry->key, entry[1].key) != 0;
        if (last) {
            buffer_printf(out, "%s=", entry->key);
            print_value(out, entry->value);
            buffer_put_u8(out, '\n');
        }
    }
}

static int print_mounted(struct environment *environment, const char *path, struct buffer *out,
                         struct errmsg *errmsg) {
    uint8_t *text;
    size_t len;
    int err = file_read_all(environment->machine, path, FILE_SIZE_MAX, &text, &len);
    if (err != 0) {
        errmsg_set(errmsg, "cannot read %s: %s", path, strerror(-err));
        return err;
    }
    buffer_printf(out, "# from %s\n", path);
    buffer_append(out, text, len);
    buffer_append_str(out, "\n");
    free(text);
    return 0;
}

static int print_all(struct environment *environment, struct buffer *out, struct errmsg *errmsg) {
    const char *mounted = mounted_file(environment);
    buffer_printf(out, "# %s\nlog.dirs=%s\n", environment->dialect->name, data_dir(environment));
    if (mounted != NULL) {
        int err = print_mounted(environment, mounted, out, errmsg);
        if (err != 0) {
            return err;
        }
    }
    if (mounted == NULL || !environment->dialect->mounted_replaces) {
        for (const char *const *v = environment->variables; *v != NULL; v++) {
            take_variable(environment, *v);
        }
        derive_listeners(environment);
    }
    int err = take_cluster_id(environment, errmsg);
    if (err == 0 && environment->count > 0) {
        buffer_append_str(out, "# from variables\n");
        print_entries(environment, out);
    }
    return err;
}

static const struct dialect *resolve(const char *const *variables,
                                     enum environment_dialect dialect) {
    if (dialect != ENVIRONMENT_AUTO) {
        return &dialects[dialect];
    }
    for (const char *const *v = variables; *v != NULL; v++) {
        if (begins_with(*v, "KAFKA_CFG_") || begins_with(*v, "KAFKA_KRAFT_CLUSTER_ID")) {
            return &dialects[ENVIRONMENT_BITNAMI];
        }
    }
    return &dialects[ENVIRONMENT_APACHE];
}

int environment_properties(struct machine *machine, const char *const *variables,
                           enum environment_dialect dialect, const char *root, struct buffer *out,
                           struct errmsg *errmsg) {
    struct environment environment = {
        .machine = machine,
        .variables = variables,
        .dialect = resolve(variables, dialect),
        .root = root,
    };
    size_t count = 2; /* the cluster's id and the listeners, which no variable may be */
    while (variables[count - 2] != NULL) {
        count++;
    }
    environment.entries = xcalloc(count, sizeof(*environment.entries));
    arena_init(&environment.arena, SIZE_MAX);
    int err = print_all(&environment, out, errmsg);
    arena_release(&environment.arena);
    free(environment.entries);
    return err;
}
