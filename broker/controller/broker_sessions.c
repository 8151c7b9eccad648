#include "broker/controller/broker_sessions.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "broker/metadata/image.h"

struct session {
    struct list link; /* broker_sessions.all */
    int32_t id;
    int64_t epoch;
    int64_t metadata_offset;
    int64_t stop_offset; /* of the record that began its controlled shutdown; -1 */
    uint64_t connection;
    bool connected;      /* `connection` has not closed */
    int64_t deadline_ms; /* lost when not heard of before */
};

struct broker_sessions {
    struct list all; /* struct session; a handful */
    int64_t timeout_ms;
};

struct broker_sessions *broker_sessions_new(int64_t session_timeout_ms) {
    struct broker_sessions *sessions = NEW(struct broker_sessions);
    list_init(&sessions->all);
    sessions->timeout_ms = session_timeout_ms;
    return sessions;
}

void broker_sessions_end(struct broker_sessions *sessions) {
    LIST_FOREACH_SAFE(it, &sessions->all) {
        list_remove(it);
        free(CONTAINER_OF(it, struct session, link));
    }
}

void broker_sessions_free(struct broker_sessions *sessions) {
    if (sessions != NULL) {
        broker_sessions_end(sessions);
        free(sessions);
    }
}

static struct session *find(const struct broker_sessions *sessions, int32_t id) {
    LIST_FOREACH(it, &sessions->all) {
        struct session *session = CONTAINER_OF(it, struct session, link);
        if (session->id == id) {
            return session;
        }
    }
    return NULL;
}

static struct session *add(struct broker_sessions *sessions, int32_t id, int64_t epoch) {
    struct session *session = NEW(struct session);
    session->id = id;
    session->epoch = epoch;
    session->metadata_offset = -1;
    session->stop_offset = -1;
    session->connected = true;
    list_append(&sessions->all, &session->link);
    return session;
}

static void drop(struct session *session) {
    list_remove(&session->link);
    free(session);
}

void broker_sessions_begin(struct broker_sessions *sessions, const struct image *image,
                           int32_t self, int32_t led_before, int64_t end_offset, int64_t now_ms) {
    broker_sessions_end(sessions);
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        if (broker->fenced || broker->id == self) {
            continue;
        }
        struct session *session = add(sessions, broker->id, broker->epoch);
        session->deadline_ms = now_ms + (broker->id == led_before ? BROKER_FIRST_GRACE_OF_LEADER_MS
                                                                  : BROKER_FIRST_GRACE_MS);
        if (broker->in_controlled_shutdown) {
            session->stop_offset = end_offset;
        }
    }
}

void broker_sessions_heard(struct broker_sessions *sessions, int32_t id, int64_t epoch,
                           int64_t metadata_offset, uint64_t connection, int64_t now_ms) {
    struct session *session = find(sessions, id);
    if (session != NULL && session->epoch != epoch) {
        drop(session);
        session = NULL;
    }
    if (session == NULL) {
        session = add(sessions, id, epoch);
    }
    session->connection = connection;
    session->connected = true;
    session->deadline_ms = now_ms + sessions->timeout_ms;
    if (metadata_offset >= 0) {
        session->metadata_offset = metadata_offset;
    }
}

void broker_sessions_stopping(struct broker_sessions *sessions, int32_t id, int64_t offset) {
    struct session *session = find(sessions, id);
    if (session != NULL) {
        session->stop_offset = offset;
    }
}

void broker_sessions_forget(struct broker_sessions *sessions, int32_t id) {
    struct session *session = find(sessions, id);
    if (session != NULL) {
        drop(session);
    }
}

void broker_sessions_connection_closed(struct broker_sessions *sessions, uint64_t connection,
                                       int64_t now_ms) {
    if (connection == NO_CONNECTION) {
        return;
    }
    LIST_FOREACH(it, &sessions->all) {
        struct session *session = CONTAINER_OF(it, struct session, link);
        if (session->connection == connection && session->connected) {
            int64_t deadline_ms = now_ms + BROKER_DISCONNECT_GRACE_MS;
            session->connected = false;
            if (deadline_ms < session->deadline_ms) {
                session->deadline_ms = deadline_ms;
            }
        }
    }
}

bool broker_sessions_alive(const struct broker_sessions *sessions, int32_t id, int64_t epoch,
                           int64_t now_ms) {
    const struct session *session = find(sessions, id);
    return session != NULL && session->epoch == epoch && session->connected &&
           now_ms < session->deadline_ms;
}

bool broker_sessions_stop_seen(const struct broker_sessions *sessions, const struct image *image,
                               int32_t id) {
    const struct session *stopping = find(sessions, id);
    if (stopping == NULL || stopping->stop_offset < 0) {
        return true;
    }
    LIST_FOREACH(it, &sessions->all) {
        const struct session *session = CONTAINER_OF(it, struct session, link);
        const struct image_broker *broker = image_broker(image, session->id);
        if (broker != NULL && broker->epoch == session->epoch && !broker->fenced &&
            session->metadata_offset < stopping->stop_offset) {
            return false;
        }
    }
    return true;
}

int64_t broker_sessions_deadline(const struct broker_sessions *sessions) {
    int64_t first = INT64_MAX;
    LIST_FOREACH(it, &sessions->all) {
        const struct session *session = CONTAINER_OF(it, struct session, link);
        if (session->deadline_ms < first) {
            first = session->deadline_ms;
        }
    }
    return first;
}

void broker_sessions_excuse(struct broker_sessions *sessions, int64_t now_ms) {
    LIST_FOREACH(it, &sessions->all) {
        struct session *session = CONTAINER_OF(it, struct session, link);
        if (session->deadline_ms < now_ms + BROKER_FIRST_GRACE_MS) {
            session->deadline_ms = now_ms + BROKER_FIRST_GRACE_MS;
        }
    }
}

int32_t broker_sessions_lost(struct broker_sessions *sessions, int64_t now_ms, int64_t *epoch) {
    LIST_FOREACH_SAFE(it, &sessions->all) {
        struct session *session = CONTAINER_OF(it, struct session, link);
        if (session->deadline_ms <= now_ms) {
            int32_t id = session->id;
            *epoch = session->epoch;
            drop(session);
            return id;
        }
    }
    return -1;
}
