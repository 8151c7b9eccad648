/* CreateTopics. The order of the checks is Kafka's: it decides which error a client sees. */
#include "broker/config/config.h"
#include "broker/controller/decision.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/topic_record.h"
#include "protocol/message.h"
#include "runtime/machine.h"
#include "storage/log_dir.h"

/* Partitions of one request; more are refused (KAFKA-18106). */
#define PARTITIONS_MAX 10000

static int32_t default_partitions(const struct decision *d) {
    return (int32_t)config_int(d->config, CONFIG_NUM_PARTITIONS);
}

static int16_t default_replication(const struct decision *d) {
    return (int16_t)config_int(d->config, CONFIG_DEFAULT_REPLICATION_FACTOR);
}

static bool named_twice(const struct create_topics_request *request, int32_t index) {
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (i != index && slice_equal(request->topics[i].name, request->topics[index].name)) {
            return true;
        }
    }
    return false;
}

/* What is refused for being named twice does not count. */
static bool too_many_partitions(const struct decision *d,
                                const struct create_topics_request *request) {
    int64_t total = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_creatable_topic *topic = &request->topics[i];
        if (named_twice(request, i)) {
            continue;
        }
        total += topic->assignments_count > 0  ? topic->assignments_count
                 : topic->num_partitions == -1 ? default_partitions(d)
                 : topic->num_partitions > 0   ? topic->num_partitions
                                               : 1;
    }
    return total > PARTITIONS_MAX;
}

/* Whether an earlier entry has the name, and so answers for this one too. */
static bool repeats(const struct create_topics_request *request, int32_t index) {
    for (int32_t i = 0; i < index; i++) {
        if (slice_equal(request->topics[i].name, request->topics[index].name)) {
            return true;
        }
    }
    return false;
}

/* Names that differ only in '.' and '_' collide in names of metrics. */
static bool collide(struct slice a, struct slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        uint8_t left = a.data[i] == '.' ? '_' : a.data[i];
        uint8_t right = b.data[i] == '.' ? '_' : b.data[i];
        if (left != right) {
            return false;
        }
    }
    return true;
}

static struct verdict check_name(const struct decision *d, struct slice name) {
    if (!topic_name_valid(name)) {
        return verdict(ERROR_INVALID_TOPIC_EXCEPTION,
                       "A topic name has 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-', "
                       "and is neither '.' nor '..'");
    }
    if (image_topic_by_name(d->image, name) != NULL) {
        return verdict_printf(d, ERROR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
                              SLICE_ARG(name));
    }
    bool has_mark =
        memchr(name.data, '.', name.len) != NULL || memchr(name.data, '_', name.len) != NULL;
    HMAP_FOREACH(node, &d->image->topics_by_name) {
        const struct image_topic *other = CONTAINER_OF(node, struct image_topic, by_name);
        if (has_mark && collide(name, other->name)) {
            return verdict_printf(d, ERROR_INVALID_TOPIC_EXCEPTION,
                                  "Topic '%.*s' collides with the existing topic '%.*s'",
                                  SLICE_ARG(name), SLICE_ARG(other->name));
        }
    }
    return VERDICT_OK;
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static struct verdict
assign_manually(struct decision *d, const struct create_topics_request_creatable_topic *topic,
                struct uuid topic_id,
                struct create_topics_response_creatable_topic_result *result) {
    int32_t count = topic->assignments_count;
    int32_t size = topic->assignments[0].broker_ids_count;
    if (topic->replication_factor != -1 || topic->num_partitions != -1) {
        return verdict(ERROR_INVALID_REQUEST,
                       "With a manual assignment, partitions and replication factor must be -1");
    }
    for (int32_t index = 0; index < count; index++) {
        const struct create_topics_request_creatable_replica_assignment *found = NULL;
        for (int32_t i = 0; i < count; i++) {
            if (topic->assignments[i].partition_index == index) {
                if (found != NULL) {
                    return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                                          "Partition %d is assigned twice", index);
                }
                found = &topic->assignments[i];
            }
        }
        if (found == NULL) {
            return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT,
                           "Assigned partitions must be numbered from 0 without a gap");
        }
        struct verdict ok = check_assignment(d, found->broker_ids, found->broker_ids_count, size);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
        if (!add_new_partition(d, topic_id, index, found->broker_ids, found->broker_ids_count)) {
            return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                                  "All brokers of partition %d are fenced or shutting down", index);
        }
    }
    result->num_partitions = count;
    result->replication_factor = (int16_t)size;
    return VERDICT_OK;
}

static struct verdict
assign_by_count(struct decision *d, const struct create_topics_request_creatable_topic *topic,
                struct uuid topic_id,
                struct create_topics_response_creatable_topic_result *result) {
    if (topic->replication_factor < -1 || topic->replication_factor == 0) {
        return verdict(ERROR_INVALID_REPLICATION_FACTOR,
                       "Replication factor must be at least 1, or -1 for the default");
    }
    if (topic->num_partitions < -1 || topic->num_partitions == 0) {
        return verdict(ERROR_INVALID_PARTITIONS,
                       "Number of partitions must be at least 1, or -1 for the default");
    }
    int32_t partitions =
        topic->num_partitions == -1 ? default_partitions(d) : topic->num_partitions;
    int16_t factor =
        topic->replication_factor == -1 ? default_replication(d) : topic->replication_factor;
    int32_t *replicas;
    struct verdict ok = place_replicas(d, partitions, factor, &replicas);
    for (int32_t p = 0; p < partitions && ok.error == ERROR_NONE; p++) {
        if (!add_new_partition(d, topic_id, p, replicas + (size_t)p * (size_t)factor, factor)) {
            ok = verdict(ERROR_INVALID_REPLICATION_FACTOR, "All chosen brokers are fenced");
        }
    }
    result->num_partitions = partitions;
    result->replication_factor = factor;
    return ok;
}

/* ---- Configurations -------------------------------------------------------------------------- */

static struct verdict add_configs(struct decision *d,
                                  const struct create_topics_request_creatable_topic *topic) {
    struct slice min_lag = SLICE_NULL;
    struct slice max_lag = SLICE_NULL;
    for (int32_t i = 0; i < topic->configs_count; i++) {
        struct verdict ok = check_topic_config(d, topic->configs[i].name, topic->configs[i].value);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
        add_config_record(d, CONFIG_RESOURCE_TOPIC, topic->name, topic->configs[i].name,
                          topic->configs[i].value);
        if (slice_equal_str(topic->configs[i].name, "min.compaction.lag.ms")) {
            min_lag = topic->configs[i].value;
        } else if (slice_equal_str(topic->configs[i].name, "max.compaction.lag.ms")) {
            max_lag = topic->configs[i].value;
        }
    }
    return check_compaction_lags(d, min_lag, max_lag);
}

/* The effective configuration that the topic will have. */
static void echo_configs(struct decision *d,
                         const struct create_topics_request_creatable_topic *topic,
                         struct create_topics_response_creatable_topic_result *result) {
    struct config_explanation *explanations;
    int count;
    config_explain(d->broker, d->image, CONFIG_RESOURCE_TOPIC, topic->name, d->arena, &explanations,
                   &count);
    result->configs = (struct create_topics_response_creatable_topic_configs *)arena_array(
        d->arena, (size_t)count, sizeof(*result->configs));
    result->configs_count = count;
    for (int i = 0; i < count; i++) {
        struct create_topics_response_creatable_topic_configs *config = &result->configs[i];
        *config = (struct create_topics_response_creatable_topic_configs){
            .name = explanations[i].name,
            .value = explanations[i].value,
            .read_only = explanations[i].read_only,
            .config_source = (int8_t)explanations[i].source,
            .is_sensitive = explanations[i].sensitive,
        };
        for (int32_t j = 0; j < topic->configs_count; j++) {
            if (slice_equal(topic->configs[j].name, config->name)) {
                config->value = config->is_sensitive ? SLICE_NULL : topic->configs[j].value;
                config->config_source = CONFIG_SOURCE_TOPIC;
            }
        }
    }
}

/* ---- One topic ------------------------------------------------------------------------------- */

static struct uuid draw_topic_id(const struct decision *d) {
    struct uuid id;
    do {
        id = random_uuid(d->machine);
    } while (image_topic_by_id(d->image, id) != NULL);
    return id;
}

static struct verdict create(struct decision *d,
                             const struct create_topics_request_creatable_topic *topic,
                             struct create_topics_response_creatable_topic_result *result) {
    struct verdict ok = check_name(d, topic->name);
    if (ok.error != ERROR_NONE) {
        return ok;
    }
    struct topic_record record;
    message_init(&topic_record_desc, &record);
    record.name = topic->name;
    record.topic_id = draw_topic_id(d);
    record_list_add(&d->records, RECORD_TOPIC, 0, &topic_record_desc, &record);
    if ((ok = add_configs(d, topic)).error != ERROR_NONE) {
        return ok;
    }
    ok = topic->assignments_count > 0 ? assign_manually(d, topic, record.topic_id, result)
                                      : assign_by_count(d, topic, record.topic_id, result);
    if (ok.error == ERROR_NONE) {
        result->topic_id = record.topic_id;
        echo_configs(d, topic, result);
    }
    return ok;
}

static void answer(struct create_topics_response_creatable_topic_result *result, struct slice name,
                   struct verdict outcome) {
    struct uuid id = outcome.error == ERROR_NONE ? result->topic_id : UUID_ZERO;
    if (outcome.error != ERROR_NONE) {
        result->num_partitions = -1;
        result->replication_factor = -1;
    }
    result->name = name;
    result->topic_id = id;
    result->error_code = (int16_t)outcome.error;
    result->error_message = outcome.message;
}

void decide_create_topics(struct decision *d, const struct create_topics_request *request,
                          struct create_topics_response *response) {
    message_init(&create_topics_response_desc, response);
    response->topics = (struct create_topics_response_creatable_topic_result *)arena_array(
        d->arena, (size_t)request->topics_count,
        sizeof(struct create_topics_response_creatable_topic_result));
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        response->topics[i] = (struct create_topics_response_creatable_topic_result){
            .num_partitions = -1, .replication_factor = -1};
    }
    bool too_many = too_many_partitions(d, request);
    response->topics_count = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_creatable_topic *topic = &request->topics[i];
        if (repeats(request, i)) {
            continue;
        }
        struct create_topics_response_creatable_topic_result *result =
            &response->topics[response->topics_count++];
        int before = d->records.count;
        struct verdict outcome;
        if (named_twice(request, i)) {
            outcome = verdict(ERROR_INVALID_REQUEST, "The topic is named twice in the request");
        } else if (slice_equal_str(topic->name, TOPIC_CLUSTER_METADATA)) {
            outcome = verdict(ERROR_INVALID_REQUEST, "This topic cannot be created by a client");
        } else if (too_many) {
            outcome =
                verdict(ERROR_POLICY_VIOLATION, "A request may create at most 10000 partitions");
        } else {
            outcome = create(d, topic, result);
        }
        decision_check_size(d, &outcome);
        if (outcome.error != ERROR_NONE || request->validate_only) {
            decision_rewind(d, before);
        }
        answer(result, topic->name, outcome);
    }
}
