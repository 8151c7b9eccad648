#include "broker/metadata/features.h"

#include <stddef.h>

/* 3.3-IV3, below which Kafka 4 does not go either. */
#define METADATA_VERSION_MIN 7

const struct supported_feature supported_features[] = {
    {FEATURE_ELR, 0, 1},
    {FEATURE_KRAFT_VERSION, 0, 1},
    {FEATURE_METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_LATEST},
    {NULL, 0, 0},
};
