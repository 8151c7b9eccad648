/* What peers ask. */
#include "broker/quorum/quorum_requests.h"

#include <errno.h>
#include <stdlib.h>

#include "broker/quorum/quorum_internal.h"
#include "runtime/file.h"

/* ---- Questions of consensus ------------------------------------------------------------------ */

static void refuse(struct quorum_ask *ask, const struct raft_request *request) {
    struct raft_reply reply = {.kind = request->kind,
                               .error = ERROR_BROKER_NOT_AVAILABLE,
                               .leader_id = -1,
                               .epoch = -1,
                               .high_watermark = -1};
    ask->fn(ask, &reply);
}

void quorum_ask(struct quorum *quorum, struct quorum_ask *ask, const struct raft_request *request,
                void (*fn)(struct quorum_ask *ask, const struct raft_reply *reply)) {
    ask->fn = fn;
    list_init(&ask->link);
    if (quorum->raft == NULL || quorum->failed || quorum->peers_closed) {
        refuse(ask, request);
        return;
    }
    ask->token = quorum->next_token++;
    list_append(&quorum->asks, &ask->link);
    raft_request(quorum->raft, quorum_now_ms(quorum), ask->token, request);
    quorum_run(quorum);
}

void quorum_reply(struct quorum *quorum, const struct raft_effect *effect) {
    LIST_FOREACH_SAFE(it, &quorum->asks) {
        struct quorum_ask *ask = CONTAINER_OF(it, struct quorum_ask, link);
        if (ask->token == effect->id) {
            list_remove(&ask->link);
            ask->fn(ask, &effect->reply);
            return;
        }
    }
}

void quorum_end_asks(struct quorum *quorum) {
    while (!list_empty(&quorum->asks)) {
        struct quorum_ask *ask = LIST_FIRST(&quorum->asks, struct quorum_ask, link);
        struct raft_request request = {.kind = RAFT_VOTE};
        list_remove(&ask->link);
        refuse(ask, &request);
    }
    quorum_voters_stop(quorum);
}

bool quorum_is_cluster(const struct quorum *quorum, struct slice cluster_id) {
    return slice_is_null(cluster_id) || quorum->cluster_id[0] == '\0' ||
           slice_equal_str(cluster_id, quorum->cluster_id);
}

int quorum_read(struct quorum *quorum, int64_t offset, int64_t end_offset, size_t max_bytes,
                struct log_range *out) {
    int64_t end = log_end_offset(quorum->log);
    *out = (struct log_range){0};
    if (quorum->failed || quorum->closing_log) {
        return -EIO;
    }
    return log_read(quorum->log, offset, end_offset < end ? end_offset : end, max_bytes, true, out);
}

enum kafka_error quorum_check_leader(const struct quorum *quorum, int32_t epoch) {
    if (quorum->raft == NULL || quorum->failed || quorum->peers_closed) {
        return ERROR_BROKER_NOT_AVAILABLE;
    }
    int32_t ours = raft_epoch(quorum->raft);
    if (epoch < ours) {
        return ERROR_FENCED_LEADER_EPOCH;
    }
    if (epoch > ours) {
        return ERROR_UNKNOWN_LEADER_EPOCH;
    }
    return raft_role(quorum->raft) == RAFT_LEADER ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
}

int quorum_snapshot_open(struct quorum *quorum, int64_t end_offset, int32_t epoch,
                         struct file **out, int64_t *size) {
    if (end_offset <= 0 || epoch < 0) {
        return -ENOENT; /* the bootstrap snapshot is nobody else's */
    }
    char *path = snapshot_path(quorum->dir, (struct snapshot_id){end_offset, epoch});
    int result = file_open(quorum->machine, path, FILE_READ, out);
    free(path);
    if (result == 0) {
        result = file_size(*out, size);
        if (result != 0) {
            file_unref(*out);
        }
    }
    return result;
}

void quorum_snapshot_fetched(struct quorum *quorum, struct raft_key replica) {
    raft_snapshot_fetched(quorum->raft, quorum_now_ms(quorum), replica);
}

int64_t quorum_log_start(const struct quorum *quorum) {
    return quorum->log == NULL ? 0 : log_start_offset(quorum->log);
}

/* ---- Questions ------------------------------------------------------------------------------- */

int16_t quorum_kraft_version(const struct quorum *quorum) {
    return voter_history_kraft_version(&quorum->voters);
}

const struct voter_set *quorum_voters(const struct quorum *quorum) {
    return quorum->voters.count == 0 ? NULL : voter_history_last(&quorum->voters);
}

bool quorum_is_stranded(struct quorum *quorum) {
    if (quorum->raft == NULL || quorum->failed || quorum->closed != NULL) {
        return false;
    }
    bool stranded = raft_is_stranded(quorum->raft);
    raft_probe(quorum->raft, quorum_now_ms(quorum));
    quorum_run(quorum);
    return stranded;
}

const struct voter *quorum_self(const struct quorum *quorum) {
    return &quorum->self;
}

bool quorum_replica_at(const struct quorum *quorum, int i, struct raft_replica *out) {
    if (quorum->raft == NULL) {
        return false;
    }
    int64_t now_ms = quorum_now_ms(quorum);
    int64_t to_wall = clock_wall_ms(quorum->machine) - now_ms;
    if (!raft_replica_at(quorum->raft, now_ms, i, out)) {
        return false;
    }
    out->fetched_ms += out->fetched_ms >= 0 ? to_wall : 0;
    out->caught_up_ms += out->caught_up_ms >= 0 ? to_wall : 0;
    return true;
}

bool quorum_status(const struct quorum *quorum, struct quorum_status *out) {
    if (quorum->raft == NULL || quorum->log == NULL) {
        return false;
    }
    *out = (struct quorum_status){
        .role = raft_role(quorum->raft),
        .leader = raft_leader_id(quorum->raft),
        .epoch = raft_epoch(quorum->raft),
        .voted =
            quorum->state.leader_epoch == raft_epoch(quorum->raft) ? quorum->state.voted_id : -1,
        .high_watermark = quorum->high_watermark,
        .end_offset = raft_end_offset(quorum->raft),
        .end_epoch = log_latest_epoch(quorum->log),
        .counts = quorum->counts,
    };
    const struct raft_voters *voters = raft_voters(quorum->raft);
    for (int i = 0; i < voters->count; i++) {
        out->voter |= voters->keys[i].id == quorum->self.key.id;
    }
    return true;
}
