/*
 * Requests of all APIs that clients are served, drawn from the input by their tables, to a whole
 * node in the simulated world. It has topics, records and a group; names, ids and record batches in
 * the requests are mostly those. Every request is answered with what decodes, or its connection is
 * closed; the node lives on, and after a kill it starts again.
 *
 * Input: for each request u8 API, u8 version, u8 dice that are used before the next request, then
 * those dice. The first byte of all: bit 0 two shards, bit 1 a kill and another start at the end.
 */
#include <string.h>

#include "broker/api/api.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/message_field.h"
#include "protocol/records.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/node_script.h"

#define REQUESTS_MAX 12

static const char *const overrides[] = {
    "offsets.topic.segment.bytes=1048576",
    "group.initial.rebalance.delay.ms=0",
    "auto.create.topics.enable=true",
};

static struct disk *image;
static struct uuid topic_ids[2];

/* ---- The node -------------------------------------------------------------------------------- */

/* Ids are drawn from the seed, and must not be those of the image again. */
static struct node_world *world_new(uint64_t seed, int shards) {
    return node_world_new(seed, shards, overrides, ARRAY_LEN(overrides));
}

static void make_image(void) {
    struct node_world *world = world_new(1, 1);
    int64_t producer;
    bool good = node_world_start(world) == 0 && script_create_topic(world, "alpha", 2) &&
                script_create_topic(world, "beta", 1) &&
                (producer = script_producer_id(world)) >= 0 &&
                script_produce(world, "alpha", 0, COMPRESSION_NONE, producer, 0, NULL) &&
                script_produce(world, "alpha", 1, COMPRESSION_ZSTD, producer, 0, NULL) &&
                script_produce(world, "beta", 0, COMPRESSION_LZ4, NO_PRODUCER_ID, 0, NULL) &&
                script_commit(world, "group", "alpha", 2);
    ASSERT(good);
    const struct image *metadata = world->node.node->shards[0].image;
    topic_ids[0] = image_topic_by_name(metadata, SLICE_LIT("alpha"))->id;
    topic_ids[1] = image_topic_by_name(metadata, SLICE_LIT("beta"))->id;
    good = node_world_stop(world);
    ASSERT(good);
    image = sim_disk_save(world->node.machine);
    node_world_free(world);
}

/* ---- Requests that mean something ------------------------------------------------------------ */

struct drawing {
    struct slice *in;
    struct arena *arena;
    int16_t version;
};

static void improve_struct(struct drawing *drawing, const struct struct_desc *desc, void *base);

static struct slice draw_name(struct drawing *drawing, struct slice old) {
    static const char *const names[] = {"alpha",
                                        "beta",
                                        "group",
                                        "__consumer_offsets",
                                        "1",
                                        "new",
                                        "cleanup.policy",
                                        "min.insync.replicas",
                                        "consumer",
                                        "delete",
                                        "range",
                                        "log.retention.ms",
                                        "metadata.version"};
    uint8_t choice = fuzz_take_u8(drawing->in);
    return choice < 32 ? old : slice_str(names[choice % ARRAY_LEN(names)]);
}

/* A batch that is right but for what the dice say. */
static struct message_records draw_records(struct drawing *drawing, struct message_records old) {
    uint8_t choice = fuzz_take_u8(drawing->in);
    if (choice < 32) {
        return old;
    }
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = (enum compression)(choice % 5);
    options.producer_id = (choice & 64) != 0 ? 0 : NO_PRODUCER_ID;
    options.producer_epoch = (choice & 64) != 0 ? 0 : -1;
    options.base_sequence = (choice & 64) != 0 ? fuzz_take_u8(drawing->in) % 8 : -1;
    options.transactional = choice == 255;
    struct batch_builder builder;
    struct buffer out;
    buffer_init(&out, 1 << 16);
    batch_builder_init(&builder, &options, 1 << 16);
    for (int i = 0; i <= choice % 4; i++) {
        batch_builder_add(&builder, 1700000000000 + i, i % 2 == 0 ? SLICE_NULL : SLICE_LIT("key"),
                          SLICE_LIT("value"), NULL, 0);
    }
    bool built = batch_builder_finish(&builder, &out);
    ASSERT(built);
    batch_builder_release(&builder);
    struct slice copy = arena_dup(drawing->arena, buffer_slice(&out));
    buffer_release(&out);
    return (struct message_records){.data = copy.data, .len = copy.len};
}

static void improve_value(struct drawing *drawing, const struct field_desc *field, uint8_t *at) {
    struct slice slice;
    struct message_records records;
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
        memcpy(&slice, at, sizeof(slice));
        slice = draw_name(drawing, slice);
        memcpy(at, &slice, sizeof(slice));
        break;
    case FIELD_RECORDS:
        memcpy(&records, at, sizeof(records));
        records = draw_records(drawing, records);
        memcpy(at, &records, sizeof(records));
        break;
    case FIELD_UUID:
        if (fuzz_take_u8(drawing->in) >= 64) {
            memcpy(at, &topic_ids[fuzz_take_u8(drawing->in) % 2], sizeof(topic_ids[0]));
        }
        break;
    case FIELD_INT32:
        if (fuzz_take_u8(drawing->in) >= 64) {
            int32_t small = fuzz_take_u8(drawing->in) % 4 - 1;
            memcpy(at, &small, sizeof(small));
        }
        break;
    case FIELD_STRUCT:
        improve_struct(drawing, field->nested, at);
        break;
    default:
        break;
    }
}

static void improve_struct(struct drawing *drawing, const struct struct_desc *desc, void *base) {
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, drawing->version)) {
            continue; /* keeps its default */
        }
        if ((field->flags & FIELD_ARRAY) != 0) {
            uint8_t *element = field_pointer(field, base);
            for (int32_t k = 0; k < field_count(field, base); k++) {
                improve_value(drawing, field, element);
                element += field_value_size(field);
            }
        } else if ((field->flags & FIELD_POINTER) != 0) {
            if (field_pointer(field, base) != NULL) {
                improve_struct(drawing, field->nested, field_pointer(field, base));
            }
        } else {
            improve_value(drawing, field, field_at_mutable(field, base));
        }
    }
}

/* ---- A run ----------------------------------------------------------------------------------- */

static const struct api_handler *pick_handler(uint8_t number) {
    const struct api_handler *handler = NULL;
    int count = 0;
    while ((handler = api_handler_next(handler == NULL ? -1 : handler->key, API_SCOPE_BROKER)) !=
           NULL) {
        count++;
    }
    int wanted = number % count;
    handler = NULL;
    for (int i = 0; i <= wanted; i++) {
        handler = api_handler_next(handler == NULL ? -1 : handler->key, API_SCOPE_BROKER);
    }
    return handler;
}

static void ask(struct node_world *world, struct slice *in) {
    static struct arena arena;
    arena.limit = SIZE_MAX;
    const struct api_handler *handler = pick_handler(fuzz_take_u8(in));
    int versions = handler->max_version - handler->min_version + 1;
    int16_t version = (int16_t)(handler->min_version + fuzz_take_u8(in) % versions);
    struct slice dice_bytes = fuzz_take(in, fuzz_take_u8(in));
    const struct message_desc *desc = api_by_key(handler->key)->request;
    struct message_dice dice = {.draw = fuzz_draw_input, .ctx = &dice_bytes};
    void *request = arena_alloc(&arena, message_size(desc));
    message_random(desc, version, &dice, &arena, request);
    struct drawing drawing = {.in = &dice_bytes, .arena = &arena, .version = version};
    improve_struct(&drawing, desc->root, request);
    (void)node_world_call(world, handler->key, version, request);
    ASSERT(node_world_alive(world));
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (image == NULL) {
        make_image();
    }
    struct slice in = slice_make(data, size);
    uint8_t choice = fuzz_take_u8(&in);
    struct node_world *world = world_new(2, 1 + (choice & 1));
    node_world_wait(world, 100000); /* later than anything in the image */
    sim_disk_restore(world->node.machine, image, NULL);
    ASSERT(node_world_start(world) == 0);
    for (int i = 0; i < REQUESTS_MAX && in.len > 2; i++) {
        ask(world, &in);
    }
    if ((choice & 2) != 0) {
        node_world_kill(world);
        ASSERT(node_world_start(world) == 0);
    }
    ASSERT(world->log.error_lines == 0);
    node_world_free(world);
    return 0;
}
