/* A fetch on its way; shared by fetch.c (reading and waiting) and fetch_respond.c (the answer). */
#ifndef BROKER_API_FETCH_OP_H
#define BROKER_API_FETCH_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/api/scatter.h"
#include "broker/replica/fetch_session.h"
#include "broker/replica/fetch_wait.h"
#include "broker/server/request.h"
#include "protocol/errors.h"
#include "storage/log.h"

#define FETCH_VERSION_STORAGE_ERROR 6
#define FETCH_VERSION_TOPIC_ID      13
#define FETCH_VERSION_HINTS         16

/* One partition. `wanted` is set at home; the results by the owner, anew in each round. */
struct fetch_item {
    struct scatter_item item;
    struct fetch_wanted wanted; /* strings live as long as the request */
    struct uuid topic_id;       /* of the topic at the time of the request */
    bool scattered;             /* else `error` is all there is to it */

    enum kafka_error error;
    int64_t limit;  /* up to which it was read */
    bool throttled; /* of a replica that is throttled: what it gets is counted, */
    bool held_back; /* and it gets nothing now */
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start;
    int32_t preferred_replica; /* where the client shall read; -1 for here */
    bool diverging;
    int32_t diverging_epoch;
    int64_t diverging_end;
    struct log_range range; /* its file is ours; none while waiting */
    struct log_aborted *aborted;
    int aborted_count;
};

enum fetch_state { FETCH_READING, FETCH_PARKED };

/*
 * A fetch reads in rounds: every part reads what it has, the parts are gathered, and when that is
 * too little each part parks until something moves or the time is over, which starts the next
 * round.
 */
struct fetch_op {
    struct scatter scatter;
    struct request *request;
    struct fetch_item *items;
    int32_t item_count;
    enum fetch_state state;
    bool final; /* the round under way is the last, whatever it finds */
    enum fetch_limit limit;
    bool leader_only;     /* followers do not serve this one */
    bool told;            /* leaders have taken note of the replica that asks */
    int32_t replica_id;   /* of the replica that asks; negative for consumers */
    int64_t broker_epoch; /* that it was registered with; -1 when it does not say */
    struct slice rack;    /* of a consumer that may be sent to a replica near by */
    int64_t bytes_max;
    int64_t bytes_min;
    int64_t bytes; /* found in the last round */
    int64_t deadline_ms;
    struct timer timer;

    struct fetch_session *session; /* of an incremental fetch, one reference; NULL for a full one */
    bool create_session;           /* a full fetch that asks for one */
};

/* A fetch of the metadata log (fetch_metadata.c): all that a controller's listener serves. */
void fetch_metadata(struct request *request);

/* Answers with what the last round found and frees the op. */
void fetch_respond(struct fetch_op *op);

#endif
