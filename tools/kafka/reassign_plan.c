/* kafka-reassign-partitions: its files */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kafka/reassign.h"

#define FAILED    "org.apache.kafka.tools.AdminCommandFailedException"
#define OPERATION "org.apache.kafka.tools.AdminOperationException"

int plan_compare(const void *a, const void *b) {
    const struct move *left = a, *right = b;
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static bool fail(const char *exception, const char *text) {
    reassign_fail(exception, text);
    return false;
}

/* NULL after a message. */
static json_t *load(struct kafka_call *call, const char *option) {
    const char *path = options_get(&call->options, option, "");
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL) {
        fail(OPERATION, error.line > 0
                            ? error.text
                            : arena_printf(&call->arena, "Unable to read file %s", path));
        return NULL;
    }
    json_t *version = json_object_get(json, "version");
    if (version != NULL && json_integer_value(version) != 1) {
        fail(OPERATION, arena_printf(&call->arena, "Not supported version field value %d",
                                     (int)json_integer_value(version)));
        json_decref(json);
        return NULL;
    }
    return json;
}

static const char *ids_text(struct kafka_call *call, const struct int_list *ids) {
    const char *text = "";
    for (int32_t i = 0; i < ids->count; i++) {
        text = arena_printf(&call->arena, "%s%s%d", text, i > 0 ? ", " : "", ids->items[i]);
    }
    return text;
}

/* False after a message. */
static bool take_dirs(struct kafka_call *call, json_t *dirs, struct move *move, struct plan *plan) {
    const char *all = "";
    size_t i, count = json_array_size(dirs);
    json_t *item;
    move->dirs = arena_array(&call->arena, count + 1, sizeof(*move->dirs));
    json_array_foreach(dirs, i, item) {
        const char *dir = json_is_string(item) ? json_string_value(item) : "any";
        move->dirs[i] = arena_dup(&call->arena, slice_str(dir));
        plan->names_dirs |= strcmp(dir, "any") != 0;
        all = arena_printf(&call->arena, "%s%s%s", all, i > 0 ? ", " : "", dir);
    }
    return (int32_t)count == move->replicas.count ||
           fail(FAILED, arena_printf(&call->arena,
                                     "Size of replicas list [%s] is different from size of log "
                                     "dirs list [%s] for partition %.*s-%d",
                                     ids_text(call, &move->replicas), all, SLICE_ARG(move->topic),
                                     move->partition));
}

static bool take_move(struct kafka_call *call, json_t *item, struct plan *plan) {
    const char *topic = json_string_value(json_object_get(item, "topic"));
    json_t *partition = json_object_get(item, "partition");
    json_t *replicas = json_object_get(item, "replicas");
    json_t *dirs = json_object_get(item, "log_dirs"), *id;
    if (topic == NULL || !json_is_integer(partition) || !json_is_array(replicas)) {
        return fail(OPERATION, "The input string is not a valid JSON");
    }
    struct move *move = &plan->moves[plan->count];
    int32_t *ids = arena_array(&call->arena, json_array_size(replicas) + 1, sizeof(*ids));
    size_t i;
    json_array_foreach(replicas, i, id) {
        ids[i] = (int32_t)json_integer_value(id);
    }
    *move = (struct move){.topic = arena_dup(&call->arena, slice_str(topic)),
                          .partition = (int32_t)json_integer_value(partition),
                          .replicas = {ids, (int32_t)json_array_size(replicas)},
                          .order = plan->count++};
    return dirs == NULL || take_dirs(call, dirs, move, plan);
}

/* The first id that a list has twice. */
static bool twice(const struct int_list *ids, int32_t *out) {
    for (int32_t i = 0; i < ids->count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (ids->items[i] == ids->items[j]) {
                *out = ids->items[i];
                return true;
            }
        }
    }
    return false;
}

static bool check(struct kafka_call *call, const struct plan *plan) {
    const char *doubled = "", *doubles = "";
    if (plan->count == 0) {
        return fail(FAILED, "Partition reassignment list cannot be empty");
    }
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        int32_t id = 0;
        if (move->replicas.count == 0) {
            return fail(FAILED, "Partition replica list cannot be empty");
        }
        if (i > 0 && plan_compare(move, move - 1) == 0) {
            doubled = arena_printf(&call->arena, "%s%s%.*s-%d", doubled, *doubled ? "," : "",
                                   SLICE_ARG(move->topic), move->partition);
        }
        if (twice(&move->replicas, &id)) {
            doubles =
                arena_printf(&call->arena, "%s%s%.*s-%d contains multiple entries for %d", doubles,
                             *doubles ? ". " : "", SLICE_ARG(move->topic), move->partition, id);
        }
    }
    if (*doubled != '\0') {
        return fail(FAILED,
                    arena_printf(&call->arena,
                                 "Partition reassignment contains duplicate topic partitions: %s",
                                 doubled));
    }
    return *doubles == '\0' ||
           fail(FAILED,
                arena_printf(&call->arena,
                             "Partition replica lists may not contain duplicate entries: %s",
                             doubles));
}

bool plan_load(struct kafka_call *call, struct plan *plan) {
    *plan = (struct plan){0};
    json_t *json = load(call, "reassignment-json-file"), *item;
    if (json == NULL) {
        return false;
    }
    json_t *partitions = json_object_get(json, "partitions");
    bool good = true;
    size_t i;
    plan->moves = arena_array(&call->arena, json_array_size(partitions) + 1, sizeof(*plan->moves));
    json_array_foreach(partitions, i, item) {
        good = good && take_move(call, item, plan);
    }
    json_decref(json);
    qsort(plan->moves, (size_t)plan->count, sizeof(*plan->moves), plan_compare);
    return good && check(call, plan);
}

static int by_name(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool plan_load_topics(struct kafka_call *call, struct slice **names, int32_t *count) {
    json_t *json = load(call, "topics-to-move-json-file"), *item;
    json_t *topics = json_object_get(json, "topics");
    bool good = json != NULL;
    const char *doubled = "";
    size_t i;
    *count = 0;
    *names = arena_array(&call->arena, json_array_size(topics) + 1, sizeof(**names));
    json_array_foreach(topics, i, item) {
        const char *name = json_string_value(json_object_get(item, "topic"));
        if (good && name == NULL) {
            good = fail(OPERATION, "The input string is not a valid JSON");
        }
        (*names)[(*count)++] = arena_dup(&call->arena, slice_str(name != NULL ? name : ""));
    }
    json_decref(json);
    qsort(*names, (size_t)*count, sizeof(**names), by_name);
    for (int32_t n = 1; n < *count; n++) {
        if (slice_equal((*names)[n], (*names)[n - 1])) {
            doubled = arena_printf(&call->arena, "%s%s%.*s", doubled, *doubled ? ", " : "",
                                   SLICE_ARG((*names)[n]));
        }
    }
    return good && (*doubled == '\0' ||
                    fail(FAILED, arena_printf(&call->arena,
                                              "List of topics to reassign contains duplicate "
                                              "entries: [%s]",
                                              doubled)));
}

int32_t plan_topics(struct kafka_call *call, const struct plan *plan, struct slice **names) {
    int32_t count = 0;
    *names = arena_array(&call->arena, (size_t)plan->count + 1, sizeof(**names));
    for (int32_t i = 0; i < plan->count; i++) {
        if (count == 0 || !slice_equal((*names)[count - 1], plan->moves[i].topic)) {
            (*names)[count++] = plan->moves[i].topic;
        }
    }
    return count;
}

const char *plan_json(struct kafka_call *call, const struct plan *plan) {
    json_t *partitions = json_array();
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        json_t *replicas = json_array(), *dirs = json_array();
        for (int32_t r = 0; r < move->replicas.count; r++) {
            struct slice dir = move->dirs != NULL ? move->dirs[r] : SLICE_LIT("any");
            json_array_append_new(replicas, json_integer(move->replicas.items[r]));
            json_array_append_new(dirs, json_stringn((const char *)dir.data, dir.len));
        }
        json_array_append_new(
            partitions,
            json_pack("{s:o,s:i,s:o,s:o}", "topic",
                      json_stringn((const char *)move->topic.data, move->topic.len), "partition",
                      move->partition, "replicas", replicas, "log_dirs", dirs));
    }
    json_t *json = json_pack("{s:i,s:o}", "version", 1, "partitions", partitions);
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    const char *out = arena_printf(&call->arena, "%s", text);
    free(text);
    json_decref(json);
    return out;
}
