#include "runtime/log_levels.h"

#include <string.h>

#include "base/assert.h"

static const char *const COMPONENTS[LOG_COMPONENT_COUNT] = {
    "config", "controller", "group",   "lifecycle", "metrics", "net",       "node",
    "peer",   "quorum",     "replica", "server",    "storage", "telemetry",
};

static int load(const _Atomic int *value) {
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic int *value, int level) {
    atomic_store_explicit(value, level, memory_order_relaxed);
}

void log_levels_init(struct log_levels *levels) {
    atomic_init(&levels->root, LOG_LEVEL_INFO);
    atomic_init(&levels->least, LOG_LEVEL_INFO);
    for (int i = 0; i < LOG_COMPONENT_COUNT; i++) {
        atomic_init(&levels->own[i], -1);
    }
}

const char *log_component_name(int index) {
    ASSERT(index >= 0 && index < LOG_COMPONENT_COUNT);
    return COMPONENTS[index];
}

int log_component_find(const char *name, size_t len) {
    for (int i = 0; i < LOG_COMPONENT_COUNT; i++) {
        if (strlen(COMPONENTS[i]) == len && memcmp(COMPONENTS[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

enum log_level log_levels_get(const struct log_levels *levels, int component) {
    int own = component < 0 ? -1 : load(&levels->own[component]);
    return (enum log_level)(own < 0 ? load(&levels->root) : own);
}

bool log_levels_allow(const struct log_levels *levels, enum log_level level,
                      const char *component) {
    if ((int)level < load(&levels->least)) {
        return false;
    }
    return level >= log_levels_get(levels, log_component_find(component, strlen(component)));
}

void log_levels_set(struct log_levels *levels, int component, enum log_level level) {
    ASSERT(component >= 0 || level != LOG_LEVEL_COUNT);
    store(component < 0 ? &levels->root : &levels->own[component],
          level == LOG_LEVEL_COUNT ? -1 : (int)level);
    int least = load(&levels->root);
    for (int i = 0; i < LOG_COMPONENT_COUNT; i++) {
        int own = load(&levels->own[i]);
        least = own >= 0 && own < least ? own : least;
    }
    store(&levels->least, least);
}
