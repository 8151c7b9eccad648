#include "tests/sim/sim_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/node.h"

static void on_log(void *ctx, enum log_level level, const char *line, size_t len) {
    struct sim_node_log *log = ctx;
    log->error_lines += level == LOG_LEVEL_ERROR;
    if (level == LOG_LEVEL_ERROR) {
        snprintf(log->last_error, sizeof(log->last_error), "%.*s", len > 0 ? (int)len - 1 : 0,
                 line);
    }
}

struct sim_options sim_node_options(uint64_t seed, struct sim_node_log *log) {
    return (struct sim_options){
        .seed = seed,
        .wall_start_ms = 1700000000000,
        .net_delay_min_us = 50,
        .net_delay_max_us = 300,
        .sync_delay_min_us = 100,
        .sync_delay_max_us = 2000,
        .log_to_stderr = getenv("SIM_LOG") != NULL,
        .on_log = log != NULL ? on_log : NULL,
        .log_ctx = log,
    };
}

static void load_config(struct sim_node *node, struct sim_overrides all, struct sim_overrides own) {
    const char **items = xcalloc((size_t)(all.count + own.count), sizeof(*items));
    for (int i = 0; i < all.count + own.count; i++) {
        items[i] = i < all.count ? all.items[i] : own.items[i - all.count];
    }
    struct errmsg errmsg;
    if (config_load(node->machine, NULL, items, all.count + own.count, &node->config, &errmsg) !=
        0) {
        fprintf(stderr, "%s\n", errmsg.text);
        abort();
    }
    free(items);
}

static void on_started(void *ctx, int exit_code) {
    struct sim_node *node = ctx;
    node->started = true;
    node->exit_code = exit_code;
}

static void start(void *ctx) {
    struct sim_node *node = ctx;
    node_start(node->node, on_started, node);
}

void sim_node_start(struct sim *sim, struct sim_node *node, struct sim_overrides all,
                    struct sim_overrides own) {
    ASSERT(node->node == NULL);
    load_config(node, all, own);
    node->started = false;
    node->exit_code = 0;
    node->stopped = false;
    node->node = node_new(node->machine, node->config);
    sim_call(sim, machine_shard(node->machine, 0), start, node);
}

static void on_stopped(void *ctx) {
    struct sim_node *node = ctx;
    node->stopped = true;
}

static void stop(void *ctx) {
    struct sim_node *node = ctx;
    node_stop(node->node, on_stopped, node);
}

void sim_node_stop(struct sim *sim, struct sim_node *node) {
    sim_call(sim, machine_shard(node->machine, 0), stop, node);
}

void sim_node_crash(struct sim_node *node, enum sim_crash kind) {
    if (!sim_crashed(node->machine)) {
        sim_crash_after(node->machine, 0, kind);
    }
}

void sim_node_bury(struct sim_node *node) {
    node_free(node->node);
    config_free(node->config);
    node->node = NULL;
    node->config = NULL;
    sim_machine_restart(node->machine);
}
