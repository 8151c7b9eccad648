/* kafka-features describe, and what leads to the other commands */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "tools/format_options.h"
#include "tools/kafka/cluster.h"
#include "tools/kafka/features_releases.h"
#include "tools/kafka/features_update.h"

const struct option_spec kafka_features_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server", "The brokers."},
    {"bootstrap-controller", OPTION_VALUE, "controller", "The controllers instead."},
    {"command-config", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"dry-run", OPTION_FLAG, NULL, "Only asks whether it could be done."},
    {"feature", OPTION_VALUE, "FEATURE",
     "A feature and its level, name=level; for disable its name. May be repeated."},
    {"metadata", OPTION_VALUE, "METADATA", "The release that metadata.version is to be of."},
    {"node-id", OPTION_VALUE, "ID", "The broker that is asked."},
    {"release-version", OPTION_VALUE, "RELEASE_VERSION",
     "The release whose levels all features get, or which version-mapping is about."},
    {"unsafe", OPTION_FLAG, NULL, "Downgrades although metadata may be lost."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static const char *level_text(struct kafka_call *call, struct slice feature, int16_t level) {
    const char *name = slice_equal_str(feature, "metadata.version") ? release_name(level) : NULL;
    return name != NULL ? name : arena_printf(&call->arena, "%d", level);
}

static int by_feature(const void *a, const void *b) {
    return slice_compare(((const struct api_versions_response_supported_feature_key *)a)->name,
                         ((const struct api_versions_response_supported_feature_key *)b)->name);
}

static int describe_features(struct kafka_call *call, int32_t node) {
    struct api_versions_request request;
    message_init(&api_versions_request_desc, &request);
    request.client_software_name = SLICE_LIT("barnabasctl");
    request.client_software_version = SLICE_LIT(BARNABAS_VERSION);
    const struct api_versions_response *response =
        client_call(&call->client, node, API_API_VERSIONS, 4, &request, NULL);
    if (response == NULL) {
        return cluster_fail(call);
    }
    if (response->supported_features_count > 0) {
        qsort(response->supported_features, (size_t)response->supported_features_count,
              sizeof(*response->supported_features), by_feature);
    }
    for (int32_t i = 0; i < response->supported_features_count; i++) {
        const struct api_versions_response_supported_feature_key *f =
            &response->supported_features[i];
        int16_t level = 0;
        for (int32_t j = 0; j < response->finalized_features_count; j++) {
            if (slice_equal(response->finalized_features[j].name, f->name)) {
                level = response->finalized_features[j].max_version_level;
            }
        }
        printf("Feature: %-40.*s  SupportedMinVersion: %-15s  SupportedMaxVersion: %-15s  "
               "FinalizedVersionLevel: %-15s  Epoch: %" PRId64 "\n",
               SLICE_ARG(f->name), level_text(call, f->name, f->min_version),
               level_text(call, f->name, f->max_version), level_text(call, f->name, level),
               response->finalized_features_epoch);
    }
    return 0;
}

int kafka_features(struct kafka_call *call) {
    const char *word = call->options.arg_count > 0 ? call->options.args[0] : "";
    int64_t node = CLIENT_ANY;
    if (strcmp(word, "version-mapping") == 0) {
        return features_version_mapping(call);
    }
    if (strcmp(word, "feature-dependencies") == 0) {
        return features_dependencies(call);
    }
    if (!cluster_begin(call, &word) || !options_i64(&call->options, "node-id", &node)) {
        return EXIT_FAILED;
    }
    if (strcmp(word, "upgrade") == 0 || strcmp(word, "downgrade") == 0 ||
        strcmp(word, "disable") == 0) {
        return features_update(call, word);
    }
    if (strcmp(word, "describe") != 0) {
        return kafka_usage(call, "usage: kafka-features describe|upgrade|downgrade|disable|"
                                 "version-mapping|feature-dependencies");
    }
    if (node != CLIENT_ANY && cluster_ask(call, false) == NULL) {
        return cluster_fail(call);
    }
    return describe_features(call, (int32_t)node);
}
