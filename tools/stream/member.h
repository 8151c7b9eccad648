/*
 * A member of a consumer group, of the classic protocol: it joins, assigns by range where it is the
 * leader, keeps alive, commits, leaves.
 */
#ifndef TOOLS_STREAM_MEMBER_H
#define TOOLS_STREAM_MEMBER_H

#include "tools/admin/groups.h"
#include "tools/stream/consumer.h"

struct member {
    struct client *client;
    struct slice group;
    const struct slice *topics;
    int32_t topic_count;
    struct arena arena;     /* of the ids */
    struct slice member_id; /* empty: not a member */
    int32_t generation;
    int32_t session_ms;    /* 45000; may be changed before joining, as what follows */
    int32_t commit_ms;     /* between commits; 5000 */
    int64_t heartbeat_due; /* client_ticks_ms() */
    int64_t commit_due;
};

/* Strings must outlive the member. */
void member_init(struct member *member, struct client *client, struct slice group,
                 const struct slice *topics, int32_t topic_count);
void member_release(struct member *member);

/* Joins and makes the sources of the consumer those that it is assigned, at the group's offsets, or
 * where there is none at `start`. 0, a code of Kafka, or -1, with the client's error. */
int16_t member_join(struct member *member, struct consumer *consumer, int64_t start);

/* To be called every second or more often: keeps alive, commits now and then, joins again
 * when the group changes. As member_join(). */
int16_t member_keep(struct member *member, struct consumer *consumer, int64_t start, bool commit);

/* Commits where the consumer is. */
int16_t member_commit(struct member *member, const struct consumer *consumer);

void member_leave(struct member *member);

#endif
