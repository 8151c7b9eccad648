/*
 * A received frame as the server takes it apart: key and version, header, body. What is accepted is
 * of an API and a version that are served; what it takes from the heap stays within the limit.
 *
 * Input: the frame, without its length. The mutator knows the APIs.
 */
#include <string.h>

#include "base/buffer.h"
#include "broker/server/server_internal.h"
#include "protocol/generated/request_header.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heap.h"
#include "tests/fuzz/message_mutate.h"

#define FRAME_MAX ((size_t)1 << 16)

/* As request_take() leaves it: the arena is that of the request before. */
static struct request *take(struct arena *arena, struct frame *frame, enum api_scope scope) {
    static struct request request;
    request = (struct request){.arena = *arena, .frame = frame, .scope = scope};
    return &request;
}

static void decode(const uint8_t *data, size_t size, enum api_scope scope) {
    static struct arena arena;
    struct frame *frame = frame_new(size);
    if (size > 0) {
        memcpy(frame->data, data, size);
    }
    arena.limit = SIZE_MAX;
    struct request *request = take(&arena, frame, scope);
    const char *reason = NULL;
    size_t limit = message_decode_limit(size);
    heap_count_start();
    bool accepted = request_decode(request, &reason);
    ASSERT(heap_count_end() <= limit + limit / 64); /* the arena's headers */
    ASSERT(IMPLIES(!accepted, reason != NULL));
    if (accepted && reason == NULL) {
        const struct api *api = api_by_key(request->api_key);
        ASSERT(request->body != NULL && request->handler->key == request->api_key);
        ASSERT(request->version <= message_max_version(api->request));
        static struct buffer out;
        out.max = SIZE_MAX;
        buffer_reset(&out);
        ASSERT(message_encode(api->request, request->version, request->body, &out, NULL) ==
               MESSAGE_OK);
    }
    arena = request->arena;
    arena_reset(&arena);
    frame_unref(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size <= FRAME_MAX) {
        decode(data, size, API_SCOPE_BROKER);
        decode(data, size, API_SCOPE_CONTROLLER);
    }
    return 0;
}

static const struct api_handler *handler_of(int16_t key) {
    const struct api_handler *handler = api_handler(key, API_SCOPE_BROKER);
    return handler != NULL ? handler : api_handler(key, API_SCOPE_CONTROLLER);
}

static const struct api_handler *served(uint64_t number) {
    static const struct api_handler *handlers[API_KEY_MAX + 1];
    static size_t count;
    if (count == 0) {
        for (int16_t key = 0; key <= API_KEY_MAX; key++) {
            if (handler_of(key) != NULL) {
                handlers[count++] = handler_of(key);
            }
        }
    }
    return handlers[number % count];
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
    uint64_t random = seed;
    uint64_t kind = fuzz_random(&random) % 8;
    if (kind < 3 || size_max < 64) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    if (size < HEADER_FIXED_LEN || kind == 3 || handler_of((int16_t)load_be16(data)) == NULL) {
        const struct api_handler *handler = served(fuzz_random(&random));
        int versions = handler->max_version - handler->min_version + 1;
        store_be16(data, (uint16_t)handler->key);
        store_be16(data + 2, (uint16_t)(handler->min_version +
                                        (int)(fuzz_random(&random) % (uint64_t)versions)));
        memset(data + 4, 0, 7); /* correlation id, empty client id, no tags */
        size = 11;
    }
    int16_t version = (int16_t)load_be16(data + 2);
    const struct api *api = api_by_key((int16_t)load_be16(data));
    if (version < message_min_version(api->request) ||
        version > message_max_version(api->request)) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct request_header header;
    size_t header_len = 0;
    bool framed =
        message_decode(&request_header_desc, api_request_header_version(api, version),
                       slice_make(data, size), &arena, &header, &header_len) == MESSAGE_OK;
    arena_release(&arena);
    size_t mutated = 0;
    if (framed) {
        mutated = fuzz_mutate_message_behind(api->request, version, data, header_len, size,
                                             size_max, &random);
    }
    return mutated != 0 ? mutated : LLVMFuzzerMutate(data, size, size_max);
}
