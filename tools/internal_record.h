/* Records of internal topics and control records, decoded; for those who print them. */
#ifndef TOOLS_INTERNAL_RECORD_H
#define TOOLS_INTERNAL_RECORD_H

#include "protocol/message.h"
#include "protocol/records.h"

struct internal_record {
    const struct record_type *type; /* NULL: the number is unknown */
    int16_t number;
    int16_t version;   /* of the value */
    const void *key;   /* NULL in the metadata log */
    const void *value; /* NULL: deleted */
};

/* MESSAGE_OK also for unknown numbers. Memory comes from the arena; slices point into the record.
 */
enum message_error internal_record_decode(enum record_log log, const struct record *record,
                                          struct arena *arena, struct internal_record *out);

/* The type of a control record; -1 for a key that is none. */
int control_record_type(const struct record *record);

/* Decodes the value of a control record that has a message: of all but abort and commit, which only
 * have the coordinator's epoch. *desc is NULL when the type is unknown. */
enum message_error control_record_decode(const struct record *record, struct arena *arena,
                                         const struct message_desc **desc, int16_t *version,
                                         const void **message);

#endif
