#include "broker/replica/fetch_session.h"

#include <stdlib.h>

#include "base/memory.h"
#include "runtime/machine.h"

struct fetch_sessions {
    struct machine *machine;
    int shard_index;
    int shard_count;
    int slots;
    struct hmap by_id;  /* struct fetch_session.by_id */
    struct list by_use; /* struct fetch_session.by_use */
    size_t partition_count;
};

struct fetch_sessions *fetch_sessions_new(struct machine *machine, int shard_index, int shard_count,
                                          int64_t slots) {
    struct fetch_sessions *sessions = NEW(struct fetch_sessions);
    sessions->machine = machine;
    sessions->shard_index = shard_index;
    sessions->shard_count = shard_count;
    sessions->slots = (int)((slots + shard_count - 1) / shard_count);
    hmap_init(&sessions->by_id);
    list_init(&sessions->by_use);
    return sessions;
}

void fetch_sessions_free(struct fetch_sessions *sessions) {
    HMAP_FOREACH(node, &sessions->by_id) {
        /* Whoever else had it is gone without a word: the machine has crashed or stopped. */
        struct fetch_session *session = CONTAINER_OF(node, struct fetch_session, by_id);
        session->refs = 1;
        fetch_session_close(session);
    }
    hmap_release(&sessions->by_id);
    free(sessions);
}

int fetch_sessions_count(const struct fetch_sessions *sessions) {
    return (int)sessions->by_id.count;
}

int fetch_session_shard(int32_t session_id, int shard_count) {
    return session_id > 0 ? session_id % shard_count : 0;
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static uint64_t cached_hash(struct uuid topic_id, struct slice topic, int32_t partition) {
    uint64_t hash = slice_is_null(topic) ? uuid_hash(topic_id) : hash_bytes(topic);
    return hash_combine(hash, (uint64_t)(uint32_t)partition);
}

struct fetch_cached *fetch_session_find(struct fetch_session *session, struct uuid topic_id,
                                        struct slice topic, int32_t partition) {
    if (session->by_topic_id) {
        topic = SLICE_NULL;
    } else {
        topic_id = UUID_ZERO;
    }
    HMAP_FOREACH_HASH(node, &session->partitions, cached_hash(topic_id, topic, partition)) {
        struct fetch_cached *cached = CONTAINER_OF(node, struct fetch_cached, node);
        if (cached->wanted.partition == partition &&
            uuid_equal(cached->wanted.topic_id, topic_id) &&
            slice_equal(cached->wanted.topic, topic)) {
            return cached;
        }
    }
    return NULL;
}

static void cached_free(struct fetch_session *session, struct fetch_cached *cached) {
    hmap_remove(&session->partitions, &cached->node);
    list_remove(&cached->link);
    if (session->cached) {
        session->sessions->partition_count--;
    }
    free((void *)(uintptr_t)cached->wanted.topic.data);
    free(cached);
}

bool fetch_session_want(struct fetch_session *session, const struct fetch_wanted *wanted) {
    struct fetch_cached *cached =
        fetch_session_find(session, wanted->topic_id, wanted->topic, wanted->partition);
    if (cached != NULL) {
        struct uuid topic_id = cached->wanted.topic_id;
        struct slice topic = cached->wanted.topic;
        cached->wanted = *wanted;
        cached->wanted.topic_id = topic_id;
        cached->wanted.topic = topic;
        return true;
    }
    if (!session->cached || session->sessions->partition_count >= FETCH_SESSION_PARTITIONS_MAX) {
        return false;
    }
    session->sessions->partition_count++;
    cached = NEW(struct fetch_cached);
    cached->wanted = *wanted;
    if (session->by_topic_id) {
        cached->wanted.topic = SLICE_NULL;
    } else {
        cached->wanted.topic_id = UUID_ZERO;
        cached->wanted.topic = slice_make(slice_to_cstr(wanted->topic), wanted->topic.len);
    }
    cached->high_watermark = -1;
    cached->log_start = -1;
    hmap_insert(&session->partitions, &cached->node,
                cached_hash(cached->wanted.topic_id, cached->wanted.topic, wanted->partition));
    list_append(&session->order, &cached->link);
    return true;
}

void fetch_session_forget(struct fetch_session *session, struct uuid topic_id, struct slice topic,
                          int32_t partition) {
    struct fetch_cached *cached = fetch_session_find(session, topic_id, topic, partition);
    if (cached != NULL) {
        cached_free(session, cached);
    }
}

bool fetch_session_tell(struct fetch_session *session, struct fetch_cached *cached,
                        const struct fetch_told *told) {
    bool tell = told->has_records || told->error != ERROR_NONE ||
                told->high_watermark != cached->high_watermark ||
                told->log_start != cached->log_start;
    /* An error is told each time, and so is the partition's state when it is over. */
    cached->high_watermark = told->error != ERROR_NONE ? -1 : told->high_watermark;
    cached->log_start = told->log_start;
    if (told->has_records) {
        list_remove(&cached->link);
        list_append(&session->order, &cached->link);
    }
    return tell;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static struct fetch_session *sessions_find(const struct fetch_sessions *sessions, int32_t id) {
    HMAP_FOREACH_HASH(node, &sessions->by_id, hash_u64((uint64_t)id)) {
        struct fetch_session *session = CONTAINER_OF(node, struct fetch_session, by_id);
        if (session->id == id) {
            return session;
        }
    }
    return NULL;
}

void fetch_session_unref(struct fetch_session *session) {
    if (--session->refs > 0) {
        return;
    }
    ASSERT(!session->cached);
    HMAP_FOREACH(node, &session->partitions) {
        cached_free(session, CONTAINER_OF(node, struct fetch_cached, node));
    }
    hmap_release(&session->partitions);
    free(session);
}

void fetch_session_close(struct fetch_session *session) {
    if (!session->cached) {
        return;
    }
    struct fetch_sessions *sessions = session->sessions;
    session->cached = false;
    sessions->partition_count -= session->partitions.count;
    hmap_remove(&sessions->by_id, &session->by_id);
    list_remove(&session->by_use);
    fetch_session_unref(session);
}

void fetch_sessions_close(struct fetch_sessions *sessions, int32_t id) {
    struct fetch_session *session = sessions_find(sessions, id);
    if (session != NULL) {
        fetch_session_close(session);
    }
}

/* The smallest session that is old enough to be pushed out; consumers' first. */
static struct fetch_session *smallest_old(const struct fetch_sessions *sessions, int64_t now_ms,
                                          bool privileged) {
    struct fetch_session *smallest = NULL;
    LIST_FOREACH(it, &sessions->by_use) {
        struct fetch_session *session = CONTAINER_OF(it, struct fetch_session, by_use);
        if (now_ms - session->created_ms >= FETCH_SESSION_EVICTION_MS &&
            session->privileged == privileged &&
            (smallest == NULL || session->partitions.count < smallest->partitions.count)) {
            smallest = session;
        }
    }
    return smallest;
}

/* Room for one more session of `count` partitions: one that is idle goes, or a smaller old one. */
static bool sessions_make_room(struct fetch_sessions *sessions, int64_t now_ms, bool privileged,
                               int32_t count) {
    if (sessions->by_id.count < (size_t)sessions->slots) {
        return true;
    }
    if (sessions->slots == 0) {
        return false;
    }
    struct fetch_session *victim = LIST_FIRST(&sessions->by_use, struct fetch_session, by_use);
    if (now_ms - victim->used_ms <= FETCH_SESSION_EVICTION_MS) {
        victim = smallest_old(sessions, now_ms, false);
        bool any_size = privileged && victim != NULL;
        if (privileged && victim == NULL) {
            victim = smallest_old(sessions, now_ms, true);
        }
        if (victim == NULL || (!any_size && victim->partitions.count >= (size_t)count)) {
            return false;
        }
    }
    fetch_session_close(victim);
    return true;
}

/* Positive, not in use, and naming this shard. */
static int32_t sessions_draw_id(struct fetch_sessions *sessions) {
    uint64_t shards = (uint64_t)sessions->shard_count;
    for (;;) {
        uint64_t drawn = random_below(sessions->machine, INT32_MAX / shards);
        int32_t id = (int32_t)(drawn * shards + (uint64_t)sessions->shard_index);
        if (id > 0 && sessions_find(sessions, id) == NULL) {
            return id;
        }
    }
}

struct fetch_session *fetch_session_create(struct fetch_sessions *sessions, int64_t now_ms,
                                           bool by_topic_id, bool privileged,
                                           const struct fetch_wanted *wanted, int32_t count) {
    if (sessions->partition_count + (size_t)count > FETCH_SESSION_PARTITIONS_MAX ||
        !sessions_make_room(sessions, now_ms, privileged, count)) {
        return NULL;
    }
    struct fetch_session *session = NEW(struct fetch_session);
    session->sessions = sessions;
    session->refs = 2; /* the cache's and the caller's */
    session->cached = true;
    session->id = sessions_draw_id(sessions);
    session->epoch = 1;
    session->created_ms = now_ms;
    session->used_ms = now_ms;
    session->by_topic_id = by_topic_id;
    session->privileged = privileged;
    hmap_init(&session->partitions);
    list_init(&session->order);
    hmap_insert(&sessions->by_id, &session->by_id, hash_u64((uint64_t)session->id));
    list_append(&sessions->by_use, &session->by_use);
    for (int32_t i = 0; i < count; i++) {
        bool room = fetch_session_want(session, &wanted[i]);
        ASSERT(room);
    }
    return session;
}

struct fetch_session *fetch_session_continue(struct fetch_sessions *sessions, int64_t now_ms,
                                             int32_t id, int32_t epoch, bool by_topic_id,
                                             enum kafka_error *error) {
    struct fetch_session *session = sessions_find(sessions, id);
    if (session == NULL) {
        *error = ERROR_FETCH_SESSION_ID_NOT_FOUND;
        return NULL;
    }
    if (session->epoch != epoch) {
        *error = ERROR_INVALID_FETCH_SESSION_EPOCH;
        return NULL;
    }
    if (session->by_topic_id != by_topic_id) {
        *error = ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
        return NULL;
    }
    *error = ERROR_NONE;
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = now_ms;
    session->refs++;
    list_remove(&session->by_use);
    list_append(&sessions->by_use, &session->by_use);
    return session;
}
