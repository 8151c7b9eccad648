/* kafka-dump-log: what keys and values are made of */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "protocol/generated/consumer_protocol_assignment.h"
#include "protocol/generated/consumer_protocol_subscription.h"
#include "protocol/generated/group_metadata_value.h"
#include "tools/kafka/dump_log.h"

/* ---- Control records ------------------------------------------------------------------------- */

static const char *json_of(struct dump *dump, const struct message_desc *desc, int16_t version,
                           const void *message) {
    buffer_reset(&dump->text);
    message_print_secrets(desc, version, message, &dump->text);
    return arena_printf(&dump->arena, "%.*s", SLICE_ARG(buffer_slice(&dump->text)));
}

void dump_control(struct dump *dump, const struct record *record) {
    static const char *const titles[] = {[2] = "LeaderChange:",
                                         [3] = "SnapshotHeader",
                                         [4] = "SnapshotFooter",
                                         [5] = "KRaftVersion",
                                         [6] = "KRaftVoters"};
    const struct message_desc *desc;
    const void *message;
    int16_t version;
    int type = control_record_type(record);
    if (type == 0 || type == 1) {
        printf(" endTxnMarker: %s coordinatorEpoch: %d", type == 0 ? "ABORT" : "COMMIT",
               record->value.len >= 6 ? (int32_t)load_be32(record->value.data + 2) : -1);
    } else if (control_record_decode(record, &dump->arena, &desc, &version, &message) !=
                   MESSAGE_OK ||
               desc == NULL) {
        printf(" controlType: UNKNOWN(%d)", type);
    } else {
        printf(" %s %s", titles[type], json_of(dump, desc, version, message));
    }
}

/* ---- Plain keys and values ------------------------------------------------------------------- */

/* How much at the start is one character, or what is left of one that is broken: the bytes that
 * could begin one. */
static size_t character_len(struct slice s, bool *good) {
    static const struct {
        uint8_t first, last, low, high, len; /* of lead bytes; which may be second; of the whole */
    } kinds[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0xbf, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    *good = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (s.data[0] < kinds[i].first || s.data[0] > kinds[i].last) {
            continue;
        }
        size_t len = 1;
        uint8_t low = kinds[i].low, high = kinds[i].high;
        while (len < kinds[i].len && len < s.len && s.data[len] >= low && s.data[len] <= high) {
            len++;
            low = 0x80;
            high = 0xbf;
        }
        bool surrogate = s.data[0] == 0xed && len > 1 && s.data[1] >= 0xa0;
        *good = len == kinds[i].len && !surrogate;
        return len;
    }
    return 1;
}

/* As Java makes text of bytes: what is not UTF-8 comes out as U+FFFD. */
static void print_text(struct slice s) {
    while (s.len > 0) {
        bool good;
        size_t len = character_len(s, &good);
        fwrite(good ? (const char *)s.data : "\xef\xbf\xbd", 1, good ? len : 3, stdout);
        s = slice_make(s.data + len, s.len - len);
    }
}

static bool print_plain(const struct dump *dump, enum dump_class class, struct slice s) {
    size_t size = class == DUMP_LONG ? 8 : class == DUMP_INTEGER ? 4 : 0;
    if (s.len < size) {
        fflush(stdout);
        fprintf(stderr, "%s: %zu bytes are no %s\n", dump->path, s.len,
                class == DUMP_LONG ? "long" : "integer");
        return false;
    }
    if (class == DUMP_LONG) {
        printf("%" PRId64, (int64_t)load_be64(s.data));
    } else if (class == DUMP_INTEGER) {
        printf("%" PRId32, (int32_t)load_be32(s.data));
    } else {
        print_text(s);
    }
    return true;
}

static bool print_plain_record(const struct dump *dump, const struct record *record,
                               const char *prefix) {
    if (!slice_is_null(record->key)) {
        printf("%skey: ", prefix);
        prefix = " ";
        if (!print_plain(dump, dump->key_class, record->key)) {
            return false;
        }
    }
    if (!slice_is_null(record->value)) {
        printf("%spayload: ", prefix);
        return print_plain(dump, dump->value_class, record->value);
    }
    return true;
}

/* ---- Internal topics ------------------------------------------------------------------------- */

/* "FeatureLevelRecord" as "FEATURE_LEVEL_RECORD" */
static const char *type_text(struct dump *dump, const char *name) {
    buffer_reset(&dump->text);
    for (const char *c = name; *c != '\0'; c++) {
        bool capital = *c >= 'A' && *c <= 'Z';
        if (capital && c != name) {
            buffer_put_u8(&dump->text, '_');
        }
        buffer_put_u8(&dump->text, (uint8_t)(capital ? *c : *c - 'a' + 'A'));
    }
    return arena_printf(&dump->arena, "%.*s", SLICE_ARG(buffer_slice(&dump->text)));
}

static const char *error_text(struct dump *dump, const struct record *record,
                              enum message_error error) {
    const char *why = error == MESSAGE_TRUNCATED     ? "it is cut off"
                      : error == MESSAGE_BAD_VERSION ? "its version is unknown"
                                                     : "it makes no sense";
    return arena_printf(&dump->arena, "Error at %s%" PRId64 ", skipping. %s",
                        dump->decoder == DUMP_METADATA ? "" : "offset ", record->offset, why);
}

/* Why the frame of a metadata record (KIP-631) is none; NULL when it is one. */
static const char *frame_error(struct dump *dump, struct slice value) {
    uint32_t frame = 0;
    size_t i = 0;
    do { /* an unsigned varint */
        if (i == value.len || i == 5) {
            return "Error while reading frame version";
        }
        frame |= (uint32_t)(value.data[i] & 0x7f) << 7 * i;
    } while ((value.data[i++] & 0x80) != 0);
    if (frame == 0) {
        return "Could not deserialize metadata record with frame version 0. Note that upgrades "
               "from "
               "the preview release of KRaft in 2.8 to newer versions are not supported.";
    }
    return frame == 1 ? NULL
                      : arena_printf(&dump->arena,
                                     "Could not deserialize metadata record due to unknown frame "
                                     "version %d(only frame version 1 is supported)",
                                     (int)frame);
}

static void print_metadata(struct dump *dump, const struct record *record, const char *prefix) {
    struct internal_record found;
    enum message_error error =
        internal_record_decode(RECORD_LOG_METADATA, record, &dump->arena, &found);
    const char *frame = frame_error(dump, record->value);
    if (frame != NULL) {
        printf("%spayload: Error at %" PRId64 ", skipping. %s", prefix, record->offset, frame);
    } else if (error != MESSAGE_OK) {
        printf("%spayload: %s", prefix, error_text(dump, record, error));
    } else if (found.type == NULL) {
        printf("%spayload: Error at %" PRId64 ", skipping. "
               "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id %d",
               prefix, record->offset, found.number);
    } else {
        printf("%spayload: {\"type\":\"%s\",\"version\":%d,\"data\":%s}", prefix,
               type_text(dump, message_name(found.type->value)), found.version,
               json_of(dump, found.type->value, found.version, found.value));
    }
}

/* What a member of a classic group says to the others, in place of its bytes; false when it is not
 * what consumers say. */
static bool replace(struct dump *dump, json_t *member, const char *key,
                    const struct message_desc *desc, struct slice bytes) {
    int16_t version = bytes.len >= 2 ? (int16_t)load_be16(bytes.data) : -1;
    void *message = arena_alloc(&dump->arena, message_size(desc));
    if (version < 0 || message_decode(desc, version, slice_make(bytes.data + 2, bytes.len - 2),
                                      &dump->arena, message, NULL) != MESSAGE_OK) {
        return false;
    }
    json_t *decoded = json_loads(json_of(dump, desc, version, message), 0, NULL);
    return decoded != NULL && json_object_set_new(member, key, decoded) == 0;
}

/* The value with its members' subscriptions and assignments decoded; NULL when they are not what
 * consumers say. */
static const char *group_json(struct dump *dump, const char *text,
                              const struct group_metadata_value *group) {
    json_t *json = json_loads(text, 0, NULL);
    bool good = json != NULL;
    for (int32_t i = 0; good && i < group->members_count; i++) {
        const struct group_metadata_value_member_metadata *m = &group->members[i];
        json_t *member = json_array_get(json_object_get(json, "members"), (size_t)i);
        good =
            replace(dump, member, "subscription", &consumer_protocol_subscription_desc,
                    m->subscription) &&
            replace(dump, member, "assignment", &consumer_protocol_assignment_desc, m->assignment);
    }
    char *made = good ? json_dumps(json, JSON_COMPACT) : NULL;
    const char *out = made != NULL ? arena_printf(&dump->arena, "%s", made) : NULL;
    free(made);
    json_decref(json);
    return out;
}

static const char *value_json(struct dump *dump, const struct internal_record *found) {
    const char *text = json_of(dump, found->type->value, found->version, found->value);
    const struct group_metadata_value *group = found->value;
    bool classic = found->type->value == &group_metadata_value_desc;
    return classic && slice_equal_str(group->protocol_type, "consumer")
               ? group_json(dump, text, group)
               : text;
}

static bool print_keyed(struct dump *dump, enum record_log log, const struct record *record,
                        const char *prefix) {
    struct internal_record found;
    const char *value = NULL;
    if (slice_is_null(record->key)) {
        fflush(stdout);
        fprintf(stderr,
                "Exception in thread \"main\" java.lang.RuntimeException: Failed to decode message "
                "at offset %" PRId64 " using the specified decoder (message had a missing key)\n",
                record->offset);
        return false;
    }
    enum message_error error = internal_record_decode(log, record, &dump->arena, &found);
    if (error == MESSAGE_OK && found.type == NULL) {
        printf("%skey: Unknown record type %d at offset %" PRId64 ", skipping.", prefix,
               found.number, record->offset);
        return true;
    }
    if (error == MESSAGE_OK && found.value != NULL) {
        value = value_json(dump, &found);
        error = value != NULL ? error : MESSAGE_TRUNCATED;
    }
    if (error != MESSAGE_OK) {
        printf("%skey: %s", prefix, error_text(dump, record, error));
        return true;
    }
    printf("%skey: {\"type\":\"%d\",\"data\":%s} payload: ", prefix, found.number,
           json_of(dump, found.type->key, 0, found.key));
    if (value == NULL) {
        fputs("<DELETE>", stdout);
    } else {
        printf("{\"version\":\"%d\",\"data\":%s}", found.version, value);
    }
    return true;
}

bool dump_contents(struct dump *dump, const struct record *record, const char *prefix) {
    switch (dump->decoder) {
    case DUMP_OFFSETS:
        return print_keyed(dump, RECORD_LOG_OFFSETS, record, prefix);
    case DUMP_TRANSACTIONS:
        return print_keyed(dump, RECORD_LOG_TRANSACTIONS, record, prefix);
    case DUMP_SHARE:
        return print_keyed(dump, RECORD_LOG_SHARE, record, prefix);
    case DUMP_METADATA:
        print_metadata(dump, record, prefix);
        return true;
    default:
        return print_plain_record(dump, record, prefix);
    }
}
