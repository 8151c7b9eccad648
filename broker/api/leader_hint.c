#include "broker/api/leader_hint.h"

#include "broker/api/broker_address.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"

bool leader_hint(const struct request *request, struct uuid topic_id, int32_t partition,
                 struct leader_hint *out) {
    const struct image *image = request->at->image;
    const struct image_topic *topic = image_topic_by_id(image, topic_id);
    const struct image_partition *found = topic != NULL ? image_partition(topic, partition) : NULL;
    if (found == NULL) {
        return false;
    }
    *out = (struct leader_hint){.leader = found->leader, .leader_epoch = found->leader_epoch};
    const struct image_broker *broker = image_broker(image, found->leader);
    struct broker_address address;
    if (broker != NULL && broker_address(request, broker, &address)) {
        out->has_endpoint = true;
        out->host = address.host;
        out->port = address.port;
        out->rack = broker->rack;
    }
    return true;
}
