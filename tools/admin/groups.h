/* Consumer groups: what there is, and changes to it. Memory is that of the client's answers. */
#ifndef TOOLS_ADMIN_GROUPS_H
#define TOOLS_ADMIN_GROUPS_H

#include "protocol/generated/describe_groups_response.h"
#include "protocol/generated/list_groups_response.h"
#include "tools/admin/topics.h"

/* Functions return false with the client's error where a broker does not answer; else *code or the
 * codes in what they give say what the coordinator thinks of it. */

struct group_list {
    struct list_groups_response_listed_group *items; /* by id */
    int32_t count;
};

/* Of all brokers. */
bool groups_list(struct client *client, struct group_list *out);

/* An offset of a group. */
struct committed {
    struct slice topic;
    int32_t partition;
    int64_t offset; /* -1: none */
    int32_t leader_epoch;
    struct slice metadata;
    int16_t code; /* what became of a commit or of a deletion */
};

struct committed_list {
    struct committed *items; /* by topic and partition */
    size_t count;
};

bool group_committed(struct client *client, struct slice group, struct committed_list *out,
                     int16_t *code);

/* Who commits; a tool is no member: an empty id and generation -1. */
struct committer {
    struct slice member_id;
    int32_t generation;
};
#define NO_MEMBER ((struct committer){SLICE_LIT(""), -1})

/* Sets the code of each; *code is the first that is not 0. */
bool group_commit(struct client *client, struct slice group, struct committer committer,
                  struct committed *items, size_t count, int16_t *code);

/* Offsets of these partitions; sets the code of each. *code: of the whole. */
bool group_delete_offsets(struct client *client, struct slice group, struct committed *items,
                          size_t count, int16_t *code);

/* Those that the description has leave the group. *code: of the whole, or the first of a member. */
bool group_remove_members(struct client *client, struct slice group,
                          const struct describe_groups_response_described_group *described,
                          int16_t *code);

bool group_delete(struct client *client, struct slice group, int16_t *code);

/* *coordinator: the broker that answered. NULL with *code set, or without answer. */
const struct describe_groups_response_described_group *
group_describe(struct client *client, struct slice group, int32_t *coordinator, int16_t *code);

/* A partition that a member has. */
struct member_partition {
    struct slice topic;
    int32_t partition;
    const struct describe_groups_response_described_group_member *member;
};

/* What the assignment of a member says; none where it is of an unknown protocol. */
size_t group_assignment(struct client *client,
                        const struct describe_groups_response_described_group_member *member,
                        struct member_partition **out);

#endif
