/* kafka-metadata-quorum add-controller and remove-controller */
#include "tools/kafka/quorum_voters.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "protocol/generated/add_raft_voter_request.h"
#include "protocol/generated/add_raft_voter_response.h"
#include "protocol/generated/remove_raft_voter_request.h"
#include "protocol/generated/remove_raft_voter_response.h"
#include "tools/kafka/cluster.h"

/* How long the new voter has to catch up; what Kafka's tool gives it. */
#define ADD_TIMEOUT_MS 30000

static int fail(const char *text) {
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
    return EXIT_FAILED;
}

/* ---- What the configuration of a controller says --------------------------------------------- */

/* Null where the file has no such line. */
struct controller_config {
    struct arena *arena;
    struct slice node_id, roles, metadata_dir, log_dirs, names, listeners, advertised;
};

static bool take_property(void *ctx, struct slice key, struct slice value) {
    struct controller_config *config = ctx;
    const struct {
        const char *key;
        struct slice *value;
    } taken[] = {
        {"node.id", &config->node_id},
        {"process.roles", &config->roles},
        {"metadata.log.dir", &config->metadata_dir},
        {"log.dirs", &config->log_dirs},
        {"controller.listener.names", &config->names},
        {"listeners", &config->listeners},
        {"advertised.listeners", &config->advertised},
    };
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        if (slice_equal_str(key, taken[i].key)) {
            *taken[i].value = arena_dup(config->arena, value);
        }
    }
    return true;
}

/* Cuts the next of a list with commas off, without blanks; false at its end. */
static bool next_of(struct slice *list, struct slice *out) {
    if (slice_is_null(*list) || list->len == 0) {
        return false;
    }
    const uint8_t *comma = memchr(list->data, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->data) : list->len;
    *out = slice_make(list->data, len);
    size_t cut = comma != NULL ? len + 1 : len;
    *list = slice_make(list->data + cut, list->len - cut);
    while (out->len > 0 && out->data[0] == ' ') {
        *out = slice_make(out->data + 1, out->len - 1);
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ') {
        out->len--;
    }
    return true;
}

static bool has_role(struct slice roles, const char *role) {
    struct slice each;
    while (next_of(&roles, &each)) {
        if (slice_equal_str(each, role)) {
            return true;
        }
    }
    return false;
}

/* "NAME://host:port", a host of IPv6 in brackets; false after a message. */
static bool parse_listener(struct kafka_call *call, struct slice text,
                           struct add_raft_voter_request_listener *out) {
    const char *begin = arena_printf(&call->arena, "%.*s", SLICE_ARG(text));
    const char *slashes = strstr(begin, "://");
    const char *colon = slashes != NULL ? strrchr(slashes + 3, ':') : NULL;
    int64_t port;
    if (colon == NULL || !slice_parse_i64(slice_str(colon + 1), &port) || port < 0 ||
        port > UINT16_MAX) {
        const char *said =
            arena_printf(&call->arena, "Unable to parse %s to a broker endpoint", begin);
        fail(arena_printf(&call->arena, "%s\norg.apache.kafka.common.KafkaException: %s", said,
                          said));
        return false;
    }
    const char *host = slashes + 3;
    size_t len = (size_t)(colon - host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    out->name = slice_make(begin, (size_t)(slashes - begin));
    out->host = len > 0 ? slice_make(host, len) : SLICE_LIT("localhost");
    out->port = (uint16_t)port;
    return true;
}

/* The listener of a name in one of the lists: 1 when it is there, 0 when not, -1 after a message.
 */
static int find_listener(struct kafka_call *call, struct slice list, struct slice name,
                         struct add_raft_voter_request_listener *out) {
    struct slice each;
    while (next_of(&list, &each)) {
        if (!parse_listener(call, each, out)) {
            return -1;
        }
        if (slice_equal(out->name, name)) {
            return 1;
        }
    }
    return 0;
}

static bool take_id(struct kafka_call *call, const struct controller_config *config, int32_t *out) {
    int64_t id;
    if (slice_is_null(config->node_id)) {
        fail("node.id not found in configuration file. Is this a valid controller configuration "
             "file?");
        return false;
    }
    if (!slice_parse_i64(config->node_id, &id) || id > INT32_MAX || id < INT32_MIN) {
        const char *said =
            arena_printf(&call->arena, "For input string: \"%.*s\"", SLICE_ARG(config->node_id));
        fail(arena_printf(&call->arena, "%s\njava.lang.NumberFormatException: %s", said, said));
        return false;
    }
    if (id < 0) {
        fail("node.id was negative in configuration file. Is this a valid controller configuration "
             "file?");
        return false;
    }
    if (!has_role(config->roles, "controller")) {
        fail("process.roles did not contain 'controller' in configuration file. Is this a valid "
             "controller configuration file?");
        return false;
    }
    *out = (int32_t)id;
    return true;
}

static bool take_directory_line(void *ctx, struct slice key, struct slice value) {
    struct uuid *id = ctx;
    return !slice_equal_str(key, "directory.id") || uuid_parse(value, id);
}

/* The directory id in meta.properties of the metadata directory. */
static bool take_directory(struct kafka_call *call, const struct controller_config *config,
                           struct uuid *out) {
    struct slice dirs = config->log_dirs, dir = config->metadata_dir;
    if (slice_is_null(dir) && !next_of(&dirs, &dir)) {
        fail("Neither metadata.log.dir nor log.dirs were found. Is this a valid controller "
             "configuration file?");
        return false;
    }
    const char *path = arena_printf(&call->arena, "%.*s/meta.properties", SLICE_ARG(dir));
    if (access(path, R_OK) != 0) {
        fail(
            arena_printf(&call->arena, "Unable to read meta.properties from %.*s", SLICE_ARG(dir)));
        return false;
    }
    *out = UUID_ZERO;
    if (!kafka_properties(call, path, take_directory_line, out) || uuid_is_zero(*out)) {
        fail(arena_printf(&call->arena, "No directory id found in %.*s", SLICE_ARG(dir)));
        return false;
    }
    return true;
}

/* Where the controller is to be reached: all of controller.listener.names. */
static bool take_listeners(struct kafka_call *call, const struct controller_config *config,
                           struct add_raft_voter_request *request) {
    if (slice_is_null(config->names)) {
        fail("controller.listener.names was not found. Is this a valid controller configuration "
             "file?");
        return false;
    }
    request->listeners =
        MESSAGE_ARRAY(&call->arena, add_raft_voter_request_listener, config->names.len + 1);
    struct slice names = config->names, name;
    while (next_of(&names, &name)) {
        struct add_raft_voter_request_listener *out = &request->listeners[request->listeners_count];
        int found = find_listener(call, config->advertised, name, out);
        found = found == 0 ? find_listener(call, config->listeners, name, out) : found;
        if (found == 0) {
            fail(arena_printf(&call->arena,
                              "Cannot find information about controller listener name: %.*s",
                              SLICE_ARG(name)));
        }
        if (found <= 0) {
            return false;
        }
        request->listeners_count++;
    }
    return true;
}

static const char *listeners_text(struct kafka_call *call,
                                  const struct add_raft_voter_request *request) {
    const char *text = "";
    for (int32_t i = 0; i < request->listeners_count; i++) {
        const struct add_raft_voter_request_listener *l = &request->listeners[i];
        bool v6 = memchr(l->host.data, ':', l->host.len) != NULL;
        text = arena_printf(&call->arena, "%s%s%.*s://%s%.*s%s:%u", text, i > 0 ? ", " : "",
                            SLICE_ARG(l->name), v6 ? "[" : "", SLICE_ARG(l->host), v6 ? "]" : "",
                            l->port);
    }
    return text;
}

/* ---- Commands -------------------------------------------------------------------------------- */

int quorum_add_controller(struct kafka_call *call) {
    struct add_raft_voter_request request;
    struct controller_config config = {.arena = &call->arena};
    const char *path = options_get(&call->options, "command-config", NULL);
    message_init(&add_raft_voter_request_desc, &request);
    request.cluster_id = SLICE_NULL;
    request.timeout_ms = ADD_TIMEOUT_MS;
    if (path == NULL) {
        return fail("You must supply the configuration file of the controller you are adding when "
                    "using add-controller.");
    }
    if (!kafka_properties(call, path, take_property, &config) ||
        !take_id(call, &config, &request.voter_id) ||
        !take_directory(call, &config, &request.voter_directory_id) ||
        !take_listeners(call, &config, &request)) {
        return EXIT_FAILED;
    }
    char id[UUID_TEXT_LEN + 1];
    const char *added = arena_printf(
        &call->arena, "controller %d with directory id %s and endpoints: %s", request.voter_id,
        uuid_format(request.voter_directory_id, id), listeners_text(call, &request));
    if (options_has(&call->options, "dry-run")) {
        printf("DRY RUN of adding %s\n", added);
        return 0;
    }
    const struct add_raft_voter_response *response =
        client_call(&call->client, CLIENT_ANY, API_ADD_RAFT_VOTER, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return cluster_fail(call);
    }
    if (response->error_code != ERROR_NONE) {
        return cluster_refused(call, response->error_code, response->error_message);
    }
    printf("Added %s\n", added);
    return 0;
}

int quorum_remove_controller(struct kafka_call *call) {
    int64_t id = -1;
    const char *directory = options_get(&call->options, "controller-directory-id", NULL);
    if (directory == NULL || !options_has(&call->options, "controller-id")) {
        return kafka_usage(call, "usage: kafka-metadata-quorum remove-controller --controller-id "
                                 "ID --controller-directory-id ID");
    }
    struct remove_raft_voter_request request;
    message_init(&remove_raft_voter_request_desc, &request);
    request.cluster_id = SLICE_NULL;
    if (!options_i64(&call->options, "controller-id", &id)) {
        return EXIT_FAILED;
    }
    if (!uuid_parse(slice_str(directory), &request.voter_directory_id)) {
        fprintf(stderr,
                "Failed to parse --controller-directory-id: Input string `%s` decoded as %zu "
                "bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID\n",
                directory, strlen(directory) * 3 / 4);
        return EXIT_FAILED;
    }
    if (options_has(&call->options, "dry-run")) {
        printf("DRY RUN of removing KRaft controller %" PRId64 " with directory id %s\n", id,
               directory);
        return 0;
    }
    request.voter_id = (int32_t)id;
    const struct remove_raft_voter_response *response =
        client_call(&call->client, CLIENT_ANY, API_REMOVE_RAFT_VOTER, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return cluster_fail(call);
    }
    if (response->error_code != ERROR_NONE) {
        return cluster_refused(call, response->error_code, response->error_message);
    }
    printf("Removed KRaft controller %" PRId64 " with directory id %s\n", id, directory);
    return 0;
}
