#include "tools/kafka/features_releases.h"

#include <string.h>

#include "base/memory.h"
#include "broker/metadata/features.h"
#include "tools/format_options.h"

/* In the order in which Kafka tells of them: level n + 1 belongs to releases from since[n] on. */
static const struct {
    const char *name;
    int16_t since[2];
    int16_t max_level;
} features[] = {
    {FEATURE_KRAFT_VERSION, {21}, 1}, {"transaction.version", {24, 24}, 2},
    {"group.version", {22}, 1},       {FEATURE_ELR, {METADATA_VERSION_ELR_DEFAULT}, 1},
    {"share.version", {28}, 1},       {"streams.version", {29}, 1},
};

const char *release_feature(size_t n, int16_t metadata_version, int16_t *level) {
    if (n >= ARRAY_LEN(features)) {
        return NULL;
    }
    *level = 0;
    while (*level < features[n].max_level && features[n].since[*level] <= metadata_version) {
        (*level)++;
    }
    return features[n].name;
}

int16_t release_required(struct kafka_call *call, const char *release) {
    int16_t found = release_level(release);
    if (found >= 0) {
        return found;
    }
    const char *all = "";
    for (int16_t level = 1; level <= METADATA_VERSION_LATEST; level++) {
        if (release_name(level) != NULL) {
            all = arena_printf(&call->arena, "%s%s%s", all, *all != '\0' ? ", " : "",
                               release_name(level));
        }
    }
    fflush(stdout);
    fprintf(stderr, "Unknown metadata.version '%s'. Supported metadata.version are: %s\n", release,
            all);
    return -1;
}

bool feature_level_parse(const char *text, struct slice *name, int16_t *level) {
    const char *equals = strchr(text, '=');
    int64_t number = 0;
    if (equals == NULL) {
        fflush(stdout);
        fprintf(stderr, "Can't parse feature=level string %s: equals sign not found.\n", text);
        return false;
    }
    if (!slice_parse_i64(slice_str(equals + 1), &number) || number < INT16_MIN ||
        number > INT16_MAX) {
        fflush(stdout);
        fprintf(stderr, "Can't parse feature=level string %s: unable to parse %s as a short.\n",
                text, equals + 1);
        return false;
    }
    *name = slice_make(text, (size_t)(equals - text));
    *level = (int16_t)number;
    return true;
}

int features_version_mapping(struct kafka_call *call) {
    const char *release =
        options_get(&call->options, "release-version", release_name(METADATA_VERSION_LATEST));
    int16_t metadata_version = release_required(call, release);
    if (metadata_version < 0) {
        return EXIT_FAILED;
    }
    printf(FEATURE_METADATA_VERSION "=%d (%s)\n", metadata_version, release);
    const char *name;
    int16_t level;
    for (size_t n = 0; (name = release_feature(n, metadata_version, &level)) != NULL; n++) {
        printf("%s=%d\n", name, level);
    }
    return 0;
}

static int print_dependencies(struct slice name, int16_t level) {
    if (slice_equal_str(name, FEATURE_METADATA_VERSION)) {
        if (release_name(level) == NULL) {
            fflush(stdout);
            fprintf(stderr, "Unknown %.*s %d\n", SLICE_ARG(name), level);
            return EXIT_FAILED;
        }
        printf("%.*s=%d (%s) has no dependencies.\n", SLICE_ARG(name), level, release_name(level));
        return 0;
    }
    for (size_t n = 0; n < ARRAY_LEN(features); n++) {
        if (!slice_equal_str(name, features[n].name)) {
            continue;
        }
        if (level < 0 || level > features[n].max_level) {
            fflush(stdout);
            fprintf(stderr, "No feature:%.*s with feature level %d\n", SLICE_ARG(name), level);
            return EXIT_FAILED;
        }
        if (slice_equal_str(name, FEATURE_ELR) && level > 0) { /* the only one that has any */
            printf("%.*s=%d requires:\n    " FEATURE_METADATA_VERSION "=%d (%s)\n", SLICE_ARG(name),
                   level, METADATA_VERSION_ELR, release_name(METADATA_VERSION_ELR));
        } else {
            printf("%.*s=%d has no dependencies.\n", SLICE_ARG(name), level);
        }
        return 0;
    }
    fflush(stdout);
    fprintf(stderr, "Unknown feature: %.*s\n", SLICE_ARG(name));
    return EXIT_FAILED;
}

int features_dependencies(struct kafka_call *call) {
    const char *text;
    if (!options_has(&call->options, "feature")) {
        fputs("Command line error: argument --feature is required. Type --help for help.\n",
              stderr);
        return EXIT_FAILED;
    }
    for (size_t i = 0; (text = options_nth(&call->options, "feature", i)) != NULL; i++) {
        struct slice name;
        int16_t level;
        if (!feature_level_parse(text, &name, &level) || print_dependencies(name, level) != 0) {
            return EXIT_FAILED;
        }
    }
    return 0;
}
