/* metrics.listener. */
#include <errno.h>

#include "broker/config/config_internal.h"

/* host:port, [ipv6]:port or :port for all addresses. */
static bool parse_address(struct arena *arena, struct slice text, const char **host, int *out) {
    const uint8_t *colon = memrchr(text.data, ':', text.len);
    int64_t port;
    if (colon == NULL) {
        return false;
    }
    struct slice name = slice_make(text.data, (size_t)(colon - text.data));
    if (!slice_parse_i64(slice_make(colon + 1, text.len - name.len - 1), &port) || port < 0 ||
        port > 65535) {
        return false;
    }
    if (name.len >= 2 && name.data[0] == '[' && name.data[name.len - 1] == ']') {
        name = slice_make(name.data + 1, name.len - 2);
    } else if (memchr(name.data, ':', name.len) != NULL || memchr(name.data, '/', name.len)) {
        return false;
    }
    *host = (const char *)arena_dup(arena, name).data;
    *out = (int)port;
    return true;
}

int config_parse_metrics(struct config *config, struct errmsg *errmsg) {
    struct slice text = config->values.slots[CONFIG_METRICS_LISTENER].text;
    if (slice_is_null(text) || text.len == 0) {
        return 0;
    }
    if (!parse_address(&config->arena, text, &config->metrics_host, &config->metrics_port)) {
        errmsg_set(errmsg,
                   "metrics.listener=%.*s is not valid; allowed: host:port, or :port for all "
                   "addresses, with a port of 0 to 65535",
                   SLICE_ARG(text));
        return -EINVAL;
    }
    return 0;
}

bool config_metrics_listener(const struct config *config, const char **host, int *port) {
    *host = config->metrics_host;
    *port = config->metrics_port;
    return config->metrics_host != NULL;
}
