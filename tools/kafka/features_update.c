/* kafka-features upgrade, downgrade and disable */
#include "tools/kafka/features_update.h"

#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "protocol/generated/update_features_request.h"
#include "protocol/generated/update_features_response.h"
#include "tools/format_options.h"

#define METADATA_VERSION "metadata.version"

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

/* "name=level"; false after a message. */
static bool add_level(struct kafka_call *call, struct update_features_request *request,
                      const char *text, enum upgrade_type type) {
    const char *equals = strchr(text, '=');
    int64_t level = 0;
    if (equals == NULL) {
        fail(arena_printf(&call->arena,
                          "Can't parse feature=level string %s: equals sign not found.", text));
        return false;
    }
    struct slice digits = slice_str(equals + 1);
    if (!slice_parse_i64(digits, &level) || level < INT16_MIN || level > INT16_MAX) {
        fail(arena_printf(&call->arena,
                          "Can't parse feature=level string %s: unable to parse %s as a "
                          "short.",
                          text, equals + 1));
        return false;
    }
    return add(call, request, slice_make(text, (size_t)(equals - text)), (int16_t)level, type);
}

static const char *unknown_release(struct kafka_call *call, const char *release) {
    const char *all = "";
    for (int16_t level = 1; level < INT8_MAX; level++) {
        if (release_name(level) != NULL) {
            all = arena_printf(&call->arena, "%s%s%s", all, *all != '\0' ? ", " : "",
                               release_name(level));
        }
    }
    return arena_printf(&call->arena,
                        "Unknown metadata.version '%s'. Supported metadata.version are: %s",
                        release, all);
}

static bool take_updates(struct kafka_call *call, const char *word,
                         struct update_features_request *request) {
    const struct options *options = &call->options;
    bool unsafe = options_has(options, "unsafe");
    bool disable = strcmp(word, "disable") == 0;
    enum upgrade_type type = strcmp(word, "upgrade") == 0 ? UPGRADE
                             : unsafe                     ? UNSAFE_DOWNGRADE
                                                          : SAFE_DOWNGRADE;
    request->feature_updates = MESSAGE_ARRAY(
        &call->arena, update_features_request_feature_update_key, options->given_count + 1);
    const char *metadata = options_get(options, "metadata", NULL);
    if (metadata != NULL && !disable) {
        puts(" `metadata` flag is deprecated and may be removed in a future release.");
        int16_t level = release_level(metadata);
        if (level < 0) {
            fail(unknown_release(call, metadata));
            return false;
        }
        if (!add(call, request, SLICE_LIT(METADATA_VERSION), level, type)) {
            return false;
        }
    }
    const char *text;
    for (size_t i = 0; (text = options_nth(options, "feature", i)) != NULL; i++) {
        bool good = disable ? add(call, request, slice_str(text), 0, type)
                            : add_level(call, request, text, type);
        if (!good) {
            return false;
        }
    }
    if (request->feature_updates_count == 0) {
        fail(arena_printf(&call->arena, "You must specify at least one feature to %s", word));
    }
    return request->feature_updates_count > 0;
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
