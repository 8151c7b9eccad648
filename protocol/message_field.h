/*
 * Where a field lies in its C struct, and comparing fields. Private to the interpreter.
 */
#ifndef PROTOCOL_MESSAGE_FIELD_H
#define PROTOCOL_MESSAGE_FIELD_H

#include <string.h>

#include "protocol/message_desc.h"

#define ANY_VERSION INT16_MIN /* compares all fields, carried or not */

/* Bytes on the wire of the types that always have the same number of them. */
static inline size_t fixed_wire_size(uint8_t type) {
    static const uint8_t sizes[] = {
        [FIELD_BOOL] = 1,   [FIELD_INT8] = 1,    [FIELD_INT16] = 2,
        [FIELD_UINT16] = 2, [FIELD_INT32] = 4,   [FIELD_UINT32] = 4,
        [FIELD_INT64] = 8,  [FIELD_FLOAT64] = 8, [FIELD_UUID] = 16,
    };
    return type <= FIELD_UUID ? sizes[type] : 0;
}

/* The size in C of the field, or of an element of an array. */
static inline size_t field_value_size(const struct field_desc *field) {
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_BYTES:
        return sizeof(struct slice);
    case FIELD_RECORDS:
        return sizeof(struct message_records);
    case FIELD_STRUCT:
        return field->nested->size;
    default:
        return fixed_wire_size(field->type); /* the same in C */
    }
}

static inline const uint8_t *field_at(const struct field_desc *field, const void *base) {
    return (const uint8_t *)base + field->offset;
}

static inline uint8_t *field_at_mutable(const struct field_desc *field, void *base) {
    return (uint8_t *)base + field->offset;
}

/* The value of a pointer: of an array, or of a struct that may be null. */
static inline uint8_t *field_pointer(const struct field_desc *field, const void *base) {
    uint8_t *pointer;
    memcpy(&pointer, field_at(field, base), sizeof(pointer));
    return pointer;
}

static inline void field_set_pointer(const struct field_desc *field, void *base, void *value) {
    memcpy(field_at_mutable(field, base), &value, sizeof(value));
}

static inline int32_t field_count(const struct field_desc *field, const void *base) {
    int32_t count;
    memcpy(&count, (const uint8_t *)base + field->count_offset, sizeof(count));
    return count;
}

static inline void field_set_count(const struct field_desc *field, void *base, int32_t count) {
    memcpy((uint8_t *)base + field->count_offset, &count, sizeof(count));
}

/* base: structs that contain the field. */
bool field_equal(const struct field_desc *field, int16_t version, const void *a, const void *b);
bool struct_equal(const struct struct_desc *desc, int16_t version, const void *a, const void *b);

/* Whether the field has its default, so that it need not be on the wire where it has a tag, and is
 * not missed where `version` does not carry it. */
bool field_is_default(const struct field_desc *field, const struct struct_desc *owner,
                      int16_t version, const void *base);

#endif
