#include "broker/config/client_match.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config_value.h"

#define PATTERN_MAX 256

static const char *const keys[CLIENT_ATTRIBUTE_COUNT] = {
    [CLIENT_INSTANCE_ID] = "client_instance_id",
    [CLIENT_ID] = "client_id",
    [CLIENT_SOFTWARE_NAME] = "client_software_name",
    [CLIENT_SOFTWARE_VERSION] = "client_software_version",
    [CLIENT_SOURCE_ADDRESS] = "client_source_address",
    [CLIENT_SOURCE_PORT] = "client_source_port",
};

/* key=pattern, with blanks around both, and no more "=" than that. */
static bool parse_entry(struct slice entry, enum client_attribute *key, struct slice *pattern) {
    const uint8_t *equals = memchr(entry.data, '=', entry.len);
    if (equals == NULL) {
        return false;
    }
    struct slice name = config_trim(slice_make(entry.data, (size_t)(equals - entry.data)));
    size_t rest = (size_t)(entry.data + entry.len - (equals + 1));
    *pattern = config_trim(slice_make(equals + 1, rest));
    if (pattern->len == 0 || memchr(pattern->data, '=', pattern->len) != NULL) {
        return false;
    }
    for (int i = 0; i < CLIENT_ATTRIBUTE_COUNT; i++) {
        if (slice_equal_str(name, keys[i])) {
            *key = (enum client_attribute)i;
            return true;
        }
    }
    return false;
}

/* Repetitions of repetitions take as much memory to compile as somebody likes. */
static bool is_modest(struct slice pattern) {
    int repetitions = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        repetitions += pattern.data[i] == '{';
        if (pattern.data[i] == '\0') {
            return false;
        }
    }
    return pattern.len <= PATTERN_MAX && repetitions <= 1;
}

static bool compile(struct slice pattern, regex_t *out) {
    char text[PATTERN_MAX + 8];
    if (!is_modest(pattern)) {
        return false;
    }
    size_t len = pattern.len;
    text[0] = '^';
    text[1] = '(';
    memcpy(text + 2, pattern.data, len);
    memcpy(text + 2 + len, ")$", 3);
    return regcomp(out, text, REG_EXTENDED | REG_NOSUB) == 0;
}

/* Whether the entry is valid and, if a client is given, matches it. */
static bool check_entry(struct slice entry, const struct client_attributes *client) {
    enum client_attribute key;
    struct slice pattern;
    regex_t regex;
    if (!parse_entry(entry, &key, &pattern) || !compile(pattern, &regex)) {
        return false;
    }
    bool matches = true;
    if (client != NULL) {
        char *value = slice_to_cstr(client->values[key]);
        matches = regexec(&regex, value, 0, NULL, 0) == 0;
        free(value);
    }
    regfree(&regex);
    return matches;
}

static bool check_all(struct slice match, const struct client_attributes *client) {
    struct slice rest = config_trim(match);
    struct slice entry;
    if (rest.len == 0) {
        return true;
    }
    while (config_list_next(&rest, &entry)) {
        if (!check_entry(entry, client)) {
            return false;
        }
    }
    return true;
}

bool client_match_valid(struct slice match) {
    return check_all(match, NULL);
}

bool client_match(struct slice match, const struct client_attributes *client) {
    return check_all(match, client);
}
