/*
 * One configuration value: text checked against its key's type and allowed values.
 *
 * Allowed values are written as
 *
 *     ""            whatever the type allows
 *     ">=1"         a number from there on; also ">=1 or -1"
 *     "1..9"        a number in that range
 *     "1..9 or -1"  the same, or that one
 *     "a|b"         one of these; of a list: each entry
 *     "~a|b"        the same in any case
 *     "nonempty"    not the empty text
 *     "replicas"    "*", or entries partition:broker
 *     "hosts"       entries host:number, of host names and addresses
 */
#ifndef BROKER_CONFIG_CONFIG_VALUE_H
#define BROKER_CONFIG_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "broker/config/config_keys.h"

union config_number {
    bool boolean;
    int64_t integer; /* int, short, long */
    double real;
};

/* False when `text` (not null) is no value of the key; then *number is undefined. It is set for
 * booleans and numbers. */
bool config_value_check(const struct config_key *key, struct slice text,
                        union config_number *number);

/* What is allowed, for people: "an int of at least 1", "one of full, header". */
void config_value_describe(const struct config_key *key, char *out, size_t size);

/* Without blanks at both ends. */
struct slice config_trim(struct slice text);

/* The next entry of a comma-separated list, trimmed; false at the end. An empty text has no
 * entries. *rest is null afterwards when nothing is left. */
bool config_list_next(struct slice *rest, struct slice *entry);

/* Cuts "host:number" of a list of hosts (a host may have colons itself); false when it is none. */
bool config_host_entry(struct slice entry, struct slice *host, int32_t *number);

/* Whether a list contains an entry. */
bool config_list_contains(struct slice list, const char *entry);

/* The default as text; null when there is none. */
static inline struct slice config_key_default(const struct config_key *key) {
    return slice_str(key->default_value);
}

/* The same, and as a number where it is one. The allowed values are not asked again: defaults are
 * among them. */
struct slice config_value_default(const struct config_key *key, union config_number *number);

#endif
