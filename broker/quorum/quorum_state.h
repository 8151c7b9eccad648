/*
 * quorum-state: the vote and the leader that this node knows, one line of JSON beside the metadata
 * log (KIP-595, KIP-853). It is durable before the node acts on a new epoch.
 */
#ifndef BROKER_QUORUM_QUORUM_STATE_H
#define BROKER_QUORUM_QUORUM_STATE_H

#include <stdint.h>

#include "base/assert.h"
#include "base/errmsg.h"
#include "base/uuid.h"
#include "raft/raft.h"

struct machine;

struct quorum_state {
    int16_t data_version; /* 0: kraft.version 0; 1: kraft.version 1 */
    int32_t leader_id;    /* -1: none */
    int32_t leader_epoch;
    int32_t voted_id; /* -1: none */
    struct uuid voted_directory_id;
    int voter_count; /* of currentVoters; data version 0 only */
    int32_t voter_ids[RAFT_VOTERS_MAX];
};

/* -ENOENT when there is none; -EINVAL with errmsg when it makes no sense. Blocks. */
MUST_CHECK int quorum_state_read(struct machine *machine, const char *path,
                                 struct quorum_state *out, struct errmsg *errmsg);
MUST_CHECK int quorum_state_write(struct machine *machine, const char *path,
                                  const struct quorum_state *state);

#endif
