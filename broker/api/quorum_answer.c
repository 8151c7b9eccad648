#include "broker/api/quorum_answer.h"

#include "broker/controller/controller_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"

struct quorum *request_quorum(const struct request *request) {
    return controller_quorum(request->at->node);
}

bool quorum_question_ok(struct request *request, struct slice cluster_id) {
    const struct quorum *quorum = request_quorum(request);
    if (quorum == NULL) {
        request_respond_error(request, ERROR_BROKER_NOT_AVAILABLE);
        return false;
    }
    if (!quorum_is_cluster(quorum, cluster_id)) {
        request_respond_error(request, ERROR_INCONSISTENT_CLUSTER_ID);
        return false;
    }
    return true;
}

static void on_reply(struct quorum_ask *ask, const struct raft_reply *reply) {
    struct quorum_question *question = CONTAINER_OF(ask, struct quorum_question, ask);
    question->respond(question, reply);
}

void quorum_question_ask(struct request *request, const struct raft_request *message,
                         void (*respond)(struct quorum_question *question,
                                         const struct raft_reply *reply)) {
    struct quorum_question *question = ARENA_NEW(&request->arena, struct quorum_question);
    question->request = request;
    question->quorum = request_quorum(request);
    question->respond = respond;
    quorum_ask(question->quorum, &question->ask, message, on_reply);
}

bool is_metadata_topic(struct slice name) {
    return slice_equal_str(name, TOPIC_CLUSTER_METADATA);
}

bool quorum_question_leader(const struct quorum_question *question, int32_t leader_id,
                            struct slice *host, int *port) {
    const char *text;
    if (!quorum_node_address(question->quorum, leader_id, &text, port)) {
        return false;
    }
    *host = arena_dup(&question->request->arena, slice_str(text));
    return true;
}

int quorum_endpoint_index(const struct quorum *quorum, const struct slice *names, size_t stride,
                          int count) {
    struct slice wanted = quorum_listener_name(quorum);
    const char *at = (const char *)names;
    for (int i = 0; i < count; i++, at += stride) {
        struct slice name;
        memcpy(&name, at, sizeof(name));
        if (slice_equal(name, wanted)) {
            return i;
        }
    }
    return count > 0 ? 0 : -1;
}
