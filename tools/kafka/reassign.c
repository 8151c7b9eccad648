/* kafka-reassign-partitions */
#include "tools/kafka/reassign.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/generated/alter_partition_reassignments_request.h"
#include "protocol/generated/alter_partition_reassignments_response.h"
#include "protocol/generated/alter_replica_log_dirs_request.h"
#include "protocol/generated/alter_replica_log_dirs_response.h"

#define MOVE_RETRY_MS   100
#define MOVE_TIMEOUT_MS 10000

const struct option_spec kafka_reassign_partitions_options[] = {
    {"additional", OPTION_FLAG, NULL,
     "Executes beside what is under way, or changes its throttle."},
    {"bootstrap-controller", OPTION_VALUE, "bootstrap controller to connect to",
     "The controllers instead, for --cancel and --list."},
    {"bootstrap-server", OPTION_VALUE, "Server(s)", "The brokers."},
    {"broker-list", OPTION_VALUE, "brokerlist", "The brokers to generate a plan for: 0,1,2."},
    {"cancel", OPTION_FLAG, NULL, "Cancels the moves of --reassignment-json-file."},
    {"command-config", OPTION_VALUE, "Admin client property file", "Properties for the client."},
    {"disable-rack-aware", OPTION_FLAG, NULL, "Generates without a look at racks."},
    {"disallow-replication-factor-change", OPTION_FLAG, NULL,
     "Refuses plans that change how many replicas a partition has."},
    {"execute", OPTION_FLAG, NULL, "Begins the moves of --reassignment-json-file."},
    {"generate", OPTION_FLAG, NULL, "Proposes a plan, which is not executed."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"list", OPTION_FLAG, NULL, "Lists all moves under way."},
    {"preserve-throttles", OPTION_FLAG, NULL, "Leaves throttles as they are."},
    {"reassignment-json-file", OPTION_VALUE, "manual assignment json file path",
     "{\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \"replicas\": [1,2,3], "
     "\"log_dirs\": [\"dir1\",\"any\",\"any\"]}], \"version\":1}"},
    {"replica-alter-log-dirs-throttle", OPTION_VALUE, "Long: replicaAlterLogDirsThrottle",
     "Bytes a second of moves between the log dirs of a broker."},
    {"throttle", OPTION_VALUE, "Long: throttle", "Bytes a second of moves between brokers."},
    {"timeout", OPTION_VALUE, "Long: timeout",
     "Milliseconds to wait for replicas that are to lie in a certain dir (10000)."},
    {"topics-to-move-json-file", OPTION_VALUE, "topics to reassign json file path",
     "{\"topics\": [{\"topic\": \"foo\"}], \"version\":1}"},
    {"verify", OPTION_FLAG, NULL, "Tells how far the moves of --reassignment-json-file are."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* ---- Failing --------------------------------------------------------------------------------- */

int reassign_fail(const char *exception, const char *text) {
    printf("Error: %s\n%s: %s\n", text, exception, text);
    return EXIT_FAILED;
}

int reassign_fail_tersely(const char *text) {
    puts(text);
    return EXIT_FAILED;
}

int reassign_fail_as(struct kafka_call *call, int16_t code, const char *text) {
    if (code == ERROR_NONE) {
        return reassign_fail("org.apache.kafka.common.errors.TimeoutException", text);
    }
    const char *cause =
        arena_printf(&call->arena, "%s: %s", kafka_exception(&call->arena, code), text);
    reassign_fail("java.util.concurrent.ExecutionException", cause);
    printf("Caused by: %s\n", cause);
    return EXIT_FAILED;
}

static const char *joined(struct kafka_call *call, const int32_t *ids, int32_t count) {
    const char *text = "";
    for (int32_t i = 0; i < count; i++) {
        text = arena_printf(&call->arena, "%s%s%d", text, i > 0 ? "," : "", ids[i]);
    }
    return text;
}

static const char *names_of(struct kafka_call *call, const struct plan *plan) {
    const char *text = "";
    for (int32_t i = 0; i < plan->count; i++) {
        text = arena_printf(&call->arena, "%s%s%.*s-%d", text, i > 0 ? "," : "",
                            SLICE_ARG(plan->moves[i].topic), plan->moves[i].partition);
    }
    return text;
}

/* ---- --list ---------------------------------------------------------------------------------- */

static int by_topic(const void *a, const void *b) {
    return slice_compare(
        ((const struct list_partition_reassignments_response_ongoing_topic_reassignment *)a)->name,
        ((const struct list_partition_reassignments_response_ongoing_topic_reassignment *)b)->name);
}

static int by_index(const void *a, const void *b) {
    const ongoing_move *left = a, *right = b;
    return (left->partition_index > right->partition_index) -
           (left->partition_index < right->partition_index);
}

static int list(struct kafka_call *call) {
    const struct list_partition_reassignments_response *ongoing = state_ongoing(call);
    if (ongoing == NULL) {
        return EXIT_FAILED;
    }
    if (ongoing->topics_count == 0) {
        puts("No partition reassignments found.");
        return 0;
    }
    puts("Current partition reassignments:");
    qsort(ongoing->topics, (size_t)ongoing->topics_count, sizeof(*ongoing->topics), by_topic);
    for (int32_t t = 0; t < ongoing->topics_count; t++) {
        ongoing_move *moves = ongoing->topics[t].partitions;
        int32_t count = ongoing->topics[t].partitions_count;
        qsort(moves, (size_t)count, sizeof(*moves), by_index);
        for (int32_t p = 0; p < count; p++) {
            printf("%.*s-%d: replicas: %s.", SLICE_ARG(ongoing->topics[t].name),
                   moves[p].partition_index,
                   joined(call, moves[p].replicas, moves[p].replicas_count));
            if (moves[p].adding_replicas_count > 0) {
                printf(" adding: %s.",
                       joined(call, moves[p].adding_replicas, moves[p].adding_replicas_count));
            }
            if (moves[p].removing_replicas_count > 0) {
                printf(" removing: %s.",
                       joined(call, moves[p].removing_replicas, moves[p].removing_replicas_count));
            }
            putchar('\n');
        }
    }
    return 0;
}

/* ---- --generate ------------------------------------------------------------------------------ */

struct candidate {
    int32_t id;
    struct slice rack;
    int32_t turn; /* how many of its rack come before */
};

static int by_id(const void *a, const void *b) {
    const struct candidate *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static int by_turn(const void *a, const void *b) {
    const struct candidate *left = a, *right = b;
    int order = (left->turn > right->turn) - (left->turn < right->turn);
    return order != 0 ? order : slice_compare(left->rack, right->rack);
}

/* Those of --broker-list that are there, the racks in turns; false after a message. */
static bool take_candidates(struct kafka_call *call, struct candidate **out, int32_t *count) {
    struct slice none = SLICE_LIT("");
    const struct metadata_response *metadata = client_metadata(&call->client, &none, 0);
    const char *list = options_get(&call->options, "broker-list", ""), *twice = "";
    int32_t racks = 0;
    *out = arena_array(&call->arena, strlen(list) + 1, sizeof(**out));
    *count = 0;
    for (const char *at = list; *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
        int32_t id = (int32_t)strtol(at, NULL, 10);
        for (int32_t i = 0; i < *count; i++) {
            if ((*out)[i].id == id) {
                twice = arena_printf(&call->arena, "%s%s%d", twice, *twice ? ", " : "", id);
            }
        }
        (*out)[(*count)++] = (struct candidate){.id = id};
    }
    if (*twice != '\0') {
        reassign_fail(
            "org.apache.kafka.tools.AdminCommandFailedException",
            arena_printf(&call->arena, "Broker list contains duplicate entries: [%s]", twice));
        return false;
    }
    if (metadata == NULL) {
        reassign_fail_as(call, 0, call->client.error.text);
        return false;
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < *count; i++) {
        for (int32_t b = 0; b < metadata->brokers_count; b++) {
            if (metadata->brokers[b].node_id == (*out)[i].id) {
                racks += metadata->brokers[b].rack.len > 0;
                (*out)[kept++] =
                    (struct candidate){.id = (*out)[i].id, .rack = metadata->brokers[b].rack};
            }
        }
    }
    *count = kept;
    bool aware = !options_has(&call->options, "disable-rack-aware");
    if (aware && racks > 0 && racks < kept) {
        reassign_fail("org.apache.kafka.server.common.AdminOperationException",
                      "Not all brokers have rack information. Add --disable-rack-aware in command "
                      "line to make replica assignment without rack information.");
        return false;
    }
    qsort(*out, (size_t)kept, sizeof(**out), by_id);
    for (int32_t i = 0; i < kept; i++) {
        for (int32_t j = 0; aware && racks > 0 && j < i; j++) {
            (*out)[i].turn += slice_equal((*out)[i].rack, (*out)[j].rack);
        }
        (*out)[i].turn = aware && racks > 0 ? (*out)[i].turn : i;
    }
    qsort(*out, (size_t)kept, sizeof(**out), by_turn);
    return true;
}

/* Each partition begins one broker behind the one before; the rest follow in order. */
static int32_t *place(struct kafka_call *call, const struct candidate *candidates, int32_t count,
                      int32_t first, int32_t replicas) {
    int32_t *ids = arena_array(&call->arena, (size_t)replicas + 1, sizeof(*ids));
    for (int32_t i = 0; i < replicas; i++) {
        ids[i] = candidates[(first + i) % count].id;
    }
    return ids;
}

static int generate(struct kafka_call *call) {
    struct candidate *candidates;
    struct slice *names;
    int32_t count, name_count;
    struct topic_list topics;
    if (!take_candidates(call, &candidates, &count) ||
        !plan_load_topics(call, &names, &name_count) ||
        !state_topics(call, names, name_count, &topics)) {
        return EXIT_FAILED;
    }
    size_t partitions = 0;
    for (int32_t t = 0; t < topics.count; t++) {
        partitions += (size_t)topics.items[t].partition_count;
    }
    struct plan current = {.moves = arena_array(&call->arena, partitions + 1, sizeof(struct move))};
    struct plan proposed = {.moves =
                                arena_array(&call->arena, partitions + 1, sizeof(struct move))};
    for (int32_t t = 0; t < topics.count; t++) {
        int32_t first = count > 0 ? (int32_t)(client_now_ms() % count) : 0;
        for (int32_t p = 0; p < topics.items[t].partition_count; p++) {
            const struct partition_info *info = &topics.items[t].partitions[p];
            struct move *move = &current.moves[current.count++];
            *move = (struct move){.topic = topics.items[t].name,
                                  .partition = info->index,
                                  .replicas = info->replicas};
            if (count < info->replicas.count) {
                return reassign_fail(
                    "org.apache.kafka.common.errors.InvalidReplicationFactorException",
                    count == 0 ? "All brokers are currently fenced, or have all their log "
                                 "directories cordoned."
                               : arena_printf(&call->arena,
                                              "The target replication factor of %d cannot be "
                                              "reached because only %d broker(s) are registered.",
                                              info->replicas.count, count));
            }
            proposed.moves[proposed.count++] = (struct move){
                .topic = move->topic,
                .partition = move->partition,
                .replicas = {place(call, candidates, count, first + p, info->replicas.count),
                             info->replicas.count}};
        }
    }
    state_fill_dirs(call, &current);
    printf("Current partition replica assignment\n%s\n\n", plan_json(call, &current));
    printf("Proposed partition reassignment configuration\n%s\n", plan_json(call, &proposed));
    return 0;
}

/* ---- Moves between brokers ------------------------------------------------------------------- */

/* Asks for the moves of the plan, or with `cancel` for their end. 0, or the exit code after a
 * message that begins with `error`. */
static int alter(struct kafka_call *call, const struct plan *plan, bool cancel, const char *error) {
    struct alter_partition_reassignments_request request;
    message_init(&alter_partition_reassignments_request_desc, &request);
    request.allow_replication_factor_change =
        !options_has(&call->options, "disallow-replication-factor-change");
    request.topics =
        MESSAGE_ARRAY(&call->arena, alter_partition_reassignments_request_reassignable_topic,
                      (size_t)plan->count + 1);
    struct alter_partition_reassignments_request_reassignable_partition *partitions =
        MESSAGE_ARRAY(&call->arena, alter_partition_reassignments_request_reassignable_partition,
                      (size_t)plan->count + 1);
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        if (i == 0 || !slice_equal(move->topic, plan->moves[i - 1].topic)) {
            request.topics[request.topics_count].name = move->topic;
            request.topics[request.topics_count++].partitions = &partitions[i];
        }
        request.topics[request.topics_count - 1].partitions_count++;
        partitions[i].partition_index = move->partition;
        partitions[i].replicas =
            cancel ? NULL
                   : memcpy(arena_array(&call->arena, (size_t)move->replicas.count + 1, 4),
                            move->replicas.items, (size_t)move->replicas.count * 4);
        partitions[i].replicas_count = cancel ? -1 : move->replicas.count;
    }
    const struct alter_partition_reassignments_response *response = client_call(
        &call->client, CLIENT_ANY, API_ALTER_PARTITION_REASSIGNMENTS, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return reassign_fail_as(call, 0, call->client.error.text);
    }
    if (response->error_code != ERROR_NONE) {
        return reassign_fail_as(call, response->error_code, error_message(response->error_code));
    }
    const char *errors = "";
    for (int32_t t = 0; t < response->responses_count; t++) {
        for (int32_t p = 0; p < response->responses[t].partitions_count; p++) {
            const struct alter_partition_reassignments_response_reassignable_partition_response *r =
                &response->responses[t].partitions[p];
            struct outcome outcome = {r->error_code, r->error_message};
            struct slice text = outcome_text(&outcome);
            if (r->error_code != ERROR_NONE) {
                errors = arena_printf(&call->arena, "%s\n%.*s-%d: %.*s", errors,
                                      SLICE_ARG(response->responses[t].name), r->partition_index,
                                      SLICE_ARG(text));
            }
        }
    }
    return *errors == '\0'
               ? 0
               : reassign_fail_tersely(arena_printf(&call->arena, "%s%s", error, errors));
}

/* ---- Moves between dirs ---------------------------------------------------------------------- */

/* The error of one replica; -1 after a message. */
static int move_replica(struct kafka_call *call, int32_t broker, const struct move *move,
                        struct slice path) {
    int32_t partition = move->partition;
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topic = {
        .name = move->topic, .partitions = &partition, .partitions_count = 1};
    struct alter_replica_log_dirs_request_alter_replica_log_dir dir = {
        .path = path, .topics = &topic, .topics_count = 1};
    struct alter_replica_log_dirs_request request;
    message_init(&alter_replica_log_dirs_request_desc, &request);
    request.dirs = &dir;
    request.dirs_count = 1;
    const struct alter_replica_log_dirs_response *response =
        client_call(&call->client, broker, API_ALTER_REPLICA_LOG_DIRS, VERSION_MAX, &request, NULL);
    if (response == NULL || response->results_count != 1 ||
        response->results[0].partitions_count != 1) {
        reassign_fail_as(call, 0, call->client.error.text);
        return -1;
    }
    return response->results[0].partitions[0].error_code;
}

/* A replica that has just been placed is not there yet: it is asked for again. */
static int move_dirs(struct kafka_call *call, const struct plan *plan) {
    int64_t timeout_ms = MOVE_TIMEOUT_MS;
    if (!options_i64(&call->options, "timeout", &timeout_ms)) {
        return EXIT_FAILED;
    }
    int64_t deadline = client_ticks_ms() + timeout_ms;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        for (int32_t r = 0; move->dirs != NULL && r < move->replicas.count; r++) {
            int32_t broker = move->replicas.items[r];
            if (slice_equal_str(move->dirs[r], "any")) {
                continue;
            }
            int code;
            while ((code = move_replica(call, broker, move, move->dirs[r])) ==
                       ERROR_REPLICA_NOT_AVAILABLE &&
                   client_ticks_ms() < deadline) {
                client_pause_ms(MOVE_RETRY_MS);
            }
            const char *replica = arena_printf(&call->arena, "%.*s-%d-%d", SLICE_ARG(move->topic),
                                               move->partition, broker);
            if (code < 0) {
                return EXIT_FAILED;
            }
            if (code == ERROR_REPLICA_NOT_AVAILABLE) {
                return reassign_fail_tersely(arena_printf(
                    &call->arena, "Timed out before log directory move could be started for: %s",
                    replica));
            }
            if (code != ERROR_NONE) {
                return reassign_fail(
                    "org.apache.kafka.tools.AdminCommandFailedException",
                    arena_printf(&call->arena, "Failed to alter dir for %s", replica));
            }
            printf("Successfully started moving log directory to %.*s for replica %.*s-%d with "
                   "broker %d \n\n",
                   SLICE_ARG(move->dirs[r]), SLICE_ARG(move->topic), move->partition, broker);
        }
    }
    return 0;
}

/* ---- --execute ------------------------------------------------------------------------------- */

/* Whether all brokers of the plan are there; false after a message. */
static bool check_brokers(struct kafka_call *call, const struct plan *plan) {
    struct slice none = SLICE_LIT("");
    const struct metadata_response *metadata = client_metadata(&call->client, &none, 0);
    if (metadata == NULL) {
        reassign_fail_as(call, 0, call->client.error.text);
        return false;
    }
    for (int32_t i = 0; i < plan->count; i++) {
        for (int32_t r = 0; r < plan->moves[i].replicas.count; r++) {
            int32_t id = plan->moves[i].replicas.items[r];
            bool known = false;
            for (int32_t b = 0; b < metadata->brokers_count; b++) {
                known |= metadata->brokers[b].node_id == id;
            }
            if (!known) {
                reassign_fail("org.apache.kafka.tools.AdminCommandFailedException",
                              arena_printf(&call->arena, "Unknown broker id %d", id));
                return false;
            }
        }
    }
    return true;
}

static int execute(struct kafka_call *call) {
    struct plan plan, current;
    if (!plan_load(call, &plan)) {
        return EXIT_FAILED;
    }
    const struct list_partition_reassignments_response *ongoing = state_ongoing(call);
    if (ongoing == NULL) {
        return EXIT_FAILED;
    }
    if (ongoing->topics_count > 0 && !options_has(&call->options, "additional")) {
        return reassign_fail_tersely(
            "Cannot execute because there is an existing partition assignment.  Use --additional "
            "to override this and create a new partition assignment in addition to the existing "
            "one. The --additional flag can also be used to change the throttle by resubmitting "
            "the current reassignment.");
    }
    if (!check_brokers(call, &plan) || !state_current(call, &plan, &current)) {
        return EXIT_FAILED;
    }
    printf("Current partition replica assignment\n\n%s\n\nSave this to use as the "
           "--reassignment-json-file option during rollback\n",
           plan_json(call, &current));
    int failed = throttle_set(call, &plan, &current, ongoing);
    if (failed == 0) {
        failed = alter(call, &plan, false, "Error reassigning partition(s):");
    }
    if (failed != 0) {
        return failed;
    }
    printf("Successfully started partition reassignment%s for %s\n\n", plan.count == 1 ? "" : "s",
           names_of(call, &plan));
    return plan.names_dirs ? move_dirs(call, &plan) : 0;
}

/* ---- --verify -------------------------------------------------------------------------------- */

/* Whether all are over. */
static bool print_moves(struct kafka_call *call, const struct plan *plan,
                        const struct list_partition_reassignments_response *ongoing,
                        const struct topic_list *topics) {
    bool over = true;
    puts("Status of partition reassignment:");
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        const char *name =
            arena_printf(&call->arena, "%.*s-%d", SLICE_ARG(move->topic), move->partition);
        if (state_find(ongoing, move->topic, move->partition) != NULL) {
            printf("Reassignment of partition %s is still in progress.\n", name);
            over = false;
            continue;
        }
        const struct topic_info *topic = topic_find(topics, move->topic);
        struct int_list now = {NULL, 0};
        for (int32_t p = 0; topic != NULL && p < topic->partition_count; p++) {
            if (topic->partitions[p].index == move->partition) {
                now = topic->partitions[p].replicas;
            }
        }
        bool same = now.count == move->replicas.count &&
                    memcmp(now.items, move->replicas.items, (size_t)now.count * 4) == 0;
        if (same) {
            printf("Reassignment of partition %s is completed.\n", name);
        } else {
            printf("There is no active reassignment of partition %s, but replica set is %s rather "
                   "than %s.\n",
                   name, joined(call, now.items, now.count),
                   joined(call, move->replicas.items, move->replicas.count));
        }
    }
    return over;
}

static bool print_replica(struct kafka_call *call, const struct dir_answers *answers,
                          const struct move *move, int32_t broker, struct slice wanted) {
    struct slice current, future;
    state_dirs(answers, broker, move->topic, move->partition, &current, &future);
    const char *name =
        arena_printf(&call->arena, "%.*s-%d", SLICE_ARG(move->topic), move->partition);
    if (slice_is_null(current)) {
        printf("Partition %s cannot be found in any live log directory on broker %d.\n", name,
               broker);
    } else if (slice_equal(current, wanted) && slice_is_null(future)) {
        printf("Reassignment of replica %s-%d completed successfully.\n", name, broker);
    } else if (slice_is_null(future)) {
        printf("Partition %s on broker %d is not being moved from log dir %.*s to %.*s.\n", name,
               broker, SLICE_ARG(current), SLICE_ARG(wanted));
    } else if (slice_equal(future, wanted)) {
        printf("Reassignment of replica %s-%d is still in progress.\n", name, broker);
        return false;
    } else {
        printf("Partition %s on broker %d is being moved to log dir %.*s instead of %.*s.\n", name,
               broker, SLICE_ARG(future), SLICE_ARG(wanted));
        return false;
    }
    return true;
}

static int verify(struct kafka_call *call) {
    struct plan plan;
    if (!plan_load(call, &plan)) {
        return EXIT_FAILED;
    }
    struct slice *names;
    int32_t count = plan_topics(call, &plan, &names);
    struct topic_list topics;
    const struct list_partition_reassignments_response *ongoing = state_ongoing(call);
    if (ongoing == NULL) {
        return EXIT_FAILED;
    }
    if (!topics_describe(&call->client, names, count, 0, &topics)) {
        return reassign_fail_as(call, 0, call->client.error.text);
    }
    bool over = print_moves(call, &plan, ongoing, &topics);
    putchar('\n');
    const struct dir_answers *answers = plan.names_dirs ? state_ask_dirs(call, &plan) : NULL;
    for (int32_t i = 0; i < plan.count; i++) {
        const struct move *move = &plan.moves[i];
        for (int32_t r = 0; move->dirs != NULL && r < move->replicas.count; r++) {
            if (!slice_equal_str(move->dirs[r], "any")) {
                over &= print_replica(call, answers, move, move->replicas.items[r], move->dirs[r]);
            }
        }
    }
    if (!over || options_has(&call->options, "preserve-throttles")) {
        return 0;
    }
    return throttle_clear(call, &plan);
}

/* ---- --cancel -------------------------------------------------------------------------------- */

/* Those of the plan that are under way. */
static struct plan plan_active(struct kafka_call *call, const struct plan *plan,
                               const struct list_partition_reassignments_response *ongoing) {
    struct plan active = {
        .moves = arena_array(&call->arena, (size_t)plan->count + 1, sizeof(struct move))};
    for (int32_t i = 0; i < plan->count; i++) {
        if (state_find(ongoing, plan->moves[i].topic, plan->moves[i].partition) != NULL) {
            active.moves[active.count++] = plan->moves[i];
        }
    }
    return active;
}

/* The replicas of the plan that are on their way to another dir, to where they are. */
static struct plan plan_back(struct kafka_call *call, const struct plan *plan) {
    struct plan back = {
        .moves = arena_array(&call->arena, (size_t)plan->count + 1, sizeof(struct move))};
    const struct dir_answers *answers = plan->names_dirs ? state_ask_dirs(call, plan) : NULL;
    for (int32_t i = 0; i < plan->count; i++) {
        struct move *move = &back.moves[back.count++];
        *move = plan->moves[i];
        move->dirs =
            arena_array(&call->arena, (size_t)move->replicas.count + 1, sizeof(*move->dirs));
        for (int32_t r = 0; r < move->replicas.count; r++) {
            struct slice current = SLICE_NULL, future = SLICE_NULL;
            if (plan->moves[i].dirs != NULL && !slice_equal_str(plan->moves[i].dirs[r], "any")) {
                state_dirs(answers, move->replicas.items[r], move->topic, move->partition, &current,
                           &future);
            }
            bool moves = !slice_is_null(current) && !slice_is_null(future);
            move->dirs[r] = moves ? current : SLICE_LIT("any");
            back.names_dirs |= moves;
        }
    }
    return back;
}

static int cancel(struct kafka_call *call) {
    struct plan plan;
    if (!plan_load(call, &plan)) {
        return EXIT_FAILED;
    }
    const struct list_partition_reassignments_response *ongoing = state_ongoing(call);
    if (ongoing == NULL) {
        return EXIT_FAILED;
    }
    struct plan active = plan_active(call, &plan, ongoing);
    const char *many = active.count == 1 ? "" : "s";
    if (active.count == 0) {
        puts("None of the specified partition reassignments are active.");
    } else if (alter(call, &active, true,
                     arena_printf(&call->arena,
                                  "Error cancelling partition reassignment%s for:", many)) != 0) {
        return EXIT_FAILED;
    } else {
        printf("Successfully cancelled partition reassignment%s for: %s\n", many,
               names_of(call, &active));
    }
    struct plan back = plan_back(call, &plan);
    if (!back.names_dirs) {
        fputs("None of the specified partition moves are active.", stdout);
    } else if (move_dirs(call, &back) != 0) {
        return EXIT_FAILED;
    }
    return options_has(&call->options, "preserve-throttles") ? 0 : throttle_clear(call, &plan);
}

/* ---- The command line ------------------------------------------------------------------------ */

/* What goes with an action beside the brokers and the client's properties. */
static const struct action {
    const char *name;
    int (*run)(struct kafka_call *call);
    const char *required[3];
    const char *allowed[7];
} actions[] = {
    {"generate", generate, {"topics-to-move-json-file", "broker-list"}, {"disable-rack-aware"}},
    {"execute",
     execute,
     {"reassignment-json-file"},
     {"additional", "throttle", "replica-alter-log-dirs-throttle", "timeout",
      "disallow-replication-factor-change"}},
    {"verify", verify, {"reassignment-json-file"}, {"preserve-throttles"}},
    {"cancel",
     cancel,
     {"reassignment-json-file"},
     {"preserve-throttles", "timeout", "bootstrap-controller"}},
    {"list", list, {NULL}, {"bootstrap-controller"}},
};

static bool among(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count && names[i] != NULL; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const struct action *find_action(const struct options *options) {
    const struct action *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (options_has(options, actions[i].name) && found != NULL) {
            return NULL;
        }
        found = options_has(options, actions[i].name) ? &actions[i] : found;
    }
    return found;
}

int kafka_reassign_partitions(struct kafka_call *call) {
    const struct options *options = &call->options;
    const struct action *action = find_action(options);
    if (action == NULL) {
        return kafka_usage(call, "Command must include exactly one action: --generate, --execute, "
                                 "--verify, --cancel, --list");
    }
    bool brokers = options_has(options, "bootstrap-server");
    if (brokers == options_has(options, "bootstrap-controller")) {
        return kafka_usage(call, brokers ? "Please don't specify both --bootstrap-server and "
                                           "--bootstrap-controller"
                                         : "Please specify either --bootstrap-server or "
                                           "--bootstrap-controller");
    }
    if (!kafka_require(call, action->required)) {
        return EXIT_FAILED;
    }
    static const char *const always[] = {"bootstrap-server", "command-config"};
    for (const struct option_spec *spec = options->specs; spec->names != NULL; spec++) {
        if (options_has(options, spec->names) && strcmp(spec->names, action->name) != 0 &&
            !among(spec->names, always, 2) && !among(spec->names, action->required, 3) &&
            !among(spec->names, action->allowed, 7)) {
            return kafka_usage(call, "Option \"[%s]\" can't be used with action \"[%s]\"",
                               spec->names, action->name);
        }
    }
    const char *bootstrap = options_get(options, "bootstrap-controller", "");
    bootstrap = options_get(options, "bootstrap-server", bootstrap);
    return kafka_connect(call, bootstrap, options_get(options, "command-config", NULL))
               ? action->run(call)
               : EXIT_FAILED;
}
