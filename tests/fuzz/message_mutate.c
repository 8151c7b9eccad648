#include "tests/fuzz/message_mutate.h"

#include <string.h>

#include "protocol/message_field.h"
#include "tests/fuzz/fuzz.h"

#define ELEMENTS_MAX 64
#define MESSAGES_MAX 1024

const struct message_desc *fuzz_message_at(uint16_t number) {
    static const struct message_desc *messages[MESSAGES_MAX];
    static size_t count;
    if (count == 0) {
        while (message_at(count) != NULL) {
            ASSERT(count < MESSAGES_MAX);
            messages[count] = message_at(count);
            count++;
        }
    }
    return messages[number % count];
}

struct mutation {
    struct arena *arena;
    uint64_t *random;
    int16_t version;
    uint32_t candidates; /* fields seen so far: each replaces the choice with 1/candidates */
    const struct field_desc *field;
    uint8_t *base;
};

static uint64_t below(struct mutation *mutation, uint64_t bound) {
    return fuzz_random(mutation->random) % bound;
}

/* ---- Choosing a field ------------------------------------------------------------------------ */

static void choose_in_struct(struct mutation *mutation, const struct struct_desc *desc,
                             uint8_t *base) {
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, mutation->version)) {
            continue;
        }
        if (below(mutation, ++mutation->candidates) == 0) {
            mutation->field = field;
            mutation->base = base;
        }
        if (field->type != FIELD_STRUCT) {
            continue;
        }
        if (field->flags & FIELD_ARRAY) {
            uint8_t *element = field_pointer(field, base);
            for (int32_t n = 0; n < field_count(field, base); n++) {
                choose_in_struct(mutation, field->nested, element);
                element += field->nested->size;
            }
        } else if (field->flags & FIELD_POINTER) {
            if (field_pointer(field, base) != NULL) {
                choose_in_struct(mutation, field->nested, field_pointer(field, base));
            }
        } else {
            choose_in_struct(mutation, field->nested, field_at_mutable(field, base));
        }
    }
}

/* ---- Making drawn messages fit each other ---------------------------------------------------- */

/* Ids and names out of few, so that messages name what others have made. */
static void tame(struct mutation *mutation, const struct field_desc *field, uint8_t *to) {
    static const char *const names[] = {"a", "b", ""};
    switch ((enum field_type)field->type) {
    case FIELD_UUID:
        memset(to, 0, sizeof(struct uuid));
        to[sizeof(struct uuid) - 1] = (uint8_t)below(mutation, 4);
        break;
    case FIELD_STRING: {
        struct slice name = slice_str(names[below(mutation, ARRAY_LEN(names))]);
        memcpy(to, &name, sizeof(name));
        break;
    }
    case FIELD_INT16:
    case FIELD_INT32:
    case FIELD_INT64: {
        uint64_t value = below(mutation, 8) == 0 ? UINT64_MAX : below(mutation, 3);
        memcpy(to, &value, field_value_size(field));
        break;
    }
    default:
        break;
    }
}

static void tame_struct(struct mutation *mutation, const struct struct_desc *desc, uint8_t *base) {
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, mutation->version)) {
            continue;
        }
        bool array = (field->flags & FIELD_ARRAY) != 0;
        bool pointer = array || (field->flags & FIELD_POINTER) != 0;
        int32_t count = array ? field_count(field, base) : 1;
        uint8_t *value = pointer ? field_pointer(field, base) : field_at_mutable(field, base);
        for (int32_t n = 0; value != NULL && n < count; n++, value += field_value_size(field)) {
            if (field->type == FIELD_STRUCT) {
                tame_struct(mutation, field->nested, value);
            } else if (below(mutation, 8) != 0) {
                tame(mutation, field, value);
            }
        }
    }
}

/* ---- Changing it ----------------------------------------------------------------------------- */

static bool nullable(const struct mutation *mutation, const struct field_desc *field) {
    return version_in(field->nullable, mutation->version);
}

/* Names and ids that come again in other messages now and then. */
static struct slice known_bytes(struct mutation *mutation) {
    static const char *const known[] = {"",
                                        "a",
                                        "b",
                                        "0",
                                        "1",
                                        "topic",
                                        "range",
                                        "consumer",
                                        "metadata.version",
                                        "retention.ms",
                                        "client-id",
                                        "user"};
    return slice_str(known[below(mutation, ARRAY_LEN(known))]);
}

static struct slice change_bytes(struct mutation *mutation, struct slice old) {
    if (below(mutation, 4) == 0) {
        return known_bytes(mutation);
    }
    size_t max = old.len + 32;
    uint8_t *data = (uint8_t *)arena_alloc(mutation->arena, max);
    if (old.len > 0) {
        memcpy(data, old.data, old.len);
    }
    return slice_make(data, LLVMFuzzerMutate(data, old.len, max));
}

static void change_integer(struct mutation *mutation, uint8_t *to, size_t size) {
    static const uint64_t edges[] = {0,      1,      UINT64_MAX, 2,         0x7f,      0x80,
                                     0x7fff, 0x8000, INT32_MAX,  INT64_MAX, INT64_MIN, 5};
    uint64_t value = 0;
    memcpy(&value, to, size);
    switch (below(mutation, 4)) {
    case 0:
        value = edges[below(mutation, ARRAY_LEN(edges))];
        break;
    case 1:
        value++;
        break;
    case 2:
        value--;
        break;
    default:
        value ^= UINT64_C(1) << below(mutation, 8 * size);
        break;
    }
    memcpy(to, &value, size);
}

static void change_value(struct mutation *mutation, const struct field_desc *field, bool null,
                         uint8_t *to) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice;
        memcpy(&slice, to, sizeof(slice));
        slice = null ? SLICE_NULL : change_bytes(mutation, slice);
        memcpy(to, &slice, sizeof(slice));
        break;
    }
    case FIELD_RECORDS: {
        struct message_records records;
        memcpy(&records, to, sizeof(records));
        struct slice slice = slice_make(records.data, records.len);
        slice = null ? SLICE_NULL : change_bytes(mutation, slice);
        records = (struct message_records){.data = slice.data, .len = slice.len};
        memcpy(to, &records, sizeof(records));
        break;
    }
    case FIELD_STRUCT:
        memcpy(to, field->nested->defaults, field->nested->size);
        break;
    case FIELD_BOOL:
        *to = !*to;
        break;
    case FIELD_UUID:
        memset(to, 0, sizeof(struct uuid));
        to[sizeof(struct uuid) - 1] = (uint8_t)below(mutation, 5);
        break;
    default:
        change_integer(mutation, to, field_value_size(field));
        break;
    }
}

/* One element more, fewer or other. */
static void change_array(struct mutation *mutation, const struct field_desc *field, uint8_t *base) {
    int32_t count = field_count(field, base);
    if (nullable(mutation, field) && below(mutation, 4) == 0) {
        field_set_count(field, base, count < 0 ? 0 : -1);
        field_set_pointer(field, base, NULL);
        return;
    }
    size_t old_count = count < 0 ? 0 : (size_t)count;
    size_t size = field_value_size(field);
    uint8_t *old = field_pointer(field, base);
    uint8_t *elements = (uint8_t *)arena_array(mutation->arena, old_count + 1, size);
    if (old_count > 0) {
        memcpy(elements, old, old_count * size);
    }
    size_t at = below(mutation, old_count + 1);
    switch (old_count == 0 || old_count > ELEMENTS_MAX ? 0 : below(mutation, 4)) {
    case 0: /* cut, or the first one */
        if (old_count == 0) {
            at = 1;
            if (field->type == FIELD_STRUCT) {
                memcpy(elements, field->nested->defaults, size);
            }
        }
        field_set_count(field, base, (int32_t)at);
        break;
    case 1: /* again */
        memcpy(elements + old_count * size, elements + (at % old_count) * size, size);
        field_set_count(field, base, (int32_t)old_count + 1);
        break;
    case 2: /* with a default */
        if (field->type == FIELD_STRUCT) {
            memcpy(elements + old_count * size, field->nested->defaults, size);
        }
        field_set_count(field, base, (int32_t)old_count + 1);
        break;
    default:
        if (field->type != FIELD_STRUCT) {
            change_value(mutation, field, false, elements + (at % old_count) * size);
        }
        break;
    }
    field_set_pointer(field, base, elements);
}

static void change_field(struct mutation *mutation) {
    const struct field_desc *field = mutation->field;
    bool null = nullable(mutation, field) && below(mutation, 4) == 0;
    if (field->flags & FIELD_ARRAY) {
        change_array(mutation, field, mutation->base);
    } else if (field->flags & FIELD_POINTER) {
        void *value = null ? NULL : arena_alloc(mutation->arena, field->nested->size);
        if (value != NULL) {
            memcpy(value, field->nested->defaults, field->nested->size);
        }
        field_set_pointer(field, mutation->base, value);
    } else {
        change_value(mutation, field, null, field_at_mutable(field, mutation->base));
    }
}

size_t fuzz_mutate_message(const struct message_desc *desc, int16_t version, uint8_t *data,
                           size_t size, size_t size_max, uint64_t *random) {
    static struct arena arena;
    static struct buffer out;
    arena.limit = SIZE_MAX;
    out.max = size_max;
    buffer_reset(&out);
    void *message = arena_alloc(&arena, message_size(desc));
    struct mutation mutation = {.arena = &arena, .random = random, .version = version};
    if (below(&mutation, 16) == 0 || message_decode(desc, version, slice_make(data, size), &arena,
                                                    message, NULL) != MESSAGE_OK) {
        struct message_dice dice = {.draw = fuzz_draw_random, .ctx = random};
        message_random(desc, version, &dice, &arena, message);
        if (below(&mutation, 4) != 0) {
            tame_struct(&mutation, desc->root, (uint8_t *)message);
        }
    } else {
        choose_in_struct(&mutation, desc->root, (uint8_t *)message);
        if (mutation.field != NULL) {
            change_field(&mutation);
        }
    }
    bool encoded = message_encode(desc, version, message, &out, NULL) == MESSAGE_OK;
    if (encoded && out.len > 0) {
        memcpy(data, out.data, out.len);
    }
    arena_reset(&arena);
    return encoded ? out.len : 0;
}
