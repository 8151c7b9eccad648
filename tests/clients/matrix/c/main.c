/* Runs one scenario: matrix SCENARIO BOOTSTRAP TOPIC GROUP */
#include "matrix.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *bootstrap;

void fail(const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void expect_number(int64_t found, int64_t wanted, const char *what) {
    if (found != wanted) {
        fail("%s: %lld where %lld is right", what, (long long)found, (long long)wanted);
    }
}

void expect_error(rd_kafka_resp_err_t found, rd_kafka_resp_err_t wanted, const char *what) {
    if (found != wanted) {
        fail("%s: %s where %s is right", what, rd_kafka_err2name(found), rd_kafka_err2name(wanted));
    }
}

int64_t now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

const char *joined(const char *first, const char *second) {
    size_t size = strlen(first) + strlen(second) + 1;
    char *name = malloc(size);

    if (name == NULL) {
        fail("no memory");
    }
    snprintf(name, size, "%s%s", first, second);
    return name;
}

static const struct {
    const char *name;
    void (*run)(const char *topic, const char *group);
} scenarios[] = {
    {"codecs", codecs},
    {"headers_and_nulls", headers_and_nulls},
    {"sizes", sizes},
    {"idempotent", idempotent},
    {"eager", eager},
    {"cooperative", cooperative},
    {"static", static_members},
    {"seek_by_time", seek_by_time},
    {"replay", replay},
    {"lag", lag},
    {"offset_reset", offset_reset},
    {"admin", admin},
    {"many_topics", many_topics},
    {"slow_consumer", slow_consumer},
    {"many_groups", many_groups},
};

int main(int argc, char **argv) {
    if (argc != 5) {
        fail("usage: matrix SCENARIO BOOTSTRAP TOPIC GROUP");
    }
    bootstrap = argv[2];
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run(argv[3], argv[4]);
            return 0;
        }
    }
    fail("there is no scenario %s", argv[1]);
}
