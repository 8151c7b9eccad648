/*
 * The parts of the interpreter that do not touch the wire: look-ups, defaults, equality.
 */
#include "protocol/message.h"

#include <string.h>

#include "base/assert.h"
#include "protocol/message_desc.h"
#include "protocol/message_field.h"

int16_t message_min_version(const struct message_desc *desc) {
    return desc->min_version;
}

int16_t message_max_version(const struct message_desc *desc) {
    return desc->max_version;
}

int16_t message_flexible_version(const struct message_desc *desc) {
    return desc->flexible;
}

const char *message_name(const struct message_desc *desc) {
    return desc->name;
}

size_t message_size(const struct message_desc *desc) {
    return desc->root->size;
}

const struct message_desc *message_find(const char *name) {
    for (size_t i = 0; message_table[i] != NULL; i++) {
        if (strcmp(message_table[i]->name, name) == 0) {
            return message_table[i];
        }
    }
    return NULL;
}

const struct message_desc *message_at(size_t index) {
    for (size_t i = 0; message_table[i] != NULL; i++) {
        if (i == index) {
            return message_table[i];
        }
    }
    return NULL;
}

void message_init(const struct message_desc *desc, void *message) {
    memcpy(message, desc->root->defaults, desc->root->size);
}

static const struct field_desc *error_code_field(const struct message_desc *desc) {
    for (uint16_t i = 0; i < desc->root->field_count; i++) {
        const struct field_desc *field = &desc->root->fields[i];
        if (field->type == FIELD_INT16 && strcmp(field->name, "ErrorCode") == 0) {
            return field;
        }
    }
    return NULL;
}

bool message_set_error_code(const struct message_desc *desc, void *message, int16_t code) {
    const struct field_desc *field = error_code_field(desc);
    if (field != NULL) {
        memcpy((uint8_t *)message + field->offset, &code, sizeof(code));
    }
    return field != NULL;
}

bool message_error_code(const struct message_desc *desc, const void *message, int16_t *code) {
    const struct field_desc *field = error_code_field(desc);
    if (field != NULL) {
        memcpy(code, (const uint8_t *)message + field->offset, sizeof(*code));
    }
    return field != NULL;
}

void *message_array(struct arena *arena, size_t count, const void *defaults, size_t size) {
    uint8_t *array = arena_array(arena, count, size);
    for (size_t i = 0; array != NULL && i < count; i++) {
        memcpy(array + i * size, defaults, size);
    }
    return array;
}

/* ---- Equality -------------------------------------------------------------------------------- */

static bool records_equal(const struct message_records *a, const struct message_records *b) {
    if (a->external != NULL || b->external != NULL) {
        return a->external == b->external && a->len == b->len;
    }
    return slice_equal(slice_make(a->data, a->len), slice_make(b->data, b->len));
}

static bool value_equal(const struct field_desc *field, int16_t version, const uint8_t *a,
                        const uint8_t *b) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES: {
        struct slice x;
        struct slice y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return slice_equal(x, y);
    }
    case FIELD_RECORDS:
        return records_equal((const struct message_records *)(const void *)a,
                             (const struct message_records *)(const void *)b);
    case FIELD_STRUCT:
        return struct_equal(field->nested, version, a, b);
    default:
        return memcmp(a, b, field_value_size(field)) == 0;
    }
}

bool field_equal(const struct field_desc *field, int16_t version, const void *a, const void *b) {
    if (field->flags & FIELD_ARRAY) {
        int32_t count = field_count(field, a);
        if (count != field_count(field, b)) {
            return false;
        }
        const uint8_t *x = field_pointer(field, a);
        const uint8_t *y = field_pointer(field, b);
        size_t size = field_value_size(field);
        for (int32_t i = 0; i < count; i++, x += size, y += size) {
            if (!value_equal(field, version, x, y)) {
                return false;
            }
        }
        return true;
    }
    if (field->flags & FIELD_POINTER) {
        const uint8_t *x = field_pointer(field, a);
        const uint8_t *y = field_pointer(field, b);
        return x == NULL || y == NULL ? x == y : struct_equal(field->nested, version, x, y);
    }
    return value_equal(field, version, field_at(field, a), field_at(field, b));
}

bool struct_equal(const struct struct_desc *desc, int16_t version, const void *a, const void *b) {
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if ((version == ANY_VERSION || version_in(field->versions, version)) &&
            !field_equal(field, version, a, b)) {
            return false;
        }
    }
    return true;
}

bool field_is_default(const struct field_desc *field, const struct struct_desc *owner,
                      int16_t version, const void *base) {
    if (field->flags & FIELD_EMPTY_BY_DEFAULT) {
        const void *value = field_pointer(field, base);
        if (!version_in(field->versions, version)) {
            return value == NULL;
        }
        return value != NULL &&
               struct_equal(field->nested, ANY_VERSION, value, field->nested->defaults);
    }
    return field_equal(field, ANY_VERSION, base, owner->defaults);
}

bool message_equal(const struct message_desc *desc, int16_t version, const void *a, const void *b) {
    return struct_equal(desc->root, version, a, b);
}

/* ---- Requests, responses and records --------------------------------------------------------- */

const struct api *api_by_key(int16_t key) {
    if (key < 0 || key > API_KEY_MAX || api_table[key].name == NULL) {
        return NULL;
    }
    return &api_table[key];
}

int16_t api_request_header_version(const struct api *api, int16_t version) {
    return version >= api->request->flexible ? 2 : 1;
}

int16_t api_response_header_version(const struct api *api, int16_t version) {
    enum { API_VERSIONS = 18 };
    return api->key != API_VERSIONS && version >= api->response->flexible ? 1 : 0;
}

const struct record_type *record_type_find(enum record_log log, int16_t number) {
    for (const struct record_type *type = record_type_table; type->number >= 0; type++) {
        if (type->log == log && type->number == number) {
            return type;
        }
    }
    return NULL;
}
