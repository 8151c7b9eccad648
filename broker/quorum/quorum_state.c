#include "broker/quorum/quorum_state.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "runtime/file.h"

#define QUORUM_STATE_MAX 65536

/* A number of the file that fits an int32. */
static bool int_of(const json_t *object, const char *name, int32_t *out) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < INT32_MIN ||
        json_integer_value(value) > INT32_MAX) {
        return false;
    }
    *out = (int32_t)json_integer_value(value);
    return true;
}

static bool parse(const json_t *root, struct quorum_state *out) {
    int32_t version;
    *out = (struct quorum_state){.leader_id = -1, .voted_id = -1};
    if (!int_of(root, "leaderEpoch", &out->leader_epoch) ||
        !int_of(root, "data_version", &version) || out->leader_epoch < 0 || version < 0 ||
        version > 1) {
        return false;
    }
    out->data_version = (int16_t)version;
    (void)int_of(root, "leaderId", &out->leader_id);
    (void)int_of(root, "votedId", &out->voted_id);
    const char *directory = json_string_value(json_object_get(root, "votedDirectoryId"));
    if (directory != NULL) {
        (void)uuid_parse(slice_str(directory), &out->voted_directory_id);
    }
    const json_t *voters = json_object_get(root, "currentVoters");
    for (size_t i = 0; i < json_array_size(voters); i++) {
        if (out->voter_count == RAFT_VOTERS_MAX ||
            !int_of(json_array_get(voters, i), "voterId", &out->voter_ids[out->voter_count])) {
            return false;
        }
        out->voter_count++;
    }
    return true;
}

int quorum_state_read(struct machine *machine, const char *path, struct quorum_state *out,
                      struct errmsg *errmsg) {
    uint8_t *text;
    size_t len;
    int result = file_read_all(machine, path, QUORUM_STATE_MAX, &text, &len);
    if (result != 0) {
        errmsg_set(errmsg, "cannot read %s: %s", path, strerror(-result));
        return result;
    }
    json_t *root = json_loadb((const char *)text, len, 0, NULL);
    if (!parse(root, out)) {
        errmsg_set(errmsg, "%s is damaged: no epoch of the quorum can be read from it", path);
        result = -EINVAL;
    }
    json_decref(root);
    free(text);
    return result;
}

int quorum_state_write(struct machine *machine, const char *path,
                       const struct quorum_state *state) {
    struct buffer out;
    buffer_init(&out, QUORUM_STATE_MAX);
    if (state->data_version == 0) {
        buffer_printf(&out,
                      "{\"clusterId\":\"\",\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32
                      ",\"votedId\":%" PRId32 ",\"appliedOffset\":0,\"currentVoters\":[",
                      state->leader_id, state->leader_epoch, state->voted_id);
        for (int i = 0; i < state->voter_count; i++) {
            buffer_printf(&out, "%s{\"voterId\":%" PRId32 "}", i == 0 ? "" : ",",
                          state->voter_ids[i]);
        }
        buffer_printf(&out, "],\"data_version\":0}");
    } else {
        char directory[UUID_TEXT_LEN + 1];
        buffer_printf(&out,
                      "{\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32 ",\"votedId\":%" PRId32
                      ",\"votedDirectoryId\":\"%s\",\"data_version\":1}",
                      state->leader_id, state->leader_epoch, state->voted_id,
                      uuid_format(state->voted_directory_id, directory));
    }
    int result = file_replace(machine, path, buffer_slice(&out));
    buffer_release(&out);
    return result;
}
