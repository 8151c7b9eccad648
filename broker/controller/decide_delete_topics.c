/* DeleteTopics: by name, from version 6 also by id. */
#include "broker/config/config.h"
#include "broker/controller/decision.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/remove_topic_record.h"
#include "protocol/message.h"

static struct slice name_of(const struct delete_topics_request *request, int32_t index) {
    return request->topics_count > 0 ? request->topics[index].name : request->topic_names[index];
}

static struct uuid id_of(const struct delete_topics_request *request, int32_t index) {
    return request->topics_count > 0 ? request->topics[index].topic_id : UUID_ZERO;
}

static const struct image_topic *find(const struct decision *d, struct slice name, struct uuid id) {
    return slice_is_null(name) ? image_topic_by_id(d->image, id)
                               : image_topic_by_name(d->image, name);
}

/* Whether another entry of the request, before or behind, means the same topic. */
static bool named_twice(const struct decision *d, const struct delete_topics_request *request,
                        int32_t count, int32_t index) {
    struct slice name = name_of(request, index);
    struct uuid id = id_of(request, index);
    const struct image_topic *topic = find(d, name, id);
    for (int32_t i = 0; i < count; i++) {
        struct slice other_name = name_of(request, i);
        struct uuid other_id = id_of(request, i);
        bool given_by_both = !slice_is_null(other_name) && !uuid_is_zero(other_id);
        if (i == index || given_by_both) {
            continue;
        }
        if ((topic != NULL && find(d, other_name, other_id) == topic) ||
            (!slice_is_null(name) && slice_equal(name, other_name)) ||
            (slice_is_null(name) && slice_is_null(other_name) && uuid_equal(id, other_id))) {
            return true;
        }
    }
    return false;
}

/* Whether an earlier entry is the same, and so answers for this one too. */
static bool repeats(const struct delete_topics_request *request, int32_t index) {
    for (int32_t i = 0; i < index; i++) {
        if (slice_is_null(name_of(request, i)) == slice_is_null(name_of(request, index)) &&
            slice_equal(name_of(request, i), name_of(request, index)) &&
            uuid_equal(id_of(request, i), id_of(request, index))) {
            return true;
        }
    }
    return false;
}

static struct verdict delete_one(struct decision *d, const struct delete_topics_request *request,
                                 int32_t count, int32_t index,
                                 struct delete_topics_response_deletable_topic_result *result) {
    struct slice name = name_of(request, index);
    struct uuid id = id_of(request, index);
    if (!slice_is_null(name) && !uuid_is_zero(id)) {
        return verdict(ERROR_INVALID_REQUEST, "A topic is given by name or by id, not by both");
    }
    if (slice_is_null(name) && uuid_is_zero(id)) {
        return verdict(ERROR_INVALID_REQUEST, "Neither the topic's name nor its id was given");
    }
    if (named_twice(d, request, count, index)) {
        return verdict(ERROR_INVALID_REQUEST, "The topic is named twice in the request");
    }
    const struct image_topic *topic = find(d, name, id);
    if (topic == NULL) {
        enum kafka_error error =
            slice_is_null(name) ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return verdict(error, error_message((int16_t)error));
    }
    struct remove_topic_record record;
    message_init(&remove_topic_record_desc, &record);
    record.topic_id = topic->id;
    record_list_add(&d->records, RECORD_REMOVE_TOPIC, 0, &remove_topic_record_desc, &record);
    result->name = arena_dup(d->arena, topic->name);
    result->topic_id = topic->id;
    return VERDICT_OK;
}

void decide_delete_topics(struct decision *d, const struct delete_topics_request *request,
                          int16_t version, struct delete_topics_response *response) {
    int32_t count = request->topics_count > 0 ? request->topics_count : request->topic_names_count;
    message_init(&delete_topics_response_desc, response);
    response->responses = (struct delete_topics_response_deletable_topic_result *)arena_array(
        d->arena, (size_t)count, sizeof(*response->responses));
    bool too_many = count > DECISION_RECORDS_MAX;
    bool enabled = config_bool(d->config, CONFIG_DELETE_TOPIC_ENABLE);
    for (int32_t i = 0; i < count; i++) {
        if (!too_many && repeats(request, i)) {
            continue;
        }
        struct delete_topics_response_deletable_topic_result *result =
            &response->responses[response->responses_count++];
        result->name = name_of(request, i);
        result->topic_id = id_of(request, i);
        struct verdict outcome =
            too_many  ? verdict(ERROR_POLICY_VIOLATION, "The request needs more than 10000 records")
            : enabled ? delete_one(d, request, count, i, result)
            : version < 3 ? verdict(ERROR_INVALID_REQUEST, "Topic deletion is disabled")
                          : verdict(ERROR_TOPIC_DELETION_DISABLED, NULL);
        result->error_code = (int16_t)outcome.error;
        result->error_message = outcome.message;
    }
}
