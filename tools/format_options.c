#include "tools/format_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Releases of metadata.version; the index is the level less the first one. */
#define RELEASE_FIRST 7
static const char *const releases[] = {
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
    "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0"};

const char *release_name(int16_t level) {
    int index = level - RELEASE_FIRST;
    return index >= 0 && index < (int)ARRAY_LEN(releases) ? releases[index] : NULL;
}

int16_t release_level(const char *release) {
    size_t len = strlen(release);
    for (int i = (int)ARRAY_LEN(releases) - 1; i >= 0; i--) {
        if (strcmp(releases[i], release) == 0 ||
            (strncmp(releases[i], release, len) == 0 && releases[i][len] == '-')) {
            return (int16_t)(RELEASE_FIRST + i);
        }
    }
    return -1;
}

/* ---- Voters ---------------------------------------------------------------------------------- */

static struct slice slice_between(const char *begin, const char *end) {
    return slice_make(begin, (size_t)(end - begin));
}

/* "host:port:directory" */
static bool parse_address(const char *begin, const char *end, struct format_voter *out) {
    const char *host_end = *begin == '[' ? memchr(begin, ']', (size_t)(end - begin)) : NULL;
    const char *host = host_end == NULL ? begin : begin + 1;
    const char *colon = memchr(host_end == NULL ? begin : host_end, ':',
                               (size_t)(end - (host_end == NULL ? begin : host_end)));
    const char *last = colon == NULL ? NULL : memchr(colon + 1, ':', (size_t)(end - colon - 1));
    int64_t port;
    if (last == NULL || !slice_parse_i64(slice_between(colon + 1, last), &port) || port < 0 ||
        port > UINT16_MAX || !uuid_parse(slice_between(last + 1, end), &out->directory_id) ||
        uuid_is_zero(out->directory_id)) {
        return false;
    }
    out->host = slice_between(host, host_end == NULL ? colon : host_end);
    out->port = (uint16_t)port;
    return out->host.len > 0;
}

static bool parse_voter(const char *begin, const char *end, struct format_voter *out) {
    const char *at = memchr(begin, '@', (size_t)(end - begin));
    int64_t id;
    if (at == NULL || !slice_parse_i64(slice_between(begin, at), &id) || id < 0 || id > INT32_MAX) {
        return false;
    }
    out->id = (int32_t)id;
    return at + 1 < end && parse_address(at + 1, end, out);
}

/* "id@host:port:directory", separated by commas; hosts of IPv6 in brackets. */
static bool format_voters_parse(const char *text, struct format_options *out,
                                struct errmsg *errmsg) {
    out->voter_count = 0;
    for (const char *begin = text;;) {
        const char *end = strchrnul(begin, ',');
        if (out->voter_count == FORMAT_VOTERS_MAX) {
            errmsg_set(errmsg, "--initial-controllers names more than %d", FORMAT_VOTERS_MAX);
            return false;
        }
        struct format_voter *voter = &out->voters[out->voter_count];
        if (!parse_voter(begin, end, voter)) {
            errmsg_set(errmsg,
                       "--initial-controllers: %.*s is not valid; allowed: "
                       "id@host:port:directory, where directory is a random-uuid",
                       (int)(end - begin), begin);
            return false;
        }
        for (int i = 0; i < out->voter_count; i++) {
            if (out->voters[i].id == voter->id ||
                uuid_equal(out->voters[i].directory_id, voter->directory_id)) {
                errmsg_set(errmsg, "--initial-controllers: %.*s has the %s of another",
                           (int)(end - begin), begin,
                           out->voters[i].id == voter->id ? "id" : "directory");
                return false;
            }
        }
        out->voter_count++;
        if (*end == '\0') {
            return true;
        }
        begin = end + 1;
    }
}

/* ---- Options --------------------------------------------------------------------------------- */

static bool parse_feature(char *text, struct format_options *out, struct errmsg *errmsg) {
    char *equals = strchr(text, '=');
    int64_t level;
    if (equals == NULL || equals == text || !slice_parse_i64(slice_str(equals + 1), &level) ||
        level < 0 || level > INT16_MAX) {
        errmsg_set(errmsg, "--feature %s is not valid; allowed: name=level", text);
        return false;
    }
    if (out->feature_count == FORMAT_FEATURES_MAX) {
        errmsg_set(errmsg, "--feature is given more than %d times", FORMAT_FEATURES_MAX);
        return false;
    }
    *equals = '\0';
    out->features[out->feature_count++] =
        (struct format_feature){.name = text, .level = (int16_t)level};
    return true;
}

static const struct option {
    const char *name;
    char letter;
    bool value;
} options[] = {
    {"cluster-id", 't', true},
    {"config", 'c', true},
    {"feature", 'f', true},
    {"help", 'h', false},
    {"ignore-formatted", 'g', false},
    {"initial-controllers", 'I', true},
    {"no-initial-controllers", 'N', false},
    {"release-version", 'r', true},
    {"standalone", 's', false},
};

/* The option of argv[*at]; *value is what follows it, in the same word or in the next. */
static const struct option *take_option(int argc, char **argv, int *at, char **value,
                                        struct errmsg *errmsg) {
    char *word = argv[(*at)++];
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *option = &options[i];
        size_t len = strlen(option->name);
        char *equals = NULL;
        if (word[0] == '-' && word[1] == '-') {
            if (strncmp(word + 2, option->name, len) != 0 ||
                (word[2 + len] != '\0' && word[2 + len] != '=')) {
                continue;
            }
            equals = word[2 + len] == '=' ? word + 3 + len : NULL;
        } else if (word[0] != '-' || word[1] != option->letter || word[2] != '\0') {
            continue;
        }
        *value = equals;
        if (option->value && equals == NULL) {
            if (*at == argc) {
                break;
            }
            *value = argv[(*at)++];
        } else if (!option->value && equals != NULL) {
            break;
        }
        return option;
    }
    if (strncmp(word, "--add-scram", 11) == 0 || strncmp(word, "-S", 2) == 0) {
        errmsg_set(errmsg, "%s is not served: the brokers have no SCRAM", word);
        return NULL;
    }
    errmsg_set(errmsg, "%s is no option, or lacks its value; see --help", word);
    return NULL;
}

static bool apply(const struct option *option, char *value, struct format_options *out,
                  struct errmsg *errmsg) {
    switch (option->letter) {
    case 't':
        out->cluster_id = value;
        return true;
    case 'c':
        out->config = value;
        return true;
    case 'f':
        return parse_feature(value, out, errmsg);
    case 'g':
        out->ignore_formatted = true;
        return true;
    case 'I':
        out->initial_controllers = value;
        return format_voters_parse(value, out, errmsg);
    case 'N':
        out->no_initial_controllers = true;
        return true;
    case 'r':
        out->release = value;
        return true;
    case 's':
        out->standalone = true;
        return true;
    default:
        out->help = true;
        return true;
    }
}

bool format_options_parse(int argc, char **argv, struct format_options *out,
                          struct errmsg *errmsg) {
    *out = (struct format_options){0};
    for (int at = 0; at < argc;) {
        char *value;
        const struct option *option = take_option(argc, argv, &at, &value, errmsg);
        if (option == NULL || !apply(option, value, out, errmsg)) {
            return false;
        }
    }
    if (out->help) {
        return true;
    }
    if (out->config == NULL || out->cluster_id == NULL || out->cluster_id[0] == '\0') {
        errmsg_set(errmsg, "--config FILE and --cluster-id ID are needed");
        return false;
    }
    if (out->standalone + out->no_initial_controllers + (out->initial_controllers != NULL) > 1) {
        errmsg_set(errmsg, "only one of --standalone, --no-initial-controllers and "
                           "--initial-controllers can be given");
        return false;
    }
    return true;
}
