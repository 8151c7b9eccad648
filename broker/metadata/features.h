/*
 * The features this node supports (KIP-584), as it tells clients in ApiVersions and the controller
 * in its registration. A feature is listed when everything it switches on is served.
 */
#ifndef BROKER_METADATA_FEATURES_H
#define BROKER_METADATA_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define FEATURE_METADATA_VERSION "metadata.version"
#define FEATURE_KRAFT_VERSION    "kraft.version"
#define FEATURE_ELR              "eligible.leader.replicas.version"

/* metadata.version 4.3-IV0, the level of the records that this node writes and understands. */
#define METADATA_VERSION_LATEST 30

/* From 3.7-IV0 on controllers register (KIP-919). */
#define METADATA_VERSION_CONTROLLERS 15

/* From 4.0-IV1 on there are the records that eligible leader replicas (KIP-966) need; clusters are
 * formatted with them from 4.1-IV0 on. */
#define METADATA_VERSION_ELR         23
#define METADATA_VERSION_ELR_DEFAULT 26

/* Whether records between these levels of metadata.version, of which the first is the lower one,
 * differ: then there is no way back from the higher one. */
bool metadata_version_changed(int16_t low, int16_t high);

struct supported_feature {
    const char *name;
    int16_t min_level;
    int16_t max_level;
};

/* In order of names; NULL name ends the table. */
extern const struct supported_feature supported_features[];

/* Whether the level of a feature is among them; 0 is, of those that are listed. */
bool feature_supported(struct slice name, int16_t level);

#endif
