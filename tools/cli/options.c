#include "tools/cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/slice.h"

#define NAME_COLUMN 40

/* Whether `name` (of `len`) is among the names; exact is false where it only begins one. */
static bool named(const char *names, const char *name, size_t len, bool exact) {
    while (*names != '\0') {
        size_t n = strcspn(names, "|");
        if (n == len || (!exact && n > len && len > 1)) {
            if (memcmp(names, name, len) == 0) {
                return true;
            }
        }
        names += n;
        names += *names == '|';
    }
    return false;
}

/* An unambiguous beginning is enough for a long name. */
static const struct option_spec *find(const struct options *options, const char *name, size_t len) {
    const struct option_spec *begun = NULL;
    size_t begun_count = 0;
    for (const struct option_spec *spec = options->specs; spec->names != NULL; spec++) {
        if (named(spec->names, name, len, true)) {
            return spec;
        }
        if (named(spec->names, name, len, false)) {
            begun = spec;
            begun_count++;
        }
    }
    return begun_count == 1 ? begun : NULL;
}

static void give(struct options *options, const struct option_spec *spec, const char *value) {
    options->given[options->given_count++] = (struct option_given){spec, value};
}

static bool looks_like_option(const char *arg) {
    return arg[0] == '-' && arg[1] != '\0' && (arg[1] < '0' || arg[1] > '9');
}

/* Takes the value of an option from behind it; returns how many arguments that were, -1 on error.
 */
static int take_value(struct options *options, const struct option_spec *spec, int left,
                      char **next) {
    switch (spec->kind) {
    case OPTION_FLAG:
        give(options, spec, NULL);
        return 0;
    case OPTION_VALUE:
        if (left == 0) {
            errmsg_set(&options->error, "Option %.*s requires an argument",
                       (int)strcspn(spec->names, "|"), spec->names);
            return -1;
        }
        give(options, spec, next[0]);
        return 1;
    case OPTION_MAYBE:
        if (left > 0 && !looks_like_option(next[0])) {
            give(options, spec, next[0]);
            return 1;
        }
        give(options, spec, NULL);
        return 0;
    case OPTION_MANY:
        break;
    }
    int taken = 0;
    while (taken < left && !looks_like_option(next[taken])) {
        give(options, spec, next[taken++]);
    }
    return taken;
}

static int parse_long(struct options *options, const char *name, int left, char **next) {
    size_t len = strcspn(name, "=");
    const struct option_spec *spec = find(options, name, len);
    if (spec == NULL) {
        errmsg_set(&options->error, "%.*s is not a recognized option", (int)len, name);
        return -1;
    }
    if (name[len] == '=') {
        give(options, spec, name + len + 1);
        return 0;
    }
    return take_value(options, spec, left, next);
}

static int parse_short(struct options *options, const char *letters, int left, char **next) {
    for (; *letters != '\0'; letters++) {
        const struct option_spec *spec = find(options, letters, 1);
        if (spec == NULL) {
            errmsg_set(&options->error, "%c is not a recognized option", *letters);
            return -1;
        }
        if (spec->kind == OPTION_FLAG) {
            give(options, spec, NULL);
        } else if (letters[1] != '\0') {
            give(options, spec, letters + 1);
            return 0;
        } else {
            return take_value(options, spec, left, next);
        }
    }
    return 0;
}

bool options_parse(struct options *options, const struct option_spec *specs, int argc,
                   char **argv) {
    size_t letters = 1;
    for (int i = 0; i < argc; i++) {
        letters += strlen(argv[i]) + 1;
    }
    *options = (struct options){.specs = specs};
    options->given = xcalloc(letters, sizeof(*options->given));
    options->args = xcalloc((size_t)argc + 1, sizeof(*options->args));
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        int taken = 0;
        if (only_args || arg[0] != '-' || arg[1] == '\0') {
            options->args[options->arg_count++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            only_args = true;
        } else if (arg[1] == '-') {
            taken = parse_long(options, arg + 2, argc - i - 1, argv + i + 1);
        } else {
            taken = parse_short(options, arg + 1, argc - i - 1, argv + i + 1);
        }
        if (taken < 0) {
            return false;
        }
        i += taken;
    }
    return true;
}

void options_release(struct options *options) {
    free(options->given);
    free(options->args);
    *options = (struct options){0};
}

/* ---- What was given -------------------------------------------------------------------------- */

static bool is_named(const struct option_given *given, const char *name) {
    return named(given->spec->names, name, strlen(name), true);
}

bool options_has(const struct options *options, const char *name) {
    for (size_t i = 0; i < options->given_count; i++) {
        if (is_named(&options->given[i], name)) {
            return true;
        }
    }
    return false;
}

const char *options_get(const struct options *options, const char *name, const char *otherwise) {
    for (size_t i = options->given_count; i-- > 0;) {
        if (is_named(&options->given[i], name) && options->given[i].value != NULL) {
            return options->given[i].value;
        }
    }
    return otherwise;
}

const char *options_nth(const struct options *options, const char *name, size_t n) {
    for (size_t i = 0; i < options->given_count; i++) {
        if (is_named(&options->given[i], name) && options->given[i].value != NULL && n-- == 0) {
            return options->given[i].value;
        }
    }
    return NULL;
}

bool options_i64(const struct options *options, const char *name, int64_t *out) {
    const char *text = options_get(options, name, NULL);
    if (text != NULL && !slice_parse_i64(slice_str(text), out)) {
        fprintf(stderr, "Cannot parse argument '%s' of option %s\n", text, name);
        return false;
    }
    return true;
}

void options_print(const struct option_spec *specs, FILE *out) {
    fprintf(out, "%-*s Description\n%-*s -----------\n", NAME_COLUMN, "Option", NAME_COLUMN,
            "------");
    for (const struct option_spec *spec = specs; spec->names != NULL; spec++) {
        if (spec->help == NULL) {
            continue;
        }
        char text[256];
        size_t len = 0;
        const char *names = spec->names;
        while (*names != '\0' && len < sizeof(text)) {
            size_t n = strcspn(names, "|");
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%.*s", len > 0 ? ", " : "",
                                    n == 1 ? "-" : "--", (int)n, names);
            names += n;
            names += *names == '|';
        }
        if (spec->value != NULL && len < sizeof(text)) {
            snprintf(text + len, sizeof(text) - len, " <%s>", spec->value);
        }
        fprintf(out, "%-*s %s\n", NAME_COLUMN, text, spec->help);
    }
}
