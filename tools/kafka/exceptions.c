#include <ctype.h>
#include <string.h>

#include "tools/kafka/kafka.h"

/* Where the class is not the code's name with capitals and "Exception". */
static const struct {
    int16_t code;
    const char *name;
} irregular[] = {
    {ERROR_UNKNOWN_SERVER_ERROR, "errors.UnknownServerException"},
    {ERROR_CORRUPT_MESSAGE, "errors.CorruptRecordException"},
    {ERROR_REQUEST_TIMED_OUT, "errors.TimeoutException"},
    {ERROR_MESSAGE_TOO_LARGE, "errors.RecordTooLargeException"},
    {ERROR_STALE_CONTROLLER_EPOCH, "errors.ControllerMovedException"},
    {ERROR_OFFSET_METADATA_TOO_LARGE, "errors.OffsetMetadataTooLarge"},
    {ERROR_NETWORK_EXCEPTION, "errors.NetworkException"},
    {ERROR_INVALID_TOPIC_EXCEPTION, "errors.InvalidTopicException"},
    {ERROR_RECORD_LIST_TOO_LARGE, "errors.RecordBatchTooLargeException"},
    {ERROR_TOPIC_AUTHORIZATION_FAILED, "errors.TopicAuthorizationException"},
    {ERROR_GROUP_AUTHORIZATION_FAILED, "errors.GroupAuthorizationException"},
    {ERROR_CLUSTER_AUTHORIZATION_FAILED, "errors.ClusterAuthorizationException"},
    {ERROR_TOPIC_ALREADY_EXISTS, "errors.TopicExistsException"},
    {ERROR_INVALID_CONFIG, "errors.InvalidConfigurationException"},
    {ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, "errors.OutOfOrderSequenceException"},
    {ERROR_DUPLICATE_SEQUENCE_NUMBER, "errors.DuplicateSequenceException"},
    {ERROR_INVALID_PRODUCER_ID_MAPPING, "errors.InvalidPidMappingException"},
    {ERROR_INVALID_TRANSACTION_TIMEOUT, "errors.InvalidTxnTimeoutException"},
    {ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "errors.TransactionalIdAuthorizationException"},
    {ERROR_KAFKA_STORAGE_ERROR, "errors.KafkaStorageException"},
    {ERROR_SASL_AUTHENTICATION_FAILED, "errors.SaslAuthenticationException"},
    {ERROR_NON_EMPTY_GROUP, "errors.GroupNotEmptyException"},
    {ERROR_INVALID_RECORD, "InvalidRecordException"},
};

const char *kafka_exception(struct arena *arena, int16_t code) {
    for (size_t i = 0; i < ARRAY_LEN(irregular); i++) {
        if (irregular[i].code == code) {
            return arena_printf(arena, "org.apache.kafka.common.%s", irregular[i].name);
        }
    }
    char *text = arena_printf(arena, "%s", error_name(code));
    char *out = text;
    bool start = true;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '_') {
            start = true;
        } else {
            *out++ = (char)(start ? *in : tolower((unsigned char)*in));
            start = false;
        }
    }
    *out = '\0';
    return arena_printf(arena, "org.apache.kafka.common.errors.%sException", text);
}
