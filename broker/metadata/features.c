#include "broker/metadata/features.h"

#include <stddef.h>

#include "base/assert.h"

/* 3.3-IV3, below which Kafka 4 does not go either. */
#define METADATA_VERSION_MIN 7

const struct supported_feature supported_features[] = {
    {FEATURE_ELR, 0, 1},
    {FEATURE_KRAFT_VERSION, 0, 1},
    {FEATURE_METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_LATEST},
    {NULL, 0, 0},
};

bool feature_supported(struct slice name, int16_t level) {
    for (const struct supported_feature *it = supported_features; it->name != NULL; it++) {
        if (slice_equal_str(name, it->name)) {
            return level == 0 || (level >= it->min_level && level <= it->max_level);
        }
    }
    return false;
}

/* Those that brought new records or fields: 3.4-IV0, 3.5-IV2, 3.6-IV1, 3.6-IV2, 3.7-IV0, 3.7-IV2,
 * 4.0-IV1 and 4.3-IV0. */
static const int16_t changed[] = {8, 11, 13, 14, 15, 17, 23, 30};

bool metadata_version_changed(int16_t low, int16_t high) {
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        if (changed[i] > low && changed[i] <= high) {
            return true;
        }
    }
    return false;
}
