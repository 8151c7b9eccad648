#include "base/assert.h"
#include "broker/config/config_internal.h"

void config_values_init(struct config_values *values) {
    for (int i = 0; i < CONFIG_ID_COUNT; i++) {
        struct config_slot *slot = &values->slots[i];
        *slot = (struct config_slot){0};
        slot->text = config_value_default(config_key((enum config_id)i), &slot->number);
    }
    config_values_derive(values);
}

bool config_values_set(struct config_values *values, enum config_id id, struct slice text) {
    const struct config_key *key = config_key(id);
    union config_number number = {0};
    if (!config_value_check(key, text, &number)) {
        return false;
    }
    values->slots[id] = (struct config_slot){
        .text = config_trim(text),
        .set = true,
        .number = number,
    };
    return true;
}

/* How many of `id`'s units one unit of its fallback is. */
static int64_t unit_of(enum config_id fallback) {
    switch (fallback) {
    case CONFIG_LOG_RETENTION_MINUTES:
        return 60 * 1000;
    case CONFIG_LOG_RETENTION_HOURS:
    case CONFIG_LOG_ROLL_HOURS:
    case CONFIG_LOG_ROLL_JITTER_HOURS:
        return 60 * 60 * 1000;
    default:
        return 1;
    }
}

/* What a key that is not set takes over from its fallbacks, in its own unit. False when none is
 * set either and it has no number. */
static bool config_values_fallback(const struct config_values *values, enum config_id id,
                                   int64_t *out) {
    int count;
    const enum config_id *fallbacks = config_fallbacks(id, &count);
    for (int i = 0; i < count; i++) {
        const struct config_slot *slot = &values->slots[fallbacks[i]];
        if (!slice_is_null(slot->text)) {
            int64_t value = slot->number.integer;
            *out = value < 0 ? value : value * unit_of(fallbacks[i]);
            return true;
        }
    }
    return false;
}

void config_values_derive(struct config_values *values) {
    static const enum config_id derived[] = {
        CONFIG_LOG_RETENTION_MS,
        CONFIG_LOG_ROLL_MS,
        CONFIG_LOG_ROLL_JITTER_MS,
        CONFIG_LOG_FLUSH_INTERVAL_MS,
    };
    for (size_t i = 0; i < ARRAY_LEN(derived); i++) {
        struct config_slot *slot = &values->slots[derived[i]];
        if (slice_is_null(slot->text)) {
            bool found = config_values_fallback(values, derived[i], &slot->number.integer);
            ASSERT(found);
        }
    }
}
