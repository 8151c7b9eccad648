/*
 * What Kafka's protocol says about the outcome of a request: int16 codes with names, listed in full
 * so that decoded answers of other nodes have names too.
 *
 * These are the only outcomes that go to clients. Errors of the operating system are negative errno
 * numbers and are turned into one of these where a request is answered.
 */
#ifndef PROTOCOL_ERRORS_H
#define PROTOCOL_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/* X(name, code, RETRIABLE or FINAL for clients, text) for every code that Kafka defines. */
#define KAFKA_ERRORS(X)                                                                            \
    X(UNKNOWN_SERVER_ERROR, -1, FINAL, "The server failed in an unexpected way.")                  \
    X(NONE, 0, FINAL, "No error.")                                                                 \
    X(OFFSET_OUT_OF_RANGE, 1, FINAL, "The offset lies outside the log.")                           \
    X(CORRUPT_MESSAGE, 2, RETRIABLE, "The record batch is damaged or malformed.")                  \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, RETRIABLE, "This server knows no such topic or partition.")   \
    X(INVALID_FETCH_SIZE, 4, FINAL, "The fetch size is not valid.")                                \
    X(LEADER_NOT_AVAILABLE, 5, RETRIABLE, "The partition has no leader at the moment.")            \
    X(NOT_LEADER_OR_FOLLOWER, 6, RETRIABLE,                                                        \
      "This broker does not lead the partition or has no replica of it.")                          \
    X(REQUEST_TIMED_OUT, 7, RETRIABLE, "The request was not done in time.")                        \
    X(BROKER_NOT_AVAILABLE, 8, FINAL, "The broker is not available.")                              \
    X(REPLICA_NOT_AVAILABLE, 9, RETRIABLE, "The broker has no such replica.")                      \
    X(MESSAGE_TOO_LARGE, 10, FINAL, "The record batch is larger than allowed.")                    \
    X(STALE_CONTROLLER_EPOCH, 11, FINAL, "The controller has moved on to a newer epoch.")          \
    X(OFFSET_METADATA_TOO_LARGE, 12, FINAL, "The metadata of the committed offset is too long.")   \
    X(NETWORK_EXCEPTION, 13, RETRIABLE, "The connection was lost before the answer came.")         \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, RETRIABLE, "The coordinator is still loading its state.")  \
    X(COORDINATOR_NOT_AVAILABLE, 15, RETRIABLE, "The coordinator is not available.")               \
    X(NOT_COORDINATOR, 16, RETRIABLE, "This broker is not the coordinator.")                       \
    X(INVALID_TOPIC_EXCEPTION, 17, FINAL,                                                          \
      "The topic name is not valid or the topic must not be used this way.")                       \
    X(RECORD_LIST_TOO_LARGE, 18, FINAL, "The record batches do not fit into a segment.")           \
    X(NOT_ENOUGH_REPLICAS, 19, RETRIABLE, "Fewer replicas are in sync than required.")             \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, RETRIABLE,                                             \
      "The records were written, but to fewer in-sync replicas than required.")                    \
    X(INVALID_REQUIRED_ACKS, 21, FINAL, "The number of acknowledgements is not valid.")            \
    X(ILLEGAL_GENERATION, 22, FINAL, "The generation is not the current one of the group.")        \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, FINAL, "The member shares no protocol with the group.")     \
    X(INVALID_GROUP_ID, 24, FINAL, "The group id is not valid.")                                   \
    X(UNKNOWN_MEMBER_ID, 25, FINAL, "The group has no such member.")                               \
    X(INVALID_SESSION_TIMEOUT, 26, FINAL,                                                          \
      "The session timeout is outside the range that the broker allows.")                          \
    X(REBALANCE_IN_PROGRESS, 27, FINAL, "The group is rebalancing; join again.")                   \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, FINAL, "The committed offsets do not fit into a record.")    \
    X(TOPIC_AUTHORIZATION_FAILED, 29, FINAL, "Not authorized for the topic.")                      \
    X(GROUP_AUTHORIZATION_FAILED, 30, FINAL, "Not authorized for the group.")                      \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, FINAL, "Not authorized for the cluster.")                  \
    X(INVALID_TIMESTAMP, 32, FINAL, "The timestamp of a record is out of bounds.")                 \
    X(UNSUPPORTED_SASL_MECHANISM, 33, FINAL, "The SASL mechanism is not enabled.")                 \
    X(ILLEGAL_SASL_STATE, 34, FINAL, "The request does not fit the state of the SASL exchange.")   \
    X(UNSUPPORTED_VERSION, 35, FINAL, "The version is not supported.")                             \
    X(TOPIC_ALREADY_EXISTS, 36, FINAL, "A topic of this name exists already.")                     \
    X(INVALID_PARTITIONS, 37, FINAL, "The number of partitions is not valid.")                     \
    X(INVALID_REPLICATION_FACTOR, 38, FINAL,                                                       \
      "The replication factor is below one or above the number of usable brokers.")                \
    X(INVALID_REPLICA_ASSIGNMENT, 39, FINAL, "The assignment of replicas is not valid.")           \
    X(INVALID_CONFIG, 40, FINAL, "The configuration is not valid.")                                \
    X(NOT_CONTROLLER, 41, RETRIABLE, "This is not the active controller.")                         \
    X(INVALID_REQUEST, 42, FINAL, "The request is malformed or contradicts itself.")               \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, FINAL,                                                   \
      "The record format on the broker does not support this.")                                    \
    X(POLICY_VIOLATION, 44, FINAL, "A policy forbids the request.")                                \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, FINAL,                                                     \
      "The sequence number does not follow the last one.")                                         \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, FINAL, "The sequence number was seen before.")                \
    X(INVALID_PRODUCER_EPOCH, 47, FINAL, "A newer epoch of the producer is known.")                \
    X(INVALID_TXN_STATE, 48, FINAL, "The state of the transaction does not allow this.")           \
    X(INVALID_PRODUCER_ID_MAPPING, 49, FINAL,                                                      \
      "The producer id does not belong to the transactional id.")                                  \
    X(INVALID_TRANSACTION_TIMEOUT, 50, FINAL,                                                      \
      "The transaction timeout is outside the range that the broker allows.")                      \
    X(CONCURRENT_TRANSACTIONS, 51, RETRIABLE, "The previous transaction is not finished yet.")     \
    X(TRANSACTION_COORDINATOR_FENCED, 52, FINAL, "A newer transaction coordinator is known.")      \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, FINAL,                                            \
      "Not authorized for the transactional id.")                                                  \
    X(SECURITY_DISABLED, 54, FINAL, "The broker has no authorizer.")                               \
    X(OPERATION_NOT_ATTEMPTED, 55, FINAL,                                                          \
      "Not attempted, as another part of the request failed.")                                     \
    X(KAFKA_STORAGE_ERROR, 56, RETRIABLE, "The disk of the broker failed.")                        \
    X(LOG_DIR_NOT_FOUND, 57, FINAL, "The broker has no such log directory.")                       \
    X(SASL_AUTHENTICATION_FAILED, 58, FINAL, "Authentication failed.")                             \
    X(UNKNOWN_PRODUCER_ID, 59, FINAL, "The broker knows nothing of this producer.")                \
    X(REASSIGNMENT_IN_PROGRESS, 60, FINAL, "The partition is being reassigned.")                   \
    X(DELEGATION_TOKEN_AUTH_DISABLED, 61, FINAL, "Delegation tokens are not enabled.")             \
    X(DELEGATION_TOKEN_NOT_FOUND, 62, FINAL, "There is no such delegation token.")                 \
    X(DELEGATION_TOKEN_OWNER_MISMATCH, 63, FINAL,                                                  \
      "Neither owner nor renewer of the delegation token.")                                        \
    X(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64, FINAL,                                             \
      "Delegation tokens cannot be managed over this connection.")                                 \
    X(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, FINAL,                                            \
      "Not authorized for the delegation token.")                                                  \
    X(DELEGATION_TOKEN_EXPIRED, 66, FINAL, "The delegation token has expired.")                    \
    X(INVALID_PRINCIPAL_TYPE, 67, FINAL, "The type of the principal is not supported.")            \
    X(NON_EMPTY_GROUP, 68, FINAL, "The group has members.")                                        \
    X(GROUP_ID_NOT_FOUND, 69, FINAL, "There is no such group.")                                    \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, RETRIABLE, "The fetch session is not known.")                \
    X(INVALID_FETCH_SESSION_EPOCH, 71, RETRIABLE,                                                  \
      "The epoch of the fetch session is not the expected one.")                                   \
    X(LISTENER_NOT_FOUND, 72, RETRIABLE,                                                           \
      "The leader has no listener of the name that the client uses.")                              \
    X(TOPIC_DELETION_DISABLED, 73, FINAL, "Deleting topics is not enabled.")                       \
    X(FENCED_LEADER_EPOCH, 74, RETRIABLE, "The leader epoch is older than the known one.")         \
    X(UNKNOWN_LEADER_EPOCH, 75, RETRIABLE, "The leader epoch is newer than the known one.")        \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, FINAL, "The compression is not supported here.")           \
    X(STALE_BROKER_EPOCH, 77, FINAL, "The broker epoch is not the current one.")                   \
    X(OFFSET_NOT_AVAILABLE, 78, RETRIABLE,                                                         \
      "The new leader does not know the high watermark yet.")                                      \
    X(MEMBER_ID_REQUIRED, 79, FINAL, "Join again with the member id that was given.")              \
    X(PREFERRED_LEADER_NOT_AVAILABLE, 80, RETRIABLE, "The preferred leader is not available.")     \
    X(GROUP_MAX_SIZE_REACHED, 81, FINAL, "The group has as many members as are allowed.")          \
    X(FENCED_INSTANCE_ID, 82, FINAL, "Another member took over the group instance id.")            \
    X(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, RETRIABLE, "No replica may become leader.")              \
    X(ELECTION_NOT_NEEDED, 84, RETRIABLE, "The partition has the wanted leader already.")          \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, FINAL, "The partition is not being reassigned.")            \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, FINAL, "The group is subscribed to the topic.")               \
    X(INVALID_RECORD, 87, FINAL, "A record is not valid.")                                         \
    X(UNSTABLE_OFFSET_COMMIT, 88, RETRIABLE, "Offsets of an unfinished transaction are pending.")  \
    X(THROTTLING_QUOTA_EXCEEDED, 89, RETRIABLE, "The quota is exceeded.")                          \
    X(PRODUCER_FENCED, 90, FINAL, "A newer producer uses the same transactional id.")              \
    X(RESOURCE_NOT_FOUND, 91, FINAL, "There is no such resource.")                                 \
    X(DUPLICATE_RESOURCE, 92, FINAL, "The request names the same resource twice.")                 \
    X(UNACCEPTABLE_CREDENTIAL, 93, FINAL, "The credential is not acceptable.")                     \
    X(INCONSISTENT_VOTER_SET, 94, FINAL, "Sender or receiver is not among the voters.")            \
    X(INVALID_UPDATE_VERSION, 95, FINAL, "The version of the update is not valid.")                \
    X(FEATURE_UPDATE_FAILED, 96, FINAL, "The features could not be updated.")                      \
    X(PRINCIPAL_DESERIALIZATION_FAILURE, 97, FINAL,                                                \
      "The principal of the forwarded request cannot be read.")                                    \
    X(SNAPSHOT_NOT_FOUND, 98, FINAL, "There is no such snapshot.")                                 \
    X(POSITION_OUT_OF_RANGE, 99, FINAL, "The position lies outside the snapshot.")                 \
    X(UNKNOWN_TOPIC_ID, 100, RETRIABLE, "This server knows no such topic id.")                     \
    X(DUPLICATE_BROKER_REGISTRATION, 101, FINAL, "A broker of this id is registered and alive.")   \
    X(BROKER_ID_NOT_REGISTERED, 102, FINAL, "No broker of this id is registered.")                 \
    X(INCONSISTENT_TOPIC_ID, 103, RETRIABLE, "The topic id differs from that of the log.")         \
    X(INCONSISTENT_CLUSTER_ID, 104, FINAL, "The cluster id differs.")                              \
    X(TRANSACTIONAL_ID_NOT_FOUND, 105, FINAL, "There is no such transactional id.")                \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, RETRIABLE,                                                \
      "The fetch session mixes topic ids and topic names.")                                        \
    X(INELIGIBLE_REPLICA, 107, FINAL, "A replica of the new in-sync set is not eligible.")         \
    X(NEW_LEADER_ELECTED, 108, FINAL, "The change made another replica the leader.")               \
    X(OFFSET_MOVED_TO_TIERED_STORAGE, 109, FINAL, "The offset is in tiered storage only.")         \
    X(FENCED_MEMBER_EPOCH, 110, FINAL, "The member epoch is fenced; join again.")                  \
    X(UNRELEASED_INSTANCE_ID, 111, FINAL, "Another active member has the instance id.")            \
    X(UNSUPPORTED_ASSIGNOR, 112, FINAL, "The assignor is not supported.")                          \
    X(STALE_MEMBER_EPOCH, 113, FINAL, "The member epoch is not the current one.")                  \
    X(MISMATCHED_ENDPOINT_TYPE, 114, FINAL, "The request came to the wrong kind of endpoint.")     \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, FINAL, "The kind of endpoint is not supported.")             \
    X(UNKNOWN_CONTROLLER_ID, 116, FINAL, "The controller id is not known.")                        \
    X(UNKNOWN_SUBSCRIPTION_ID, 117, FINAL, "The telemetry subscription is not the current one.")   \
    X(TELEMETRY_TOO_LARGE, 118, FINAL, "The telemetry is larger than allowed.")                    \
    X(INVALID_REGISTRATION, 119, FINAL, "The registration is not valid.")                          \
    X(TRANSACTION_ABORTABLE, 120, FINAL, "The transaction must be aborted.")                       \
    X(INVALID_RECORD_STATE, 121, FINAL, "The member has not acquired the record.")                 \
    X(SHARE_SESSION_NOT_FOUND, 122, RETRIABLE, "The share session is not known.")                  \
    X(INVALID_SHARE_SESSION_EPOCH, 123, RETRIABLE,                                                 \
      "The epoch of the share session is not the expected one.")                                   \
    X(FENCED_STATE_EPOCH, 124, FINAL, "The state epoch of the share partition differs.")           \
    X(INVALID_VOTER_KEY, 125, FINAL, "The key of the voter is not that of the receiver.")          \
    X(DUPLICATE_VOTER, 126, FINAL, "The voter exists already.")                                    \
    X(VOTER_NOT_FOUND, 127, FINAL, "There is no such voter.")                                      \
    X(INVALID_REGULAR_EXPRESSION, 128, FINAL, "The regular expression is not valid.")              \
    X(REBOOTSTRAP_REQUIRED, 129, FINAL,                                                            \
      "The client must forget its metadata and bootstrap again.")                                  \
    X(STREAMS_INVALID_TOPOLOGY, 130, FINAL, "The topology is not valid.")                          \
    X(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, FINAL, "The topology epoch is not valid.")              \
    X(STREAMS_TOPOLOGY_FENCED, 132, FINAL, "The topology epoch is not the current one.")           \
    X(SHARE_SESSION_LIMIT_REACHED, 133, RETRIABLE,                                                 \
      "There are as many share sessions as are allowed.")                                          \
    X(GROUP_DELETION_FAILED, 134, FINAL, "The group could not be deleted.")                        \
    X(STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED, 135, FINAL,                                      \
      "The description of the topology could not be updated.")                                     \
    X(CONTROLLER_ID_NOT_REGISTERED, 136, FINAL, "No controller of this id is registered.")
/* clang-format on */

enum kafka_error {
#define KAFKA_ERROR_ENUM(name, code, retry, text) ERROR_##name = (code),
    KAFKA_ERRORS(KAFKA_ERROR_ENUM)
#undef KAFKA_ERROR_ENUM
};

/* "OFFSET_OUT_OF_RANGE"; "UNKNOWN_SERVER_ERROR" for codes that are not listed. Constant text. */
const char *error_name(int16_t code);

/* A sentence for people, for the message fields of responses. Constant text. */
const char *error_message(int16_t code);

/* Whether a client may send the same request again and hope. */
bool error_retriable(int16_t code);

#endif
