#include "tools/admin/quorum.h"

#include "protocol/generated/describe_quorum_request.h"

const struct describe_quorum_response *
quorum_describe(struct client *client, const struct describe_quorum_response_partition_data **out) {
    struct describe_quorum_request_partition_data partition =
        describe_quorum_request_partition_data_defaults;
    struct describe_quorum_request_topic_data topic = describe_quorum_request_topic_data_defaults;
    topic.topic_name = SLICE_LIT("__cluster_metadata");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct describe_quorum_request request;
    message_init(&describe_quorum_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    const struct describe_quorum_response *response =
        client_call(client, CLIENT_ANY, API_DESCRIBE_QUORUM, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return NULL;
    }
    int16_t code = response->error_code;
    bool there = response->topics_count == 1 && response->topics[0].partitions_count == 1;
    if (code == ERROR_NONE && there) {
        *out = &response->topics[0].partitions[0];
        code = (*out)->error_code;
    }
    if (code != ERROR_NONE || !there) {
        client_fail(client, code, response->error_message);
        return NULL;
    }
    return response;
}
