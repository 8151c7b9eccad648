/*
 * The frame of metadata records (KIP-631), and lists of them.
 *
 * A record's value is: uvarint 1 (frame version), uvarint type, uvarint version, message.
 */
#ifndef BROKER_METADATA_METADATA_RECORD_H
#define BROKER_METADATA_METADATA_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct message_desc;

enum metadata_record_type {
    RECORD_REGISTER_BROKER = 0,
    RECORD_UNREGISTER_BROKER = 1,
    RECORD_TOPIC = 2,
    RECORD_PARTITION = 3,
    RECORD_CONFIG = 4,
    RECORD_PARTITION_CHANGE = 5,
    RECORD_FENCE_BROKER = 7,
    RECORD_UNFENCE_BROKER = 8,
    RECORD_REMOVE_TOPIC = 9,
    RECORD_DELEGATION_TOKEN = 10,
    RECORD_USER_SCRAM_CREDENTIAL = 11,
    RECORD_FEATURE_LEVEL = 12,
    RECORD_CLIENT_QUOTA = 14,
    RECORD_PRODUCER_IDS = 15,
    RECORD_BROKER_REGISTRATION_CHANGE = 17,
    RECORD_ACCESS_CONTROL_ENTRY = 18,
    RECORD_REMOVE_ACCESS_CONTROL_ENTRY = 19,
    RECORD_NO_OP = 20,
    RECORD_ZK_MIGRATION_STATE = 21,
    RECORD_REMOVE_USER_SCRAM_CREDENTIAL = 22,
    RECORD_BEGIN_TRANSACTION = 23,
    RECORD_END_TRANSACTION = 24,
    RECORD_ABORT_TRANSACTION = 25,
    RECORD_REMOVE_DELEGATION_TOKEN = 26,
    RECORD_REGISTER_CONTROLLER = 27,
    RECORD_CLEAR_ELR = 28,
};

/* The largest batch of the metadata log; a decision that needs more is refused. */
#define METADATA_BATCH_MAX ((size_t)8 << 20)

/* Takes a record's value apart; *body points into it. False when the frame is damaged or of a
 * version other than 1. */
bool metadata_record_parse(struct slice value, int *type, int16_t *version, struct slice *body);

/* Values of records, in order. */
struct record_list {
    struct arena *arena; /* without limit; holds the list and its values */
    struct slice *values;
    int count;
    int capacity;
    size_t bytes; /* of all values */
};

void record_list_init(struct record_list *list, struct arena *arena);

/* Encodes a record. The message must be valid in that version: it is ours, so anything else is a
 * broken invariant. */
void record_list_add(struct record_list *list, enum metadata_record_type type, int16_t version,
                     const struct message_desc *desc, const void *message);

/* A record that is encoded already; the bytes are copied. */
void record_list_add_value(struct record_list *list, struct slice value);

/* Record versions by finalized metadata.version (disk-format of the records of each release). */
int16_t partition_record_version(int16_t metadata_version);
int16_t register_broker_record_version(int16_t metadata_version);
int16_t broker_registration_change_record_version(int16_t metadata_version);

#endif
