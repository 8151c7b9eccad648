/*
 * What the handlers of the quorum's own APIs (Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and
 * FetchSnapshot of the metadata log) have in common: they move to shard 0, check whom the request
 * is for, ask the quorum, and answer when it has.
 */
#ifndef BROKER_API_QUORUM_ANSWER_H
#define BROKER_API_QUORUM_ANSWER_H

#include "broker/quorum/quorum_requests.h"
#include "broker/server/request.h"

/* A request that the quorum is asked for; in the request's arena. */
struct quorum_question {
    struct quorum_ask ask;
    struct request *request;
    struct quorum *quorum;
    void (*respond)(struct quorum_question *question, const struct raft_reply *reply);
};

/* The node's quorum; NULL before there is one. On shard 0. */
struct quorum *request_quorum(const struct request *request);

/* Whether the request may be meant for this node's quorum; otherwise it was answered with an error
 * as a whole: BROKER_NOT_AVAILABLE, INCONSISTENT_CLUSTER_ID. */
bool quorum_question_ok(struct request *request, struct slice cluster_id);

/* respond follows once, on shard 0. */
void quorum_question_ask(struct request *request, const struct raft_request *message,
                         void (*respond)(struct quorum_question *question,
                                         const struct raft_reply *reply));

bool is_metadata_topic(struct slice name);

/* The address of the leader that an answer names, to tell it with the answer. */
bool quorum_question_leader(const struct quorum_question *question, int32_t leader_id,
                            struct slice *host, int *port);

/*
 * Vote, BeginQuorumEpoch and EndQuorumEpoch have each their own structs, generated from Kafka's
 * definitions, in which the same is said by the same names: so what they share are macros.
 */

/* Whether the request's body names the one partition of the metadata log, and nothing else. */
#define QUORUM_QUESTION_NAMES_LOG(body)                                                            \
    ((body)->topics_count == 1 && is_metadata_topic((body)->topics->topic_name) &&                 \
     (body)->topics->partitions_count == 1 && (body)->topics->partitions->partition_index == 0)

/* Answers with what consensus said; `more` are further fields of the partition, if any. */
#define QUORUM_QUESTION_RESPOND(message, question, reply, more)                                    \
    do {                                                                                           \
        struct request *to_ = (question)->request;                                                 \
        const struct message##_request *body_ = to_->body;                                         \
        struct message##_response_partition_data partition_ = {.error_code =                       \
                                                                   (int16_t)(reply)->error,        \
                                                               .leader_id = (reply)->leader_id,    \
                                                               .leader_epoch = (reply)->epoch,     \
                                                               more};                              \
        struct message##_response_topic_data topic_ = {.topic_name = body_->topics->topic_name,    \
                                                       .partitions = &partition_,                  \
                                                       .partitions_count = 1};                     \
        struct message##_response_node_endpoint endpoint_ = {.node_id = (reply)->leader_id};       \
        struct message##_response response_;                                                       \
        int port_;                                                                                 \
        message_init(&message##_response_desc, &response_);                                        \
        response_.topics = &topic_;                                                                \
        response_.topics_count = 1;                                                                \
        if (to_->version >= 1 &&                                                                   \
            quorum_question_leader(question, (reply)->leader_id, &endpoint_.host, &port_)) {       \
            endpoint_.port = (uint16_t)port_;                                                      \
            response_.node_endpoints = &endpoint_;                                                 \
            response_.node_endpoints_count = 1;                                                    \
        }                                                                                          \
        request_respond(to_, &response_);                                                          \
    } while (0)

/* The endpoint of this node's listener among those of a request; -1: there is none. `names` is the
 * name of the first endpoint; each is `stride` bytes behind the one before. */
int quorum_endpoint_index(const struct quorum *quorum, const struct slice *names, size_t stride,
                          int count);

#endif
