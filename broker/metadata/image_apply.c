/*
 * Applying records: framing, versions and dispatch.
 *
 * Records between BeginTransaction and EndTransaction (KIP-868) are held back and applied together,
 * or dropped at AbortTransaction, so that no reader of the image sees half of them.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/abort_transaction_record.h"
#include "protocol/generated/access_control_entry_record.h"
#include "protocol/generated/begin_transaction_record.h"
#include "protocol/generated/broker_registration_change_record.h"
#include "protocol/generated/clear_elr_record.h"
#include "protocol/generated/client_quota_record.h"
#include "protocol/generated/config_record.h"
#include "protocol/generated/delegation_token_record.h"
#include "protocol/generated/end_transaction_record.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/fence_broker_record.h"
#include "protocol/generated/no_op_record.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/generated/partition_record.h"
#include "protocol/generated/producer_ids_record.h"
#include "protocol/generated/register_broker_record.h"
#include "protocol/generated/register_controller_record.h"
#include "protocol/generated/remove_access_control_entry_record.h"
#include "protocol/generated/remove_delegation_token_record.h"
#include "protocol/generated/remove_topic_record.h"
#include "protocol/generated/remove_user_scram_credential_record.h"
#include "protocol/generated/topic_record.h"
#include "protocol/generated/unfence_broker_record.h"
#include "protocol/generated/unregister_broker_record.h"
#include "protocol/generated/user_scram_credential_record.h"
#include "protocol/generated/zk_migration_state_record.h"

static const struct message_desc *describe(int type) {
    switch (type) {
    case RECORD_REGISTER_BROKER:
        return &register_broker_record_desc;
    case RECORD_UNREGISTER_BROKER:
        return &unregister_broker_record_desc;
    case RECORD_TOPIC:
        return &topic_record_desc;
    case RECORD_PARTITION:
        return &partition_record_desc;
    case RECORD_CONFIG:
        return &config_record_desc;
    case RECORD_PARTITION_CHANGE:
        return &partition_change_record_desc;
    case RECORD_FENCE_BROKER:
        return &fence_broker_record_desc;
    case RECORD_UNFENCE_BROKER:
        return &unfence_broker_record_desc;
    case RECORD_REMOVE_TOPIC:
        return &remove_topic_record_desc;
    case RECORD_DELEGATION_TOKEN:
        return &delegation_token_record_desc;
    case RECORD_USER_SCRAM_CREDENTIAL:
        return &user_scram_credential_record_desc;
    case RECORD_FEATURE_LEVEL:
        return &feature_level_record_desc;
    case RECORD_CLIENT_QUOTA:
        return &client_quota_record_desc;
    case RECORD_PRODUCER_IDS:
        return &producer_ids_record_desc;
    case RECORD_BROKER_REGISTRATION_CHANGE:
        return &broker_registration_change_record_desc;
    case RECORD_ACCESS_CONTROL_ENTRY:
        return &access_control_entry_record_desc;
    case RECORD_REMOVE_ACCESS_CONTROL_ENTRY:
        return &remove_access_control_entry_record_desc;
    case RECORD_NO_OP:
        return &no_op_record_desc;
    case RECORD_ZK_MIGRATION_STATE:
        return &zk_migration_state_record_desc;
    case RECORD_REMOVE_USER_SCRAM_CREDENTIAL:
        return &remove_user_scram_credential_record_desc;
    case RECORD_BEGIN_TRANSACTION:
        return &begin_transaction_record_desc;
    case RECORD_END_TRANSACTION:
        return &end_transaction_record_desc;
    case RECORD_ABORT_TRANSACTION:
        return &abort_transaction_record_desc;
    case RECORD_REMOVE_DELEGATION_TOKEN:
        return &remove_delegation_token_record_desc;
    case RECORD_REGISTER_CONTROLLER:
        return &register_controller_record_desc;
    case RECORD_CLEAR_ELR:
        return &clear_elr_record_desc;
    default:
        return NULL;
    }
}

static bool apply_producer_ids(struct image *image, const struct producer_ids_record *record) {
    if (record->next_producer_id < image->next_producer_id) {
        return false;
    }
    image->next_producer_id = record->next_producer_id;
    return true;
}

static bool apply_message(struct image *image, int type, const void *message, struct slice value,
                          struct image_changes *changes) {
    switch (type) {
    case RECORD_REGISTER_BROKER:
        return apply_register_broker(image, (const struct register_broker_record *)message,
                                     changes);
    case RECORD_UNREGISTER_BROKER: {
        const struct unregister_broker_record *record =
            (const struct unregister_broker_record *)message;
        return apply_unregister_broker(image, record->broker_id, record->broker_epoch, changes);
    }
    case RECORD_TOPIC:
        return apply_topic(image, (const struct topic_record *)message, changes);
    case RECORD_PARTITION:
        return apply_partition(image, (const struct partition_record *)message, changes);
    case RECORD_CONFIG:
        return apply_config(image, (const struct config_record *)message, changes);
    case RECORD_PARTITION_CHANGE:
        return apply_partition_change(image, (const struct partition_change_record *)message,
                                      changes);
    case RECORD_FENCE_BROKER: {
        const struct fence_broker_record *record = (const struct fence_broker_record *)message;
        return apply_broker_fenced(image, record->id, record->epoch, true, changes);
    }
    case RECORD_UNFENCE_BROKER: {
        const struct unfence_broker_record *record = (const struct unfence_broker_record *)message;
        return apply_broker_fenced(image, record->id, record->epoch, false, changes);
    }
    case RECORD_REMOVE_TOPIC:
        return apply_remove_topic(image, (const struct remove_topic_record *)message, changes);
    case RECORD_FEATURE_LEVEL:
        return apply_feature_level(image, (const struct feature_level_record *)message, changes);
    case RECORD_PRODUCER_IDS:
        return apply_producer_ids(image, (const struct producer_ids_record *)message);
    case RECORD_BROKER_REGISTRATION_CHANGE:
        return apply_broker_registration_change(
            image, (const struct broker_registration_change_record *)message, changes);
    case RECORD_CLEAR_ELR:
        return apply_clear_elr(image, (const struct clear_elr_record *)message, changes);
    case RECORD_NO_OP:
        return true;
    default:
        apply_opaque(image, type, message, value);
        return true;
    }
}

static bool decode_and_apply(struct image *image, struct slice value,
                             struct image_changes *changes) {
    int type;
    int16_t version;
    struct slice body;
    if (!metadata_record_parse(value, &type, &version, &body)) {
        return false;
    }
    const struct message_desc *desc = describe(type);
    if (desc == NULL || version < message_min_version(desc) ||
        version > message_max_version(desc)) {
        return false;
    }
    struct arena arena;
    arena_init(&arena, message_size(desc) + message_decode_limit(body.len));
    void *message = arena_alloc(&arena, message_size(desc));
    bool ok = message_decode(desc, version, body, &arena, message, NULL) == MESSAGE_OK &&
              apply_message(image, type, message, value, changes);
    arena_release(&arena);
    return ok;
}

static void hold_back(struct image *image, struct slice value) {
    struct image_pending *pending =
        (struct image_pending *)xmalloc(sizeof(struct image_pending) + value.len);
    uint8_t *copy = (uint8_t *)(pending + 1);
    memcpy(copy, value.data, value.len);
    pending->value = slice_make(copy, value.len);
    list_append(&image->pending, &pending->link);
}

/* Ends the transaction; its records are applied, or dropped. */
static bool end_transaction(struct image *image, bool commit, struct image_changes *changes) {
    bool ok = true;
    LIST_FOREACH_SAFE(it, &image->pending) {
        struct image_pending *pending = CONTAINER_OF(it, struct image_pending, link);
        list_remove(it);
        ok = ok && (!commit || decode_and_apply(image, pending->value, changes));
        free(pending);
    }
    image->in_transaction = false;
    return ok;
}

bool image_apply(struct image *image, struct slice record, struct image_changes *changes) {
    int type;
    int16_t version;
    struct slice body;
    if (!metadata_record_parse(record, &type, &version, &body)) {
        return false;
    }
    switch (type) {
    case RECORD_BEGIN_TRANSACTION:
        if (image->in_transaction || version != 0) {
            return false;
        }
        image->in_transaction = true;
        return true;
    case RECORD_END_TRANSACTION:
        return image->in_transaction && version == 0 && end_transaction(image, true, changes);
    case RECORD_ABORT_TRANSACTION:
        /* Also where none is open: an image that was filled from a snapshot, or from another image,
         * does not have the records that a new leader aborts. */
        return version == 0 && end_transaction(image, false, changes);
    default:
        if (image->in_transaction) {
            hold_back(image, record);
            return true;
        }
        return decode_and_apply(image, record, changes);
    }
}
