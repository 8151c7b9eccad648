/* ListConfigResources (74): what configurations can be asked about (KIP-1142). Version 0 is
 * KIP-714's list of client-metrics subscriptions. */
#include <inttypes.h>

#include "broker/api/api.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/list_config_resources_request.h"
#include "protocol/generated/list_config_resources_response.h"

struct listing {
    struct request *request;
    struct list_config_resources_response response;
};

static void add(struct listing *l, int8_t type, struct slice name) {
    l->response.config_resources[l->response.config_resources_count++] =
        (struct list_config_resources_response_config_resource){
            .resource_type = type,
            .resource_name = name,
        };
}

static void add_brokers(struct listing *l, int8_t type) {
    LIST_FOREACH(it, &l->request->at->image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        add(l, type, slice_str(arena_printf(&l->request->arena, "%" PRId32, broker->id)));
    }
}

/* Resources that exist only by being configured. */
static void add_configured(struct listing *l, int8_t type) {
    HMAP_FOREACH(node, &l->request->at->image->configs) {
        const struct image_config_resource *resource =
            CONTAINER_OF(node, struct image_config_resource, node);
        if (resource->type == type) {
            add(l, type, resource->name);
        }
    }
}

static void add_type(struct listing *l, int8_t type) {
    switch (type) {
    case CONFIG_RESOURCE_TOPIC:
        HMAP_FOREACH(node, &l->request->at->image->topics_by_name) {
            add(l, type, CONTAINER_OF(node, struct image_topic, by_name)->name);
        }
        break;
    case CONFIG_RESOURCE_BROKER:
    case CONFIG_RESOURCE_BROKER_LOGGER:
        add_brokers(l, type);
        break;
    default:
        add_configured(l, type);
        break;
    }
}

static const int8_t known_types[] = {CONFIG_RESOURCE_TOPIC, CONFIG_RESOURCE_BROKER,
                                     CONFIG_RESOURCE_BROKER_LOGGER, CONFIG_RESOURCE_CLIENT_METRICS,
                                     CONFIG_RESOURCE_GROUP};

static bool wanted(const struct list_config_resources_request *body, int16_t version, int8_t type) {
    if (version == 0) {
        return type == CONFIG_RESOURCE_CLIENT_METRICS;
    }
    for (int32_t i = 0; i < body->resource_types_count; i++) {
        if (body->resource_types[i] == type) {
            return true;
        }
    }
    return body->resource_types_count <= 0;
}

static bool all_known(const struct list_config_resources_request *body) {
    for (int32_t i = 0; i < body->resource_types_count; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(known_types); k++) {
            known = known || known_types[k] == body->resource_types[i];
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

void api_list_config_resources(struct request *request) {
    const struct list_config_resources_request *body = request->body;
    const struct image *image = request->at->image;
    struct listing l = {.request = request};
    if (!all_known(body)) {
        request_respond_error(request, ERROR_UNSUPPORTED_VERSION);
        return;
    }
    message_init(&list_config_resources_response_desc, &l.response);
    size_t most = image->topics_by_name.count + image->configs.count;
    LIST_FOREACH(it, &image->brokers) {
        most += 2;
    }
    l.response.config_resources =
        (struct list_config_resources_response_config_resource *)arena_array(
            &request->arena, most, sizeof(*l.response.config_resources));
    for (size_t i = 0; i < ARRAY_LEN(known_types); i++) {
        if (wanted(body, request->version, known_types[i])) {
            add_type(&l, known_types[i]);
        }
    }
    request_respond(request, &l.response);
}
