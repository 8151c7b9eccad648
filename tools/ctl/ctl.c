#include "tools/ctl/ctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct ctl *ctl, const char *usage, FILE *out) {
    fprintf(out, "usage: barnabasctl %s %s\n\n", ctl->command, usage);
    options_print(ctl->options.specs, out);
}

/* Properties that every command knows; the rest is for the command. */
static bool take_property(struct ctl *ctl, const char *text) {
    const char *equals = strchrnul(text, '=');
    struct slice key = slice_make(text, (size_t)(equals - text));
    const char *value = *equals == '=' ? equals + 1 : "";
    if (slice_equal_str(key, "client.id")) {
        ctl->client.client_id = value;
        return true;
    }
    if (slice_equal_str(key, "bootstrap.servers") || slice_equal_str(key, "metadata.broker.list")) {
        ctl->client.bootstrap = value;
        return true;
    }
    if (slice_equal_str(key, "security.protocol")) {
        return strcasecmp(value, "plaintext") == 0;
    }
    return ctl->property != NULL && ctl->property(ctl->ctx, key, value);
}

bool ctl_open(struct ctl *ctl, const char *command, const char *usage,
              const struct option_spec *specs, int argc, char **argv, int *exit_code) {
    ctl->command = command;
    arena_init(&ctl->arena, SIZE_MAX);
    client_init(&ctl->client, NULL, "barnabasctl");
    if (!options_parse(&ctl->options, specs, argc, argv)) {
        *exit_code = ctl_usage(ctl, "%s", ctl->options.error.text);
        return false;
    }
    if (options_has(&ctl->options, "help")) {
        print_help(ctl, usage, stdout);
        *exit_code = 0;
        return false;
    }
    ctl->json = options_has(&ctl->options, "json");
    ctl->client.bootstrap = options_get(&ctl->options, "bootstrap", NULL);
    const char *property;
    for (size_t i = 0; (property = options_nth(&ctl->options, "X", i)) != NULL; i++) {
        if (!take_property(ctl, property)) {
            *exit_code = ctl_usage(ctl, "-X %s is not served", property);
            return false;
        }
    }
    if (ctl->client.bootstrap == NULL) {
        const char *environment = getenv("BARNABAS_BOOTSTRAP");
        ctl->client.bootstrap = environment != NULL ? environment : "localhost:9092";
    }
    return true;
}

void ctl_close(struct ctl *ctl) {
    client_release(&ctl->client);
    options_release(&ctl->options);
    arena_release(&ctl->arena);
}

int ctl_run(const char *usage, const struct ctl_action *actions, size_t count, int argc,
            char **argv) {
    const struct ctl_action *action = NULL;
    for (size_t i = 0; argc > 0 && i < count; i++) {
        if (strcmp(argv[0], actions[i].name) == 0) {
            action = &actions[i];
        }
    }
    if (action == NULL) {
        fprintf(stderr, "usage: barnabasctl %s\n", usage);
        return CTL_USAGE;
    }
    struct ctl ctl = {0};
    int exit_code;
    if (ctl_open(&ctl, action->command, action->usage, action->options, argc - 1, argv + 1,
                 &exit_code)) {
        exit_code = action->named != NULL && ctl.options.arg_count == 0
                        ? ctl_usage(&ctl, "%s", action->named)
                        : action->run(&ctl);
    }
    ctl_close(&ctl);
    return exit_code;
}

int ctl_fail(const struct ctl *ctl, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "barnabasctl %s: ", ctl->command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return CTL_FAILS;
}

int ctl_fail_client(const struct ctl *ctl) {
    return ctl_fail(ctl, "%s", ctl->client.error.text);
}

int ctl_usage(const struct ctl *ctl, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "barnabasctl %s: ", ctl->command);
    vfprintf(stderr, format, args);
    fprintf(stderr, "; barnabasctl %s --help tells the options\n", ctl->command);
    va_end(args);
    return CTL_USAGE;
}

void ctl_json(json_t *json) {
    json_dumpf(json, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(json);
}

json_t *ctl_json_ids(struct int_list list) {
    json_t *array = json_array();
    for (int32_t i = 0; i < list.count; i++) {
        json_array_append_new(array, json_integer(list.items[i]));
    }
    return array;
}

int ctl_rows(const struct ctl *ctl, struct table *table) {
    if (ctl->json) {
        ctl_json(table_json(table));
    } else {
        table_print(table, stdout);
    }
    table_release(table);
    return 0;
}

int32_t ctl_changes(struct ctl *ctl, const struct config_change **out) {
    struct config_change *changes =
        arena_array(&ctl->arena, ctl->options.given_count + 1, sizeof(*changes));
    int32_t count = 0;
    const char *text;
    for (size_t i = 0; (text = options_nth(&ctl->options, "config", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        if (equals == NULL) {
            ctl_usage(ctl, "'%s' is not key=value", text);
            return -1;
        }
        changes[count++] = (struct config_change){slice_make(text, (size_t)(equals - text)),
                                                  slice_str(equals + 1)};
    }
    for (size_t i = 0; (text = options_nth(&ctl->options, "unset", i)) != NULL; i++) {
        changes[count++] = (struct config_change){slice_str(text), SLICE_NULL};
    }
    *out = changes;
    return count;
}

const char *ctl_ids(struct ctl *ctl, struct int_list list) {
    const char *text = list.count > 0 ? "" : "-";
    for (int32_t i = 0; i < list.count; i++) {
        text = arena_printf(&ctl->arena, "%s%s%d", text, i > 0 ? "," : "", list.items[i]);
    }
    return text;
}
