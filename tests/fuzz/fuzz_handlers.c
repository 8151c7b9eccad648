/*
 * Requests of all APIs that clients are served, drawn from the input by their tables, to a whole
 * node in the simulated world. It has topics, records and a group; names, ids and record batches in
 * the requests are mostly those. Every request is answered with what decodes, or its connection is
 * closed; the node lives on, and after a kill it starts again.
 *
 * Input: u8 choice (bit 0 two shards, bit 1 a kill and another start at the end), then for each
 * request u8 API (255: a kill and another start instead), u8 version, u8 dice that are used before
 * the next request, then those dice.
 *
 * A node is kept over many inputs, as its start takes a hundred times what a request takes; what
 * the input chooses is then done now and then. What a node has been asked since it was new is
 * written to <artifact_prefix>history-<pid>, as an input: an input that is given as a file has a
 * node of its own, may be of any length, and does all that it says.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/api/api.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/message_field.h"
#include "protocol/records.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/node_script.h"

#define REQUESTS_MAX 12
#define ANSWER_MS    300 /* a request that waits longer is given up */
/* Of a node that is kept. */
#define INPUTS_MAX     4000
#define PARTITIONS_MAX 150
#define RESTART_AFTER  500 /* inputs */
#define API_RESTART    255

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

/* ---- Which API ------------------------------------------------------------------------------- */

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

/* ---- The node that is kept ------------------------------------------------------------------- */

static struct {
    struct node_world *world;
    int inputs;     /* since it was new */
    int start_at;   /* inputs until another start may be asked for */
    unsigned count; /* of nodes so far */
} kept;

static int history = -1;
static bool single_inputs; /* files are given, not directories */

static void history_add(const void *bytes, size_t len) {
    if (history >= 0) {
        ssize_t written = write(history, bytes, len);
        ASSERT(written == (ssize_t)len);
    }
}

static void history_start(uint8_t choice) {
    if (history >= 0) {
        int failed = ftruncate(history, 0);
        ASSERT(failed == 0);
        history_add(&choice, 1);
    }
}

static char history_path[1024];

static void history_remove(void) {
    (void)unlink(history_path);
}

static void history_open(const char *prefix) {
    snprintf(history_path, sizeof(history_path), "%shistory-%d", prefix, (int)getpid());
    history = open(history_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    ASSERT(history >= 0);
    atexit(history_remove); /* not after a finding: libFuzzer ends at once then */
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const char prefix[] = "-artifact_prefix=";
    const char *artifacts = NULL;
    for (int i = 1; i < *argc; i++) {
        const char *arg = (*argv)[i];
        struct stat status;
        if (strncmp(arg, prefix, sizeof(prefix) - 1) == 0) {
            artifacts = arg + sizeof(prefix) - 1;
        } else if (arg[0] != '-' && stat(arg, &status) == 0 && S_ISREG(status.st_mode)) {
            single_inputs = true;
        }
    }
    if (artifacts != NULL && !single_inputs) {
        history_open(artifacts);
    }
    return 0;
}

/* Of lines that nobody reads only those are formatted that are errors; all of them where a wrong
 * read would be seen. */
static void quiet(struct node_world *world) {
#ifndef FUZZ_ADDRESS_SANITIZER
    log_set_level(world->node.machine, LOG_LEVEL_ERROR);
#endif
}

static void restart(struct node_world *world) {
    static const uint8_t restarts = API_RESTART;
    history_add(&restarts, 1);
    ASSERT(world->log.error_lines == 0); /* a start forgets them */
    node_world_kill(world);
    quiet(world);
    ASSERT(node_world_start(world) == 0);
}

static void restart_sometimes(struct node_world *world) {
    if (single_inputs || kept.inputs >= kept.start_at) {
        kept.start_at = kept.inputs + RESTART_AFTER;
        restart(world);
    }
}

/* Into what takes long whatever is asked. */
static bool has_grown(const struct node_world *world) {
    const struct image *metadata = world->node.node->shards[0].image;
    int partitions = 0;
    HMAP_FOREACH(it, &metadata->topics_by_name) {
        partitions += CONTAINER_OF(it, struct image_topic, by_name)->partition_count;
    }
    return partitions > PARTITIONS_MAX;
}

static void discard(void) {
    ASSERT(kept.world->log.error_lines == 0);
    node_world_free(kept.world);
    kept.world = NULL;
}

static struct node_world *current(uint8_t choice) {
    if (image == NULL) {
        make_image();
    }
    if (kept.world != NULL && (kept.inputs >= INPUTS_MAX || has_grown(kept.world))) {
        restart_sometimes(kept.world);
        discard();
    }
    if (kept.world == NULL) {
        choice = single_inputs ? choice & 1 : kept.count % 2;
        history_start(choice);
        kept.world = world_new(2, 1 + choice);
        kept.world->answer_ms = ANSWER_MS;
        node_world_wait(kept.world, 100000); /* later than anything in the image */
        sim_disk_restore(kept.world->node.machine, image, NULL);
        quiet(kept.world);
        ASSERT(node_world_start(kept.world) == 0);
        kept.count++;
        kept.inputs = 0;
        kept.start_at = 0;
    }
    kept.inputs++;
    return kept.world;
}

/* ---- A run ----------------------------------------------------------------------------------- */

static void send(struct node_world *world, const struct api_handler *handler, int16_t version,
                 struct slice dice_bytes) {
    static struct arena arena;
    arena.limit = SIZE_MAX;
    const struct message_desc *desc = api_by_key(handler->key)->request;
    struct message_dice dice = {.draw = fuzz_draw_input, .ctx = &dice_bytes};
    void *request = arena_alloc(&arena, message_size(desc));
    message_random(desc, version, &dice, &arena, request);
    struct drawing drawing = {.in = &dice_bytes, .arena = &arena, .version = version};
    improve_struct(&drawing, desc->root, request);
    node_world_connect(world);
    (void)node_world_call(world, handler->key, version, request);
    ASSERT(node_world_alive(world));
    arena_reset(&arena);
}

static void ask(struct node_world *world, struct slice *in) {
    uint8_t head[3] = {fuzz_take_u8(in)};
    if (head[0] == API_RESTART) {
        restart_sometimes(world);
        return;
    }
    head[1] = fuzz_take_u8(in);
    struct slice dice = fuzz_take(in, fuzz_take_u8(in));
    head[2] = (uint8_t)dice.len;
    history_add(head, sizeof(head));
    history_add(dice.data, dice.len);
    const struct api_handler *handler = pick_handler(head[0]);
    int versions = handler->max_version - handler->min_version + 1;
    send(world, handler, (int16_t)(handler->min_version + head[1] % versions), dice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_make(data, size);
    uint8_t choice = fuzz_take_u8(&in);
    struct node_world *world = current(choice);
    for (int i = 0; (i < REQUESTS_MAX || single_inputs) && in.len > 0; i++) {
        ask(world, &in);
    }
    if ((choice & 2) != 0) {
        restart_sometimes(world);
    }
    ASSERT(world->log.error_lines == 0);
    if (single_inputs) {
        discard();
    }
    return 0;
}
