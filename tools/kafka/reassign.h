/* Between the files of kafka-reassign-partitions. Memory is the call's arena. */
#ifndef TOOLS_KAFKA_REASSIGN_H
#define TOOLS_KAFKA_REASSIGN_H

#include "protocol/generated/list_partition_reassignments_response.h"
#include "tools/kafka/kafka.h"

/* A partition of the plan. */
struct move {
    struct slice topic;
    int32_t partition;
    struct int_list replicas;
    struct slice *dirs; /* of each replica; NULL for none, "any" for any */
    int32_t order;      /* in the file */
};

struct plan {
    struct move *moves; /* by topic and partition */
    int32_t count;
    bool names_dirs; /* some replica is to lie in a certain dir */
};

typedef struct list_partition_reassignments_response_ongoing_partition_reassignment ongoing_move;

/* "Error: ..." as Kafka's tool prints what it throws; returns the exit code. */
int reassign_fail(const char *exception, const char *text);

/* The same for what has no place in the tool's code: only the text. */
int reassign_fail_tersely(const char *text);

/* For an error of a broker, or the client's where no answer came (code 0). */
int reassign_fail_as(struct kafka_call *call, int16_t code, const char *text);

/* ---- reassign_plan.c: files ------------------------------------------------------------------ */

/* --reassignment-json-file, and checked; false after a message. */
bool plan_load(struct kafka_call *call, struct plan *plan);

/* --topics-to-move-json-file, sorted; false after a message. */
bool plan_load_topics(struct kafka_call *call, struct slice **names, int32_t *count);

/* The topics of the plan, sorted; how many. */
int32_t plan_topics(struct kafka_call *call, const struct plan *plan, struct slice **names);

/* The plan in JSON, with "any" where it names no dirs. */
const char *plan_json(struct kafka_call *call, const struct plan *plan);

int plan_compare(const void *a, const void *b);

/* ---- reassign_state.c: the cluster ----------------------------------------------------------- */

/* The topics with their partitions; false after a message, also when one does not exist. */
bool state_topics(struct kafka_call *call, const struct slice *names, int32_t count,
                  struct topic_list *out);

/* The plan's partitions as they lie now, with the dirs of replicas; false after a message. */
bool state_current(struct kafka_call *call, const struct plan *plan, struct plan *out);

/* All reassignments under way; NULL after a message. */
const struct list_partition_reassignments_response *state_ongoing(struct kafka_call *call);

const ongoing_move *state_find(const struct list_partition_reassignments_response *ongoing,
                               struct slice topic, int32_t partition);

/* Asks each broker of the plan once where its replicas lie. */
struct dir_answers *state_ask_dirs(struct kafka_call *call, const struct plan *plan);

/* Where a replica lies and to which dir it is on its way; null for nowhere, also when its broker
 * did not answer. */
void state_dirs(const struct dir_answers *answers, int32_t broker, struct slice topic,
                int32_t partition, struct slice *current, struct slice *future);

/* Fills in the dirs of all replicas, "any" where one lies nowhere. */
void state_fill_dirs(struct kafka_call *call, struct plan *plan);

/* ---- reassign_throttle.c --------------------------------------------------------------------- */

/* Sets those of --throttle and --replica-alter-log-dirs-throttle, with what is said about it. 0, or
 * the exit code after a message. */
int throttle_set(struct kafka_call *call, const struct plan *plan, const struct plan *current,
                 const struct list_partition_reassignments_response *ongoing);

/* Takes all of them away, with what is said about it; the exit code. */
int throttle_clear(struct kafka_call *call, const struct plan *plan);

#endif
