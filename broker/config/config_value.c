#include "broker/config/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"

/* Longest text of a number. */
#define NUMBER_TEXT_MAX 400

struct slice config_trim(struct slice text) {
    while (text.len > 0 && isspace(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && isspace(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool config_list_next(struct slice *rest, struct slice *entry) {
    if (slice_is_null(*rest) || rest->len == 0) {
        return false;
    }
    const uint8_t *comma = memchr(rest->data, ',', rest->len);
    size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->data);
    *entry = config_trim(slice_make(rest->data, len));
    *rest = comma == NULL ? SLICE_NULL : slice_make(comma + 1, rest->len - len - 1);
    return true;
}

bool config_list_contains(struct slice list, const char *entry) {
    struct slice item;
    while (config_list_next(&list, &item)) {
        if (slice_equal_str(item, entry)) {
            return true;
        }
    }
    return false;
}

/* ---- Types ----------------------------------------------------------------------------------- */

static bool equals_ignoring_case(struct slice text, const char *word) {
    return text.len == strlen(word) && strncasecmp((const char *)text.data, word, text.len) == 0;
}

static bool parse_boolean(struct slice text, bool *out) {
    *out = equals_ignoring_case(text, "true");
    return *out || equals_ignoring_case(text, "false");
}

static bool parse_double(struct slice text, double *out) {
    char copy[NUMBER_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return *end == '\0' && !isnan(*out);
}

/* Kafka's parser takes a plus sign. */
static bool parse_integer(enum config_type type, struct slice text, int64_t *out) {
    if (text.len > 1 && text.data[0] == '+' && isdigit(text.data[1])) {
        text = slice_make(text.data + 1, text.len - 1);
    }
    if (!slice_parse_i64(text, out)) {
        return false;
    }
    switch (type) {
    case CONFIG_TYPE_SHORT:
        return *out >= INT16_MIN && *out <= INT16_MAX;
    case CONFIG_TYPE_INT:
        return *out >= INT32_MIN && *out <= INT32_MAX;
    default:
        return true;
    }
}

/* ---- Allowed values -------------------------------------------------------------------------- */

struct range {
    double min;
    double max;
    double other; /* allowed beside the range; NAN for none */
};

static bool range_parse(const char *valid, struct range *out) {
    *out = (struct range){.min = -INFINITY, .max = INFINITY, .other = NAN};
    const char *other = strstr(valid, " or ");
    if (other != NULL) {
        out->other = strtod(other + 4, NULL);
    }
    if (strncmp(valid, ">=", 2) == 0) {
        out->min = strtod(valid + 2, NULL);
        return true;
    }
    const char *dots = strstr(valid, "..");
    if (dots == NULL) {
        return false;
    }
    out->min = strtod(valid, NULL);
    out->max = strtod(dots + 2, NULL);
    return true;
}

static bool in_range(const char *valid, double value) {
    struct range range;
    return !range_parse(valid, &range) || (value >= range.min && value <= range.max) ||
           value == range.other;
}

/* Whether `text` is one of the words of "a|b|c". */
static bool one_of(const char *words, struct slice text, bool any_case) {
    while (true) {
        size_t len = strcspn(words, "|");
        if (text.len == len && (any_case ? strncasecmp(words, (const char *)text.data, len) == 0
                                         : memcmp(words, text.data, len) == 0)) {
            return true;
        }
        if (words[len] == '\0') {
            return false;
        }
        words += len + 1;
    }
}

static bool check_word(const char *valid, struct slice text) {
    bool any_case = valid[0] == '~';
    return one_of(valid + any_case, text, any_case);
}

static bool check_replica(struct slice entry) {
    const uint8_t *colon = memchr(entry.data, ':', entry.len);
    if (colon == NULL) {
        return false;
    }
    size_t len = (size_t)(colon - entry.data);
    int64_t partition;
    int64_t broker;
    return slice_parse_i64(slice_make(entry.data, len), &partition) && partition >= 0 &&
           slice_parse_i64(slice_make(colon + 1, entry.len - len - 1), &broker) && broker >= 0;
}

/* Duplicate entries are harmless here and refused where they are not. */
static bool check_list(const char *valid, struct slice text) {
    if (strcmp(valid, "replicas") == 0 && slice_equal_str(config_trim(text), "*")) {
        return true;
    }
    struct slice entry;
    if (text.len > 0 && text.data[text.len - 1] == ',') {
        return false; /* an empty entry at the end */
    }
    while (config_list_next(&text, &entry)) {
        bool good = entry.len > 0;
        if (good && strcmp(valid, "replicas") == 0) {
            good = check_replica(entry);
        } else if (good && strchr(valid, '|') != NULL) {
            good = check_word(valid, entry);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool is_host_char(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-%._:", c) != NULL);
}

bool config_host_entry(struct slice entry, struct slice *host, int32_t *number) {
    const uint8_t *colon = memrchr(entry.data, ':', entry.len);
    int64_t value;
    if (colon == NULL) {
        return false;
    }
    *host = config_trim(slice_make(entry.data, (size_t)(colon - entry.data)));
    size_t left = entry.len - (size_t)(colon + 1 - entry.data);
    if (!slice_parse_i64(config_trim(slice_make(colon + 1, left)), &value) || value < INT32_MIN ||
        value > INT32_MAX) {
        return false;
    }
    for (size_t i = 0; i < host->len; i++) {
        if (!is_host_char(host->data[i])) {
            return false;
        }
    }
    *number = (int32_t)value;
    return host->len > 0;
}

static bool check_hosts(struct slice text) {
    struct slice entry;
    struct slice host;
    int32_t number;
    while (config_list_next(&text, &entry)) {
        if (!config_host_entry(entry, &host, &number)) {
            return false;
        }
    }
    return true;
}

static bool check_text(const char *valid, struct slice text) {
    if (strcmp(valid, "hosts") == 0) {
        return check_hosts(text);
    }
    if (strcmp(valid, "nonempty") == 0) {
        return text.len > 0;
    }
    return strchr(valid, '|') == NULL || check_word(valid, text);
}

/* What the type says; texts and lists are anything. */
static bool parse_value(const struct config_key *key, struct slice text,
                        union config_number *number) {
    switch (key->type) {
    case CONFIG_TYPE_BOOLEAN:
        return parse_boolean(text, &number->boolean);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SHORT:
    case CONFIG_TYPE_LONG:
        return parse_integer(key->type, text, &number->integer);
    case CONFIG_TYPE_DOUBLE:
        return parse_double(text, &number->real);
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_CLASS:
    case CONFIG_TYPE_PASSWORD:
        return true;
    }
    UNREACHABLE();
}

bool config_value_check(const struct config_key *key, struct slice text,
                        union config_number *number) {
    struct slice trimmed = config_trim(text);
    if (!parse_value(key, trimmed, number)) {
        return false;
    }
    switch (key->type) {
    case CONFIG_TYPE_BOOLEAN:
        return true;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SHORT:
    case CONFIG_TYPE_LONG:
        return in_range(key->valid, (double)number->integer);
    case CONFIG_TYPE_DOUBLE:
        return in_range(key->valid, number->real);
    case CONFIG_TYPE_LIST:
        return check_list(key->valid, trimmed);
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_CLASS:
    case CONFIG_TYPE_PASSWORD:
        return check_text(key->valid, trimmed);
    }
    UNREACHABLE();
}

struct slice config_value_default(const struct config_key *key, union config_number *number) {
    struct slice text = config_key_default(key);
    if (!slice_is_null(text)) {
        bool valid = parse_value(key, text, number);
        ASSERT(valid);
    }
    return text;
}

/* ---- For people ------------------------------------------------------------------------------ */

static const char *type_noun(enum config_type type) {
    switch (type) {
    case CONFIG_TYPE_BOOLEAN:
        return "true or false";
    case CONFIG_TYPE_INT:
        return "an int";
    case CONFIG_TYPE_SHORT:
        return "a short";
    case CONFIG_TYPE_LONG:
        return "a long";
    case CONFIG_TYPE_DOUBLE:
        return "a number";
    case CONFIG_TYPE_LIST:
        return "a comma-separated list without empty entries";
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_CLASS:
    case CONFIG_TYPE_PASSWORD:
        return "a text";
    }
    UNREACHABLE();
}

void config_value_describe(const struct config_key *key, char *out, size_t size) {
    const char *noun = type_noun(key->type);
    const char *valid = key->valid;
    if (strncmp(valid, ">=", 2) == 0) {
        snprintf(out, size, "%s of at least %s", noun, valid + 2);
    } else if (strstr(valid, "..") != NULL) {
        snprintf(out, size, "%s in %s", noun, valid);
    } else if (strcmp(valid, "nonempty") == 0) {
        snprintf(out, size, "%s that is not empty", noun);
    } else if (strcmp(valid, "hosts") == 0) {
        snprintf(out, size, "a list of host:number");
    } else if (strcmp(valid, "replicas") == 0) {
        snprintf(out, size, "* or a list of partition:broker");
    } else if (strchr(valid, '|') != NULL) {
        size_t len = (size_t)snprintf(out, size, "%s ",
                                      key->type == CONFIG_TYPE_LIST ? "a list of" : "one of");
        for (const char *c = valid + (valid[0] == '~'); *c != '\0' && len + 3 < size; c++) {
            if (*c == '|') {
                out[len++] = ',';
                out[len++] = ' ';
            } else {
                out[len++] = *c;
            }
        }
        out[len < size ? len : size - 1] = '\0';
    } else {
        snprintf(out, size, "%s", noun);
    }
}
