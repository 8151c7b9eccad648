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

json_t *ctl_json_slice(struct slice text) {
    return slice_is_null(text) ? json_null() : json_stringn((const char *)text.data, text.len);
}

json_t *ctl_json_ids(struct int_list list) {
    json_t *array = json_array();
    for (int32_t i = 0; i < list.count; i++) {
        json_array_append_new(array, json_integer(list.items[i]));
    }
    return array;
}

const char *ctl_ids(struct ctl *ctl, struct int_list list) {
    const char *text = list.count > 0 ? "" : "-";
    for (int32_t i = 0; i < list.count; i++) {
        text = arena_printf(&ctl->arena, "%s%s%d", text, i > 0 ? "," : "", list.items[i]);
    }
    return text;
}
