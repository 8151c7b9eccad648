#include "broker/config/auto_address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "runtime/net.h"

#define FILE_SIZE_MAX ((size_t)64 * 1024)

/* Files of the system say that they are empty, and are read until they end. */
static struct slice read_text(struct machine *machine, struct arena *arena, const char *path) {
    struct file *file;
    if (file_open(machine, path, FILE_READ, &file) != 0) {
        return slice_make("", 0);
    }
    char *text = arena_alloc(arena, FILE_SIZE_MAX);
    size_t len = 0;
    int64_t got;
    while (len < FILE_SIZE_MAX &&
           (got = file_read_at(file, text + len, FILE_SIZE_MAX - len, (int64_t)len)) > 0) {
        len += (size_t)got;
    }
    file_unref(file);
    return slice_make(text, len);
}

/* The next word of a line, or null at its end. */
static struct slice next_word(struct slice *line) {
    while (line->len > 0 && isspace(line->data[0])) {
        *line = slice_make(line->data + 1, line->len - 1);
    }
    size_t len = 0;
    while (len < line->len && !isspace(line->data[len])) {
        len++;
    }
    struct slice word = len == 0 ? (struct slice){0} : slice_make(line->data, len);
    *line = slice_make(line->data + len, line->len - len);
    return word;
}

static bool next_line(struct slice *text, struct slice *line) {
    if (text->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    *line = slice_make(text->data, len);
    size_t used = end == NULL ? len : len + 1;
    *text = slice_make(text->data + used, text->len - used);
    return true;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* kafka-0.kafka-headless.ns.svc.cluster.local of a pod that is called kafka-0: the kubelet writes
 * it before the short one. NULL: there is none. */
const char *auto_pod_name(struct arena *arena, struct slice hosts, const char *hostname) {
    struct slice line;
    size_t len = strlen(hostname);
    while (next_line(&hosts, &line)) {
        (void)next_word(&line); /* the address */
        struct slice first = next_word(&line);
        if (first.len > len && memcmp(first.data, hostname, len) == 0 && first.data[len] == '.' &&
            memmem(first.data, first.len, ".svc.", strlen(".svc.")) != NULL) {
            return (const char *)arena_dup(arena, first).data;
        }
    }
    return NULL;
}

/* Pods reach one another without their host's help. */
bool auto_is_pod(struct slice hosts) {
    static const char mark[] = "# Kubernetes-managed hosts file";
    return hosts.len > 0 && memmem(hosts.data, hosts.len, mark, strlen(mark)) != NULL;
}

static const char *host_name(struct machine *machine, struct arena *arena) {
    struct slice text = read_text(machine, arena, "/proc/sys/kernel/hostname");
    struct slice name = next_word(&text);
    return name.len == 0 ? "localhost" : (const char *)arena_dup(arena, name).data;
}

/* ---- Routes ---------------------------------------------------------------------------------- */

static bool parse_hex(struct slice word, uint32_t *out) {
    uint32_t value = 0;
    for (size_t i = 0; i < word.len; i++) {
        int c = tolower(word.data[i]);
        if (!isxdigit(c)) {
            return false;
        }
        value = value << 4 | (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return word.len == 8;
}

/* Interface, destination, gateway, flags, three numbers, mask: addresses as the bytes lie. The
 * interface of the default route is given out, empty when there is none. */
void auto_parse_routes(struct slice text, struct auto_network *out, char interface[16]) {
    struct slice line;
    interface[0] = '\0';
    while (next_line(&text, &line)) {
        struct slice words[8];
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            words[i] = next_word(&line);
        }
        uint32_t network;
        uint32_t gateway;
        uint32_t mask;
        if (!parse_hex(words[1], &network) || !parse_hex(words[2], &gateway) ||
            !parse_hex(words[7], &mask) || words[0].len >= 16) {
            continue; /* the head, or nothing that we know */
        }
        if (gateway == 0 && out->route_count < AUTO_ROUTES_MAX) {
            out->routes[out->route_count++] = (struct auto_route){network, mask};
        } else if (mask == 0 && gateway != 0 && out->gateway == 0) {
            out->gateway = gateway;
            memcpy(interface, words[0].data, words[0].len);
            interface[words[0].len] = '\0';
        }
    }
}

/* Whether the interface is one end of a pair, the other of which is in another network namespace:
 * not so of a container that has its host's network. */
static bool is_pair(struct machine *machine, struct arena *arena, const char *interface) {
    struct slice own =
        read_text(machine, arena, arena_printf(arena, "/sys/class/net/%s/ifindex", interface));
    struct slice other =
        read_text(machine, arena, arena_printf(arena, "/sys/class/net/%s/iflink", interface));
    return own.len > 0 && other.len > 0 && !slice_equal(own, other);
}

static bool exists(struct machine *machine, const char *path) {
    enum path_kind kind;
    return path_kind(machine, path, &kind) == 0 && kind != PATH_MISSING;
}

/* Docker's and Podman's mark, and the image's own: Podman hides its behind a read-only file
 * system's /run. */
static bool in_container(struct machine *machine) {
    return exists(machine, "/.dockerenv") || exists(machine, "/run/.containerenv") ||
           exists(machine, "/usr/lib/barnabas/start");
}

void auto_network_read(struct machine *machine, struct arena *arena, struct auto_network *out) {
    *out = (struct auto_network){.name = host_name(machine, arena)};
    struct slice hosts = read_text(machine, arena, "/etc/hosts");
    const char *pod = auto_pod_name(arena, hosts, out->name);
    if (pod != NULL) {
        out->name = pod;
        out->kubernetes = true;
    }
    char interface[16];
    auto_parse_routes(read_text(machine, arena, "/proc/net/route"), out, interface);
    out->container = !auto_is_pod(hosts) && in_container(machine) && interface[0] != '\0' &&
                     is_pair(machine, arena, interface);
}

/* ---- What is told ---------------------------------------------------------------------------- */

static bool is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* Whether the peer came through a port that the container's host publishes: then it is the host
 * (or seems to be), or somebody whom only the host can reach. */
static bool is_published(const struct auto_network *network, const char *peer) {
    uint8_t bytes[HOST_BYTES_MAX];
    if (!network->container || strchr(peer, ':') != NULL || host_to_bytes(peer, bytes) != 4) {
        return false;
    }
    uint32_t address;
    memcpy(&address, bytes, sizeof(address));
    if (address == network->gateway) {
        return true;
    }
    for (int i = 0; i < network->route_count; i++) {
        if ((address & network->routes[i].mask) == network->routes[i].network) {
            return false;
        }
    }
    return true;
}

const char *auto_tell(const struct auto_network *network, bool alone, const char *local,
                      const char *peer) {
    if (!alone || local[0] == '\0') {
        return NULL;
    }
    if (is_loopback(local)) {
        return local;
    }
    if (network->kubernetes) {
        return NULL;
    }
    return is_published(network, peer) ? "localhost" : local;
}
