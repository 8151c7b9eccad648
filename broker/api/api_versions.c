/* ApiVersions (18): what is served, and which features are supported and finalized (KIP-35,
 * KIP-511, KIP-584). */
#include <ctype.h>

#include "broker/api/api.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"

/* From this version on features with minimum level 0 are listed (KAFKA-17492). */
#define VERSION_LISTS_LEVEL_0 4

/* From this version on the client tells its name. */
#define VERSION_CLIENT_SOFTWARE 3

/* Letters, digits, '.' and '-', and a letter or digit at both ends. */
static bool client_software_valid(struct slice text) {
    if (text.len == 0 || !isalnum(text.data[0]) || !isalnum(text.data[text.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!isalnum(c) && c != '.' && c != '-') {
            return false;
        }
    }
    return true;
}

static void fill_api_keys(enum api_scope scope, struct arena *arena,
                          struct api_versions_response *response) {
    for (const struct api_handler *h = api_handler_next(-1, scope); h != NULL;
         h = api_handler_next(h->key, scope)) {
        response->api_keys_count++;
    }
    response->api_keys =
        arena_array(arena, (size_t)response->api_keys_count, sizeof(*response->api_keys));
    int count = 0;
    for (const struct api_handler *h = api_handler_next(-1, scope); h != NULL;
         h = api_handler_next(h->key, scope)) {
        struct api_versions_response_api_version *out = &response->api_keys[count++];
        out->api_key = h->key;
        out->min_version = h->advertised_min_version;
        out->max_version = h->max_version;
    }
}

static void fill_supported_features(const struct request *request, struct arena *arena,
                                    struct api_versions_response *response) {
    int count = 0;
    while (supported_features[count].name != NULL) {
        count++;
    }
    response->supported_features =
        arena_array(arena, (size_t)count, sizeof(*response->supported_features));
    for (int i = 0; i < count; i++) {
        const struct supported_feature *feature = &supported_features[i];
        if (feature->min_level == 0 && request->version < VERSION_LISTS_LEVEL_0) {
            continue;
        }
        struct api_versions_response_supported_feature_key *out =
            &response->supported_features[response->supported_features_count++];
        out->name = slice_str(feature->name);
        out->min_version = feature->min_level;
        out->max_version = feature->max_level;
    }
}

static void fill_finalized_features(const struct image *image, struct arena *arena,
                                    struct api_versions_response *response) {
    response->finalized_features_epoch = image->offset;
    if (image->offset < 0) {
        return;
    }
    int count = 1;
    LIST_FOREACH(it, &image->features) {
        count++;
    }
    response->finalized_features =
        arena_array(arena, (size_t)count, sizeof(*response->finalized_features));
    if (image->kraft_version > 0) {
        response->finalized_features[response->finalized_features_count++] =
            (struct api_versions_response_finalized_feature_key){
                .name = SLICE_LIT(FEATURE_KRAFT_VERSION),
                .min_version_level = image->kraft_version,
                .max_version_level = image->kraft_version,
            };
    }
    LIST_FOREACH(it, &image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        if (feature->level == 0) {
            continue;
        }
        struct api_versions_response_finalized_feature_key *out =
            &response->finalized_features[response->finalized_features_count++];
        out->name = feature->name;
        out->min_version_level = feature->level;
        out->max_version_level = feature->level;
    }
}

void api_api_versions(struct request *request) {
    const struct api_versions_request *body = request->body;
    struct api_versions_response response;
    message_init(&api_versions_response_desc, &response);
    if (request->version >= VERSION_CLIENT_SOFTWARE &&
        (!client_software_valid(body->client_software_name) ||
         !client_software_valid(body->client_software_version))) {
        response.error_code = ERROR_INVALID_REQUEST;
        request_respond(request, &response);
        return;
    }
    if (request->version >= VERSION_CLIENT_SOFTWARE) {
        request_set_software(request, body->client_software_name, body->client_software_version);
    }
    fill_api_keys(request->scope, &request->arena, &response);
    fill_supported_features(request, &request->arena, &response);
    fill_finalized_features(request->at->image, &request->arena, &response);
    request_respond(request, &response);
}
