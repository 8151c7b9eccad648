/*
 * Random messages, for tests: every field that the version carries is drawn, the others keep their
 * defaults, so that a message survives encoding and decoding unchanged.
 */
#include <string.h>

#include "base/assert.h"
#include "protocol/message_field.h"

struct drawing {
    const struct message_dice *dice;
    struct arena *arena;
    int16_t version;
};

static void draw_struct(struct drawing *drawing, const struct struct_desc *desc, void *base);

static uint64_t draw(struct drawing *drawing) {
    return drawing->dice->draw(drawing->dice->ctx);
}

static uint64_t draw_below(struct drawing *drawing, uint64_t bound) {
    return draw(drawing) % bound;
}

/* Values at the edges are as likely as all others together. */
static uint64_t draw_integer(struct drawing *drawing) {
    static const uint64_t edges[] = {0, 1, UINT64_MAX, 0x7f, 0x80, 0x7fff, INT32_MAX, INT64_MAX};
    return draw(drawing) & 1 ? edges[draw_below(drawing, ARRAY_LEN(edges))] : draw(drawing);
}

static struct slice draw_slice(struct drawing *drawing, bool text, size_t max) {
    size_t len = draw_below(drawing, max + 1);
    uint8_t *data = arena_alloc(drawing->arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(text ? 'a' + draw_below(drawing, 26) : draw(drawing));
    }
    return slice_make(data, len);
}

static bool draw_null(struct drawing *drawing, const struct field_desc *field) {
    return version_in(field->nullable, drawing->version) && draw_below(drawing, 4) == 0;
}

static void draw_value(struct drawing *drawing, const struct field_desc *field, uint8_t *to) {
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        *to = draw(drawing) & 1;
        break;
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice slice = draw_slice(drawing, field->type == FIELD_STRING, 20);
        memcpy(to, &slice, sizeof(slice));
        break;
    }
    case FIELD_RECORDS: {
        struct slice slice = draw_slice(drawing, false, 200);
        struct message_records records = {.data = slice.data, .len = slice.len};
        memcpy(to, &records, sizeof(records));
        break;
    }
    case FIELD_UUID:
        for (size_t i = 0; i < sizeof(struct uuid); i++) {
            to[i] = (uint8_t)draw(drawing);
        }
        break;
    case FIELD_FLOAT64: {
        double value = (double)(int64_t)draw_integer(drawing) / 3;
        memcpy(to, &value, sizeof(value));
        break;
    }
    case FIELD_STRUCT:
        draw_struct(drawing, field->nested, to);
        break;
    default: {
        uint64_t value = draw_integer(drawing); /* little-endian: the low bytes come first */
        memcpy(to, &value, field_value_size(field));
        break;
    }
    }
}

static void draw_array(struct drawing *drawing, const struct field_desc *field, void *base) {
    if (draw_null(drawing, field)) {
        field_set_count(field, base, -1);
        field_set_pointer(field, base, NULL);
        return;
    }
    size_t count = draw_below(drawing, 4);
    size_t size = field_value_size(field);
    uint8_t *element = count == 0 ? NULL : arena_array(drawing->arena, count, size);
    field_set_count(field, base, (int32_t)count);
    field_set_pointer(field, base, element);
    for (size_t i = 0; i < count; i++, element += size) {
        draw_value(drawing, field, element);
    }
}

static void draw_field(struct drawing *drawing, const struct field_desc *field, void *base) {
    if (field->flags & FIELD_ARRAY) {
        draw_array(drawing, field, base);
    } else if (draw_null(drawing, field)) {
        size_t size = field->flags & FIELD_POINTER ? sizeof(void *) : field_value_size(field);
        memset(field_at_mutable(field, base), 0, size);
    } else if (field->flags & FIELD_POINTER) {
        void *value = arena_alloc(drawing->arena, field->nested->size);
        draw_struct(drawing, field->nested, value);
        field_set_pointer(field, base, value);
    } else {
        draw_value(drawing, field, field_at_mutable(field, base));
    }
}

static void draw_struct(struct drawing *drawing, const struct struct_desc *desc, void *base) {
    memcpy(base, desc->defaults, desc->size);
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(field->versions, drawing->version)) {
            continue;
        }
        /* Now and then a tagged field is left out, which is what its default means. */
        bool keep_default = version_in(field->tagged, drawing->version) &&
                            (field->flags & FIELD_EMPTY_BY_DEFAULT) == 0 &&
                            draw_below(drawing, 4) == 0;
        if (!keep_default) {
            draw_field(drawing, field, base);
        }
    }
}

void message_random(const struct message_desc *desc, int16_t version,
                    const struct message_dice *dice, struct arena *arena, void *message) {
    ASSERT(version >= desc->min_version && version <= desc->max_version);
    ASSERT(arena->limit == SIZE_MAX);
    struct drawing drawing = {.dice = dice, .arena = arena, .version = version};
    draw_struct(&drawing, desc->root, message);
}
