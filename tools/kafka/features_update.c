/* kafka-features upgrade, downgrade and disable */
#include "tools/kafka/features_update.h"

#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "broker/metadata/features.h"
#include "protocol/generated/update_features_request.h"
#include "protocol/generated/update_features_response.h"
#include "tools/format_options.h"
#include "tools/kafka/features_releases.h"

enum upgrade_type { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

typedef struct update_features_request_feature_update_key update;

static int fail(const char *text) {
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
    return EXIT_FAILED;
}

/* False after a message. */
static bool add(struct kafka_call *call, struct update_features_request *request,
                struct slice feature, int16_t level, enum upgrade_type type) {
    for (int32_t i = 0; i < request->feature_updates_count; i++) {
        if (slice_equal(request->feature_updates[i].feature, feature)) {
            fail(arena_printf(&call->arena, "Feature %.*s was specified more than once.",
                              SLICE_ARG(feature)));
            return false;
        }
    }
    request->feature_updates[request->feature_updates_count++] =
        (update){.feature = feature, .max_version_level = level, .upgrade_type = (int8_t)type};
    return true;
}

static enum upgrade_type type_of(const struct options *options, const char *word) {
    return strcmp(word, "upgrade") == 0     ? UPGRADE
           : options_has(options, "unsafe") ? UNSAFE_DOWNGRADE
                                            : SAFE_DOWNGRADE;
}

/* All features of a release; those that it has not at all are no upgrade. */
static bool add_release(struct kafka_call *call, struct update_features_request *request,
                        enum upgrade_type type) {
    const struct options *options = &call->options;
    if (options_has(options, "metadata") || options_has(options, "feature")) {
        fail("Can not specify `release-version` with other feature flags.");
        return false;
    }
    const char *name;
    int16_t level, metadata = release_required(call, options_get(options, "release-version", ""));
    if (metadata < 0 || !add(call, request, SLICE_LIT(FEATURE_METADATA_VERSION), metadata, type)) {
        return false;
    }
    for (size_t n = 0; (name = release_feature(n, metadata, &level)) != NULL; n++) {
        if ((level > 0 || type != UPGRADE) && !add(call, request, slice_str(name), level, type)) {
            return false;
        }
    }
    return true;
}

/* --metadata and each --feature; false after a message. */
static bool add_given(struct kafka_call *call, const char *word,
                      struct update_features_request *request, enum upgrade_type type) {
    const struct options *options = &call->options;
    bool disable = strcmp(word, "disable") == 0;
    const char *metadata = options_get(options, "metadata", NULL);
    if (metadata != NULL && !disable) {
        puts(" `metadata` flag is deprecated and may be removed in a future release.");
        int16_t level = release_required(call, metadata);
        if (level < 0 || !add(call, request, SLICE_LIT(FEATURE_METADATA_VERSION), level, type)) {
            return false;
        }
    }
    const char *text;
    for (size_t i = 0; (text = options_nth(options, "feature", i)) != NULL; i++) {
        struct slice name = slice_str(text);
        int16_t level = 0;
        if ((!disable && !feature_level_parse(text, &name, &level)) ||
            !add(call, request, name, level, type)) {
            return false;
        }
    }
    return true;
}

static int by_name(const void *a, const void *b) {
    return slice_compare(((const update *)a)->feature, ((const update *)b)->feature);
}

static bool take_updates(struct kafka_call *call, const char *word,
                         struct update_features_request *request) {
    const struct options *options = &call->options;
    enum upgrade_type type = type_of(options, word);
    bool by_release = strcmp(word, "disable") != 0 && options_has(options, "release-version");
    request->feature_updates =
        MESSAGE_ARRAY(&call->arena, update_features_request_feature_update_key,
                      options->given_count + FORMAT_FEATURES_MAX);
    if (!(by_release ? add_release(call, request, type) : add_given(call, word, request, type))) {
        return false;
    }
    if (request->feature_updates_count == 0) {
        fail(arena_printf(&call->arena, "You must specify at least one feature to %s", word));
        return false;
    }
    qsort(request->feature_updates, (size_t)request->feature_updates_count, sizeof(update),
          by_name);
    return true;
}

/* What the answer says of one feature: newer ones only have one outcome for all. */
static struct outcome outcome_of(const struct update_features_response *response,
                                 struct slice feature) {
    for (int32_t i = 0; i < response->results_count; i++) {
        if (slice_equal(response->results[i].feature, feature)) {
            return (struct outcome){response->results[i].error_code,
                                    response->results[i].error_message};
        }
    }
    return (struct outcome){response->error_code, response->error_message};
}

int features_update(struct kafka_call *call, const char *word) {
    struct update_features_request request;
    message_init(&update_features_request_desc, &request);
    request.validate_only = options_has(&call->options, "dry-run");
    if (!take_updates(call, word, &request)) {
        return EXIT_FAILED;
    }
    const struct update_features_response *response =
        client_call(&call->client, CLIENT_ANY, API_UPDATE_FEATURES, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return fail(call->client.error.text);
    }
    bool disable = strcmp(word, "disable") == 0;
    int failed = 0;
    for (int32_t i = 0; i < request.feature_updates_count; i++) {
        const update *asked = &request.feature_updates[i];
        struct outcome outcome = outcome_of(response, asked->feature);
        struct slice text = outcome_text(&outcome);
        const char *to =
            disable ? "" : arena_printf(&call->arena, " to %d", asked->max_version_level);
        if (outcome.code != ERROR_NONE) {
            printf("%s %s %.*s%s. %.*s\n", request.validate_only ? "Can not" : "Could not", word,
                   SLICE_ARG(asked->feature), to, SLICE_ARG(text));
            failed++;
        } else {
            printf("%.*s %s %sd%s.\n", SLICE_ARG(asked->feature),
                   request.validate_only ? "can be" : "was", word, to);
        }
    }
    return failed == 0 ? 0
                       : fail(arena_printf(&call->arena, "%d out of %d operation(s) failed.",
                                           failed, request.feature_updates_count));
}
