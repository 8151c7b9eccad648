#include "broker/quorum/voter_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "protocol/generated/voters_record.h"
#include "protocol/message.h"

struct voter_set *voter_set_new(void) {
    struct voter_set *set = NEW(struct voter_set);
    arena_init(&set->arena, SIZE_MAX);
    return set;
}

void voter_set_free(struct voter_set *set) {
    if (set != NULL) {
        arena_release(&set->arena);
        free(set);
    }
}

void voter_set_add(struct voter_set *set, const struct voter *voter) {
    ASSERT(set->count < RAFT_VOTERS_MAX);
    struct metadata_endpoint *endpoints =
        arena_array(&set->arena, (size_t)voter->endpoint_count, sizeof(*endpoints));
    for (int i = 0; i < voter->endpoint_count; i++) {
        endpoints[i] = (struct metadata_endpoint){
            .name = arena_dup(&set->arena, voter->endpoints[i].name),
            .host = arena_dup(&set->arena, voter->endpoints[i].host),
            .port = voter->endpoints[i].port,
        };
    }
    struct voter *added = &set->voters[set->count++];
    *added = *voter;
    added->endpoints = endpoints;
}

void voter_set_remove(struct voter_set *set, int index) {
    ASSERT(index >= 0 && index < set->count);
    set->count--;
    memmove(&set->voters[index], &set->voters[index + 1],
            (size_t)(set->count - index) * sizeof(set->voters[0]));
}

void voter_set_replace(struct voter_set *set, int index, const struct voter *voter) {
    voter_set_remove(set, index);
    voter_set_add(set, voter);
    struct voter added = set->voters[set->count - 1];
    memmove(&set->voters[index + 1], &set->voters[index],
            (size_t)(set->count - 1 - index) * sizeof(set->voters[0]));
    set->voters[index] = added;
}

struct voter_set *voter_set_copy(const struct voter_set *set) {
    struct voter_set *copy = voter_set_new();
    copy->kraft_version = set->kraft_version;
    for (int i = 0; i < set->count; i++) {
        voter_set_add(copy, &set->voters[i]);
    }
    return copy;
}

int voter_set_find(const struct voter_set *set, int32_t id) {
    for (int i = 0; i < set->count; i++) {
        if (set->voters[i].key.id == id) {
            return i;
        }
    }
    return -1;
}

void voter_set_keys(const struct voter_set *set, struct raft_voters *out) {
    memset(out, 0, sizeof(*out));
    out->count = set->count;
    for (int i = 0; i < set->count; i++) {
        out->keys[i] = set->voters[i].key;
    }
}

static struct voter_set *from_record(const struct voters_record *record, struct arena *arena) {
    if (record->voters_count < 0 || record->voters_count > RAFT_VOTERS_MAX) {
        return NULL;
    }
    struct voter_set *set = voter_set_new();
    set->kraft_version = 1;
    for (int32_t i = 0; i < record->voters_count; i++) {
        const struct voters_record_voter *in = &record->voters[i];
        if (in->voter_id < 0 || voter_set_find(set, in->voter_id) >= 0) {
            voter_set_free(set);
            return NULL;
        }
        struct metadata_endpoint *endpoints =
            arena_array(arena, (size_t)in->endpoints_count, sizeof(*endpoints));
        if (endpoints == NULL) {
            voter_set_free(set);
            return NULL;
        }
        for (int32_t j = 0; j < in->endpoints_count; j++) {
            endpoints[j] = (struct metadata_endpoint){in->endpoints[j].name, in->endpoints[j].host,
                                                      in->endpoints[j].port};
        }
        struct voter voter = {
            .key = {.id = in->voter_id, .directory_id = in->voter_directory_id},
            .endpoints = endpoints,
            .endpoint_count = in->endpoints_count,
            .kraft_version_min = in->kraft_version_feature.min_supported_version,
            .kraft_version_max = in->kraft_version_feature.max_supported_version,
        };
        voter_set_add(set, &voter);
    }
    return set;
}

struct voter_set *voter_set_decode(struct slice value) {
    struct voters_record record;
    struct voter_set *set = NULL;
    struct arena arena;
    arena_init(&arena, message_decode_limit(value.len));
    if (message_decode(&voters_record_desc, 0, value, &arena, &record, NULL) == MESSAGE_OK) {
        struct arena endpoints;
        arena_init(&endpoints, SIZE_MAX);
        set = from_record(&record, &endpoints);
        arena_release(&endpoints);
    }
    arena_release(&arena);
    return set;
}

void voter_set_encode(const struct voter_set *set, struct buffer *out) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct voters_record record;
    message_init(&voters_record_desc, &record);
    record.voters_count = set->count;
    record.voters = arena_array(&arena, (size_t)set->count, sizeof(*record.voters));
    for (int i = 0; i < set->count; i++) {
        const struct voter *voter = &set->voters[i];
        struct voters_record_endpoint *endpoints =
            arena_array(&arena, (size_t)voter->endpoint_count, sizeof(*endpoints));
        for (int j = 0; j < voter->endpoint_count; j++) {
            endpoints[j] = (struct voters_record_endpoint){.name = voter->endpoints[j].name,
                                                           .host = voter->endpoints[j].host,
                                                           .port = voter->endpoints[j].port};
        }
        record.voters[i] = (struct voters_record_voter){
            .voter_id = voter->key.id,
            .voter_directory_id = voter->key.directory_id,
            .endpoints = endpoints,
            .endpoints_count = voter->endpoint_count,
            .kraft_version_feature = {.min_supported_version = voter->kraft_version_min,
                                      .max_supported_version = voter->kraft_version_max},
        };
    }
    enum message_error error = message_encode(&voters_record_desc, 0, &record, out, NULL);
    ASSERT(error == MESSAGE_OK);
    arena_release(&arena);
}

const struct metadata_endpoint *voter_endpoint(const struct voter *voter, struct slice name) {
    for (int i = 0; i < voter->endpoint_count; i++) {
        if (slice_equal(voter->endpoints[i].name, name)) {
            return &voter->endpoints[i];
        }
    }
    return voter->endpoint_count > 0 ? &voter->endpoints[0] : NULL;
}

/* ---- History --------------------------------------------------------------------------------- */

static void forget_from(struct voter_history *history, int first) {
    while (history->count > first) {
        voter_set_free(history->sets[--history->count].set);
    }
}

void voter_history_reset(struct voter_history *history, struct voter_set *set) {
    forget_from(history, 0);
    voter_history_add(history, -1, set);
}

void voter_history_set_first(struct voter_history *history, struct voter_set *set) {
    ASSERT(history->count > 0);
    voter_set_free(history->sets[0].set);
    history->sets[0].set = set;
}

int16_t voter_history_kraft_version(const struct voter_history *history) {
    return history->count == 0 ? 0 : voter_history_last(history)->kraft_version;
}

void voter_history_release(struct voter_history *history) {
    forget_from(history, 0);
    free(history->sets);
    *history = (struct voter_history){0};
}

void voter_history_add(struct voter_history *history, int64_t offset, struct voter_set *set) {
    if (history->count == history->cap) {
        history->cap = history->cap == 0 ? 4 : history->cap * 2;
        history->sets = xrealloc(history->sets, (size_t)history->cap * sizeof(*history->sets));
    }
    history->sets[history->count++] = (struct voter_set_at){offset, set};
}

void voter_history_truncate(struct voter_history *history, int64_t offset) {
    int kept = history->count;
    while (kept > 1 && history->sets[kept - 1].offset >= offset) {
        kept--;
    }
    forget_from(history, kept);
}

void voter_history_cut_start(struct voter_history *history, int64_t offset) {
    int drop = 0; /* sets that a later one below the offset replaces */
    while (drop + 1 < history->count && history->sets[drop + 1].offset < offset) {
        voter_set_free(history->sets[drop++].set);
    }
    history->count -= drop;
    memmove(history->sets, history->sets + drop, (size_t)history->count * sizeof(*history->sets));
    history->sets[0].offset = -1;
}

const struct voter_set *voter_history_last(const struct voter_history *history) {
    ASSERT(history->count > 0);
    return history->sets[history->count - 1].set;
}

const struct voter_set *voter_history_at(const struct voter_history *history, int64_t offset) {
    ASSERT(history->count > 0);
    int at = history->count - 1;
    while (at > 0 && history->sets[at].offset >= offset) {
        at--;
    }
    return history->sets[at].set;
}
