/*
 * A cluster as its clients see it: bootstrap addresses, brokers by id, and who leads or coordinates
 * what. One thread, blocking; errors are kept as a text that says what to do.
 *
 * Everything that is answered lies in client->answers until client_forget(); commands that run once
 * never forget.
 */
#ifndef TOOLS_CLIENT_CLIENT_H
#define TOOLS_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/errors.h"
#include "protocol/generated/metadata_response.h"
#include "tools/client/rpc.h"

/* Keys of the APIs that tools use. */
enum client_api {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_FIND_COORDINATOR = 10,
    API_JOIN_GROUP = 11,
    API_HEARTBEAT = 12,
    API_LEAVE_GROUP = 13,
    API_SYNC_GROUP = 14,
    API_DESCRIBE_GROUPS = 15,
    API_LIST_GROUPS = 16,
    API_API_VERSIONS = 18,
    API_CREATE_TOPICS = 19,
    API_DELETE_TOPICS = 20,
    API_DELETE_RECORDS = 21,
    API_DESCRIBE_CONFIGS = 32,
    API_ALTER_REPLICA_LOG_DIRS = 34,
    API_DESCRIBE_LOG_DIRS = 35,
    API_CREATE_PARTITIONS = 37,
    API_DELETE_GROUPS = 42,
    API_ELECT_LEADERS = 43,
    API_INCREMENTAL_ALTER_CONFIGS = 44,
    API_ALTER_PARTITION_REASSIGNMENTS = 45,
    API_LIST_PARTITION_REASSIGNMENTS = 46,
    API_OFFSET_DELETE = 47,
    API_DESCRIBE_QUORUM = 55,
    API_UPDATE_FEATURES = 57,
    API_DESCRIBE_CLUSTER = 60,
    API_UNREGISTER_BROKER = 64,
    API_LIST_CONFIG_RESOURCES = 74,
    API_DESCRIBE_TOPIC_PARTITIONS = 75,
    API_ADD_RAFT_VOTER = 80,
    API_REMOVE_RAFT_VOTER = 81,
};

#define CLIENT_ANY  (-1) /* whichever broker answers */
#define VERSION_MAX INT16_MAX

#define CLIENT_HOST_MAX 256

struct client_node {
    int32_t id; /* -1: of the bootstrap list */
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    bool open;
    struct rpc rpc;
    struct client_node *next;
};

struct client {
    const char *bootstrap; /* HOST:PORT[,HOST:PORT]... */
    const char *client_id;
    bool controllers;          /* the addresses are controllers': "any" is the active one */
    int32_t active;            /* private: which; -1 until it was asked for */
    int64_t wait_ms;           /* for a bootstrap address to listen; 0: it has to */
    struct client_node *nodes; /* private */
    struct arena answers;
    struct errmsg error; /* of what failed last */
};

/* Strings must outlive the client. Connects on demand. */
void client_init(struct client *client, const char *bootstrap, const char *client_id);
void client_release(struct client *client);

/* Frees what was answered so far. */
void client_forget(struct client *client);

/* A broker by id, or any; NULL with the error set when it is unknown or does not listen. Brokers
 * are learned from client_metadata(). */
struct client_node *client_node(struct client *client, int32_t id);

/* Learns of a broker, or of its new address. */
void client_learn(struct client *client, int32_t id, struct slice host, int32_t port);

/* Closes the connection to a broker, so that the next call dials again. */
void client_hang_up(struct client *client, int32_t id);

/* Whether that broker serves the API, in this version or a later one. False also on errors. */
bool client_serves(struct client *client, int32_t node, int16_t api_key, int16_t version);

/* Asks one broker, in the newest version that both know but not above `highest`. NULL with the
 * error set; errors in the response are the caller's. A connection that broke is made anew once.
 * used: gets the version, may be NULL. */
const void *client_call(struct client *client, int32_t node, int16_t api_key, int16_t highest,
                        const void *request, int16_t *used);

/* The topics of these names, without creating them; names NULL: all. Learns the brokers. */
const struct metadata_response *client_metadata(struct client *client, const struct slice *names,
                                                int32_t count);

/* The same, creating what is missing as the broker's auto.create.topics.enable has it. */
const struct metadata_response *client_metadata_creating(struct client *client, struct slice name);

/* The id of the group's coordinator; -1 with the error set and *code (may be NULL) of the answer.
 */
int32_t client_coordinator(struct client *client, struct slice group, int16_t *code);

/* Sleeps a little longer each time; false when all patience (30 s) is used up. Start with 0. */
bool client_retry(int *attempt);

/* Sets the error from a code and the broker's own text, if any. */
void client_fail(struct client *client, int16_t code, struct slice text);

/* CLOCK_REALTIME and CLOCK_MONOTONIC in milliseconds. */
int64_t client_now_ms(void);
int64_t client_ticks_ms(void);
void client_pause_ms(int64_t ms);

#endif
