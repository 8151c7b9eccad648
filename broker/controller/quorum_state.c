#include "broker/controller/quorum_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "runtime/file.h"

#define QUORUM_STATE_MAX 65536

/* What follows the next `"name":` at or after `text`; NULL when there is none. The file is flat but
 * for the list of voters, whose only member is voterId, so no parser is needed to read it. */
static const char *value_of(const char *text, const char *name) {
    size_t len = strlen(name);
    for (const char *at = strchr(text, '"'); at != NULL; at = strchr(at + 1, '"')) {
        if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '"') {
            at += len + 2;
            at += strspn(at, " \t\r\n");
            if (*at == ':') {
                return at + 1 + strspn(at + 1, " \t\r\n");
            }
        }
    }
    return NULL;
}

static bool int_of(const char *text, const char *name, int64_t *out) {
    const char *value = value_of(text, name);
    if (value == NULL) {
        return false;
    }
    return slice_parse_i64(slice_make(value, strspn(value, "-0123456789")), out) &&
           *out >= INT32_MIN && *out <= INT32_MAX;
}

static bool parse(const char *text, struct quorum_state *out) {
    int64_t version;
    int64_t leader_id = -1;
    int64_t epoch;
    int64_t voted_id = -1;
    if (!int_of(text, "leaderEpoch", &epoch) || !int_of(text, "data_version", &version) ||
        epoch < 0 || version < 0 || version > 1) {
        return false;
    }
    (void)int_of(text, "leaderId", &leader_id);
    (void)int_of(text, "votedId", &voted_id);
    *out = (struct quorum_state){
        .data_version = (int16_t)version,
        .leader_id = (int32_t)leader_id,
        .leader_epoch = (int32_t)epoch,
        .voted_id = (int32_t)voted_id,
        .voter_id = -1,
    };
    const char *directory = value_of(text, "votedDirectoryId");
    if (directory != NULL && *directory == '"') {
        (void)uuid_parse(slice_make(directory + 1, strcspn(directory + 1, "\"")),
                         &out->voted_directory_id);
    }
    for (const char *at = text; (at = value_of(at, "voterId")) != NULL;) {
        int64_t id;
        if (!slice_parse_i64(slice_make(at, strspn(at, "-0123456789")), &id)) {
            return false;
        }
        out->voter_id = (int32_t)id;
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
    if (strlen((const char *)text) != len || !parse((const char *)text, out)) {
        errmsg_set(errmsg, "%s is damaged: no epoch of the quorum can be read from it", path);
        result = -EINVAL;
    }
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
                      ",\"votedId\":%" PRId32
                      ",\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":"
                      "%" PRId32 "}],\"data_version\":0}",
                      state->leader_id, state->leader_epoch, state->voted_id, state->voter_id);
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
