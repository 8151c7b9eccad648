#include "broker/group/group_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/group/bytes.h"
#include "broker/group/group_records.h"
#include "protocol/generated/group_metadata_key.h"
#include "protocol/generated/group_metadata_value.h"
#include "protocol/generated/offset_commit_key.h"
#include "protocol/generated/offset_commit_value.h"
#include "protocol/records.h"
#include "runtime/log.h"

/* No record of this topic comes near it; what is larger is damage. */
#define REPLAY_RECORD_MAX ((size_t)128 << 20)

#define MARKER_ABORT  0
#define MARKER_COMMIT 1

/* What one producer has committed in its open transaction. */
struct transaction {
    struct list link; /* group_table.transactions */
    int64_t producer_id;
    struct list offsets; /* struct transaction_offset, in the order of the log */
};

struct transaction_offset {
    struct list link;
    struct slice group_id;
    struct slice topic;
    struct group_offset offset;
};

void group_table_init(struct group_table *table, struct group_env *env) {
    table->env = env;
    hmap_init(&table->groups);
    list_init(&table->transactions);
    arena_init(&table->scratch, SIZE_MAX);
    table->warned_types = 0;
}

static void transaction_offset_free(struct transaction_offset *entry) {
    list_remove(&entry->link);
    bytes_free(&entry->group_id);
    bytes_free(&entry->topic);
    bytes_free(&entry->offset.metadata);
    free(entry);
}

static void transaction_free(struct transaction *transaction) {
    LIST_FOREACH_SAFE(it, &transaction->offsets) {
        transaction_offset_free(CONTAINER_OF(it, struct transaction_offset, link));
    }
    list_remove(&transaction->link);
    free(transaction);
}

void group_table_release(struct group_table *table) {
    HMAP_FOREACH(it, &table->groups) {
        hmap_remove(&table->groups, it);
        group_free(CONTAINER_OF(it, struct group, node));
    }
    hmap_release(&table->groups);
    LIST_FOREACH_SAFE(it, &table->transactions) {
        transaction_free(CONTAINER_OF(it, struct transaction, link));
    }
    arena_release(&table->scratch);
}

struct group *group_table_find(const struct group_table *table, struct slice group_id) {
    HMAP_FOREACH_HASH(it, &table->groups, hash_bytes(group_id)) {
        struct group *group = CONTAINER_OF(it, struct group, node);
        if (slice_equal(group->id, group_id)) {
            return group;
        }
    }
    return NULL;
}

struct group *group_table_create(struct group_table *table, struct slice group_id) {
    ASSERT(group_table_find(table, group_id) == NULL);
    struct group *group = group_new(table->env, group_id);
    hmap_insert(&table->groups, &group->node, hash_bytes(group->id));
    return group;
}

static void remove_group(struct group_table *table, struct group *group) {
    ASSERT(group->writes == 0);
    hmap_remove(&table->groups, &group->node);
    group_free(group);
}

/* ---- Transactions ---------------------------------------------------------------------------- */

static struct transaction *find_transaction(const struct group_table *table, int64_t producer_id) {
    LIST_FOREACH(it, &table->transactions) {
        struct transaction *transaction = CONTAINER_OF(it, struct transaction, link);
        if (transaction->producer_id == producer_id) {
            return transaction;
        }
    }
    return NULL;
}

bool group_table_unstable(const struct group_table *table, struct slice group_id,
                          struct slice topic, int32_t partition) {
    LIST_FOREACH(t, &table->transactions) {
        LIST_FOREACH(it, &CONTAINER_OF(t, struct transaction, link)->offsets) {
            struct transaction_offset *entry = CONTAINER_OF(it, struct transaction_offset, link);
            if (entry->offset.partition == partition && slice_equal(entry->topic, topic) &&
                slice_equal(entry->group_id, group_id)) {
                return true;
            }
        }
    }
    return false;
}

static void hold_back(struct group_table *table, int64_t producer_id,
                      const struct offset_commit_key *key, const struct group_offset *offset) {
    struct transaction *transaction = find_transaction(table, producer_id);
    if (transaction == NULL) {
        transaction = NEW(struct transaction);
        transaction->producer_id = producer_id;
        list_init(&transaction->offsets);
        list_append(&table->transactions, &transaction->link);
    }
    struct transaction_offset *entry = NEW(struct transaction_offset);
    entry->group_id = bytes_copy(key->group);
    entry->topic = bytes_copy(key->topic);
    entry->offset = *offset;
    entry->offset.metadata = bytes_copy(offset->metadata);
    list_append(&transaction->offsets, &entry->link);
}

static struct group *get_or_create(struct group_table *table, struct slice group_id) {
    struct group *group = group_table_find(table, group_id);
    return group != NULL ? group : group_table_create(table, group_id);
}

static void end_transaction(struct group_table *table, int64_t producer_id, bool commit) {
    struct transaction *transaction = find_transaction(table, producer_id);
    if (transaction == NULL) {
        return; /* it had no offsets here */
    }
    if (commit) {
        LIST_FOREACH(it, &transaction->offsets) {
            struct transaction_offset *entry = CONTAINER_OF(it, struct transaction_offset, link);
            struct group *group = get_or_create(table, entry->group_id);
            offset_store_put(&group->offsets, entry->topic, &entry->offset);
        }
    }
    transaction_free(transaction);
}

static int replay_marker(struct group_table *table, const struct batch *batch,
                         const struct record *record, struct errmsg *errmsg) {
    if (record->key.len < 4) {
        errmsg_set(errmsg, "a control record without type at offset %" PRId64, record->offset);
        return -EINVAL;
    }
    int16_t type = (int16_t)load_be16(record->key.data + 2);
    if (type == MARKER_ABORT || type == MARKER_COMMIT) {
        end_transaction(table, batch->producer_id, type == MARKER_COMMIT);
    }
    return 0;
}

/* ---- Records --------------------------------------------------------------------------------- */

static int damaged(const struct record *record, const char *what, struct errmsg *errmsg) {
    errmsg_set(errmsg, "%s at offset %" PRId64 " cannot be read", what, record->offset);
    return -EINVAL;
}

/* Decodes the value behind its version. */
static int decode_value(struct group_table *table, const struct record *record,
                        const struct message_desc *desc, void *value, struct errmsg *errmsg) {
    int16_t version = record->value.len < 2 ? -1 : (int16_t)load_be16(record->value.data);
    if (version < message_min_version(desc) || version > message_max_version(desc)) {
        errmsg_set(errmsg, "%s at offset %" PRId64 " has version %d, which is not known",
                   message_name(desc), record->offset, version);
        return -EPROTO;
    }
    struct slice body = slice_make(record->value.data + 2, record->value.len - 2);
    message_init(desc, value);
    return message_decode(desc, version, body, &table->scratch, value, NULL) == MESSAGE_OK
               ? 0
               : damaged(record, message_name(desc), errmsg);
}

static struct slice key_body(const struct record *record) {
    return slice_make(record->key.data + 2, record->key.len - 2);
}

static int replay_offset(struct group_table *table, const struct batch *batch,
                         const struct record *record, struct errmsg *errmsg) {
    struct offset_commit_key key;
    message_init(&offset_commit_key_desc, &key);
    if (message_decode(&offset_commit_key_desc, 0, key_body(record), &table->scratch, &key, NULL) !=
        MESSAGE_OK) {
        return damaged(record, "the key of an offset commit", errmsg);
    }
    if (slice_is_null(record->value)) {
        struct group *group = group_table_find(table, key.group);
        if (group != NULL) {
            offset_store_remove(&group->offsets, key.topic, key.partition, record->offset);
        }
        return 0;
    }
    struct offset_commit_value value;
    int result = decode_value(table, record, &offset_commit_value_desc, &value, errmsg);
    if (result != 0) {
        return result;
    }
    struct group_offset offset = {
        .partition = key.partition,
        .leader_epoch = value.leader_epoch,
        .offset = value.offset,
        .commit_timestamp = value.commit_timestamp,
        .expire_timestamp = value.expire_timestamp,
        .record_offset = record->offset,
        .metadata = bytes_or_empty(value.metadata),
        .topic_id = value.topic_id,
    };
    if ((batch->attributes & BATCH_ATTR_TRANSACTIONAL) != 0) {
        hold_back(table, batch->producer_id, &key, &offset);
        return 0;
    }
    offset_store_put(&get_or_create(table, key.group)->offsets, key.topic, &offset);
    return 0;
}

static void replay_group_tombstone(struct group_table *table, struct slice group_id) {
    struct group *group = group_table_find(table, group_id);
    if (group == NULL) {
        return;
    }
    if (group->offsets.count == 0 && group->writes == 0) {
        remove_group(table, group);
    } else {
        /* Offsets without a group are those of a simple consumer. */
        group_restore(group, -1, 0, SLICE_NULL, SLICE_NULL);
    }
}

static int replay_group(struct group_table *table, const struct record *record,
                        struct errmsg *errmsg) {
    struct group_metadata_key key;
    message_init(&group_metadata_key_desc, &key);
    if (message_decode(&group_metadata_key_desc, 0, key_body(record), &table->scratch, &key,
                       NULL) != MESSAGE_OK) {
        return damaged(record, "the key of a group", errmsg);
    }
    if (slice_is_null(record->value)) {
        replay_group_tombstone(table, key.group);
        return 0;
    }
    struct group_metadata_value value;
    int result = decode_value(table, record, &group_metadata_value_desc, &value, errmsg);
    if (result != 0) {
        return result;
    }
    struct group *group = get_or_create(table, key.group);
    group_restore(group, value.current_state_timestamp, value.generation, value.protocol_type,
                  value.protocol);
    for (int32_t i = 0; i < value.members_count; i++) {
        const struct group_metadata_value_member_metadata *member = &value.members[i];
        struct group_member_image image = {
            .id = member->member_id,
            .instance_id = member->group_instance_id,
            .client_id = member->client_id,
            .client_host = member->client_host,
            .session_timeout_ms = member->session_timeout,
            .rebalance_timeout_ms = member->rebalance_timeout,
            .subscription = member->subscription,
            .assignment = member->assignment,
        };
        group_restore_member(group, &image, slice_equal(member->member_id, value.leader));
    }
    return 0;
}

static void warn_unknown(struct group_table *table, const struct record *record, int16_t type) {
    uint64_t bit = UINT64_C(1) << (type < 0 || type > 62 ? 63 : type);
    if ((table->warned_types & bit) != 0) {
        return;
    }
    table->warned_types |= bit;
    LOG_WARN(table->env->machine, "group", "skipping records of a type that is not served",
             "topic=__consumer_offsets type=%d first_offset=%" PRId64, type, record->offset);
}

static int replay_record(struct group_table *table, const struct batch *batch,
                         const struct record *record, struct errmsg *errmsg) {
    if (record->key.len < 2) {
        return damaged(record, "the key of a record", errmsg);
    }
    int16_t type = (int16_t)load_be16(record->key.data);
    switch (type) {
    case RECORD_OFFSET_COMMIT_OLD:
    case RECORD_OFFSET_COMMIT:
        return replay_offset(table, batch, record, errmsg);
    case RECORD_GROUP_METADATA:
        return replay_group(table, record, errmsg);
    default:
        warn_unknown(table, record, type);
        return 0;
    }
}

int group_table_replay(struct group_table *table, struct slice batch_bytes, struct errmsg *errmsg) {
    struct batch batch;
    if (batch_parse(batch_bytes, &batch) != BATCH_OK) {
        errmsg_set(errmsg, "a batch cannot be read");
        return -EINVAL;
    }
    bool control = (batch.attributes & BATCH_ATTR_CONTROL) != 0;
    struct record_iterator *iterator = record_iterator_new(batch_bytes, &batch, REPLAY_RECORD_MAX);
    struct record record;
    int result = 0;
    int more;
    while ((more = record_iterator_next(iterator, &record)) == 1 && result == 0) {
        result = control ? replay_marker(table, &batch, &record, errmsg)
                         : replay_record(table, &batch, &record, errmsg);
        arena_reset(&table->scratch);
    }
    record_iterator_free(iterator);
    if (result == 0 && more < 0) {
        errmsg_set(errmsg, "the batch at offset %" PRId64 " is corrupt", batch.base_offset);
        return -EINVAL;
    }
    return result;
}
