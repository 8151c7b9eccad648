/* kafka-reassign-partitions: throttles */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/configs.h"
#include "tools/kafka/reassign.h"

#define LEADER_RATE       "leader.replication.throttled.rate"
#define FOLLOWER_RATE     "follower.replication.throttled.rate"
#define DIR_RATE          "replica.alter.log.dirs.io.max.bytes.per.second"
#define LEADER_REPLICAS   "leader.replication.throttled.replicas"
#define FOLLOWER_REPLICAS "follower.replication.throttled.replicas"

/* Ids in order, each once. */
struct ids {
    int32_t *items;
    int32_t count;
};

static bool has(const int32_t *items, int32_t count, int32_t id) {
    for (int32_t i = 0; i < count; i++) {
        if (items[i] == id) {
            return true;
        }
    }
    return false;
}

static void add(struct kafka_call *call, struct ids *ids, int32_t id) {
    if (has(ids->items, ids->count, id)) {
        return;
    }
    int32_t *items = arena_array(&call->arena, (size_t)ids->count + 1, sizeof(*items));
    int32_t at = 0;
    while (at < ids->count && ids->items[at] < id) {
        items[at] = ids->items[at];
        at++;
    }
    items[at] = id;
    for (int32_t i = at; i < ids->count; i++) {
        items[i + 1] = ids->items[i];
    }
    *ids = (struct ids){items, ids->count + 1};
}

/* False after a message. */
static bool alter(struct kafka_call *call, enum config_resource type, struct slice name,
                  const struct config_change *changes, int32_t count) {
    struct outcome outcome;
    if (!configs_alter(&call->client, type, name, changes, count, &outcome)) {
        reassign_fail_as(call, 0, call->client.error.text);
        return false;
    }
    if (outcome.code != ERROR_NONE) {
        struct slice text = outcome_text(&outcome);
        reassign_fail_as(call, outcome.code, arena_printf(&call->arena, "%.*s", SLICE_ARG(text)));
        return false;
    }
    return true;
}

static bool alter_brokers(struct kafka_call *call, const struct ids *brokers,
                          const struct config_change *changes, int32_t count) {
    for (int32_t i = 0; i < brokers->count; i++) {
        const char *name = arena_printf(&call->arena, "%d", brokers->items[i]);
        if (!alter(call, CONFIG_BROKER, slice_str(name), changes, count)) {
            return false;
        }
    }
    return true;
}

/* Whom a partition comes from and goes to: what is under way counts as it was before. */
static void sources_of(struct kafka_call *call, const struct move *current,
                       const ongoing_move *ongoing, struct ids *out) {
    const int32_t *ids = ongoing != NULL ? ongoing->replicas : current->replicas.items;
    int32_t count = ongoing != NULL ? ongoing->replicas_count : current->replicas.count;
    *out = (struct ids){0};
    for (int32_t i = 0; i < count; i++) {
        if (ongoing == NULL ||
            !has(ongoing->adding_replicas, ongoing->adding_replicas_count, ids[i])) {
            add(call, out, ids[i]);
        }
    }
}

/* "0:1,1:1" of the topic that begins at the move `from`; sources or destinations. */
static const char *throttled(struct kafka_call *call, const char *before, const struct move *move,
                             const struct ids *ids, const struct ids *without) {
    const char *text = before;
    for (int32_t i = 0; i < ids->count; i++) {
        if (without == NULL || !has(without->items, without->count, ids->items[i])) {
            text = arena_printf(&call->arena, "%s%s%d:%d", text, *text != '\0' ? "," : "",
                                move->partition, ids->items[i]);
        }
    }
    return text;
}

static bool throttle_topics(struct kafka_call *call, const struct plan *plan,
                            const struct plan *current,
                            const struct list_partition_reassignments_response *ongoing,
                            struct ids *brokers) {
    const char *leaders = "", *followers = "";
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        struct ids sources, wanted = {0};
        sources_of(call, &current->moves[i], state_find(ongoing, move->topic, move->partition),
                   &sources);
        for (int32_t r = 0; r < move->replicas.count; r++) {
            add(call, &wanted, move->replicas.items[r]);
            add(call, brokers, move->replicas.items[r]);
        }
        for (int32_t r = 0; r < sources.count; r++) {
            add(call, brokers, sources.items[r]);
        }
        leaders = throttled(call, leaders, move, &sources, NULL);
        followers = throttled(call, followers, move, &wanted, &sources);
        if (i + 1 < plan->count && slice_equal(move->topic, plan->moves[i + 1].topic)) {
            continue;
        }
        const struct config_change changes[] = {
            {SLICE_LIT(LEADER_REPLICAS), slice_str(leaders)},
            {SLICE_LIT(FOLLOWER_REPLICAS), slice_str(followers)}};
        if (!alter(call, CONFIG_TOPIC, move->topic, changes, 2)) {
            return false;
        }
        leaders = "";
        followers = "";
    }
    return true;
}

static bool set_inter_broker(struct kafka_call *call, int64_t rate, const struct plan *plan,
                             const struct plan *current,
                             const struct list_partition_reassignments_response *ongoing) {
    struct ids brokers = {0};
    struct slice value = slice_str(arena_printf(&call->arena, "%" PRId64, rate));
    const struct config_change rates[] = {{SLICE_LIT(LEADER_RATE), value},
                                          {SLICE_LIT(FOLLOWER_RATE), value}};
    if (!throttle_topics(call, plan, current, ongoing, &brokers) ||
        !alter_brokers(call, &brokers, rates, 2)) {
        return false;
    }
    printf("The inter-broker throttle limit was set to %" PRId64 " B/s\n", rate);
    return true;
}

static bool set_dirs(struct kafka_call *call, int64_t rate, const struct plan *plan) {
    struct ids brokers = {0};
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        for (int32_t r = 0; move->dirs != NULL && r < move->replicas.count; r++) {
            if (!slice_equal_str(move->dirs[r], "any")) {
                add(call, &brokers, move->replicas.items[r]);
            }
        }
    }
    const struct config_change change = {SLICE_LIT(DIR_RATE),
                                         slice_str(arena_printf(&call->arena, "%" PRId64, rate))};
    if (!alter_brokers(call, &brokers, &change, 1)) {
        return false;
    }
    printf("The replica-alter-dir throttle limit was set to %" PRId64 " B/s\n", rate);
    return true;
}

int throttle_set(struct kafka_call *call, const struct plan *plan, const struct plan *current,
                 const struct list_partition_reassignments_response *ongoing) {
    int64_t between = -1, dirs = -1;
    if (!options_i64(&call->options, "throttle", &between) ||
        !options_i64(&call->options, "replica-alter-log-dirs-throttle", &dirs)) {
        return EXIT_FAILED;
    }
    if (between >= 0 || dirs >= 0) {
        puts("Warning: You must run --verify periodically, until the reassignment completes, to "
             "ensure the throttle is removed.");
    }
    if (between >= 0 && !set_inter_broker(call, between, plan, current, ongoing)) {
        return EXIT_FAILED;
    }
    return dirs >= 0 && !set_dirs(call, dirs, plan) ? EXIT_FAILED : 0;
}

int throttle_clear(struct kafka_call *call, const struct plan *plan) {
    struct ids brokers = {0};
    const char *text = "";
    struct slice none = SLICE_LIT("");
    const struct metadata_response *metadata = client_metadata(&call->client, &none, 0);
    for (int32_t i = 0; metadata != NULL && i < metadata->brokers_count; i++) {
        add(call, &brokers, metadata->brokers[i].node_id);
    }
    for (int32_t i = 0; i < plan->count; i++) {
        for (int32_t r = 0; r < plan->moves[i].replicas.count; r++) {
            add(call, &brokers, plan->moves[i].replicas.items[r]);
        }
    }
    for (int32_t i = 0; i < brokers.count; i++) {
        text = arena_printf(&call->arena, "%s%s%d", text, i > 0 ? "," : "", brokers.items[i]);
    }
    printf("Clearing broker-level throttles on broker%s %s\n", brokers.count == 1 ? "" : "s", text);
    const struct config_change rates[] = {{SLICE_LIT(LEADER_RATE), SLICE_NULL},
                                          {SLICE_LIT(FOLLOWER_RATE), SLICE_NULL},
                                          {SLICE_LIT(DIR_RATE), SLICE_NULL}};
    if (!alter_brokers(call, &brokers, rates, 3)) {
        return EXIT_FAILED;
    }
    struct slice *names;
    int32_t count = plan_topics(call, plan, &names);
    text = "";
    for (int32_t i = 0; i < count; i++) {
        text = arena_printf(&call->arena, "%s%s%.*s", text, i > 0 ? "," : "", SLICE_ARG(names[i]));
    }
    printf("Clearing topic-level throttles on topic%s %s\n", count == 1 ? "" : "s", text);
    const struct config_change replicas[] = {{SLICE_LIT(LEADER_REPLICAS), SLICE_NULL},
                                             {SLICE_LIT(FOLLOWER_REPLICAS), SLICE_NULL}};
    for (int32_t i = 0; i < count; i++) {
        if (!alter(call, CONFIG_TOPIC, names[i], replicas, 2)) {
            return EXIT_FAILED;
        }
    }
    return 0;
}
