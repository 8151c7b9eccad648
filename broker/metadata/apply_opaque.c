/*
 * Records that this release keeps without serving them: ACLs, SCRAM credentials, quotas, delegation
 * tokens, controller registrations. They are held as they were written, under the key of the object
 * they describe, so that a snapshot still has them when Apache Kafka, or a later release, reads it.
 */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/access_control_entry_record.h"
#include "protocol/generated/client_quota_record.h"
#include "protocol/generated/delegation_token_record.h"
#include "protocol/generated/register_controller_record.h"
#include "protocol/generated/remove_access_control_entry_record.h"
#include "protocol/generated/remove_delegation_token_record.h"
#include "protocol/generated/remove_user_scram_credential_record.h"
#include "protocol/generated/user_scram_credential_record.h"

static uint64_t opaque_hash(int type, struct slice key) {
    return hash_combine((uint64_t)type, hash_bytes(key));
}

static struct image_opaque *opaque_find(const struct image *image, int type, struct slice key) {
    HMAP_FOREACH_HASH(node, &image->opaque, opaque_hash(type, key)) {
        struct image_opaque *opaque = CONTAINER_OF(node, struct image_opaque, node);
        if (opaque->type == type && slice_equal(opaque->key, key)) {
            return opaque;
        }
    }
    return NULL;
}

/* Keeps `value` under the key of its object in place of what was there. Both are copied. */
static void opaque_set(struct image *image, int type, struct slice key, struct slice value) {
    struct image_opaque *opaque = opaque_find(image, type, key);
    if (opaque == NULL) {
        opaque = NEW(struct image_opaque);
        opaque->type = type;
        opaque->key = image_dup(key);
        hmap_insert(&image->opaque, &opaque->node, opaque_hash(type, key));
    } else {
        image_slice_free(opaque->value);
    }
    opaque->value = image_dup(value);
}

static void opaque_remove(struct image *image, int type, struct slice key) {
    struct image_opaque *opaque = opaque_find(image, type, key);
    if (opaque != NULL) {
        hmap_remove(&image->opaque, &opaque->node);
        image_slice_free(opaque->key);
        image_slice_free(opaque->value);
        free(opaque);
    }
}

int image_controllers(const struct image *image, struct arena *arena, struct slice **records) {
    int count = 0;
    *records = (struct slice *)arena_array(arena, image->opaque.count + 1, sizeof(struct slice));
    HMAP_FOREACH(node, &image->opaque) {
        const struct image_opaque *opaque = CONTAINER_OF(node, struct image_opaque, node);
        if (opaque->type == RECORD_REGISTER_CONTROLLER) {
            (*records)[count++] = opaque->value;
        }
    }
    return count;
}

/* Parts of a key carry their length, so that no two lists of parts give the same bytes. */
static void put_part(struct buffer *key, struct slice part) {
    buffer_put_be32(key, slice_is_null(part) ? UINT32_MAX : (uint32_t)part.len);
    buffer_append_slice(key, part);
}

static void put_quota_key(struct buffer *key, const struct client_quota_record *record) {
    /* The parts of an entity have no order: put the least that is above the last one put. */
    struct slice last = SLICE_NULL;
    for (int32_t i = 0; i < record->entity_count; i++) {
        const struct client_quota_record_entity_data *next = NULL;
        for (int32_t j = 0; j < record->entity_count; j++) {
            const struct client_quota_record_entity_data *part = &record->entity[j];
            if ((slice_is_null(last) || slice_compare(part->entity_type, last) > 0) &&
                (next == NULL || slice_compare(part->entity_type, next->entity_type) < 0)) {
                next = part;
            }
        }
        if (next == NULL) {
            break; /* a type given twice */
        }
        put_part(key, next->entity_type);
        put_part(key, next->entity_name);
        last = next->entity_type;
    }
    put_part(key, record->key);
}

static struct slice id_slice(const struct uuid *id) {
    return slice_make(id->bytes, sizeof(id->bytes));
}

void apply_opaque(struct image *image, int type, const void *message, struct slice value) {
    struct buffer key;
    buffer_init(&key, SIZE_MAX);
    int kept_as = type;
    bool remove = false;
    switch (type) {
    case RECORD_ACCESS_CONTROL_ENTRY:
        put_part(&key, id_slice(&((const struct access_control_entry_record *)message)->id));
        break;
    case RECORD_REMOVE_ACCESS_CONTROL_ENTRY:
        put_part(&key, id_slice(&((const struct remove_access_control_entry_record *)message)->id));
        kept_as = RECORD_ACCESS_CONTROL_ENTRY;
        remove = true;
        break;
    case RECORD_USER_SCRAM_CREDENTIAL: {
        const struct user_scram_credential_record *record =
            (const struct user_scram_credential_record *)message;
        buffer_put_u8(&key, (uint8_t)record->mechanism);
        put_part(&key, record->name);
        break;
    }
    case RECORD_REMOVE_USER_SCRAM_CREDENTIAL: {
        const struct remove_user_scram_credential_record *record =
            (const struct remove_user_scram_credential_record *)message;
        buffer_put_u8(&key, (uint8_t)record->mechanism);
        put_part(&key, record->name);
        kept_as = RECORD_USER_SCRAM_CREDENTIAL;
        remove = true;
        break;
    }
    case RECORD_CLIENT_QUOTA: {
        const struct client_quota_record *record = (const struct client_quota_record *)message;
        put_quota_key(&key, record);
        remove = record->remove;
        break;
    }
    case RECORD_DELEGATION_TOKEN:
        put_part(&key, ((const struct delegation_token_record *)message)->token_id);
        break;
    case RECORD_REMOVE_DELEGATION_TOKEN:
        put_part(&key, ((const struct remove_delegation_token_record *)message)->token_id);
        kept_as = RECORD_DELEGATION_TOKEN;
        remove = true;
        break;
    case RECORD_REGISTER_CONTROLLER:
        buffer_put_be32(
            &key, (uint32_t)((const struct register_controller_record *)message)->controller_id);
        break;
    default: /* the ZooKeeper migration state: one for the cluster */
        buffer_put_u8(&key, 0);
        break;
    }
    if (remove) {
        opaque_remove(image, kept_as, buffer_slice(&key));
    } else {
        opaque_set(image, kept_as, buffer_slice(&key), value);
    }
    buffer_release(&key);
}
