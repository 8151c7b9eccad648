#include "broker/api/cluster_view.h"

#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/replica/lost_leaders.h"
#include "broker/server/request.h"
#include "runtime/machine.h"

static const struct image_endpoint *endpoint(const struct image_broker *broker,
                                             const char *listener) {
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (slice_equal_str(broker->endpoints[i].name, listener)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

/* Whether clients of the listener can use it: not fenced, and an endpoint there. */
static bool broker_is_alive(const struct image *image, int32_t id, const char *listener) {
    const struct image_broker *broker = image_broker(image, id);
    return broker != NULL && !broker->fenced && endpoint(broker, listener) != NULL;
}

int32_t any_alive_broker(const struct request *request) {
    const struct image *image = request->at->image;
    uint64_t seen = 0;
    int32_t chosen = -1;
    if (broker_is_alive(image, request->at->node->id, request->listener_name)) {
        return request->at->node->id;
    }
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        if (broker_is_alive(image, broker->id, request->listener_name) &&
            random_below(request->at->node->machine, ++seen) == 0) {
            chosen = broker->id;
        }
    }
    return chosen;
}

struct partition_view partition_view(struct request *request,
                                     const struct image_partition *partition) {
    const struct image *image = request->at->image;
    const char *listener = request->listener_name;
    struct arena *arena = &request->arena;
    struct partition_view view = {.error = ERROR_NONE, .leader = partition->leader};
    view.offline = (int32_t *)arena_array(arena, (size_t)partition->replica_count, sizeof(int32_t));
    for (int32_t i = 0; i < partition->replica_count; i++) {
        struct uuid directory =
            partition->directories == NULL ? UUID_ZERO : partition->directories[i];
        if (!broker_is_alive(image, partition->replicas[i], listener) ||
            !broker_has_directory(image, partition->replicas[i], directory)) {
            view.offline[view.offline_count++] = partition->replicas[i];
        }
    }
    if (partition->leader < 0) {
        view.error = ERROR_LEADER_NOT_AVAILABLE;
    } else if (!broker_is_alive(image, partition->leader, listener)) {
        const struct image_broker *leader = image_broker(image, partition->leader);
        view.error = leader != NULL && !leader->fenced ? ERROR_LISTENER_NOT_FOUND
                                                       : ERROR_LEADER_NOT_AVAILABLE;
        view.leader = -1;
    } else if (leader_is_lost(request->at, partition->leader)) {
        view.error = ERROR_LEADER_NOT_AVAILABLE;
        view.leader = -1;
    }
    return view;
}
