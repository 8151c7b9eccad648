#include "broker/api/telemetry_client.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "broker/server/request.h"

struct client_attributes *telemetry_client_of(struct request *request) {
    struct arena *arena = &request->arena;
    struct client_attributes *client = ARENA_NEW(arena, struct client_attributes);
    struct request_software software;
    request_software(request, &software);
    client->values[CLIENT_INSTANCE_ID] = SLICE_LIT("");
    client->values[CLIENT_ID] =
        slice_is_null(request->client_id) ? SLICE_LIT("") : request->client_id;
    client->values[CLIENT_SOFTWARE_NAME] = software.name;
    client->values[CLIENT_SOFTWARE_VERSION] = software.version;
    client->values[CLIENT_SOURCE_ADDRESS] = request->peer_host;
    client->values[CLIENT_SOURCE_PORT] = slice_str(arena_printf(arena, "%d", software.peer_port));
    return client;
}

/* As Kafka writes ids of clients: 22 characters of base64url. */
void telemetry_client_set_id(struct client_attributes *client, struct uuid id,
                             struct arena *arena) {
    char text[UUID_TEXT_LEN + 1];
    client->values[CLIENT_INSTANCE_ID] =
        slice_str(arena_printf(arena, "%s", uuid_format(id, text)));
}
